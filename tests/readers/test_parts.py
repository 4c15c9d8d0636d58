"""A Parquet file read in parts: the same parts in whatever order its rows are, checked like a whole file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Schema
from medresponse.core.errors import DataError
from medresponse.readers import CohortParts, parquet_parts, parts, read
from tests.hand_made import frame_of
from tests.readers.conftest import SIZE

pytestmark = pytest.mark.usefixtures("small")


def written(folder: Path, frame: pl.DataFrame, name: str = "new.parquet") -> Path:
    frame.write_parquet(folder / name, row_group_size=10)
    return folder / name


def tables(path: Path, schema: Schema) -> list[pl.DataFrame | None]:
    found = parquet_parts(path, schema, scratch=path.with_suffix(".rows"))
    cohorts = [found.read(part) for part in range(len(found))]
    return [cohort and cohort.table for cohort in cohorts]


@pytest.mark.parametrize("cells", [1, 200, 10**6])
def test_parts_are_the_same_in_whatever_order_the_rows_are(
    tmp_path: Path, schema: Schema, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_SPOOLED_NUMBERS", cells)
    frame = frame_of(45).drop("arm", "time", "event", "score")
    in_order = written(tmp_path, frame)
    mixed = written(tmp_path, frame.sample(fraction=1.0, shuffle=True, seed=4), "mixed.parquet")
    expected = tables(in_order, schema)
    assert [table.height for table in expected if table is not None] == [7] * 6 + [3]
    assert not in_order.with_suffix(".rows").exists(), "a file in order is read where it lies"
    for one, other in zip(expected, tables(mixed, schema), strict=True):
        assert one is not None and other is not None and one.equals(other)
    whole = CohortParts(read(mixed, schema, for_prediction=True))
    for part, one in enumerate(expected):
        assert whole.read(part).table.equals(one)  # type: ignore[union-attr, arg-type]


def test_rows_dealt_out_once_are_read_again_without_the_file(tmp_path: Path, schema: Schema) -> None:
    path = written(tmp_path, frame_of(45).reverse())
    found = parquet_parts(path, schema, scratch=tmp_path / "rows")
    first = found.read(0)
    path.unlink()
    again = found.read(0)
    assert first is not None and again is not None and first.table.equals(again.table)
    assert (tmp_path / "rows").stat().st_mode & 0o777 == 0o700


def test_a_patient_who_is_there_twice_is_found_out_across_the_ends_of_parts(
    tmp_path: Path, schema: Schema
) -> None:
    frame = frame_of(20)
    twice = pl.concat([frame, frame[SIZE - 1]])
    found = parquet_parts(written(tmp_path, twice), schema, scratch=tmp_path / "rows")
    with pytest.raises(DataError, match="duplicate_id") as caught:
        for part in range(len(found)):
            found.read(part)
    assert caught.value.code == "duplicate_id" and "P006" in str(caught.value)


def test_missing_ids_and_missing_columns_are_findings_as_in_a_whole_file(
    tmp_path: Path, schema: Schema
) -> None:
    frame = frame_of(20)
    mixed = frame.reverse()
    unnamed = mixed.with_columns(
        pl.when(pl.col("patient") == "P003").then(None).otherwise("patient").alias("patient")
    )
    for bad, code in (
        (unnamed, "missing_id"),
        (mixed.drop("age"), "missing_column"),
        (mixed.drop("patient"), "missing_column"),
    ):
        found = parquet_parts(written(tmp_path, bad), schema, scratch=tmp_path / "rows")
        with pytest.raises(DataError) as caught:
            found.read(0)
        assert caught.value.code == code


def test_a_file_that_is_none_is_refused_before_anything_is_read(tmp_path: Path, schema: Schema) -> None:
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(written(tmp_path, frame_of(20)).read_bytes()[:-50])
    text = tmp_path / "text.parquet"
    text.write_text("patient,age\n")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    for path, code in (
        (cut, "file_damaged"), (text, "file_not_as_named"), (damaged, "file_damaged"), (tmp_path / "none.parquet", "no_such_file")
    ):  # fmt: skip
        with pytest.raises(DataError) as caught:
            parquet_parts(path, schema, scratch=tmp_path / "rows")
        assert caught.value.code == code


def test_numbers_as_ids_come_in_the_order_of_their_text(tmp_path: Path, schema: Schema) -> None:
    frame = frame_of(20).with_columns(patient=pl.Series(np.arange(20, dtype=float)))
    first = tables(written(tmp_path, frame), schema)[0]
    assert first is not None and first["patient"].to_list() == ["0", "1", "10", "11", "12", "13", "14"]
