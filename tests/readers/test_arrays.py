"""A Zarr group read in parts: what the same rows of a Parquet file are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr
import zarr

from medresponse.cohort import Schema
from medresponse.core.errors import DataError
from medresponse.readers import parquet_parts, zarr_parts
from tests.hand_made import frame_of

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def frame() -> pl.DataFrame:
    return frame_of(45).drop("arm", "time", "event", "score").sample(fraction=1.0, shuffle=True, seed=4)


def written(folder: Path, frame: pl.DataFrame, *, zarr_format: int = 3) -> Path:
    """Write columns as xarray does: text with empty text, numbers with NaN where there is nothing."""
    columns = {}
    for name in frame.columns:
        series = frame[name]
        text = series.dtype in (pl.String, pl.Enum, pl.Categorical)
        values = series.cast(pl.String).fill_null("").to_numpy().astype(str) if text else series.to_numpy()
        columns[name] = ("patient_row", values)
    path = folder / f"new-{zarr_format}.zarr"
    xr.Dataset(columns).to_zarr(path, zarr_format=zarr_format, consolidated=False)  # type: ignore[call-overload]
    return path


@pytest.mark.filterwarnings("ignore:The data type")  # of fixed-width text, which format 3 has not agreed on
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("in_order", [True, False])
def test_parts_are_those_of_a_parquet_file(
    tmp_path: Path, schema: Schema, frame: pl.DataFrame, zarr_format: int, in_order: bool
) -> None:
    number = next(name for name in frame.columns if frame[name].dtype == pl.Float64)
    frame = frame.with_columns(
        pl.when(pl.int_range(pl.len()) != 3).then(pl.col(number)).alias(number)
    )  # one is missing
    if in_order:
        frame = frame.sort(schema.id)
    frame.write_parquet(tmp_path / "new.parquet")
    expected = parquet_parts(tmp_path / "new.parquet", schema, scratch=tmp_path / "rows")
    found = zarr_parts(written(tmp_path, frame, zarr_format=zarr_format), schema)
    assert (len(found), found.n_rows) == (len(expected), 45) == (7, 45)
    missing = 0
    for part in range(len(found)):
        one, other = found.read(part), expected.read(part)
        assert one is not None and other is not None and one.table.equals(other.table)
        missing += one.table[number].null_count()
    assert missing == 1


def test_a_patient_who_is_there_twice_is_found_out(
    tmp_path: Path, schema: Schema, frame: pl.DataFrame
) -> None:
    found = zarr_parts(written(tmp_path, pl.concat([frame, frame[0]]), zarr_format=2), schema)
    with pytest.raises(DataError) as caught:
        for part in range(len(found)):
            found.read(part)
    assert caught.value.code == "duplicate_id" and frame[schema.id][0] in str(caught.value)


def test_what_is_no_table_is_refused_before_anything_is_read(
    tmp_path: Path, schema: Schema, frame: pl.DataFrame
) -> None:
    (tmp_path / "file.zarr").write_text("")
    (tmp_path / "empty.zarr").mkdir()
    nobody = written(tmp_path, frame.drop(schema.id), zarr_format=2).rename(tmp_path / "nobody.zarr")
    image = written(tmp_path, frame, zarr_format=2).rename(tmp_path / "image.zarr")
    xr.Dataset({"scan": (("x", "y"), np.zeros((2, 3)))}).to_zarr(
        image, mode="a", zarr_format=2, consolidated=False
    )
    for path, code, words in (
        (tmp_path / "none.zarr", "no_such_file", "does not exist"),
        (tmp_path / "file.zarr", "no_such_file", "is a file"),
        (tmp_path / "empty.zarr", "file_not_as_named", "no Zarr group"),
        (nobody, "missing_column", f"no array '{schema.id}'"),
        (image, "not_a_table", "scan"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            zarr_parts(path, schema)
        assert caught.value.code == code


def test_a_block_that_is_damaged_is_said(tmp_path: Path, schema: Schema, frame: pl.DataFrame) -> None:
    path = written(tmp_path, frame, zarr_format=2)
    found = zarr_parts(path, schema)
    name = next(name for name in frame.columns if frame[name].dtype == pl.Float64)
    (path / name / "0").write_bytes(b"nothing that was compressed")
    with pytest.raises(DataError, match="cannot be read") as caught:
        found.read(0)
    assert caught.value.code == "file_damaged"
    shutil.rmtree(path)


def plain(folder: Path, frame: pl.DataFrame, **options: Any) -> Path:
    """Write columns as zarr itself does."""
    group = zarr.open_group(folder / "plain.zarr", mode="w", zarr_format=2)
    for name in frame.columns:
        values = frame[name].to_numpy()
        made = {} if values.dtype == object or values.dtype.kind in "SU" else options
        values = values.astype(str) if values.dtype == object else values
        array = group.create_array(name, dtype=values.dtype, shape=values.shape, chunks=values.shape, **made)
        array[:] = values
        array.attrs["_ARRAY_DIMENSIONS"] = ["row"]
    return folder / "plain.zarr"


def test_zeros_are_not_taken_for_missing(tmp_path: Path, schema: Schema, frame: pl.DataFrame) -> None:
    """Format 2 has 0 for a fill value if nothing else is said, and what equals the fill value counts as missing there."""
    assert (frame["snp"] == 0).any()
    with pytest.raises(DataError, match=r"age, snp, stage: the fill value is 0") as caught:
        zarr_parts(plain(tmp_path, frame), schema)
    assert caught.value.code == "fill_value"
    found = zarr_parts(plain(tmp_path, frame, fill_value=None), schema).read(0)
    assert found is not None and found.table["snp"].null_count() == 0


def test_text_in_bytes_is_text(tmp_path: Path, schema: Schema, frame: pl.DataFrame) -> None:
    names = [name for name in frame.columns if frame[name].dtype == pl.String]
    columns = {name: ("row", frame[name].to_numpy()) for name in frame.columns}
    columns |= {name: ("row", frame[name].to_numpy().astype("S")) for name in names}
    xr.Dataset(columns).to_zarr(tmp_path / "bytes.zarr", zarr_format=2, consolidated=False)
    found = zarr_parts(tmp_path / "bytes.zarr", schema).read(0)
    expected = zarr_parts(written(tmp_path, frame, zarr_format=2), schema).read(0)
    assert found is not None and expected is not None and found.table.equals(expected.table)
