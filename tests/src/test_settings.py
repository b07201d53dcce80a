"""A YAML file of settings, and everything else that a YAML file can be."""

from pathlib import Path

import pytest

from src.settings import LARGEST, read_settings
from src.structures import UsageError


def read(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_settings(path)


@pytest.mark.parametrize("text, expected", [
    ("", {}), ("# nothing\n", {}), ("~", {}), ("seed: 5\nalpha: 0.5\nname: x", {"seed": 5, "alpha": 0.5, "name": "x"}),
    ("resume: yes\ntask: ~", {"resume": True, "task": None}), ("sizes: [9, 8]", {"sizes": [9, 8]}),
    ("sizes:\n- 9\n- 8", {"sizes": [9, 8]}), ("name: 2024-01-01", {"name": "2024-01-01"}),
    ("name: 2024-99-99", {"name": "2024-99-99"}), ("a: !!str 5", {"a": "5"}), ("m_lr: 1e-3", {"m_lr": "1e-3"}),
    ("a: &x 0.5\nb: *x", {"a": 0.5, "b": 0.5}), ("5: 1", {"5": 1}), (b"\xef\xbb\xbfname: x", {"name": "x"})])
def test_settings_are_read(tmp_path, text, expected):
    assert read(tmp_path, text) == expected


NESTED = "[" * 100_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a,*a,*a,*a]\n" for i in range(9))


@pytest.mark.parametrize("text, message", [
    ("name: !!python/object/apply:os.system ['true']", "a list|the tag"), ("name: !!python/name:os.system", "the tag"),
    ("!!python/object:x {a: 1}", "the tag"), ("name: !!timestamp 2024-01-01", "the tag"),
    ("name: !!set {a}", "mapping"),
    ("name: !!binary aGFsbG8=", "the tag"), ("seed: !!int abc", "no int"), ("seed: 0b_", "no int"),
    ("alpha: !!float x", "no float"), ("resume: !!bool maybe", "no bool"), ("seed: " + "1" * 5000, "no int"),
    ("seed: 0x" + "f" * 5000, "a number of 20000 bits"), ("seed: 1\nseed: 2", "the key 'seed' twice"),
    ("[a]: 1", "no.* flag"), ("{a: 1}: 1", "not the name of a flag"), ("a: {b: 1}", "a mapping"),
    ("a: [[1]]", "a list inside"), ("- 3", "a list"), ("text", "a single value"), ("a: 1\n---\nb: 2", "several"),
    ("name: " + NESTED, "a list inside"), ("a: " + "{a: " * 3000, "a mapping"), (BOMB, "alias|inside"),
    ("<<: {a: 1}", "a mapping"), ("a: *x", "cannot be read|the alias"), ("&a {name: *a}", "the alias"),
    ("a: " + "x" * 20_000, "a value of 20000 characters"), ("a: &x " + "x" * 9000 + "\n" + "".join(
        f"b{i}: [{'*x,' * 20}]\n" for i in range(20)), "repeat too much"),
    ("".join(f"k{i}: 1\n" for i in range(10_001)), "more than 10000 keys"), ("a: [", "cannot be read as YAML"),
    (b"\0" * 100, "cannot be read as YAML"), (b"\xff\xfe", "cannot be read as YAML"),
    ("a: " + "[" + "1," * 10_001 + "]", "more than 10000 entries"), (b"#" * (LARGEST + 1), "is larger than"),
])
def test_anything_else_is_one_sentence(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as error:
        read(tmp_path, text)
    assert len(str(error.value)) <= 1000


def test_a_device_without_end_is_refused():
    with pytest.raises(UsageError, match="is larger than"):
        read_settings(Path("/dev/zero"))
