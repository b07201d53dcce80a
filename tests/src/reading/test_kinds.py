"""A file that is no pickle is named, with what to do."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch

from src.datasets.safe_pickle import read_pickle
from src.reading.kinds import describe
from src.structures import InputError
from tests.conftest import sentiment_content


def written(save) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def tar(buffer):
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))


def plain_zip(buffer):
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.txt", "x")


CONTENT = sentiment_content()
FILES = {
    "npz": (written(lambda b: np.savez(b, text=np.zeros(3))), "archive of numpy arrays .* load it with numpy"),
    "npy": (written(lambda b: np.save(b, np.zeros(3))), "a numpy array"),
    "torch": (written(lambda b: torch.save(CONTENT, b)), "written by torch.save; load it with torch"),
    "old torch": (written(lambda b: torch.save(CONTENT, b, _use_new_zipfile_serialization=False)), "save before 1.6"),
    "zip": (written(plain_zip), "a zip archive; unpack it"), "tar": (written(tar), "a tar archive"),
    "gzip": (gzip.compress(b"x"), "gzip -d"), "bzip2": (bz2.compress(b"x"), "bzip2 -d"),
    "xz": (lzma.compress(b"x"), "xz -d"),
    "joblib": (zlib.compress(pickle.dumps(CONTENT)), "load it with joblib"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "HTML": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "download it again, in a browser"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "h5py"),
    "JSON": (b'{"train": {"text": []}}', "it is JSON"),
    "CSV": (b"id,text,label\n1,a,0\n", "CSV"), "empty": (b"", "it is empty"), "zeros": (bytes(1000), "nothing but zeros"),
    "text mode": (pickle.dumps(CONTENT, 0).replace(b"\n", b"\r\n"), "line ends were changed"),
    "UTF-16": ("train".encode("utf-16"), "UTF-16")}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_named_with_what_to_do(name, tmp_path):
    content, words = FILES[name]
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(InputError, match=f"x.pkl is not a complete pickle: .*{words}"):
        read_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("content", [CONTENT, [1, 2, 3], {"a": 1}])
def test_a_pickle_is_never_taken_for_anything_else(content, protocol):
    assert describe(pickle.dumps(content, protocol)) is None
