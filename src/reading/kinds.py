"""What a file that is no pickle is instead, told by how it begins, and what to do about it."""

ARRAYS = "load it with numpy and pickle its arrays as {'train' | 'valid' | 'test': {'text', 'audio', 'vision', ...}}"
UNPACK = "unpack it and name the file inside"
# How a file begins, what it then is, what to do; the first that fits counts.
BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file with: git lfs pull"),
    (b"\x93NUMPY", "a numpy array (.npy)", ARRAYS),
    (b"\x1f\x8b", "compressed with gzip", "decompress it first: gzip -d"),
    (b"BZh", "compressed with bzip2", "decompress it first: bzip2 -d"),
    (b"\xfd7zXZ\x00", "compressed with xz", "decompress it first: xz -d"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it first: zstd -d"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "decompress it first: lz4 -d"),
    (b"ZF0x", "an old compressed file of joblib", "load it with joblib and pickle what comes"),
    (b"\x78\x01", "compressed with zlib, as joblib does", "load it with joblib and pickle what comes"),
    (b"\x78\x5e", "compressed with zlib, as joblib does", "load it with joblib and pickle what comes"),
    (b"\x78\x9c", "compressed with zlib, as joblib does", "load it with joblib and pickle what comes"),
    (b"\x78\xda", "compressed with zlib, as joblib does", "load it with joblib and pickle what comes"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5, .hdf5, .csd, MATLAB 7.3)", "read its arrays with h5py and pickle them"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", "read its arrays with scipy.io.loadmat and pickle them"),
    (b"PAR1", "a Parquet file", "read it with pandas and pickle its arrays"),
    (b"ARROW1", "an Arrow file", "read it with pyarrow and pickle its arrays"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"%PDF", "a PDF document", "name the data file"),
    (b"\x89PNG", "a picture", "name the data file"),
    (b"\xff\xfe", "text in UTF-16", "save the data as a pickle in binary mode"),
    (b"\xfe\xff", "text in UTF-16", "save the data as a pickle in binary mode"),
    (b"\xef\xbb\xbf", "text with a byte order mark, to which an editor or a transfer in text mode has turned it",
     "copy the original again in binary mode"),
)
TORCH = "written by torch.save"
TORCH_ADVICE = "load it with torch and pickle its arrays: pickle.dump(dictionary of numpy arrays)"
LONGEST = 2**20  # bytes of a file's beginning that are looked at


def describe(head: bytes) -> str | None:
    """What a file with this beginning is and what to do, as «it is ...; ...», or None where it may be a pickle."""
    if not head:
        return "it is empty; copy or download it again"
    if not head.strip(b"\0"):
        return "it begins with nothing but zeros, as after a download that was cut off; download it again"
    if head[:2] == b"PK":
        if b"/data.pkl" in head or b"/byteorder" in head:
            return f"it is {TORCH}; {TORCH_ADVICE}"
        if b".npy" in head:
            return f"it is an archive of numpy arrays (.npz); {ARRAYS}"
        return f"it is a zip archive; {UNPACK}"
    if head.startswith(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."):
        return f"it is {TORCH} before 1.6; {TORCH_ADVICE}"
    for beginning, what, advice in BEGINNINGS:
        if head.startswith(beginning):
            return f"it is {what}; {advice}"
    if head[257:262] == b"ustar":
        return f"it is a tar archive; {UNPACK}"
    return _describe_text(head)


def _describe_text(head: bytes) -> str | None:
    """The same for files that people can read; pickles of protocol 0 are such files too."""
    start = head.lstrip()[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "it is a page of the web, which a download gave in place of the file; download it again, in a browser"
    if start.startswith(b"<"):
        return "it is XML; save the data as a pickle"
    if b"\r\n" in head[:4096] and head[:1] in b"(cd]}lI" and b"\0" not in head[:4096]:
        return ("its line ends were changed to those of Windows, as a transfer in text mode does; copy the original "
                "again in binary mode")
    if start[:1] in (b"{", b"[") and start[1:2] in (b'"', b"{", b"[", b" ", b"\n", b"]", b"}"):
        return "it is JSON; save the data as a pickle of numpy arrays"
    line = head.partition(b"\n")[0]
    if line.count(b",") > 1 and line.strip().isascii() and b"\0" not in line and head[:1] not in b"(c]}":
        return "it is a table of text (CSV); save the data as a pickle of numpy arrays"
    return None
