"""Files that are whole or absent, and private where they hold patients."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medresponse.core.errors import OutputExistsError, StorageError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it, owner-only, when the block succeeds.

    Works for a file or a folder (create whichever you need at the yielded path). If the block raises, nothing
    is left behind and `path` is as it was.
    """
    final = Path(path)
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # names of files may be pseudonyms
    holder = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))  # mode 0700
    temporary = holder / final.name
    try:
        yield temporary
        os.chmod(temporary, 0o700 if temporary.is_dir() else 0o600)
        if final.is_dir() and temporary.is_dir():
            final.rename(holder / "replaced")
        os.replace(temporary, final)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


@contextmanager
def said_if_full(what: str, *others: type[Exception]) -> Iterator[None]:
    """Turn a failure to write into a `StorageError`: `what` could not be written, why, and what the reader can do.

    Parameters
    ----------
    what : str
        What was being written, with what is kept all the same behind a colon, if anything is: ``scores: 2 parts are kept``.
    others : exception types
        Besides `OSError`, of libraries that wrap it.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *others)
    try:
        yield
    except kinds as error:
        full = "no space left" in str(error).lower()
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        subject, _, kept = what.partition(": ")
        raise StorageError(
            f"{subject} could not be written ({'No space left on device' if full else why}): {kept + '; ' if kept else ''}"
            "make room and run the same again"
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically, owner-only."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` atomically, owner-only."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def require_absent(path: str | Path, *, overwrite: bool) -> None:
    """Raise `OutputExistsError` if `path` is there and `overwrite` is not set; a result is never silently replaced."""
    if Path(path).exists() and not overwrite:
        raise OutputExistsError(
            f"{Path(path).name} exists already; give another name, or say overwrite to replace it"
        )


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
