"""Checksum manifests: what a folder of results held when it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medresponse.core import audit
from medresponse.core.atomic import sha256_of, write_text
from medresponse.core.errors import IntegrityError

NAME = "manifest.json"


def write_manifest(folder: Path, *, extra: dict[str, object] | None = None) -> Path:
    """Write ``manifest.json``: SHA-256 of every file below `folder`, and `extra` entries.

    Where the folder has an audit log, which grows on, ``audit_head`` is the hash of its last entry.
    """
    own = {NAME, audit.NAME, audit.HEAD}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in own)
    plain: dict[str, object] = {"files": {p.relative_to(folder).as_posix(): sha256_of(p) for p in files}}
    if (folder / audit.NAME).is_file():
        plain["audit_head"] = audit.replay(folder).head
    write_text(folder / NAME, json.dumps({**plain, **(extra or {})}, indent=1) + "\n")
    return folder / NAME


def verify_manifest(folder: Path, *, below: str = "") -> dict[str, object]:
    """Check every listed file against its SHA-256 and return the manifest.

    Parameters
    ----------
    folder : Path
    below : str
        Check only files whose relative path starts so (``observed/``): others may have been taken away.

    Raises
    ------
    IntegrityError
        If the manifest or a file is missing, none is listed, or a file differs.
    """
    manifest = read_manifest(folder)
    files = manifest["files"]
    own = {name: digest for name, digest in files.items() if name.startswith(below)}
    if below and not own:
        raise IntegrityError(f"{folder.name} was written without {below}", code="no_manifest")
    _check(folder, own)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest without checking a file.

    Raises
    ------
    IntegrityError
        If there is none, or it is not one.
    """
    if not (folder / NAME).is_file():
        raise IntegrityError(f"{folder.name} holds no {NAME}; it is no complete result", code="no_manifest")
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise IntegrityError(f"{folder.name}/{NAME} is no manifest", code="no_manifest")
    return manifest


def _check(folder: Path, files: Mapping[str, str]) -> None:
    missing = [name for name in files if not (folder / name).is_file()]
    changed = [name for name in files if name not in missing and sha256_of(folder / name) != files[name]]
    if missing or changed:
        raise IntegrityError(
            f"{folder.name}: {len(missing)} file(s) missing and {len(changed)} changed since it was written: "
            f"{', '.join((missing + changed)[:3])}; make the result again"
        )
