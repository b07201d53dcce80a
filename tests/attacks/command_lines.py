"""Command lines and YAML files that make no sense: every flag with every odd value, and combinations of them."""

import random
from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

from src.backbones.mult import MulT
from src.branches.light import LightBranch
from src.datasets.synthetic import SyntheticOptions
from src.methods.causal_mer import CausalOptions
from src.options import DataOptions, InferenceOptions, RunOptions, TrainingOptions
from src.plan_options import StudyOptions
from tests.attacks.tally import Question, Tally, ask
from tests.attacks.worker import Worker
from tests.conftest import TINY

NUMBERS = ["0", "-1", "3", "x", "", " ", "1.5", "1e3", "99999999999999999999", "9" * 5000, "0x10", "²", "nan", "None",
           "--", "-", "1,2", "1\n2", "inf", "-inf", "1e39", "1e308", "1e-320", "1e400", "1_0"]
LISTS = ["", ",", "1", "1,2,3", "0,0,0", "-1,1,1", "1,2,3,4", "a,b,c", "1.5,2,3", "1,,2,,3", "99999999999,1,1"]
TEXTS = ["", " ", "x", "/", "..", "../../x", "a/b", "-x", "--name", "a\nb", "\t", "\u202e", "\ud800", "x" * 300,
         "x" * 5000, "*", "$(touch x)", "%s", "{0}", "=cmd", "a:b", "x.pkl", "nothing.pkl", "/dev/null",
         "/dev/zero.pkl",
         "cuda", "cuda:9", "cuda:²", "cpu ", "os:system", ":", "x:", ":x", "torch.nn:Linear",
         "classes:", "classes:1", "classes:1000000000", "classes:²", "emotion4", "sentiment7", "mosi"]
YAML = ["- a\n- b", "hello", "5", "~", "", "a: 1\n---\nb: 2", "seed: 1\nseed: 2", "<<: {seed: 2}", "&a {name: *a}",
        "synthetic_sizes: &a [*a]", "{[1]: 2}", "name: *x", "name: 2024-01-01", "name: 2024-99-99", "seed: !!int abc",
        "name: !!python/object/apply:os.system ['touch MARK']", "!!python/name:os.system", "name: !!binary x",
        "name: !!set {a, b}", "seed: 0b_", "seed: 190:20:30", "seed: " + "1" * 5000, "alpha: .inf", "seed: true",
        "resume: 'true'", "seed: [1]", "seed: {a: 1}", "synthetic_sizes: [[9], [9], [9]]", 'name: "a\\0b"',
        'name: "a\\nb"', 'name: "\\ud800"', 'name: "\\e[31m"', "name: " + "x" * 300, "name: --resume", "config: x.yaml",
        "help: true", "nothing: 1", "5: 1", "~: 1", "model: pmr\nbackbone: mult", "'': 1", "x" * 5000 + ": 1",
        "backbone: antigravity:x", "name: " + "[" * 10**5, "name: " + "[" * 400 + "]" * 400, "x: " + "y" * 2 * 10**6,
        "name: " + "{a: " * 3000 + "1" + "}" * 3000, "".join(f"{' ' * i}a:\n" for i in range(1500)),
        "x: [" + ", ".join(["&a0 [x,x,x,x,x,x,x,x,x]", *(f"&a{i} [{','.join([f'*a{i - 1}'] * 9)}]"
                                                         for i in range(1, 9))]) + "]"]
OPTIONS: dict[str, tuple[type, ...]] = {
    "main": (RunOptions, DataOptions, CausalOptions, TrainingOptions, SyntheticOptions, MulT.Options,
             LightBranch.Options), "inference": (InferenceOptions,), "study": (StudyOptions,)}


def pool(kind: Any) -> list[str]:
    """Odd values for a flag of a type."""
    if "tuple" in str(kind):
        return LISTS
    return NUMBERS if kind in (int, float, int | None) else TEXTS


def single(command: str) -> Iterator[tuple[str, list[str]]]:
    """Every flag of a command with every odd value of its kind."""
    for options in OPTIONS[command]:
        for item in fields(options):
            for value in ("1", "x") if item.type is bool else pool(item.type):
                # Passes over the data beyond a few are only slow, not odd.
                if not (item.name == "num_epochs" and value in ("3", "1_0", "1e3")):
                    yield f"--{item.name}={value!r}", [f"--{item.name}={value}"]


def drawn(rng: random.Random) -> Iterator[tuple[str, str, list[str]]]:
    """Combinations of a few flags, some of them words on their own, without end."""
    known = {command: list(single(command)) for command in OPTIONS}
    stray = ["--nothing", "x", "-x", "--", "--seed", "--nam=x", "--resume", "--help=1", "@file", "--config"]
    while True:
        command = rng.choice(("main", "main", "main", "inference", "study"))
        words = [word for _, found in rng.sample(known[command], rng.randint(1, 5)) for word in found]
        yield " ".join(words), command, words + [rng.choice(stray)] * (rng.random() < 0.2)


def attack(folder: Path, count: int, seed: int, stride: int = 1) -> Tally:
    """Try every flag (every `stride`-th value), every YAML file and `count` combinations."""
    rng, tally, mark = random.Random(seed), Tally(), folder / "executed"
    worker = Worker(folder, 20, BROWSER=f"touch {mark} #%s")
    place = ["--data_path", str(folder / "data"), "--checkpoint_path", str(folder)]
    base = {"main": [*TINY, "--num_epochs", "1", *place], "inference": [*place, "--device", "cpu"],
            "study": ["--num_epochs=0", "--seeds=1", *place, "--report", str(folder / "none")]}
    assert worker.ask("main", base["main"]).code == 0

    def questions() -> Iterator[tuple[str, Question]]:
        for command in OPTIONS:
            for name, words in islice(single(command), seed % stride, None, stride):
                yield f"one flag, {command}", (name, command, [*base[command], *words])
        for number, text in enumerate(YAML):
            path = folder / f"{number}.yaml"
            path.write_bytes(text.replace("MARK", str(mark)).encode("utf-8", "surrogatepass"))
            yield "YAML", (text[:50], "main", [*base["main"], "--config", str(path)])
        for name, command, words in islice(drawn(rng), count):
            yield "combinations", (name, command, [*base[command], *words])

    for group, question in questions():
        for _ in ask(tally, worker, group, [question], seconds=20, gib=1.5):
            if mark.exists():
                tally.add(group, question[0], "EXECUTED")
                mark.unlink()
    worker.close()
    return tally
