"""Scores of a population: the same bytes however they are made, and what is finished is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray as xr

from medresponse.core.atomic import sha256_of
from medresponse.core.errors import (
    DataError,
    OutputExistsError,
    SpecError,
    StorageError,
    UnknownTreatmentError,
)
from medresponse.core.provenance import own_version
from medresponse.core.results import verify_results
from medresponse.inference import Fit
from medresponse.readers import parts, read
from medresponse.response import contrast, respond, score
from medresponse.response.scoring import predictors
from medresponse.response.scoring.scores import NUMERICS
from medresponse.response.scoring.summaries import Summaries
from tests.hand_made import frame_of
from tests.response.conftest import ARMS

N = 50


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 16)


@pytest.fixture
def frame() -> pl.DataFrame:
    """New patients; every fifth without an age, some of a site that training never saw."""
    row = pl.int_range(pl.len())
    return frame_of(N, arms=ARMS, seed=9).select(
        "patient", "sex", "stage", "smoking", "snp",
        pl.when(row % 5 == 0).then(None).otherwise("age").alias("age"),
        pl.when(row % 11 == 3).then(pl.lit("elsewhere")).otherwise("site").alias("site"),
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(tmp_path / "new.parquet")
    return tmp_path / "new.parquet"


def arrays(frame: pl.DataFrame, path: Path) -> Path:
    """Write columns as arrays of a Zarr group; empty text and numbers that are none are missing."""
    plain = frame.with_columns(pl.col(pl.String, pl.Enum).cast(pl.String).fill_null(""))
    columns = {name: ("row", plain[name].to_numpy()) for name in plain.columns}
    for name, (row, values) in columns.items():
        if values.dtype == object:
            columns[name] = (row, values.astype(str))
    xr.Dataset(columns).to_zarr(path, zarr_format=2, consolidated=False)
    return path


def digests(folder: Path) -> dict[str, str]:
    return {p.name: sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def tiles_scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of patients in the tiles that are scored."""
    found: list[int] = []
    of = Summaries.of

    def counted(self: Summaries, tile: predictors.Tile) -> np.ndarray:
        found.append(len(tile.rows))
        return of(self, tile)

    monkeypatch.setattr(Summaries, "of", counted)
    return found


def test_scores_are_those_of_summary_and_contrast(linear: Fit, file: Path, tmp_path: Path) -> None:
    found = score(linear, file, tmp_path / "scores", worthwhile=0.5)
    assert (found.n_patients, found.n_excluded, found.treatments) == (N, 0, ARMS)
    table = found.scan().collect()
    responses = respond(linear, read(file, linear.schema, for_prediction=True))
    summary, benefits = responses.summary(), contrast(responses, worthwhile=0.5)
    assert table.select("patient", "treatment").cast(pl.String).equals(summary.select("patient", "treatment"))
    for name in ("mean", "sd", "lower", "upper"):
        np.testing.assert_allclose(table[name].to_numpy(), summary[name].to_numpy(), rtol=3e-6)
    others = table.filter(pl.col("treatment") != "A")
    names = {"benefit": "benefit", "sd": "benefit_sd", "lower": "benefit_lower", "upper": "benefit_upper"}
    for theirs, ours in names.items():
        np.testing.assert_allclose(others[ours].to_numpy(), benefits[theirs].to_numpy(), rtol=3e-5, atol=3e-6)
    for name in ("p_benefit", "p_worthwhile", "p_worse"):
        np.testing.assert_array_equal(others[name].to_numpy(), benefits[name].to_numpy().astype(np.float32))
    assert table.filter(treatment="A")["p_benefit"].is_null().all()


def test_not_a_byte_depends_on_the_order_of_rows_on_threads_or_on_the_kind_of_source(
    linear: Fit, file: Path, frame: pl.DataFrame, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed.parquet"
    frame.sample(fraction=1.0, shuffle=True, seed=2).write_parquet(mixed)
    sources: dict[str, Any] = {
        "file": file,
        "mixed": mixed,
        "cohort": read(file, linear.schema, for_prediction=True),
        "arrays": arrays(frame, tmp_path / "new.zarr"),
    }
    expected = None
    for name, source in sources.items():
        for cores in (1, 3):
            score(linear, source, tmp_path / f"{name}{cores}", cores=cores)
            found = digests(tmp_path / f"{name}{cores}")
            expected = expected or found
            assert found == expected
    assert expected is not None and len(expected) == 4 + 2  # parts, what was asked, manifest


def test_the_size_of_a_part_changes_no_number(
    linear: Fit, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_size = []
    for size in (1, 13, 1000):
        monkeypatch.setattr(parts, "PART", size)
        by_size.append(score(linear, file, tmp_path / f"by {size}").scan().collect())
    assert by_size[0].equals(by_size[1], null_equal=True) and by_size[0].equals(by_size[2], null_equal=True)


def test_a_category_that_training_never_saw_is_named_and_finished_parts_are_kept(
    linear: Fit, file: Path, frame: pl.DataFrame, tmp_path: Path, tiles_scored: list[int]
) -> None:
    wrong = frame.with_columns(
        pl.when(pl.col("patient") == "P040").then(pl.lit("vaping")).otherwise("smoking").alias("smoking")
    )
    wrong.write_parquet(file)
    out = tmp_path / "scores"
    with pytest.raises(DataError) as caught:
        score(linear, file, out)
    assert caught.value.code == "unknown_category"
    assert (
        "smoking" in str(caught.value) and "P040" in str(caught.value) and "vaping" not in str(caught.value)
    )
    assert not out.exists()
    frame.write_parquet(file)
    tiles_scored.clear()
    found = score(linear, file, out)
    assert sum(tiles_scored) < N, "parts that were finished are not scored again"
    tiles_scored.clear()
    assert digests(found.path) == digests(score(linear, file, tmp_path / "at once").path)
    assert sum(tiles_scored) == N


def test_rows_that_were_corrected_are_scored_again_and_the_others_are_not(
    linear: Fit,
    file: Path,
    frame: pl.DataFrame,
    tmp_path: Path,
    tiles_scored: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "scores"
    stop_at(3, monkeypatch, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        score(linear, file, out, cores=1)
    monkeypatch.undo()
    monkeypatch.setattr(parts, "PART", 16)
    frame.with_columns(
        pl.when(pl.col("patient") == "P002").then(70.0).otherwise("age").alias("age")
    ).write_parquet(file)
    table = score(linear, file, out).scan().collect()
    expected = respond(linear, read(file, linear.schema, for_prediction=True)).summary()
    np.testing.assert_allclose(table["mean"].to_numpy(), expected["mean"].to_numpy(), rtol=3e-6)


def stop_at(part: int, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """Raise an error when a part is read."""
    inner = parts.ParquetParts.read

    def stopping(self: parts.ParquetParts, number: int) -> Any:
        if number == part:
            raise error
        return inner(self, number)

    monkeypatch.setattr(parts.ParquetParts, "read", stopping)


def interrupt_at(part: int, monkeypatch: pytest.MonkeyPatch, fit: Fit, file: Path, out: Path) -> None:
    """Leave a score unfinished, as one who interrupts it does."""
    with monkeypatch.context() as patched:
        stop_at(part, patched, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            score(fit, file, out)


def test_an_interrupt_keeps_what_is_finished(
    linear: Fit, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores"
    interrupt_at(3, monkeypatch, linear, file, out)
    kept = digests(tmp_path / ".scores.unfinished")
    assert not out.exists() and "part-00000.parquet" in kept
    score(linear, file, out)
    assert digests(out)["part-00000.parquet"] == kept["part-00000.parquet"]
    assert not (tmp_path / ".scores.unfinished").exists()
    assert not verify_results(out).breaks


def failing_write(after: int) -> Callable[..., None]:
    inner, count = pl.DataFrame.write_parquet, [0]

    def write(self: pl.DataFrame, *args: Any, **options: Any) -> None:
        count[0] += 1
        if count[0] > after:
            raise OSError(28, "No space left on device")
        inner(self, *args, **options)

    return write


def test_a_disk_that_fills_is_an_error_that_says_what_is_kept(
    linear: Fit, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores"
    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", failing_write(2))
        with pytest.raises(StorageError, match=r"No space left on device.*2 finished part"):
            score(linear, file, out)
    assert not out.exists()
    assert score(linear, file, out).n_patients == N


def test_nothing_is_replaced_unless_it_is_said(
    linear: Fit, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores"
    interrupt_at(2, monkeypatch, linear, file, out)
    with pytest.raises(OutputExistsError, match="another question"):
        score(linear, file, out, worthwhile=1.0)
    score(linear, file, out, worthwhile=1.0, overwrite=True)
    with pytest.raises(OutputExistsError, match="exists already"):
        score(linear, file, out)
    assert score(linear, file, out, overwrite=True).n_patients == N


@pytest.mark.parametrize(
    ("made_by", "said"),
    [
        ({"medresponse": "0.0.7", "numerics": NUMERICS}, rf"made by medresponse 0\.0\.7 \(numerics {NUMERICS}\)"),
        ({"medresponse": own_version(), "numerics": NUMERICS - 1}, rf"\(numerics {NUMERICS - 1}\); this is .*{NUMERICS}"),
        (None, "made by an earlier version"),
    ],
)  # fmt: skip
def test_parts_of_another_version_are_not_gone_on_with(
    linear: Fit, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_by: Any, said: str
) -> None:
    out = tmp_path / "scores"
    interrupt_at(2, monkeypatch, linear, file, out)
    stated = tmp_path / ".scores.unfinished" / "scores.json"
    record = json.loads(stated.read_text())
    assert record.pop("made_by") == {"medresponse": own_version(), "numerics": NUMERICS}
    stated.write_text(
        json.dumps(record | ({"made_by": made_by} if made_by else {}), indent=1, sort_keys=True)
    )
    before = digests(tmp_path / ".scores.unfinished")
    with pytest.raises(OutputExistsError, match=f"{said}.*start anew"):
        score(linear, file, out)
    assert digests(tmp_path / ".scores.unfinished") == before
    assert score(linear, file, out, overwrite=True).n_patients == N
    assert json.loads((out / "scores.json").read_text())["made_by"]["numerics"] == NUMERICS


@pytest.mark.parametrize("stated", [None, b"", b"[1]", b"null", b"\xff\xfe", b'{"made_by": "x"}'])
def test_parts_of_which_nothing_says_what_they_answer_are_not_gone_on_with(
    linear: Fit, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: bytes | None
) -> None:
    """As they are left where a folder is being removed, or its statement is damaged: rows alone do not tell the question."""
    out, question = tmp_path / "scores", tmp_path / ".scores.unfinished" / "scores.json"
    interrupt_at(2, monkeypatch, linear, file, out)
    if stated is None:
        question.unlink()
    else:
        question.write_bytes(stated)
    with pytest.raises(OutputExistsError, match=r"scores\.json is missing or damaged.*overwrite"):
        score(linear, file, out, level=0.8)
    found = score(linear, file, out, level=0.8, overwrite=True).scan().collect()
    assert found.equals(score(linear, file, tmp_path / "anew", level=0.8).scan().collect())


def test_arrays_hold_what_the_tables_hold(linear: Fit, file: Path, tmp_path: Path) -> None:
    table = score(linear, file, tmp_path / "tables").scan().collect()
    found = score(linear, file, tmp_path / "arrays", layout="zarr")
    assert not verify_results(found.path).breaks and not (tmp_path / ".arrays.unfinished").exists()
    with xr.open_zarr(found.path / "scores.zarr", consolidated=False) as arrays:
        assert arrays.sizes == {"patient": N, "treatment": 3} and arrays.attrs["unit"] == "points"
        assert arrays["patient"].values.tolist() == table["patient"].unique(maintain_order=True).to_list()
        assert tuple(arrays["treatment"].values) == ARMS
        for name in found.columns:
            np.testing.assert_array_equal(
                arrays[name].values.ravel(), table[name].fill_null(np.nan).to_numpy()
            )


def test_files_are_for_their_owner_alone(linear: Fit, file: Path, tmp_path: Path) -> None:
    found = score(linear, file, tmp_path / "scores")
    assert found.path.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in found.path.iterdir()} == {0o600}


def test_what_cannot_be_asked_is_refused_before_a_row_is_read(
    linear: Fit, survival: Fit, tmp_path: Path
) -> None:
    absent, out = tmp_path / "absent.parquet", tmp_path / "scores"
    with pytest.raises(SpecError, match="horizon"):
        score(survival, absent, out)
    with pytest.raises(UnknownTreatmentError):
        score(linear, absent, out, against="Z")
    with pytest.raises(UnknownTreatmentError):
        score(linear, absent, out, losses={"Z": 1.0})
    with pytest.raises(SpecError, match="losses"):
        score(linear, absent, out, losses={"B": np.zeros(5)})
    assert list(tmp_path.iterdir()) == []


def test_rows_left_out_by_a_rule_are_counted_also_where_a_whole_part_is(
    linear: Fit, frame: pl.DataFrame, tmp_path: Path
) -> None:
    from dataclasses import replace

    from medresponse.cohort.schema import Eligibility

    ruled = replace(linear.schema, eligibility=(Eligibility(column="sex", reason="men", keep=("f",)),))
    fit = replace(linear, schema=ruled)
    file = tmp_path / "new.parquet"
    men = pl.col("patient") < "P020"
    frame.with_columns(pl.when(men).then(pl.lit("m")).otherwise("sex").alias("sex")).write_parquet(file)
    found = score(fit, file, tmp_path / "scores")
    kept = read(file, ruled, for_prediction=True)
    assert (found.n_patients, found.n_excluded) == (kept.n, N - kept.n)
    assert found.scan().collect()["patient"].unique(maintain_order=True).to_list() == list(kept.patients)
    frame.with_columns(sex=pl.lit("m")).write_parquet(file)
    with pytest.raises(DataError, match="nobody"):
        score(fit, file, tmp_path / "none")
