"""A folder of results against what was written of it: its manifest and its audit log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medresponse.core import audit, manifest
from medresponse.core.atomic import sha256_of
from medresponse.core.errors import IntegrityError


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What checking a folder of results found.

    Parameters
    ----------
    n_files : int
        Files that are named in the manifest or the log.
    log : Replay or None
        None for a folder without an audit log.
    breaks : tuple of str
        What is not as it was written, in words; empty if all is.
    """

    n_files: int
    log: audit.Replay | None
    breaks: tuple[str, ...]


def verify_results(folder: str | Path, *, head: str | None = None) -> Verification:
    """Replay the audit log of a folder and check its files against log and manifest.

    A file of the log must be as its last entry says, a file of the manifest as the manifest says unless the log has it;
    with a log, every file must be in one of them, so that losing an entry shows in the file that it was about.

    Parameters
    ----------
    folder : path
    head : str, optional
        Hash of an entry that was noted down elsewhere: it must be in the log.

    Raises
    ------
    IntegrityError
        If the folder has neither manifest nor log.
    """
    place = Path(folder)
    if not any((place / name).is_file() for name in (manifest.NAME, audit.NAME, audit.HEAD)):
        raise IntegrityError(
            f"{place.name} holds no {manifest.NAME} and no {audit.NAME}; it is no complete result", code="no_manifest"
        )  # fmt: skip
    facts = manifest.read_manifest(place) if (place / manifest.NAME).is_file() else {"files": {}}
    log = audit.replay(place) if (place / audit.NAME).is_file() else None
    breaks = [] if log is None else list(log.breaks)
    if log is None and (place / audit.HEAD).is_file():
        breaks.append(f"{audit.NAME} is gone, and {audit.HEAD} says it was there")
    hashes = set() if log is None else {entry.hash for entry in log.entries}
    for source, noted in (("the manifest", facts.get("audit_head")), ("somebody elsewhere", head)):
        if noted and noted not in hashes:
            breaks.append(f"no entry of the audit log has the hash that {source} noted down")
    listed = dict(facts["files"]) | ({} if log is None else log.files)
    breaks += _changed(place, listed) + ([] if log is None else _unlisted(place, listed))
    return Verification(n_files=len(listed), log=log, breaks=tuple(breaks))


def _changed(place: Path, listed: dict[str, str]) -> list[str]:
    found = []
    for name, digest in sorted(listed.items()):
        file = place / name
        if not file.is_file():
            found.append(f"{name} is missing")
        elif sha256_of(file) != digest:
            found.append(f"{name} is not as it was written")
    return found


def _unlisted(place: Path, listed: dict[str, str]) -> list[str]:
    own = {audit.NAME, audit.HEAD, manifest.NAME}
    files = [p.relative_to(place) for p in sorted(place.rglob("*")) if p.is_file() and p.name not in own]
    names = [p.as_posix() for p in files if not any(part.startswith(".") for part in p.parts)]
    return [f"{name} is in no entry of the log" for name in names if name not in listed]
