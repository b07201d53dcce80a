"""What a file is that is no pickle, told from its head."""

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
from src.reading.kinds import HEAD, describe
from src.structures import InputError

CONTENT = {"train": {"text": np.arange(600.0).reshape(10, 3, 20), "id": ["a"] * 10}}


def made(write, *values, **keywords) -> bytes:
    """The bytes that a writer of files leaves."""
    buffer = io.BytesIO()
    write(buffer, *values, **keywords)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data/mine.pkl", b"x")
    return buffer.getvalue()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("mine.pkl"), io.BytesIO())
    return buffer.getvalue()


def torch_file(**keywords) -> bytes:
    return made(lambda file: torch.save({"x": torch.zeros(3)}, file, **keywords))


PICKLED = pickle.dumps(CONTENT)
CASES = {
    "npz": (made(np.savez, text=np.zeros(3)), "a numpy archive (.npz); load it with numpy.load and pickle its arrays"),
    "compressed npz": (made(np.savez_compressed, text=np.zeros(3)), "a numpy archive (.npz)"),
    "npy": (made(np.save, np.zeros(3)), "a numpy array (.npy)"),
    "torch": (torch_file(), "a file of torch.save; load it with torch.load"),
    "old torch": (torch_file(_use_new_zipfile_serialization=False), "a file of torch.save before torch 1.6"),
    "zip": (zipped(), "a zip archive; unpack it first"),
    "tar": (tar(), "a tar archive; unpack it first"),
    "gzip": (gzip.compress(PICKLED), "compressed with gzip; decompress it first"),
    "bzip2": (bz2.compress(PICKLED), "compressed with bzip2"),
    "xz": (lzma.compress(PICKLED), "compressed with xz"),
    "lzma": (lzma.compress(PICKLED, lzma.FORMAT_ALONE), "compressed with lzma"),
    "zlib": (zlib.compress(PICKLED, 3), "compressed with zlib, as joblib.dump writes it; load it with joblib.load"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    "matlab": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + b" " * 90, "a MATLAB file (.mat)"),
    "parquet": (b"PAR1" + bytes(64), "a Parquet file"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
    "page": (b"\n<!DOCTYPE html><html><head><title>Drive", "a web page; the download gave a page instead of the file"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "an XML document"),
    "json": (b'\xef\xbb\xbf{"train": [1, 2]}', "JSON; load it with json.load"),
    "csv": (b"id,label\nclip 1,0\n", "text, perhaps a table (CSV)"),
    "accents": ("id,label\nclip é,0\n".encode("latin1"), "text, perhaps a table (CSV)"),
    "utf-16": ("id,label\n".encode("utf-16"), "text in UTF-16"),
    "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "empty": (b"", "an empty file"),
    "zeros": (bytes(5000), "zeros only"),
    "text mode, protocol 0": (pickle.dumps(CONTENT, 0).replace(b"\n", b"\r\n"), "a transfer in text mode has changed"),
    "text mode, protocol 2": (pickle.dumps(CONTENT, 2).replace(b"\n", b"\r\n"), "a transfer in text mode has changed"),
    "decoded": (PICKLED.decode("utf-8", "replace").encode(), "read and written as text"),
    "latin1 to utf-8": (PICKLED.decode("latin1").encode(), "read and written as text"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_of_another_kind_is_named_with_what_to_do(tmp_path, name):
    data, expected = CASES[name]
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_pickle(tmp_path / "x.pkl")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'x.pkl'} is not a complete pickle but ") and expected in message


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_truncated_pickle_is_still_a_pickle(protocol):
    for content in (CONTENT, [CONTENT], (1, 2), ["a"], "text", 7, 1.5):
        assert describe(pickle.dumps(content, protocol)[:-1][:HEAD]) is None
    assert describe(b"\x9e\x01 something else") is None
