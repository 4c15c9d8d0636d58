"""Codes and columns: centred on training rows, the same for new patients, every level with its column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import DataError
from medresponse.families import Gaussian
from medresponse.features import Encoding, fit_encoding
from medresponse.model import ModelSpec, prepare
from medresponse.priors import Normal
from tests.hand_made import frame_of, patients_like, schema_of, trial_of

BLOCKS = ("genomic", "history", "lifestyle")


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(61)


@pytest.fixture(scope="module")
def encoding(cohort: Cohort) -> Encoding:
    return fit_encoding(cohort, blocks=BLOCKS)


def with_feature(name: str, values: list[Any], **feature: Any) -> Cohort:
    """The made-up trial with one more feature, in the imaging block, and with half a unit of error where a column is to hold it."""
    plain = to_plain(schema_of())
    plain["features"]["imaging"] = {name: feature}
    frame = frame_of(len(values)).with_columns(pl.Series(name, values), scan_se=0.5)
    if feature.get("error") != "scan_se":
        frame = frame.drop("scan_se")
    return cohort_from_frame(frame, from_plain(Schema, plain))


@pytest.mark.parametrize("transform", ["none", "log"])
def test_an_error_too_small_to_tell_is_none_and_is_named(
    caplog: pytest.LogCaptureFixture, transform: str
) -> None:
    values = [float(v) for v in range(1, 41)]
    trial = with_feature("scan", values, type="continuous", unit="mm", error="scan_se", transform=transform)
    errors = np.tile([5e-324, 1e-160, 1e-12, 0.5], 10)
    trial = replace(trial, table=trial.table.with_columns(pl.Series("scan_se", errors)))
    with caplog.at_level("INFO", logger="medresponse"):
        found = fit_encoding(trial, blocks=("imaging",))
    assert "feature scan: 30 value(s)" in caplog.text and "taken for exact" in caplog.text
    codes = found.errors(trial)
    assert codes is not None and np.isfinite(codes).all()
    np.testing.assert_array_equal(codes[:, 0] == 0, np.tile([True, True, True, False], 10))
    sd, slope = (
        (np.std(values), 1.0) if transform == "none" else (np.std(np.log(values)), 1 / np.array(values[3::4]))
    )
    np.testing.assert_allclose(codes[3::4, 0], 0.5 * slope / sd)


@pytest.mark.parametrize("error", [1e-300, 1e-155, 1e-9])
def test_readings_of_hardly_any_error_are_imputed_as_they_are(error: float) -> None:
    noisy = {"type": "continuous", "unit": "mm", "error": error}
    trial = with_feature("scan", list(np.random.default_rng(1).normal(size=60)), **noisy)
    spec = ModelSpec(family=Gaussian(), blocks={"imaging": Normal(), "history": Normal()})
    prepared = prepare(spec, trial, outcome="score", seed=1)
    for one in prepared.codes:
        np.testing.assert_array_equal(one, prepared.encoding.codes(trial))


def test_every_column_has_mean_zero_over_the_training_rows(cohort: Cohort, encoding: Encoding) -> None:
    columns = encoding.columns(encoding.codes(cohort))
    assert columns.shape == (61, len(encoding.column_labels)) == (61, 6)
    np.testing.assert_allclose(columns.mean(axis=0), 0.0, atol=1e-12)


def test_a_continuous_column_is_standardised_and_a_level_column_is_an_indicator_less_its_share(
    cohort: Cohort, encoding: Encoding
) -> None:
    columns = dict(zip(encoding.column_labels, encoding.columns(encoding.codes(cohort)).T, strict=True))
    age = cohort.table["age"].to_numpy()
    np.testing.assert_allclose(columns["age"], (age - age.mean()) / age.std(), rtol=1e-12)
    former = (cohort.table["smoking"] == "former").to_numpy()
    np.testing.assert_allclose(columns["smoking=former"], former - former.mean(), atol=1e-12)
    stage = cohort.table["stage"].cast(pl.String).cast(pl.Float64).to_numpy()
    np.testing.assert_allclose(columns["stage"], stage - stage.mean(), atol=1e-12)
    assert "smoking=never" not in columns  # the most frequent level is the one without a column


def test_new_patients_are_centred_and_scaled_by_the_training_rows(cohort: Cohort, encoding: Encoding) -> None:
    age = cohort.table["age"].to_numpy()
    new = patients_like(cohort, [{"age": float(age.mean())}, {"age": float(age.mean() + 2 * age.std())}])
    column = encoding.columns(encoding.codes(new))[:, encoding.column_labels.index("age")]
    np.testing.assert_allclose(column, [0.0, 2.0], atol=1e-12)


def test_a_level_that_training_never_saw_keeps_its_column(cohort: Cohort) -> None:
    seen = cohort.where(pl.col("smoking").cast(pl.String) != "current")
    encoding = fit_encoding(seen, blocks=("lifestyle",))
    assert encoding.column_labels == ("smoking=former", "smoking=current")
    new = patients_like(cohort, [{"smoking": "current"}, {"smoking": "never"}])
    columns = encoding.columns(encoding.codes(new))
    np.testing.assert_allclose(columns[:, 1], [1.0, 0.0])  # its training share is 0


@pytest.mark.parametrize("level", [1, 2, 3])
def test_an_ordinal_level_counts_by_its_place_whether_or_not_training_saw_it(
    cohort: Cohort, level: int
) -> None:
    seen = cohort.where(pl.col("stage").cast(pl.String) != str(level))
    encoding = fit_encoding(seen, blocks=("history",))
    codes = encoding.codes(patients_like(cohort, [{"stage": str(level)}]))
    assert codes[0, encoding.names.index("stage")] == level - 1


@pytest.mark.parametrize(("values", "count"), [([0.0], 1), ([0.0, -3.0], 2)])
def test_a_transform_undefined_in_training_names_the_column_and_the_count(
    values: list[float], count: int
) -> None:
    column = [*values, *np.linspace(1.0, 9.0, 30 - len(values))]
    cohort = with_feature("volume", column, type="continuous", unit="mm3", transform="log")
    with pytest.raises(DataError, match=rf"volume.*'log'.* {count} row") as caught:
        fit_encoding(cohort, blocks=("imaging",))
    assert caught.value.code == "transform_undefined"
    assert "-3" not in str(caught.value)  # a patient's value


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_transform_undefined_for_a_new_patient_is_an_error_too(value: float) -> None:
    """The logarithm of 0 is no number to score with, and that of -3 is not a missing value."""
    cohort = with_feature(
        "volume", list(np.linspace(1.0, 9.0, 30)), type="continuous", unit="mm3", transform="log"
    )
    encoding = fit_encoding(cohort, blocks=("imaging",))
    with pytest.raises(DataError, match=r"volume.*'log'.* 1 row") as caught:
        encoding.codes(patients_like(cohort, [{"volume": 2.0}, {"volume": value}, {"volume": None}]))
    assert caught.value.code == "transform_undefined"


@pytest.mark.parametrize(
    ("transform", "function"),
    [("none", lambda x: x), ("log", np.log), ("log1p", np.log1p), ("sqrt", np.sqrt)],
)
def test_a_transform_is_applied_before_standardising(transform: str, function: Any) -> None:
    values = np.linspace(1.0, 90.0, 30)
    cohort = with_feature("volume", list(values), type="continuous", unit="mm3", transform=transform)
    codes = fit_encoding(cohort, blocks=("imaging",)).codes(cohort)[:, 0]
    expected = function(values)
    np.testing.assert_allclose(codes, (expected - expected.mean()) / expected.std(), rtol=1e-10)


def test_missing_values_stay_missing_in_codes_and_do_not_count_in_training() -> None:
    cohort = trial_of(60, missing={"age": 13, "sex": 7})
    encoding = fit_encoding(cohort, blocks=("history",))
    codes = encoding.codes(cohort)
    assert np.isnan(codes).sum(axis=0).tolist() == [13, 7, 0]
    np.testing.assert_allclose(np.nanmean(codes[:, 0]), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.nanmean(encoding.columns(codes)[:, 1]), 0.0, atol=1e-12)


def test_features_that_carry_no_information_are_left_out() -> None:
    plain = schema_of()
    frame = frame_of(30).with_columns(pl.lit(1).alias("stage"), pl.lit(None, pl.Float64).alias("age"))
    encoding = fit_encoding(cohort_from_frame(frame, plain), blocks=BLOCKS, leave_out=("snp",))
    assert encoding.names == ("sex", "smoking")


def test_an_interaction_is_the_product_of_its_columns_and_belongs_to_the_first_features_block(
    cohort: Cohort,
) -> None:
    encoding = fit_encoding(cohort, blocks=BLOCKS, interactions=[("smoking", "age"), ("age", "stage")])
    columns = dict(zip(encoding.column_labels, encoding.columns(encoding.codes(cohort)).T, strict=True))
    np.testing.assert_array_equal(columns["smoking=former : age"], columns["smoking=former"] * columns["age"])
    np.testing.assert_array_equal(columns["age : stage"], columns["age"] * columns["stage"])
    extra = encoding.column_labels[len(encoding.main_labels) :]
    assert extra == ("smoking=former : age", "smoking=current : age", "age : stage")
    assert encoding.column_blocks[-3:] == ("lifestyle", "lifestyle", "history")
    assert encoding.column_features[-3:] == (("smoking", "age"), ("smoking", "age"), ("age", "stage"))


def test_an_interaction_with_a_feature_left_out_is_left_out(cohort: Cohort) -> None:
    encoding = fit_encoding(cohort, blocks=BLOCKS, leave_out=("age",), interactions=[("age", "stage")])
    assert encoding.interactions == ()
    assert encoding.columns(encoding.codes(cohort)).shape[1] == len(encoding.column_labels)


def test_columns_work_over_any_leading_dimensions(cohort: Cohort) -> None:
    encoding = fit_encoding(cohort, blocks=BLOCKS, interactions=[("smoking", "age")])
    codes = encoding.codes(cohort)[:12]
    stacked = encoding.columns(codes.reshape(3, 4, -1))
    np.testing.assert_array_equal(stacked.reshape(12, -1), encoding.columns(codes))


def test_a_cohort_without_a_features_column_is_refused_by_name(cohort: Cohort, encoding: Encoding) -> None:
    from dataclasses import replace

    with pytest.raises(DataError, match=r"1 feature.*age") as caught:
        encoding.codes(replace(cohort, table=cohort.table.drop("age")))
    assert caught.value.code == "missing_column"


def test_no_block_gives_no_columns(cohort: Cohort) -> None:
    encoding = fit_encoding(cohort, blocks=())
    assert encoding.codes(cohort).shape == encoding.columns(encoding.codes(cohort)).shape == (61, 0)


def test_blocks_come_in_the_order_asked_for(cohort: Cohort) -> None:
    encoding = fit_encoding(cohort, blocks=("lifestyle", "history"))
    assert encoding.names == ("smoking", "age", "sex", "stage")


def test_the_range_of_use_is_the_central_98_percent_of_the_training_values(
    cohort: Cohort, encoding: Encoding
) -> None:
    feature = encoding.features[encoding.names.index("age")]
    values = np.sort(cohort.table["age"].to_numpy())
    assert (
        values[0] < feature.low < values[1]
    )  # 61 values: the 1st percentile lies 0.6 of the way to the second
    assert (feature.low, feature.high) == pytest.approx(tuple(np.percentile(values, [1, 99])))


def test_an_encoding_survives_json(encoding: Encoding, cohort: Cohort) -> None:
    import json

    back = from_plain(Encoding, json.loads(json.dumps(to_plain(encoding))))
    np.testing.assert_array_equal(back.codes(cohort), encoding.codes(cohort))
    assert back.column_labels == encoding.column_labels
