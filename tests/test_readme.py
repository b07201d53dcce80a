"""The README's own examples run as they are printed."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

import inference
import main
from src.analysis.study import __main__ as study

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
DOCUMENTS = TEXT + (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "docs" / "data.md").read_text()


def section(title: str) -> str:
    return DOCUMENTS.split(f"\n## {title}\n")[1].split("\n## ")[0]


def python_block(title: str) -> str:
    return re.search(r"```python\n(.*?)```", section(title), re.S)[1]


def commands(title: str) -> list[list[str]]:
    """The words of every shell command of a section."""
    return [shlex.split(line) for line in section(title).splitlines() if line.startswith("bash ")]


def run(words: list[str], place: Path) -> int:
    """Do what `bash main.sh` or `bash inference.sh` does with these words, in this process."""
    entry = {"main.sh": main.main, "inference.sh": inference.main}[words[1]]
    flags = [f"--{flag}={word}" for flag, word in zip(("device", "name", "seed", "dataset"), words[2:6], strict=True)]
    return entry([*flags, *words[6:], "--checkpoint_path", str(place)])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder of its own in the place of the repository."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_the_example_of_own_data_trains_and_predicts(tmp_path):
    block = python_block("A file of your own")
    assert len(block.splitlines()) <= 20
    exec(compile(block, "README.md", "exec"), {})
    trained, evaluated = commands("Own data")
    assert run(trained, tmp_path) == 0 and run(evaluated, tmp_path) == 0
    assert (tmp_path / "data" / "mine.csv").read_text().count("\n") == 17


def test_the_example_from_python_trains_and_predicts(tmp_path, capsys):
    exec(compile(python_block("A file of your own"), "README.md", "exec"), {})
    block, names = python_block("From Python"), {}
    assert len(block.splitlines()) <= 10
    exec(compile(block, "README.md", "exec"), names)
    assert names["found"].TIE.shape == (4, 3) and names["run"].scores["valid_score"].keys() == {"test"}
    assert "mult-causal mask" in capsys.readouterr().out


def test_the_example_of_an_own_backbone_trains_inside_causalmer(tmp_path):
    block = python_block("A backbone, whole")
    assert len(block.splitlines()) < 25
    (tmp_path / "own_backbone.py").write_text(block)
    (command,) = commands("A backbone, whole")
    assert run([*command, "--synthetic_sizes", "64,16,16"], tmp_path) == 0


def test_every_file_the_readme_names_exists():
    documents = [TEXT, *(path.read_text() for path in (ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")))]
    named = {name for text in documents for name in re.findall(r"`((?:src|modules|docs|tests)/[\w./]*\w)", text)}
    missing = {name for name in named if "NAME" not in name and not (ROOT / name).exists()}
    assert len(named) > 20 and missing == {"src/methods/smoothed.py"}  # which a reader writes


def test_every_flag_the_readme_names_exists(capsys):
    for words in (["--text_branch", "albert"], ["--backbone", "pmr"], ["--dataset", "iemocap"]):
        with pytest.raises(SystemExit):
            main.main([*words, "--help"])
    for command in (inference.main, study.main):
        with pytest.raises(SystemExit):
            command(["--help"])
    shown = capsys.readouterr().out
    flags = set(re.findall(r"(?<![\w-])--\w+", TEXT)) - {"--memory", "--steps", "--shape"}  # of the benchmark
    assert [flag for flag in flags if flag not in shown] == []


def test_the_method_of_the_guide_is_one_file_and_trains(tmp_path, monkeypatch):
    from src.registry import METHODS
    (tmp_path / "smoothed.py").write_text(python_block("A method, whole"))
    monkeypatch.setattr(METHODS, "_items", dict(METHODS._items))
    importlib.import_module("smoothed")
    assert main.main(["--method", "smoothed", "--smoothing", "0.2", "--device", "cpu", "--num_epochs", "1",
                      "--synthetic_sizes", "64,16,16"]) == 0
    assert (tmp_path / "checkpoint(synthetic)" / "demo_seed1111" / "mult-smoothed" / "results.json").exists()


def test_the_readme_is_read_to_the_end():
    assert len(TEXT.splitlines()) <= 150
