"""The audit log of a folder of results: who made what from what, one line an entry, each bound to the one before.

``audit.jsonl`` is only ever appended to. An entry carries the SHA-256 of the entry before it, so that one that was edited,
removed or moved breaks the chain; ``audit.head`` says where the log ends, so that losing its last entries shows too, and
is the file that writers lock. Whoever can write both files can write a new chain: to notice that, keep the head's hash
(`medresponse verify` prints it) where they cannot write.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from medresponse.core.errors import IntegrityError
from medresponse.core.locking import locked
from medresponse.core.provenance import utc_now

NAME, HEAD = "audit.jsonl", "audit.head"
REMOVED = ""  # in place of the hash of a file that was taken away
_BEGINNING = "0" * 64
_HEAD_LENGTH = 12 + 1 + 64 + 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the log; no patient's value but the pseudonym.

    Parameters
    ----------
    number : int
        From 1, without gaps.
    when_utc : str
        ISO 8601.
    who : str
        User of the operating system, or the name that was given.
    action : str
        What was done: ``report``, ``validate``, ...
    patient : str
        Pseudonym; empty where the action is about no single patient.
    data_hash, model_hash, config_hash, validation_hash : str
        Fingerprint of the training cohort, hashes of model and question, checksum of the validation record; empty
        where there is none.
    files : mapping
        Path of each file written, relative to the log's folder -> SHA-256; `REMOVED` for one taken away.
    overrides : mapping
        Check that was overridden -> the reason given.
    previous, hash : str
        SHA-256 of the entry before and of this one.
    """

    number: int
    when_utc: str
    who: str
    action: str
    patient: str = ""
    data_hash: str = ""
    model_hash: str = ""
    config_hash: str = ""
    validation_hash: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    previous: str
    hash: str = ""

    def digest(self) -> str:
        """Return the SHA-256 of everything but `hash`."""
        plain = {key: value for key, value in asdict(self).items() if key != "hash"}
        return hashlib.sha256(_line(plain)).hexdigest()


def append(
    folder: str | Path,
    *,
    action: str,
    who: str | None = None,
    files: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    **about: str,
) -> Entry:
    """Append one entry to the log of a folder, made if absent; safe with several writers at once.

    Parameters
    ----------
    folder : path
    action : str
    who : str, optional
        The user of the operating system by default.
    files, overrides : mapping, optional
    **about : str
        The other fields of `Entry`: ``patient, data_hash, model_hash, config_hash, validation_hash``.

    Raises
    ------
    IntegrityError
        If the log does not end where it should; nothing is written then, so that the evidence stays as it is.
    """
    place = Path(folder)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    head = os.open(place / HEAD, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with locked(head):
            last, last_hash = _end(place, head)
            entry = Entry(
                number=last + 1, when_utc=utc_now(), who=who or _user(), action=action, files=dict(files or {}),
                overrides=dict(overrides or {}), previous=last_hash, **about,
            )  # fmt: skip
            plain = asdict(entry) | {"hash": entry.digest()}
            _write_whole(place / NAME, _line(plain) + b"\n")
            os.lseek(head, 0, os.SEEK_SET)
            os.write(head, _head_text(entry.number, plain["hash"]))
            return Entry(**plain)
    finally:
        os.close(head)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What replaying a log found.

    Parameters
    ----------
    entries : tuple of Entry
        Every line that is an entry, in the order of the file.
    breaks : tuple of str
        Where the chain or a file is not as it was written, in words; empty if all is.
    """

    entries: tuple[Entry, ...]
    breaks: tuple[str, ...]

    @property
    def head(self) -> str:
        """Hash of the last entry; zeros for an empty log."""
        return self.entries[-1].hash if self.entries else _BEGINNING

    @property
    def files(self) -> dict[str, str]:
        """Each file as it was last written -> SHA-256, without those taken away."""
        last = {name: digest for entry in self.entries for name, digest in entry.files.items()}
        return {name: digest for name, digest in last.items() if digest != REMOVED}


def replay(folder: str | Path) -> Replay:
    """Read the log of a folder from the beginning and say where its chain breaks; the files are not looked at.

    Raises
    ------
    IntegrityError
        If the folder has no log.
    """
    place = Path(folder)
    if not (place / NAME).is_file():
        if (place / HEAD).is_file():
            raise IntegrityError(f"{place.name}: {NAME} is gone, and {HEAD} says it was there", code="audit")
        raise IntegrityError(f"{place.name} holds no {NAME}", code="no_audit")
    lines = (place / NAME).read_bytes().split(b"\n")
    breaks, entries, previous = [], [], _BEGINNING
    if lines.pop() != b"":
        breaks.append(f"line {len(lines) + 1}: the entry is cut off")
    numbers = [entry.number if (entry := _parsed(line)) is not None else None for line in lines]
    for at, line in enumerate(lines, start=1):
        entry = _parsed(line)
        if entry is None:
            breaks.append(f"line {at}: no entry of an audit log; it was edited or cut off")
            continue
        if entry.digest() != entry.hash or _line(asdict(entry)) != line:
            breaks.append(f"line {at}: entry {entry.number} was edited")
        elif entry.previous != previous:
            breaks.append(f"line {at}: {_misplaced(entry.number, at, numbers)}")
        entries.append(entry)
        previous = entry.hash
    return Replay(entries=tuple(entries), breaks=(*breaks, *_head_breaks(place, entries)))


def _misplaced(number: int, at: int, numbers: list[int | None]) -> str:
    before = number - 1
    if before and before not in numbers:
        return f"entry {number} does not follow from what stands before it; entry {before} was removed"
    if number != at:
        return f"entry {number} stands in the wrong place; entries were moved"
    return f"entry {number} does not follow from what stands before it"


def _head_breaks(place: Path, entries: list[Entry]) -> list[str]:
    if not (place / HEAD).is_file():
        return [f"{HEAD} is missing: whether the log's last entries are there cannot be said"]
    number, digest = _parsed_head((place / HEAD).read_bytes())
    found = {entry.number: entry.hash for entry in entries}
    if number and number not in found:
        return [f"the log ends at entry {max(found, default=0)}, and had {number}: its end was removed"]
    if number and found[number] != digest:
        return [f"entry {number} is not the one that {HEAD} names"]
    return []


def _end(place: Path, head: int) -> tuple[int, str]:
    """Return number and hash of the last entry; a writer that died after its entry has left the head one behind."""
    os.lseek(head, 0, os.SEEK_SET)
    number, digest = _parsed_head(os.read(head, _HEAD_LENGTH))
    last = _last_entry(place / NAME)
    if last is None and not number:
        return 0, _BEGINNING
    ahead = last is not None and last.number == number + 1 and last.previous == digest
    if (
        last is None
        or last.digest() != last.hash
        or not (ahead or (last.number, last.hash) == (number, digest))
    ):
        raise IntegrityError(
            f"{place.name}/{NAME} does not end where {HEAD} says, so nothing more is written to it: medresponse verify "
            "shows where it breaks; keep the folder as it is and write to another",
            code="audit",
        )
    return last.number, last.hash


def _last_entry(log: Path) -> Entry | None:
    """Return the last line's entry, reading backwards; None for a log that is empty, absent or cut off."""
    if not log.is_file():
        return None
    with log.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        tail, at = b"", end
        while at and tail.count(b"\n") < 2:
            step = min(4096, at)
            at = stream.seek(at - step)
            tail = stream.read(step) + tail
    return _parsed(tail[:-1].rsplit(b"\n", 1)[-1]) if tail.endswith(b"\n") else None


def _write_whole(log: Path, line: bytes) -> None:
    """Append a line and see it on disk, or leave the log as it was (a full disk writes half a line)."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(f"{log.name}: the disk took half an entry")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _parsed(line: bytes) -> Entry | None:
    try:
        plain: Any = json.loads(line)
    except ValueError:
        return None
    kinds = {f.name: str for f in fields(Entry)} | {"number": int, "files": dict, "overrides": dict}
    if not isinstance(plain, dict) or plain.keys() != kinds.keys():
        return None
    return Entry(**plain) if all(type(plain[name]) is kind for name, kind in kinds.items()) else None


def _line(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def _head_text(number: int, digest: str) -> bytes:
    return f"{number:012d} {digest}\n".encode()


def _parsed_head(text: bytes) -> tuple[int, str]:
    words = text.decode("ascii", "replace").split()
    if len(words) == 2 and words[0].isdigit():
        return int(words[0]), words[1]
    return 0, _BEGINNING


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
