"""Choosing a spec: exact where the answer is known, and a linear spec flagged on a curved surface."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, Continuous, Feature, Level, Schema, Treatment, cohort_from_frame
from medresponse.comparison import Comparison, compare_fits, compare_specs, mix_draws, stacking_weights
from medresponse.core.errors import FitError, SpecError
from medresponse.families import Gaussian
from medresponse.inference import Fit, Nuts, fit
from medresponse.inference.diagnostics import psis_loo
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import log_predictive_density, respond
from medresponse.terms import Spline

LINEAR = ModelSpec(family=Gaussian(), blocks={"history": Normal(sigma=1.0)}, modifiers={})
CURVED = ModelSpec(
    family=Gaussian(), blocks={"history": Normal(sigma=1.0)}, modifiers={}, terms={"x": Spline(knots=6)}
)
ENGINE = Nuts(draws=300, tune=300, chains=2)


def u_shaped(n: int = 160, *, seed: int = 5) -> Cohort:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    frame = pl.DataFrame(
        {
            "id": [f"P{i:04d}" for i in range(n)], "arm": ["a", "b"] * (n // 2), "x": x,
            "y": 1.5 * x**2 + 0.3 * (np.arange(n) % 2) + rng.normal(size=n),
        }
    )  # fmt: skip
    schema = Schema(
        name="U-shaped", source="made up", id="id", synthetic=True,
        treatment=Treatment(column="arm", levels={"a": Level(), "b": Level()}, reference="a", assignment="randomised"),
        outcomes={"y": Continuous(column="y", unit="1", label="y", direction="higher_is_better")},
        features={"history": {"x": Feature(type="continuous", unit="1")}},
    )  # fmt: skip
    return cohort_from_frame(frame, schema)


def test_leave_one_out_densities_are_those_of_a_normal_mean() -> None:
    """Flat prior, unit variance: the density of y_i given the others is normal with variance 1 + 1 / (n - 1)."""
    rng = np.random.default_rng(0)
    n, y = 30, np.random.default_rng(1).normal(size=30)
    mean = y.mean() + rng.normal(size=20_000) / np.sqrt(n)
    found, shapes = psis_loo(-0.5 * (y[:, None] - mean) ** 2 - 0.5 * np.log(2 * np.pi))
    centre, variance = (y.sum() - y) / (n - 1), 1 + 1 / (n - 1)
    exact = -0.5 * (y - centre) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)
    np.testing.assert_allclose(found, exact, atol=5e-3)
    assert (shapes < 0.3).all()


def test_stacking_finds_the_mixture_that_made_the_data() -> None:
    """A fifth of the patients from one law, the rest from another: weights within 4 standard errors of 0.2 and 0.8."""
    rng = np.random.default_rng(2)
    n = 4000
    from_first = rng.random(n) < 0.2
    y = np.where(from_first, rng.normal(3.0, 1.0, n), rng.normal(-3.0, 1.0, n))
    log_density = [-0.5 * (y - m) ** 2 for m in (3.0, -3.0, 40.0)]
    weights = stacking_weights(np.column_stack(log_density))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / n))
    assert weights[2] < 1e-6


@pytest.fixture(scope="module")
def by_loo() -> Comparison:
    return compare_specs({"linear": LINEAR, "spline": CURVED}, u_shaped(), engine=ENGINE, seed=1)


def test_a_linear_spec_on_a_curved_surface_is_flagged(by_loo: Comparison) -> None:
    assert by_loo.best == "spline"
    assert any(flag.startswith("linear is linear") and "not linear" in flag for flag in by_loo.flags)
    row = by_loo.table.row(1, named=True)
    assert row["spec"] == "linear" and row["difference"] < -20 and row["weight"] < 0.1


def test_folds_agree_with_leave_one_out(by_loo: Comparison) -> None:
    by_fold = compare_specs(
        {"linear": LINEAR, "spline": CURVED}, u_shaped(), method="kfold", folds=4, engine=ENGINE, seed=1
    )
    for name in ("linear", "spline"):
        loo, fold = (float(c.pointwise[name].sum()) for c in (by_loo, by_fold))
        assert fold == pytest.approx(loo, abs=8)  # 40 patients fewer to learn from
    assert by_fold.method == "kfold" and by_fold.best == "spline"


def test_one_spec_and_other_scales_of_the_outcome_are_refused() -> None:
    cohort = u_shaped(20)
    with pytest.raises(SpecError, match="at least two"):
        compare_specs({"one": LINEAR}, cohort, seed=1)
    logs = ModelSpec(family=Gaussian(scale="sqrt"), blocks={})
    with pytest.raises(SpecError, match="different scales"):
        compare_specs({"one": LINEAR, "two": logs}, cohort, seed=1)


@pytest.mark.parametrize(("method", "chains"), [("loo", [1]), ("kfold", [2, 1]), ("kfold", [2])])
def test_a_comparison_that_was_interrupted_compares_nothing(
    monkeypatch: pytest.MonkeyPatch, method: Literal["loo", "kfold"], chains: list[int]
) -> None:
    found: list[Any] = [
        SimpleNamespace(diagnostics=SimpleNamespace(chains=n, chains_asked=2)) for n in chains
    ]
    monkeypatch.setattr("medresponse.comparison.comparing.fit", lambda *_, **__: found[0])
    monkeypatch.setattr("medresponse.comparison.comparing.fit_many", lambda *_, **__: tuple(found))
    with pytest.raises(FitError, match="nothing was compared"):
        compare_specs({"linear": LINEAR, "spline": CURVED}, u_shaped(20), method=method, folds=2, seed=1)


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    """The fits that `compare_specs` makes for itself in `by_loo`."""
    specs = {"linear": LINEAR, "spline": CURVED}
    return {name: fit(spec, u_shaped(), engine=ENGINE, seed=1) for name, spec in specs.items()}


def test_fits_are_compared_as_their_specs_would_be(fits: dict[str, Fit], by_loo: Comparison) -> None:
    found = compare_fits(fits, u_shaped())
    assert found.table.equals(by_loo.table) and found.flags == by_loo.flags and found.method == "loo"
    for name, values in by_loo.pointwise.items():
        np.testing.assert_array_equal(found.pointwise[name], values)


def test_fits_are_mixed_by_their_weights(fits: dict[str, Fit], by_loo: Comparison) -> None:
    new = u_shaped(6, seed=7)
    mixed = mix_draws(
        {name: respond(one, new).draws() for name, one in fits.items()}, by_loo.weights, size=400, seed=1
    )
    assert sum(by_loo.weights.values()) == pytest.approx(1.0) and by_loo.weights["spline"] > 0.9
    expected = sum(w * respond(fits[name], new).draws().mean("draw") for name, w in by_loo.weights.items())
    np.testing.assert_allclose(mixed.mean("draw"), expected, atol=0.15)


def test_fits_are_compared_on_patients_they_have_not_seen(fits: dict[str, Fit]) -> None:
    others = u_shaped(40, seed=6)
    found = compare_fits(fits, others, method="new_patients")
    assert found.best == "spline" and found.method == "new_patients"
    assert found.table["bad_k"].null_count() == 2
    for name, fitted in fits.items():
        np.testing.assert_array_equal(found.pointwise[name], log_predictive_density(fitted, others))
    assert found.table["elpd"].max() == pytest.approx(found.pointwise["spline"].sum(), rel=1e-12)
    assert any("not linear" in flag for flag in found.flags)


def test_a_comparison_with_the_wrong_patients_is_refused(fits: dict[str, Fit]) -> None:
    own, others = u_shaped(), u_shaped(40, seed=6)
    with pytest.raises(SpecError, match="linear was not fitted to this cohort"):
        compare_fits(fits, others)
    with pytest.raises(SpecError, match="this very cohort"):
        compare_fits(fits, own, method="new_patients")
    with pytest.raises(SpecError, match="linear was read from disk"):
        compare_fits({name: replace(one, codes=None) for name, one in fits.items()}, own)
    with pytest.raises(SpecError, match="several outcomes"):
        compare_fits({**fits, "spline": replace(fits["spline"], outcome="z")}, own)
    with pytest.raises(SpecError, match="at least two"):
        compare_fits({"linear": fits["linear"]}, own)
