"""Noisy and missing features through a whole fit: what is not known widens, and does not attenuate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.families import Gaussian
from medresponse.inference import Fit, Nuts, fit
from medresponse.model import ModelSpec, MultipleImputation
from medresponse.priors import Normal
from medresponse.response import respond

SLOPE, MODIFICATION, N = 1.0, 0.6, 600
ENGINE = Nuts(draws=300, tune=300, chains=2)


def scanned(error: str | None) -> Cohort:
    """A marker of true sd 1 read with a standard error of 0.4 or 1.0; the outcome depends on its true value."""
    rng = np.random.default_rng(11)
    true, arm = rng.normal(size=N), np.arange(N) % 2
    se = np.where(np.arange(N) % 3 == 0, 0.4, 1.0)
    outcome = SLOPE * true + arm * (0.5 + MODIFICATION * true) + 0.7 * rng.normal(size=N)
    frame = pl.DataFrame(
        {
            "id": [f"P{i:04d}" for i in range(N)], "arm": arm, "y": outcome,
            "marker": true + se * rng.normal(size=N), "marker_se": se,
        }
    )  # fmt: skip
    feature = {"type": "continuous", "unit": "1"} | ({"error": error} if error else {})
    schema = from_plain(
        Schema,
        {
            "name": "scans", "source": "made up", "id": "id", "synthetic": True,
            "treatment": {"column": "arm", "reference": "0", "assignment": "randomised", "levels": {"0": {}, "1": {}}},
            "outcomes": {
                "y": {"kind": "continuous", "column": "y", "unit": "1", "label": "y", "direction": "higher_is_better"}
            },
            "features": {"imaging": {"marker": feature}}, "ignore": [] if error else ["marker_se"],
        },
    )  # fmt: skip
    return cohort_from_frame(frame, schema)


def fitted(cohort: Cohort, **missing: object) -> Fit:
    spec = ModelSpec(
        family=Gaussian(), blocks={"imaging": Normal(sigma=2.0)}, modifiers={"imaging": Normal(sigma=2.0)},
        missing=MultipleImputation(imputations=10, **missing),  # type: ignore[arg-type]
    )  # fmt: skip
    return fit(spec, cohort, engine=ENGINE, seed=2)


def slopes(result: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the slope in the average arm and of its difference between arms, for one unit of the marker."""
    (feature,) = result.encoding.features
    draws, parts = result.draws("coefficients") / feature.scale, result.layout.slices
    difference = result.layout.contrast_matrix[1, 0] - result.layout.contrast_matrix[0, 0]
    return draws[:, parts["prognostic"]][:, 0], draws[:, parts["modifier"]][:, 0] * difference


@pytest.fixture(scope="module")
def with_error() -> Fit:
    return fitted(scanned("marker_se"))


@pytest.mark.sampling
def test_a_declared_error_undoes_the_attenuation_and_widens_the_interval(with_error: Fit) -> None:
    ignored = fitted(scanned(None))
    for own, naive, truth in zip(
        slopes(with_error), slopes(ignored), (SLOPE + MODIFICATION / 2, MODIFICATION), strict=True
    ):
        assert np.quantile(own, 0.005) < truth < np.quantile(own, 0.995)
        assert naive.mean() < truth - 3 * naive.std()  # reliability about 0.58: ignoring it is far off
        assert own.std() > naive.std()


@pytest.mark.sampling
def test_a_noisier_reading_of_a_new_patient_gives_a_wider_interval(with_error: Fit) -> None:
    cohort = scanned("marker_se").select(["P0000", "P0001", "P0002"])
    same = cohort.table.with_columns(marker=pl.lit(1.2), marker_se=pl.Series([0.05, 0.5, 2.0]))
    table = respond(with_error, replace(cohort, table=same)).summary().filter(pl.col("treatment") == "1")
    sd = table["sd"].to_numpy()
    assert sd[0] < sd[1] < sd[2]
    mean = table["mean"].to_numpy()
    assert mean[0] > mean[1] > mean[2]  # and says less of the patient: drawn towards the average


@pytest.mark.sampling
def test_what_is_missing_not_at_random_can_be_shifted() -> None:
    """The shift reaches the fit: with missing values shifted down, a patient without a reading is predicted lower."""
    cohort = scanned(None)
    gaps = pl.Series(np.arange(N) % 4 == 0)
    table = cohort.table.with_columns(marker=pl.when(gaps).then(None).otherwise(pl.col("marker")))
    partial = replace(cohort, table=table)
    plain, shifted = fitted(partial), fitted(partial, shifts={"marker": -1.5})
    means = [respond(f, partial.where(gaps)).mean_over_patients().mean() for f in (plain, shifted)]
    known = [respond(f, partial.where(~gaps)).mean_over_patients().mean() for f in (plain, shifted)]
    assert means[1] - known[1] < means[0] - known[0] - 0.5
