"""Files of torch.save come back as tensors; what does not lie in its storage, or is no tensor, does not."""

import io
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn

from src.reading.records import Damaged, Refused
from src.reading.tensors import read_torch
from tests.attacks import opcodes as op

OLD = {"_use_new_zipfile_serialization": False}
FLOATS = op.name("torch", "FloatStorage")


def view(*numbers: bytes, count: int = 2, key: str = "0", kind: bytes = FLOATS) -> bytes:
    """Opcodes of a tensor: storage 0 of `count` values, then offset, size, stride."""
    storage = op.together(op.text("storage"), kind, op.text(key), op.text("cpu"), op.number(count)) + b"Q"
    return op.call(op.name("torch._utils", "_rebuild_tensor_v2"), storage, *numbers, op.FALSE,
                   op.call(op.name("collections", "OrderedDict")))


def archive(path, pickle, method=zipfile.ZIP_STORED, **entries):
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("x/data.pkl", pickle)
        for name, content in ({"_0": bytes(8)} | entries).items():
            file.writestr(f"x/data/{name.removeprefix('_')}", content)
    return path


@pytest.mark.parametrize("form", [{}, OLD])
def test_tensors_of_every_kind_come_back(tmp_path, form):
    whole = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.bool)
    content = {"whole": whole, "view": whole[:, 1:3].T, "same": whole, "empty": torch.zeros(0, 3),
               "scalar": torch.tensor(2), **{str(kind): torch.ones(3).to(kind) for kind in kinds},
               "state": OrderedDict(nn.Linear(2, 3).state_dict()), "parameter": nn.Parameter(torch.ones(2)),
               "plain": (1, 2.5, None, "x", [True], torch.Size((2, 3)))}
    torch.save(content, tmp_path / "x.pt", **form)
    found = read_torch(tmp_path / "x.pt")
    assert list(found) == list(content) and found["plain"] == content["plain"]
    for name in content.keys() - {"state", "plain"}:
        assert found[name].dtype == content[name].dtype and torch.equal(found[name], content[name]), name
    assert torch.equal(found["state"]["weight"], content["state"]["weight"])


def test_a_state_dict_keeps_its_versions_to_itself_and_a_tensor_its_attributes(tmp_path):
    marked = torch.ones(2)
    marked.note = "x"  # torch then writes _rebuild_from_type_v2
    torch.save({"state": nn.BatchNorm1d(2).state_dict(), "marked": marked}, tmp_path / "x.pt")
    found = read_torch(tmp_path / "x.pt")
    assert list(found["state"])[0] == "weight" and torch.equal(found["marked"], marked)


SIZE = [op.number(0), op.together(op.number(2)), op.together(op.number(1))]


@pytest.mark.parametrize("tensor, words", [
    (view(op.number(1), *SIZE[1:]), "does not lie in its storage"),
    (view(op.number(-1), *SIZE[1:]), "does not lie in its storage"),
    (view(SIZE[0], op.together(op.number(2**20), op.number(2**20)), op.together(op.number(0), op.number(0))),
     "does not lie in its storage"),
    (view(SIZE[0], op.together(op.number(2)), op.together(op.number(-1))), "whole numbers from 0"),
    (view(*SIZE, count=3), "has 8 bytes, 12 were announced|compressed or larger"),
    (view(*SIZE, count=2**40), "more values than the file holds"), (view(*SIZE, key="1"), "'x/data/1' is missing"),
    (view(*SIZE, count=8, kind=op.name("torch", "BoolStorage")), "neither 0 nor 1"),
    (view(*SIZE, kind=op.name("torch", "ComplexFloatStorage")), "ComplexFloatStorage"),
    (op.call(op.name("torch._tensor", "_rebuild_from_type_v2"), op.name("torch", "Size"), op.NONE, op.together(),
             op.NONE), "a type of its own"),
    (op.call(op.name("torch.storage", "_load_from_bytes"), op.data(b"x")), "_load_from_bytes"),
    (op.together(op.text("storage"), op.text("x")) + b"Q", "no storage")])
def test_a_tensor_that_is_not_what_its_storage_holds_is_refused(tmp_path, tensor, words):
    with pytest.raises((Refused, Damaged), match=words):
        read_torch(archive(tmp_path / "x.pt", op.file(tensor), **{"_0": b"\x02" * 8}))


def test_a_compressed_entry_is_refused_before_it_is_unpacked(tmp_path):
    path = archive(tmp_path / "x.pt", op.file(view(*SIZE, count=2**24)), zipfile.ZIP_DEFLATED, _0=bytes(2**26))
    with pytest.raises(Damaged, match="compressed|more values than the file holds"):
        read_torch(path)


@pytest.mark.parametrize("form", [{}, OLD])
@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_a_file_that_ends_early_is_damaged(tmp_path, share, form):
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(100)}, buffer, **form)
    (tmp_path / "x.pt").write_bytes(buffer.getvalue()[:int(share * len(buffer.getvalue()))])
    with pytest.raises(Damaged):
        read_torch(tmp_path / "x.pt")
