"""More columns than patients: sampled along fewer directions, the posterior is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import medresponse as mr
from medresponse.cohort import Cohort, Continuous, Feature, Level, Schema, Treatment, cohort_from_frame
from medresponse.families import Gaussian
from medresponse.inference import fitting
from medresponse.model import ModelSpec, prepare, rotate
from medresponse.priors import Horseshoe, Normal

N, VARIANTS = 24, 40
ARMS = ("a", "b", "c")
SPEC = ModelSpec(
    family=Gaussian(),
    blocks={"history": Normal(), "genomic": Normal(sigma=0.3, pooled=True)},
    pooling=("site",),
)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    rng = np.random.default_rng(5)
    dosage = rng.binomial(2, 0.4, (N, VARIANTS))
    age, arm = rng.normal(60, 10, N), np.arange(N) % 3
    outcome = 0.05 * age + dosage[:, 0] + 0.5 * arm + rng.normal(size=N)
    names = [f"rs{j:02d}" for j in range(VARIANTS)]
    columns = {
        "id": [f"P{i:02d}" for i in range(N)], "arm": [ARMS[a] for a in arm], "age": age, "y": outcome,
        "site": [f"s{i % 4}" for i in range(N)],
    }  # fmt: skip
    frame = pl.DataFrame(columns | {name: dosage[:, j] for j, name in enumerate(names)})
    schema = Schema(
        name="made up", source="made up", id="id", synthetic=True, sites=("site",),
        treatment=Treatment(
            column="arm", levels={a: Level() for a in ARMS}, reference="a", assignment="randomised"
        ),
        outcomes={"y": Continuous(column="y", unit="1", label="y", direction="higher_is_better")},
        features={
            "history": {"age": Feature(type="continuous", unit="year")},
            "genomic": {name: Feature(type="dosage") for name in names},
        },
    )  # fmt: skip
    return cohort_from_frame(frame, schema)


def test_expanded_coefficients_predict_as_the_sampled_ones(cohort: Cohort) -> None:
    prepared = prepare(SPEC, cohort, outcome="y", seed=1)
    rotation = rotate(SPEC, prepared.design)
    assert rotation is not None
    rng = np.random.default_rng(1)
    small, full = rotation.design.layout, prepared.layout
    sampled = rng.standard_normal((7, small.n_coefficients))
    posterior = {
        "coefficients": sampled, "prognostic_genomic_scale": np.full(7, 0.3), "modifier_genomic_scale": np.full(7, 0.2),
        "prognostic_genomic": np.zeros((7, N)), "residual": np.ones(7),
    }  # fmt: skip
    expanded = rotation.expand(posterior, 0, rng)
    assert set(expanded) == {"coefficients", "prognostic_genomic_scale", "modifier_genomic_scale", "residual"}
    groups = fitting.group_indices(full, cohort)
    arguments = cohort.treatment_idx, groups
    np.testing.assert_allclose(
        full.linear_predictor(prepared.data[0]["columns"], *arguments, expanded["coefficients"]),
        small.linear_predictor(rotation.design.data[0]["columns"], *arguments, sampled),
        atol=1e-10,
    )
    assert "40 columns sampled along the 24 directions" in rotation.notes[0]


def test_without_data_expanded_coefficients_have_their_prior(cohort: Cohort) -> None:
    """Mean zero, the prior's variance, and no correlation between columns."""
    prepared = prepare(SPEC, cohort, outcome="y", seed=1)
    rotation = rotate(SPEC, prepared.design)
    assert rotation is not None
    rng, draws = np.random.default_rng(2), 20_000
    sampled = np.empty((draws, rotation.design.layout.n_coefficients))
    sampled[:] = 0.3 * rng.standard_normal(sampled.shape)
    scales = {f"{part}_genomic_scale": np.full(draws, 0.3) for part in ("prognostic", "modifier")}
    drawn = rotation.expand(scales | {"coefficients": sampled}, 0, rng)["coefficients"]
    covariance = np.cov(drawn.T) / 0.09
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=5.5 * np.sqrt(2 / draws))


@pytest.mark.sampling
def test_a_fit_says_that_it_was_rotated_and_has_every_coefficient(cohort: Cohort) -> None:
    fitted = mr.fit(SPEC, cohort, engine=mr.Nuts(draws=20, tune=100, chains=2), seed=1)
    assert "genomic" in fitted.provenance.formulation[0]
    assert fitted.draws("coefficients").shape == (40, fitted.layout.n_coefficients)
    assert "prognostic_genomic_raw[23]" in fitted.diagnostics_table["parameter"].to_list()
    again = mr.fit(SPEC, cohort, engine=mr.Nuts(draws=20, tune=100, chains=2), seed=1)
    np.testing.assert_array_equal(fitted.draws("coefficients"), again.draws("coefficients"))


@pytest.mark.recovery
def test_the_posterior_is_that_of_the_plain_model(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = mr.Nuts(draws=1000, tune=600)
    turned = mr.fit(SPEC, cohort, engine=engine, seed=1)
    monkeypatch.setattr(fitting, "rotate", lambda spec, design: None)
    plain = mr.fit(SPEC, cohort, engine=engine, seed=2)
    assert "genomic" in turned.provenance.formulation[0]
    assert not any("genomic" in words for words in plain.provenance.formulation)
    for moment in (1, 2):
        a, b = ((f.posterior["coefficients"] ** moment).values for f in (turned, plain))
        # Standard errors from the four chains' means are rough: so many draws are compared by a pooled one.
        means = np.concatenate([a.mean(axis=1), b.mean(axis=1)])
        error = np.sqrt((means.reshape(2, 4, -1).var(axis=1, ddof=1) / 4).sum(axis=0))
        z = (means[:4].mean(axis=0) - means[4:].mean(axis=0)) / np.sqrt((error**2).mean())
        assert np.abs(z).mean() < 1.2
        assert np.abs(z).max() < 6


@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, blocks={"history": Normal(), "genomic": Horseshoe(expected_nonzero=3)}),
        replace(SPEC, modifiers={"genomic": Horseshoe(expected_nonzero=3)}),
        replace(SPEC, slopes={"site": ("rs01",)}),
        replace(SPEC, interactions=(("rs01", "age"),)),
        replace(SPEC, blocks={"history": Normal()}),
    ],
    ids=["sparse", "sparse modifiers", "slopes of one column", "a product", "few columns"],
)
def test_what_needs_single_columns_is_sampled_as_it_is(spec: ModelSpec, cohort: Cohort) -> None:
    assert rotate(spec, prepare(spec, cohort, outcome="y", seed=1).design) is None
