"""Parameters drawn without the true values of noisy features: their chances and laws against quadrature and closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.families import Family, Gaussian, Weibull
from medresponse.inference import collapsing
from medresponse.inference.collapsing import Collapsed, at_means, collapses
from medresponse.model import ModelSpec, MultipleImputation, PropensityScore, SumOfTrees, Trees, prepare
from medresponse.priors import LogNormal, Normal
from medresponse.terms import Spline

N, SCALE = 24, 0.5
SPEC = ModelSpec(
    family=Gaussian(), blocks={"history": Normal()}, modifiers={"history": Normal()},
    missing=MultipleImputation(imputations=2, cycles=2),
)  # fmt: skip


def read_with_error(n: int = N, *, error: float | None = 0.5) -> Cohort:
    """A score that a marker, read with error, nearly explains; ages are exact."""
    rng = np.random.default_rng(3)
    true, age = rng.normal(size=n), rng.normal(60.0, 9.0, n)
    frame = pl.DataFrame(
        {
            "id": [f"P{i:03d}" for i in range(n)], "arm": np.arange(n) % 2, "age": age,
            "marker": true + 0.5 * rng.normal(size=n), "score": true + 0.1 * rng.normal(size=n),
        }
    )  # fmt: skip
    marker: dict[str, Any] = {"type": "continuous", "unit": "1"} | ({} if error is None else {"error": error})
    schema = from_plain(
        Schema,
        {
            "name": "scans", "source": "made up", "id": "id", "synthetic": True,
            "treatment": {"column": "arm", "reference": "0", "assignment": "randomised", "levels": {"0": {}, "1": {}}},
            "outcomes": {
                "score": {"kind": "continuous", "column": "score", "unit": "1", "label": "score", "direction": "higher_is_better"}
            },
            "features": {"history": {"marker": marker, "age": {"type": "continuous", "unit": "year"}}},
        },
    )  # fmt: skip
    return cohort_from_frame(frame, schema)


def collapsed() -> Collapsed:
    cohort = read_with_error()
    prepared = prepare(SPEC, cohort, outcome="score", seed=1)
    return replace(at_means(SPEC, prepared, cohort, cohort.outcome("score"), seed=1), scale=SCALE)


def candidates(*slopes: float) -> dict[str, np.ndarray]:
    """One candidate a slope in the marker, which is a third smaller in the second arm; residuals wide."""
    coefficients = np.zeros((len(slopes), 5))  # marker, age, contrast, contrast x marker, contrast x age
    coefficients[:, 0], coefficients[:, 3] = slopes, -0.4 * np.array(slopes)
    return {
        "coefficients": coefficients, "intercept": np.full(len(slopes), 0.1), "sigma": np.full(len(slopes), 0.6),
        "other": np.zeros(len(slopes)),
    }  # fmt: skip


def normal_parts(found: Collapsed, draws: dict[str, np.ndarray], which: int) -> tuple[np.ndarray, ...]:
    """Residuals at the means, slopes in the marker's code, and variances of its true values, by hand."""
    contrast = np.array(found.prepared.layout.contrasts)[found.treatment_idx, 0]
    slope = draws["coefficients"][which, 0] + contrast * draws["coefficients"][which, 3]
    line = found.prepared.encoding.features[0].line
    slope = slope / line[1]
    mean = draws["intercept"][which] + slope * (found.laws[0].mean[:, 0] - line[0])
    return found.outcome - mean, slope, found.laws[0].root[:, 0, 0] ** 2


def drawn(found: Collapsed, draws: dict[str, np.ndarray], times: int, **options: Any) -> list[Any]:
    every = [found.draw([draws, draws], options.get("present"), seed=seed) for seed in range(times)]
    return [(parameters[0], codes[0]) for parameters, codes in every]


def test_candidates_are_chosen_and_sigma_drawn_with_true_values_and_priors_integrated_out() -> None:
    found, draws = collapsed(), candidates(0.8, 1.05)
    wanted, by_sigma = [], []
    for which in (0, 1):
        residual, slope, variance = normal_parts(found, draws, which)

        def mass(noise: np.ndarray, power: int = 0, residual: np.ndarray = residual) -> float:
            def density(sigma: float) -> float:
                own = norm.logpdf(residual, 0, np.sqrt(sigma**2 + noise)).sum() - sigma**2 / (2 * SCALE**2)
                return float(sigma**power * np.exp(own + 20))

            return float(quad(density, 1e-6, 4, limit=200)[0])

        added = slope**2 * variance
        wanted.append(mass(added) / mass(0 * added))
        by_sigma.append(mass(added, 1) / mass(added))
    chances = np.array(wanted) / sum(wanted)
    assert 0.2 < chances[0] < 0.8  # else the test would tell little
    every = [one for one, _ in drawn(found, draws, 300)]
    first = np.array([one["coefficients"][0, 0] == 0.8 for one in every])
    assert first.mean() == pytest.approx(chances[0], abs=0.1)
    sigma = np.array([one["sigma"][0] for one in every])
    assert sigma.mean() == pytest.approx(chances @ by_sigma, abs=4 * sigma.std() / np.sqrt(300))
    assert all(one["coefficients"].shape == (1, 5) and one["intercept"].shape == (1,) for one in every)


def test_sigma_has_its_law_given_one_candidate_and_few_patients() -> None:
    found, rng = collapsed(), np.random.default_rng(1)
    squares, added = np.array([0.3, 0.1, 0.5]), np.array([0.2, 0.0, 0.1])

    def density(sigma: float, power: int = 0) -> float:
        variance = sigma**2 + added
        own = np.exp(-0.5 * (squares / variance).sum() - sigma**2 / (2 * SCALE**2)) / np.sqrt(variance.prod())
        return float(sigma**power * own)

    mass, mean, square = (quad(density, 1e-9, 6, args=(k,), limit=200)[0] for k in (0, 1, 2))
    draws = [0.5]
    for _ in range(6000):
        draws.append(found._sigma(draws[-1], squares, added, rng))
    sd = np.sqrt(square / mass - (mean / mass) ** 2)
    assert np.mean(draws) == pytest.approx(mean / mass, abs=0.1 * sd)
    assert np.std(draws) == pytest.approx(sd, rel=0.1)


def test_true_values_have_their_law_given_parameters_readings_and_outcome() -> None:
    found, draws = collapsed(), candidates(0.9)
    residual, slope, variance = normal_parts(found, draws, 0)
    standard = []
    for one, codes in drawn(found, draws, 150):
        precision = 1 / variance + (slope / one["sigma"][0]) ** 2
        expected = found.laws[0].mean[:, 0] + slope * residual / one["sigma"][0] ** 2 / precision
        standard.append((codes[:, 0] - expected) * np.sqrt(precision))
        np.testing.assert_array_equal(codes[:, 1], found.prepared.codes[0][:, 1])
    assert np.abs(np.mean(standard, axis=0)).max() < 4 / np.sqrt(150)
    along = (
        standard @ residual / np.linalg.norm(residual)
    )  # what the outcome says of true values, by no more and no less
    assert along.mean() == pytest.approx(0.0, abs=4 / np.sqrt(150))
    assert np.std(standard) == pytest.approx(1.0, abs=4 / np.sqrt(2 * 150 * N))


def test_the_present_parameters_are_one_candidate_more() -> None:
    found, both = collapsed(), candidates(0.8, 1.05)
    alone, present = ({name: value[i : i + 1] for name, value in both.items()} for i in (0, 1))
    every = [
        (found.draw([both] * 2, None, seed=s), found.draw([alone] * 2, [present] * 2, seed=s))
        for s in range(8)
    ]
    for (_, codes), (_, same) in every:
        np.testing.assert_array_equal(codes, same)
    assert {one["coefficients"][0, 0] for _, (parameters, _) in every for one in parameters} == {0.8, 1.05}


def test_the_same_seed_gives_the_same_bytes() -> None:
    found, draws = collapsed(), candidates(0.8, 1.05)
    (first, codes), (second, same), (_, other) = (
        found.draw([draws, draws], None, seed=seed) for seed in (1, 1, 2)
    )
    assert first[1]["sigma"].tobytes() == second[1]["sigma"].tobytes() and codes.tobytes() == same.tobytes()
    assert (codes[0] != codes[1]).any() and (codes != other).any()


def test_means_stand_for_true_values_and_priors_keep_their_scales() -> None:
    cohort = read_with_error()
    prepared = prepare(SPEC, cohort, outcome="score", seed=1)
    found = at_means(SPEC, prepared, cohort, cohort.outcome("score"), seed=1)
    for m, law in enumerate(found.laws):
        np.testing.assert_array_equal(found.prepared.codes[m][:, 0], law.mean[:, 0])
        np.testing.assert_array_equal(found.prepared.data[m]["column_sd"], prepared.data[m]["column_sd"])
        assert (found.prepared.data[m]["triangle"] != prepared.data[m]["triangle"]).any()
    assert (found.laws[0].mean != found.laws[1].mean).all()
    np.testing.assert_allclose(found.outcome, cohort.outcome("score")["value"])


@pytest.mark.parametrize("n", [N, 8], ids=["by arm", "both arms at once"])
def test_what_is_redrawn_next_is_given_the_features_models_that_true_values_were_drawn_under(n: int) -> None:
    cohort = read_with_error(n)
    prepared = prepare(SPEC, cohort, outcome="score", seed=1)
    found = at_means(SPEC, prepared, cohort, cohort.outcome("score"), seed=1)
    models = found.prepared.by_arm or (found.prepared.imputer,)
    assert len(models) == (2 if n == N else 1) and len(prepared.by_arm) == len(found.prepared.by_arm)
    for place, model in enumerate(models):
        assert model.covariance is not None
        for m, law in enumerate(found.laws):
            np.testing.assert_array_equal(model.mean[m], law.models[place][0])
            np.testing.assert_array_equal(model.covariance[m], law.models[place][1])
    assert (found.prepared.imputer.mean != prepared.imputer.mean).all()


@pytest.mark.parametrize(
    ("options", "error", "expected"),
    [
        ({}, 0.5, True),
        ({}, None, False),
        ({"family": Gaussian(residual=LogNormal())}, 0.5, False),
        ({"terms": {"age": Spline()}}, 0.5, True),
        ({"terms": {"marker": Spline()}}, 0.5, False),
        ({"interactions": (("marker", "age"),)}, 0.5, False),
        ({"confounding": PropensityScore()}, 0.5, False),
        ({"blocks": {}, "modifiers": None, "trees": Trees(blocks=("history",), prognostic=SumOfTrees(trees=5))}, 0.5, False),
    ],
)  # fmt: skip
def test_only_normal_outcomes_that_are_linear_in_noisy_features_are_collapsed(
    options: dict[str, Any], error: float | None, expected: bool
) -> None:
    cohort, spec = read_with_error(error=error), replace(SPEC, **options)
    encoding = prepare(spec, cohort, outcome="score", seed=1).encoding
    assert collapses(spec, encoding, encoding.errors(cohort)) is expected


def test_other_families_are_not_collapsed() -> None:
    cohort, weibull = read_with_error(), Weibull()
    encoding = prepare(SPEC, cohort, outcome="score", seed=1).encoding
    assert isinstance(weibull, Family)
    assert not collapses(replace(SPEC, family=weibull), encoding, encoding.errors(cohort))


def test_so_many_noisy_features_that_their_covariances_fill_memory_are_not_collapsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cohort = read_with_error()
    encoding = prepare(SPEC, cohort, outcome="score", seed=1).encoding
    for most, expected in ((2 * N, True), (2 * N - 1, False)):  # two imputations, one noisy feature
        monkeypatch.setattr(collapsing, "_LAWS", most)
        assert collapses(SPEC, encoding, encoding.errors(cohort)) is expected


def test_where_patients_or_noisy_features_are_many_fewer_candidates_are_spread_over_the_chain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = collapsed()
    np.testing.assert_array_equal(found._some(100, 1), np.arange(100))
    monkeypatch.setattr(collapsing, "_NUMBERS", 20 * N)
    one, two = found._some(100, 1), found._some(100, 2)
    assert (len(one), len(two)) == (20, 10) and one[-1] == two[-1] == 99 and one[0] == two[0] == 0
    assert np.diff(two).min() > np.diff(one).max()
    np.testing.assert_array_equal(found._some(3, 1), np.arange(3))
