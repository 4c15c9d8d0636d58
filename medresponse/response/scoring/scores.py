"""A folder of scores, written part by part: whole or absent under its name, its finished parts kept until then."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.atomic import atomic_path, require_absent, said_if_full, write_text
from medresponse.core.errors import OutputExistsError
from medresponse.core.manifest import write_manifest
from medresponse.core.provenance import own_version
from medresponse.response.scoring.arrays import write_zarr

QUESTION = "scores.json"
NUMERICS = 3  # One more with every change that moves a byte of scores: parts of before and after do not mix.
_INPUT = "rows_sha256"

Layout = Literal["parquet", "zarr"]


@dataclass(frozen=True)
class Scores:
    """Scores of a population, on disk.

    Attributes
    ----------
    path : Path
        Folder with ``part-00000.parquet``, ... (or a Zarr group), ``scores.json`` (what was asked, of which fit, of
        which version of the package and its numerics) and ``manifest.json``, which `medresponse verify` checks.
    n_patients : int
    n_excluded : int
        Rows left out by the schema's rules of eligibility.
    treatments : tuple of str
    columns : tuple of str
    """

    path: Path
    n_patients: int
    n_excluded: int
    treatments: tuple[str, ...]
    columns: tuple[str, ...]

    def scan(self) -> pl.LazyFrame:
        """Return the table, one row a patient and treatment, in the order of ids; not for Zarr."""
        return pl.scan_parquet(sorted(self.path.glob("part-*.parquet")))


class Unfinished:
    """The folder beside the result in which parts are kept until all are there.

    Parameters
    ----------
    out : Path
        Where the result will be.
    question : dict
        Plain data that the scores follow from, but for the patients.
    overwrite : bool
        Whether a finished result at `out`, and parts of another question or version, may be replaced.

    Raises
    ------
    OutputExistsError
        If they are there and may not.
    """

    def __init__(self, out: Path, question: dict[str, Any], *, overwrite: bool) -> None:
        require_absent(out, overwrite=overwrite)
        self.out, self.folder = out, out.with_name(f".{out.name}.unfinished")
        question = question | {"made_by": {"medresponse": own_version(), "numerics": NUMERICS}}
        stated, text = self.folder / QUESTION, json.dumps(question, indent=1, sort_keys=True) + "\n"
        if self.folder.exists() and not self._answers(stated, text):
            if not overwrite:
                raise OutputExistsError(_difference(self.folder.name, stated, question["made_by"]))
            shutil.rmtree(self.folder)
        with _kept(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_text(stated, text)
        self._question = question

    def _answers(self, stated: Path, text: str) -> bool:
        """Say whether the folder is of this question; parts that no question stands beside, of a folder half removed, are not."""
        if stated.exists():
            return stated.read_bytes() == text.encode()
        return not any(self.folder.glob("part-*.parquet"))

    @property
    def scratch(self) -> Path:
        """Folder for what the reader deals out."""
        return self.folder / "rows"

    def has(self, part: int, rows: str) -> bool:
        """Say whether the scores of these very rows are there."""
        file = self.file(part)
        return file.is_file() and pl.read_parquet_metadata(file).get(_INPUT) == rows

    def write(self, part: int, rows: str, table: pl.DataFrame) -> None:
        """Keep the scores of one part.

        Raises
        ------
        StorageError
            If the disk is full or cannot be written.
        """
        with _kept(self.folder), atomic_path(self.file(part)) as temporary:
            table.write_parquet(temporary, metadata={_INPUT: rows})

    def file(self, part: int) -> Path:
        """Return the file of one part."""
        return self.folder / f"part-{part:05d}.parquet"

    def finish(self, n_parts: int, counts: dict[str, int], *, layout: Layout) -> None:
        """Put the result in its place.

        Raises
        ------
        StorageError
            As `write`.
        """
        with _kept(self.folder):
            shutil.rmtree(self.scratch, ignore_errors=True)
            kept = [self.file(part) for part in range(n_parts)]
            for file in set(self.folder.glob("part-*.parquet")) - set(kept):  # of an earlier, longer input
                file.unlink()
            with atomic_path(self.out) as temporary:
                if layout == "parquet":
                    write_manifest(self.folder, extra=dict(counts))
                    self.folder.rename(temporary)
                else:
                    temporary.mkdir()
                    write_zarr(temporary / "scores.zarr", kept, counts["patients"], self._question)
                    shutil.copy(self.folder / QUESTION, temporary)
                    write_manifest(temporary, extra=dict(counts))
            shutil.rmtree(self.folder, ignore_errors=True)


def _difference(name: str, stated: Path, own: dict[str, Any]) -> str:
    """Return why finished parts are not gone on with: another version made them, or they answer another question."""
    try:
        found = json.loads(stated.read_bytes())
    except (FileNotFoundError, ValueError):
        found = None
    maker = found.get("made_by", {}) if isinstance(found, dict) else None
    if not isinstance(maker, dict):
        return (
            f"{name} holds finished parts, and its {QUESTION} is missing or damaged: neither their question nor their version can be "
            "told; give another name, or say overwrite to discard them"
        )
    if maker != own:
        return (
            f"{name} holds finished parts made by {_version(maker)}; this is {_version(own)}, and parts of two versions do not "
            "mix: finish with that version, give another name, or say overwrite to start anew"
        )
    return (
        f"{name} holds finished parts of another question or fit; ask the same to go on with them, give another name, or say "
        "overwrite to discard them"
    )


def _version(maker: dict[str, Any]) -> str:
    if not maker:
        return "an earlier version, which did not record itself"
    return f"medresponse {maker.get('medresponse')} (numerics {maker.get('numerics')})"


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Turn a failure to write into a `StorageError` that says where finished parts are."""
    n = len(list(folder.glob("part-*.parquet"))) if folder.is_dir() else 0
    with said_if_full(f"{folder.name}: {n} finished part(s) are kept there", pl.exceptions.PolarsError):
        yield


def rows_sha256(cohort: Cohort) -> str:
    """Return the SHA-256 of a cohort's canonical rows."""
    buffer = io.BytesIO()
    cohort.table.rechunk().write_ipc(buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def table_of(
    ids: tuple[str, ...], treatments: tuple[str, ...], columns: tuple[str, ...], values: np.ndarray
) -> pl.DataFrame:
    """Return scores (patient, treatment, column) as a table; NaN, where nothing can be said, is null."""
    labels = {
        "patient": pl.Series(ids, dtype=pl.String).repeat_by(len(treatments)).explode(),
        "treatment": pl.Series(list(treatments) * len(ids), dtype=pl.Enum(treatments)),
    }
    flat = values.reshape(-1, len(columns)).astype(np.float32)
    return pl.DataFrame(labels | {name: flat[:, j] for j, name in enumerate(columns)}).with_columns(
        pl.selectors.float().fill_nan(None)
    )
