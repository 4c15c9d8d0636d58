"""Scores as arrays: a Zarr group that xarray opens, filled part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

_ROWS = 16_384  # patients in a block of an array


def write_zarr(path: Path, parts: Sequence[Path], n: int, question: Mapping[str, Any]) -> None:
    """Write tables of scores as arrays (patient, treatment), one a column.

    Parameters
    ----------
    path : Path
    parts : sequence of Path
        Parquet files, in the order of ids.
    n : int
        Number of patients in all of them.
    question : mapping
        With ``treatments``, ``columns`` and ``unit``.
    """
    import zarr

    treatments, ids = question["treatments"], f"<U{max(map(_longest_id, parts))}"
    # Format 2: text of fixed width, for the ids, has no agreed form in 3.
    group = zarr.open_group(path, mode="w", zarr_format=2, attributes={"unit": question["unit"]})
    arrays = {
        name: group.create_array(
            name, dtype="float32", fill_value=np.nan, shape=(n, len(treatments)), chunks=(_ROWS, len(treatments)),
            attributes={"_ARRAY_DIMENSIONS": ["patient", "treatment"]},
        )
        for name in question["columns"]
    }  # fmt: skip
    labels: dict[str, Any] = {"_ARRAY_DIMENSIONS": ["patient"]}
    patients = group.create_array("patient", dtype=ids, shape=(n,), chunks=(_ROWS,), attributes=labels)
    group.create_array(
        "treatment", data=np.array(treatments), attributes={"_ARRAY_DIMENSIONS": ["treatment"]}
    )
    start = 0
    for part in parts:
        table = pl.read_parquet(part)
        end = start + table.height // len(treatments)
        patients[start:end] = table["patient"].to_numpy()[:: len(treatments)].astype(ids)
        for name, array in arrays.items():
            array[start:end] = table[name].fill_null(np.nan).to_numpy().reshape(-1, len(treatments))
        start = end


def _longest_id(part: Path) -> int:
    ids = pl.read_parquet(part, columns=["patient"])["patient"].to_list()
    return max(map(len, ids), default=1)
