"""A Zarr group of any number of patients, one array a column, part by part in the order of ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema
from medresponse.cohort.parsing import read_ids
from medresponse.core.errors import DataError
from medresponse.readers.parts import in_parts, prediction_cohort

_NUMBERS = (bool, int, float, np.number, np.bool_)


@dataclass(frozen=True)
class ZarrParts:
    """Parts of a Zarr group with one array a column: rows of neighbouring ids, the same in whatever order they are.

    Build it with `zarr_parts`. Patients in the order of ids are read block by block; of others every part reads all
    blocks that hold one of its rows, so a large population is better put in order first.

    Attributes
    ----------
    path : Path
    schema : Schema
    order : numpy.ndarray
        Rows in the order of ids, shape (row,).
    part_of_row : numpy.ndarray
        Part that each of them belongs to, shape (row,).
    """

    path: Path
    schema: Schema
    order: np.ndarray = field(repr=False)
    part_of_row: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        """Return the number of parts, at least one."""
        return int(self.part_of_row.max(initial=0)) + 1

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.order)

    def read(self, part: int) -> Cohort | None:
        """Return the eligible patients of one part, checked as `medresponse.read` does; None if there are none.

        Raises
        ------
        DataError
            If rows of this part do not fit the schema, the findings naming columns and ids, or a block is damaged.
        """
        start, end = np.searchsorted(self.part_of_row, [part, part + 1])
        rows = np.sort(self.order[start:end])
        (dimension,), variables = _opened(self.path, self.schema)
        first, last = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        which = {dimension: slice(first, last) if last - first == len(rows) else rows}
        try:
            frame = pl.DataFrame([_column(name, own.isel(which).values) for name, own in variables.items()])
        except (OSError, RuntimeError, ValueError):
            message = f"{self.path.name}: a block of its arrays cannot be read; copy it again"
            raise DataError(message, code="file_damaged") from None
        return prediction_cohort(frame, self.schema, self.path.name)


def zarr_parts(path: str | Path, schema: Schema) -> ZarrParts:
    """Look at the ids of a Zarr group and say which rows belong to which part.

    Parameters
    ----------
    path : str or Path
        A group, of format 2 or 3, whose arrays are columns: all of one dimension, the patients. What `xarray.Dataset.to_zarr`
        writes is one. Numbers that are not a number, and empty text, are missing; so is what equals the fill value of an array of
        format 2, which may not be 0.
    schema : Schema

    Raises
    ------
    DataError
        If there is no such group, its arrays are no columns of one table, or none is the schema's id.
    """
    folder = Path(path)
    _, variables = _opened(folder, schema)
    ids = read_ids(_column(schema.id, variables[schema.id].values))
    order = ids.arg_sort().to_numpy()  # missing ids first
    return ZarrParts(folder, schema, order, in_parts(ids.gather(order)))


def _opened(path: Path, schema: Schema) -> tuple[tuple[str], dict[str, Any]]:
    """Return the dimension of patients, and the arrays by name, of which nothing is read yet."""
    import xarray as xr

    if not path.is_dir():
        what = "is a file, not the folder of a Zarr group" if path.exists() else "does not exist"
        raise DataError(f"{path.name} {what}; check the path", code="no_such_file")
    try:
        found = xr.open_zarr(path, chunks=None, consolidated=False)
    except Exception:  # zarr raises what its many stores do, with contents in messages
        message = f"{path.name} is named .zarr but is no Zarr group whose arrays name their dimensions; export it again"
        raise DataError(message, code="file_not_as_named") from None
    variables = {str(name): variable for name, variable in found.variables.items()}
    if schema.id not in variables:
        have = ", ".join(sorted(variables)) or "none"
        raise DataError(
            f"{path.name} has no array {schema.id!r}, the schema's id; its arrays: {have}",
            code="missing_column",
        )
    zero = sorted(name for name, variable in variables.items() if _hides_zeros(variable))
    if zero and (path / ".zgroup").is_file():
        message = (
            f"{path.name}: {', '.join(zero)}: the fill value is 0, which stands for what is missing in format 2 though zarr sets it "
            "unasked, so zeros would be lost; write with fill_value=None, or in format 3"
        )
        raise DataError(message, code="fill_value")
    dims = variables[schema.id].dims
    odd = sorted(name for name, variable in variables.items() if variable.dims != dims)
    if len(dims) != 1 or odd:
        named = ", ".join(odd or [schema.id])
        message = f"{path.name}: {named}: every array must have one value a patient, as {schema.id!r}; take others out"
        raise DataError(message, code="not_a_table")
    return (str(dims[0]),), variables


def _hides_zeros(variable: Any) -> bool:
    """Say whether zeros of an array would be taken for missing."""
    mark = variable.encoding.get("_FillValue")
    return isinstance(mark, _NUMBERS) and mark == 0


def _column(name: str, values: np.ndarray) -> pl.Series:
    """Return an array as a column, with null for what is missing."""
    if values.dtype.kind in "OSUT":
        return pl.Series(name, [_text(value) for value in values.tolist()], dtype=pl.String)
    return pl.Series(name, values, nan_to_null=True)


def _text(value: Any) -> str | None:
    """Return a value as text; bytes that are no UTF-8 keep a mark that no id or level has."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return None if value is None or value != value or value == "" else str(value)
