"""A Parquet file of any number of patients, part by part in the order of ids, without holding it in memory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.cohort.parsing import read_ids
from medresponse.core.atomic import said_if_full
from medresponse.core.errors import DataError
from medresponse.readers.files import check_parquet_file

PART = 32_768  # patients
_SPOOLED_NUMBERS = 8_000_000  # cells of a table held at once while rows are dealt out (64 MB)


class Parts(Protocol):
    """Patients in parts, in the order of ids."""

    def __len__(self) -> int:
        """Return the number of parts, at least one."""
        ...

    @property
    def n_rows(self) -> int:
        """Number of patients before rules of eligibility."""
        ...

    def read(self, part: int) -> Cohort | None:
        """Return the eligible patients of one part, None if there are none."""
        ...


@dataclass(frozen=True)
class CohortParts:
    """Parts of a cohort that is in memory."""

    cohort: Cohort

    def __len__(self) -> int:
        """Return the number of parts, at least one."""
        return max(1, -(-self.cohort.n // PART))

    @property
    def n_rows(self) -> int:
        """Number of patients."""
        return self.cohort.n

    def read(self, part: int) -> Cohort | None:
        """Return the patients of one part."""
        own = self.cohort.table.slice(part * PART, PART)
        return replace(self.cohort, table=own) if own.height else None


@dataclass(frozen=True)
class ParquetParts:
    """Parts of a Parquet file with one row a patient: rows of neighbouring ids, the same in whatever order the file is.

    Build it with `parquet_parts`. A file in the order of ids is read where it lies; the rows of another are dealt out
    to smaller files in `scratch` first, when the first part is asked for.

    Attributes
    ----------
    path : Path
    schema : Schema
    scratch : Path
        Folder for the smaller files, made when needed; the caller removes it.
    part_of_row : numpy.ndarray
        Part that each row of the file belongs to, shape (row,).
    n_columns : int
    in_order : bool
        Whether rows of the file are in the order of ids.
    """

    path: Path
    schema: Schema
    scratch: Path
    part_of_row: np.ndarray = field(repr=False)
    n_columns: int
    in_order: bool

    def __len__(self) -> int:
        """Return the number of parts, at least one."""
        return int(self.part_of_row.max(initial=0)) + 1

    @property
    def n_rows(self) -> int:
        """Number of rows of the file."""
        return len(self.part_of_row)

    def read(self, part: int) -> Cohort | None:
        """Return the eligible patients of one part, checked as `medresponse.read` does; None if there are none.

        Raises
        ------
        DataError
            If rows of this part do not fit the schema; the findings name columns and ids.
        StorageError
            If there is no room to put rows in order.
        """
        frame = self._in_place(part) if self.in_order else self._dealt(part)
        return prediction_cohort(frame, self.schema, self.path.name)

    def _in_place(self, part: int) -> pl.DataFrame:
        start, end = np.searchsorted(self.part_of_row, [part, part + 1])
        return pl.scan_parquet(self.path).slice(int(start), int(end - start)).collect()

    def _dealt(self, part: int) -> pl.DataFrame:
        if not (self.scratch / "complete").exists():
            with said_if_full("rows in the order of ids", pl.exceptions.PolarsError):
                self._deal()
        every = [self._file(part // self._at_once, start) for start in self._starts()]
        files = [file for file in every if file.exists()]
        frame = pl.concat([pl.read_parquet(file) for file in files])
        own = np.concatenate([self._parts_in(part // self._at_once, start) for start in self._starts()])
        return frame.filter(pl.Series(own == part))

    @property
    def _at_once(self) -> int:
        """Parts whose rows go into the same files."""
        return max(1, _SPOOLED_NUMBERS // (PART * self.n_columns))

    def _starts(self) -> range:
        return range(0, self.n_rows, PART * self._at_once)

    def _parts_in(self, group: int, start: int) -> np.ndarray:
        """Return the part of each row in one of the smaller files."""
        rows = self.part_of_row[start : start + PART * self._at_once]
        return rows[rows // self._at_once == group]

    def _file(self, group: int, start: int) -> Path:
        return self.scratch / f"{group:06d}-{start:012d}.parquet"

    def _deal(self) -> None:
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        for start in self._starts():
            frame = pl.scan_parquet(self.path).slice(start, PART * self._at_once).collect()
            groups = self.part_of_row[start : start + frame.height] // self._at_once
            for group in np.unique(groups).tolist():
                frame.filter(pl.Series(groups == group)).write_parquet(
                    self._file(group, start), compression="uncompressed"
                )
        (self.scratch / "complete").touch(mode=0o600)


def parquet_parts(path: str | Path, schema: Schema, *, scratch: Path) -> ParquetParts:
    """Look at a Parquet file's ids and say which rows belong to which part.

    Parameters
    ----------
    path : str or Path
    schema : Schema
    scratch : Path
        Folder used for a file that is not in the order of ids; what is there is removed.

    Raises
    ------
    DataError
        If the file is missing or no Parquet file.
    """
    file = Path(path)
    check_parquet_file(file)
    shutil.rmtree(scratch, ignore_errors=True)
    scan = pl.scan_parquet(file)
    try:
        names = scan.collect_schema().names()
        column = scan.select(schema.id if schema.id in names else pl.first()).collect().to_series()
    except pl.exceptions.PolarsError:
        message = f"{file.name} has the marks of a Parquet file but cannot be read; copy it again"
        raise DataError(message, code="file_damaged") from None
    ids = read_ids(column)
    order = ids.arg_sort().to_numpy()  # missing ids first
    part_of_row = np.empty(len(ids), dtype=np.int32)
    part_of_row[order] = in_parts(ids.gather(order))
    in_order = bool((order == np.arange(len(ids))).all())
    return ParquetParts(file, schema, scratch, part_of_row, len(names), in_order)


def prediction_cohort(frame: pl.DataFrame, schema: Schema, name: str) -> Cohort | None:
    """Return the eligible patients of rows of a source of that name, None if there are none."""
    try:
        return cohort_from_frame(frame, schema, source={"file": name}, for_prediction=True)
    except DataError as error:
        if error.code == "nobody_eligible":
            return None
        raise


def in_parts(ids: pl.Series) -> np.ndarray:
    """Return the part of each of the sorted ids; rows of one id are never parted, so that they are found out."""
    first = np.ones(len(ids), dtype=bool)
    if len(ids) > 1:
        first[1:] = ids.ne_missing(ids.shift()).to_numpy()[1:]
    return ((np.cumsum(first) - 1) // PART).astype(np.int32)
