"""The bytes of a file, read once, bounded, and checked to be what the file's name says."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medresponse.core.errors import DataError

GIB = 2**30

# Beginnings of files that are given the name .csv by mistake.
_FOREIGN = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "an Excel workbook (.xlsx) or another zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x1f\x8b": "gzip-compressed",
    b"%PDF": "a PDF",
    b"HEADER RECORD*******": "a SAS transport file (.xpt)",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"<": "a web page or XML",
    b"{": "JSON",
}

_FORMATS: dict[str, tuple[Literal["text", "parquet"], str]] = {
    ".csv": ("text", ","),
    ".tsv": ("text", "\t"),
    ".parquet": ("parquet", ""),
}


@dataclass(frozen=True)
class Contents:
    """What a file holds: its name, its decompressed bytes, its layout and the SHA-256 of its own bytes."""

    name: str
    data: bytes
    layout: Literal["text", "parquet"]
    separator: str
    sha256: str


def read_contents(path: str | Path, *, max_bytes: int = 2 * GIB) -> Contents:
    """Read a file that is named .csv, .tsv (either with .gz) or .parquet.

    Raises
    ------
    DataError
        With code ``no_such_file``, ``unknown_format``, ``empty_file``, ``too_large``, ``file_damaged`` or
        ``file_not_as_named``.
    """
    file = Path(path)
    layout, separator, packed = _format_of(file)
    _check_there(file)
    with file.open("rb") as stream:
        raw = stream.read(max_bytes + 1)
    _bound(len(raw), max_bytes, file.name)
    data = _unpack(raw, max_bytes, file.name) if packed else raw
    if not data.strip():
        raise DataError(f"{file.name} is empty; export it again", code="empty_file")
    (_check_text if layout == "text" else _check_parquet)(data, file.name)
    return Contents(file.name, data, layout, separator, hashlib.sha256(raw).hexdigest())


def check_parquet_file(file: Path) -> None:
    """Raise `DataError`, as `read_contents`, unless a file is there and has both marks of a Parquet file."""
    _check_there(file)
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        _check_parquet(head + stream.read(4), file.name)


def _check_there(file: Path) -> None:
    if not file.is_file():
        what = "is a folder; give one file" if file.is_dir() else "does not exist; check the path"
        raise DataError(f"{file.name} {what}", code="no_such_file")


def _format_of(file: Path) -> tuple[Literal["text", "parquet"], str, bool]:
    name = file.name.lower()
    packed = name.endswith((".csv.gz", ".tsv.gz"))
    suffix = Path(name.removesuffix(".gz") if packed else name).suffix
    if suffix not in _FORMATS:
        known = ".csv, .csv.gz, .tsv, .tsv.gz and .parquet"
        raise DataError(
            f"{file.name}: files are read if they are named {known}; convert it", code="unknown_format"
        )
    return (*_FORMATS[suffix], packed)


def _bound(size: int, max_bytes: int, name: str) -> None:
    if size > max_bytes:
        limit = f"{max_bytes / GIB:.3g} GiB" if max_bytes >= GIB else f"{max_bytes} bytes"
        message = f"{name} holds more than {limit}; raise max_bytes, or keep only the columns of the schema"
        raise DataError(message, code="too_large")


def _unpack(raw: bytes, max_bytes: int, name: str) -> bytes:
    """Decompress gzip, reading no more than `max_bytes` and one, however much a small file promises."""
    if not raw:
        return raw
    if not raw.startswith(b"\x1f\x8b"):
        raise DataError(
            f"{name} is named .gz but is not gzip-compressed; rename it", code="file_not_as_named"
        )
    try:
        chunks, size = [], 0
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            while size <= max_bytes and (chunk := stream.read(min(2**24, max_bytes + 1 - size))):
                chunks.append(chunk)
                size += len(chunk)
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{name} cannot be decompressed; copy it again", code="file_damaged") from None
    _bound(size, max_bytes, name)
    return b"".join(chunks)


def _check_text(data: bytes, name: str) -> None:
    head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            message = f"{name} is named as text but is {what}; export it as comma-separated text in UTF-8"
            raise DataError(message, code="file_not_as_named")
    if b"\x00" in data:
        message = (
            f"{name} is named as text but holds NUL bytes: it is binary or UTF-16; export it as text in UTF-8"
        )
        raise DataError(message, code="file_not_as_named")


def _check_parquet(data: bytes, name: str) -> None:
    if not data.startswith(b"PAR1"):
        message = f"{name} is named .parquet but is none; name it after what it holds, or export it again"
        raise DataError(message, code="file_not_as_named")
    if not data.endswith(b"PAR1"):
        raise DataError(
            f"{name} breaks off before the end of its Parquet data; copy it again", code="file_damaged"
        )
