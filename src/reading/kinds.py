"""What a file that is no pickle is instead, told from its first bytes."""

import re

HEAD = 2**16  # bytes that are enough for a description
LOAD = "load it with {} and pickle its arrays as a dictionary of splits, see docs/data.md"
UNPACK = "unpack it first and name the file in it"
# What a file begins with -> what it is, what to do. The first that fits counts.
MAGIC = (
    (b"\x93NUMPY", "a numpy array (.npy)", LOAD.format("numpy.load")),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5, .hdf5 or .mat of MATLAB 7.3)", LOAD.format("h5py")),
    (b"MATLAB 7.3 MAT-file", "a MATLAB 7.3 file, which is HDF5", LOAD.format("h5py")),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file (.mat)", LOAD.format("scipy.io.loadmat")),
    (b"PAR1", "a Parquet file", LOAD.format("pandas.read_parquet")),
    (b"ARROW1", "an Arrow file", LOAD.format("pyarrow")),
    (b"FEA1", "a Feather file", LOAD.format("pandas.read_feather")),
    (b"SQLite format 3\0", "an SQLite database", LOAD.format("sqlite3")),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a file of torch.save before torch 1.6", LOAD.format("torch.load")),
    (b"\x1f\x8b", "compressed with gzip", "decompress it first (gunzip), or load it with joblib if joblib wrote it"),
    (b"BZh", "compressed with bzip2", "decompress it first (bunzip2), or load it with joblib if joblib wrote it"),
    (b"\xfd7zXZ\0", "compressed with xz", "decompress it first (unxz), or load it with joblib if joblib wrote it"),
    (b"]\0\0", "compressed with lzma", "decompress it first (unlzma), or load it with joblib if joblib wrote it"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it first (unzstd)"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "decompress it first (unlz4), or load it with joblib if it wrote it"),
    *((b"x" + level, "compressed with zlib, as joblib.dump writes it", LOAD.format("joblib.load"))
      for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"%PDF", "a PDF document", "name the data file"),
    (b"\x89PNG", "an image", "name the data file, which holds features"),
    (b"\xff\xd8\xff", "an image", "name the data file, which holds features"),
    (b"RIFF", "audio or video", "name the data file, which holds features"),
    (b"version https://git-lfs", "the pointer that Git LFS leaves in a file's place", "fetch it with: git lfs pull"),
    (b"/annex/objects/", "the pointer that git-annex leaves in a file's place", "fetch it with: git annex get"),
    (b"\xff\xfe", "text in UTF-16", "if it was a pickle, copy it again as binary data"),
    (b"\xfe\xff", "text in UTF-16", "if it was a pickle, copy it again as binary data"),
    (b"\xef\xbf\xbd", "a binary file that was read and written as text", "copy or download it again as binary data"),
    (b"\xc2\x80", "a binary file that was read and written as text", "copy or download it again as binary data"),
)
# How pickles begin that are text, and those that are not.
PICKLE = re.compile(rb"[\x80\]})]|\([(cdlitISVLF]|c[\w.]+\r?\n[\w.]+\r?\n|I-?\d+\r?\n|F[-+.\de]+\r?\n|L-?\d+L?\r?\n"
                    rb"|S['\"]|V[^\n]*\r?\np\d|N[.p0]")


def describe(head: bytes) -> str | None:
    """What a file is whose first HEAD bytes these are, and what to do; None for a pickle and for the unknown."""
    known = next(((what, advice) for magic, what, advice in MAGIC if head.startswith(magic)), None)
    for look in (_nothing, _archive, _pickle, _text):
        known = known or look(head)
    return known and "{}; {}".format(*known)


def _nothing(head: bytes) -> tuple[str, str] | None:
    if head.strip(b"\0"):
        return None
    what = f"zeros only, at least its first {len(head)} bytes" if head else "an empty file"
    return what, "it was not written or copied to its end, write or download it again"


def _archive(head: bytes) -> tuple[str, str] | None:
    """Zip files by what they hold, tar files, safetensors and media with their mark further on."""
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        if re.search(rb"/(data\.pkl|\.format_version|byteorder)", head[:300]):
            return "a file of torch.save", LOAD.format("torch.load")
        if b".npy" in head[:300]:
            return "a numpy archive (.npz)", LOAD.format("numpy.load")
        return "a zip archive", UNPACK
    if head[257:262] == b"ustar":
        return "a tar archive", UNPACK
    if head[8:10] == b'{"' and not any(head[6:8]):
        return "a safetensors file", LOAD.format("safetensors.numpy.load_file")
    if head[4:8] == b"ftyp":
        return "video", "name the data file, which holds features"
    return None


def _pickle(head: bytes) -> tuple[str, str] | None:
    """Pickles that a program of another kind wrote or a transfer spoiled."""
    if not PICKLE.match(head):
        return None
    if head.count(b"\n") == head.count(b"\r\n") >= 2:  # by chance, one newline in 256 follows a carriage return
        return ("a pickle whose line ends a transfer in text mode has changed (\\n became \\r\\n)",
                "copy or download it again as binary data")
    return None


def _text(head: bytes) -> tuple[str, str] | None:
    """Pages, markup, tables; nothing for a pickle of protocol 0."""
    if PICKLE.match(head):
        return None
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    start = text[:1000].lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "a web page", "the download gave a page instead of the file, open the link in a browser"
    if start.startswith((b"<?xml", b"<!doctype")):
        return "an XML document", "the download may have given an error message, open it in an editor"
    if not _is_text(text):
        return None
    if start.startswith((b"{", b"[")):
        return "JSON", LOAD.format("json.load")
    if re.match(rb"(outs|md5):", start):
        return "the pointer that DVC leaves in a file's place", "fetch it with: dvc pull"
    return "text, perhaps a table (CSV)", LOAD.format("the csv module or pandas")


def _is_text(data: bytes) -> bool:
    """Whether bytes are text in UTF-8 or another extension of ASCII, of which the last character may be cut."""
    return bool(data) and not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", data)
