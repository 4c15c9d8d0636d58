"""Means of outcomes against adaptive quadrature, and simulation, of what their docstrings state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from medresponse.synthetic.mechanisms.effects import Modifiers, Sensitivity
from medresponse.synthetic.mechanisms.kinds import Signal
from medresponse.synthetic.mechanisms.outcomes import (
    BinaryOutcome,
    CompetingOutcome,
    GaussianOutcome,
    TumourGrowthOutcome,
    WeibullOutcome,
)
from medresponse.synthetic.scenario import Scenario, Sites, scenario
from medresponse.synthetic.simulation import simulate

EFFECT, PROGNOSIS, DEATH = 0.8, -1.5, 0.7


def _signal(hidden: float, *, doses: int = 2, effect: float = EFFECT) -> Signal:
    """Return one patient, of whom a hidden cause of standard deviation `hidden` is not known."""
    effects = np.array([[0.0, *[effect] * (doses - 1)]])
    return Signal(
        np.array([[PROGNOSIS, DEATH]]), effects, np.zeros((1, 1)), np.zeros((1, doses)), hidden**2, np.zeros(doses)
    )  # fmt: skip


def _over_hidden(mean: Callable[[np.ndarray], np.ndarray], sd: float) -> float:
    """Return the mean over a hidden cause, by its density at 901 points."""
    z = np.linspace(-9, 9, 901) if sd else np.zeros(1)
    weights = norm.pdf(z) / norm.pdf(z).sum()
    return float(weights @ mean(z[:, None] * sd))


def _over_unit(curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the integral of a smooth curve from 0 to 1; the last axis of what it returns is that of its points."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    return curve((nodes + 1) / 2) @ weights / 2


def _free(hazard: np.ndarray, frailty: float) -> np.ndarray:
    return np.exp(-hazard) if not frailty else (1 + frailty * hazard) ** (-1 / frailty)


@pytest.mark.parametrize("hidden", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("frailty", [0.0, 0.5])
@pytest.mark.parametrize("shape", [0.2, 0.5, 1.3, 5.0])
def test_incidences_and_event_free_time_are_their_integrals(
    shape: float, frailty: float, hidden: float
) -> None:
    """Of a hazard that starts without bound too (shapes below 1): of each cause, hazard times survival, over time."""
    outcome = CompetingOutcome(shape=shape, frailty=frailty, horizons=(24.0,))
    found = outcome.means(_signal(hidden), given_unseen=False).values[0, 1, :, 0]

    def hazards(unseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # cumulative, at 24 months
        first = np.exp(-PROGNOSIS - EFFECT - unseen) * (24 / 20) ** shape
        return first, np.full_like(first, np.exp(-DEATH) * (24 / 40) ** shape)

    def incidence(cause: int, unseen: np.ndarray) -> np.ndarray:  # over (t / 24)^shape
        both = sum(hazards(unseen))
        return _over_unit(lambda c: hazards(unseen)[cause] * _free(both * c, frailty) ** (1 + frailty))

    def months(unseen: np.ndarray) -> np.ndarray:  # over (t / 24)^(1/5)
        both = sum(hazards(unseen))
        return _over_unit(lambda r: 120 * r**4 * _free(both * r ** (5 * shape), frailty))

    for cause in (0, 1):
        exact = _over_hidden(partial(incidence, cause), hidden)
        assert found[cause] == pytest.approx(exact, abs=1e-6)
    assert found[2] == pytest.approx(_over_hidden(months, hidden), abs=2e-5)


@pytest.mark.parametrize("hidden", [0.0, 0.7, 2.0])
@pytest.mark.parametrize(("shape", "delay"), [(0.2, 0.0), (0.6, 0.0), (1.4, 0.0), (1.4, 6.0), (0.8, 30.0)])
def test_survival_and_event_free_time_are_their_integrals(shape: float, delay: float, hidden: float) -> None:
    """Of hazards that change when a late treatment begins to act too, before the horizon or after it."""
    outcome = WeibullOutcome(shapes=(shape,), delay=delay, frailty=0.3, horizons=(24.0,))
    found = outcome.means(_signal(hidden), given_unseen=False).values[0, 1, :, 0]

    def survival(t: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        base, early = (t / 24) ** shape, (np.minimum(t, delay) / 24) ** shape
        return _free(np.exp(-PROGNOSIS - unseen) * (early + np.exp(-EFFECT) * (base - early)), 0.3)

    def months(unseen: np.ndarray) -> np.ndarray:
        bend = min(delay, 24.0)
        before = _over_unit(lambda r: 5 * bend * r**4 * survival(bend * r**5, unseen))
        return before + _over_unit(
            lambda r: 5 * (24 - bend) * r**4 * survival(bend + (24 - bend) * r**5, unseen)
        )

    at_end = _over_hidden(lambda u: survival(np.array(24.0), u)[:, 0], hidden)
    assert found[0] == pytest.approx(at_end, abs=1e-6)
    assert found[1] == pytest.approx(_over_hidden(months, hidden), abs=2e-5)


@pytest.mark.parametrize("hidden", [0.7, 2.0, 5.0])
def test_a_risk_is_averaged_over_a_hidden_cause_however_strong(hidden: float) -> None:
    found = BinaryOutcome(base=0.05).means(_signal(hidden), given_unseen=False).values[0, 1, 0]
    exact = _over_hidden(lambda u: expit(logit(0.05) - PROGNOSIS - EFFECT - u)[:, 0], hidden)
    assert found == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(("hidden", "spread"), [(0.0, 0.3), (0.0, 1.0), (0.5, 0.3), (2.0, 0.3)])
def test_the_mean_log_size_is_that_of_simulated_growth_and_decay(hidden: float, spread: float) -> None:
    outcome, n = TumourGrowthOutcome(spread=spread), 400_000
    found = outcome.means(_signal(hidden, doses=4), given_unseen=False).values[0, :, 0]
    own, unseen, other = np.random.default_rng(1).standard_normal((3, n))
    growth = 0.02 * np.exp(spread * own - PROGNOSIS - hidden * unseen) * 16.0
    for k, dose in enumerate((0.0, 25.0, 50.0, 100.0)):
        decay = 0.06 * dose / (40.0 * np.exp(-EFFECT) + dose) * np.exp(spread * other) * 16.0
        size = np.where(growth > 30, growth, np.log(np.expm1(np.minimum(growth, 30)) + np.exp(-decay)))
        assert abs(found[k] - size.mean()) < 4.5 * size.std() / np.sqrt(n)


def test_what_grows_beyond_all_numbers_has_a_log_size() -> None:
    extreme = TumourGrowthOutcome(growth=5.0, prognosis=3.0, spread=1.0)
    data = simulate(scenario("s12_tgi_dose", n=2_000, outcome=extreme), seed=8).truth.data
    assert float(data["y_po"].max()) > 1_000.0
    for name in ("mu_x", "mu_full", "y_po"):
        assert np.isfinite(data[name].values).all()


@pytest.mark.parametrize("surface", ["linear", "polynomial", "step", "exponential"])
def test_residuals_that_vary_with_prognosis_keep_the_scores_spread(surface: str) -> None:
    outcome = GaussianOutcome(surface=surface, noise="heteroskedastic")  # type: ignore[arg-type]
    data = simulate(scenario("s02_linear_rct", n=40_000, outcome=outcome), seed=8).truth.data
    mean = data["mu_full"].values[:, 0, 0]
    residual = data["y_po"].values[:, 0, 0] - mean
    assert 9.7 < np.hypot(residual.std(), mean.std()) < 10.3
    high = mean > np.median(mean)
    assert residual[high].std() > 1.3 * residual[~high].std()


LATE = scenario(
    "s08_survival_nonph",
    outcome=WeibullOutcome(delay=18.0, horizons=(12.0, 24.0)),
    effect=Modifiers(magnitude=(1.0, 0.5)),
)
DOSES = scenario("s12_tgi_dose", effect=Sensitivity(sd=0.5))
SITES = Sites(n=101, icc=0.1, treatment_sd=1.0, held_out=1)


@pytest.mark.parametrize("value", [LATE, DOSES])
def test_at_a_new_site_treatments_act_as_they_do_at_known_ones(value: Scenario) -> None:
    """Mean and benefit at a new site are the means over known sites; late effects, also those too late, and potencies vary."""
    trial = simulate(replace(value, n=20, sites=SITES), seed=8)
    patient = trial.cohort.table[:1]
    sites = pl.DataFrame({"site": [f"S{j + 1:03d}" for j in range(100)]})
    at = trial.truth.cate(patient.drop("site").join(sites, how="cross")).values
    new = trial.truth.cate(patient.with_columns(site=None)).values[0]
    for known, there in ((at, new), (at - at[:, :1], new - new[:1])):
        error = known.std(axis=0, ddof=1) / np.sqrt(100)
        assert (np.abs(known.mean(axis=0) - there) < 4.5 * error + 1e-12).all()
