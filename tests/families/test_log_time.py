"""Weibull, lognormal and log-logistic times against scipy: every kind of row, survival, restricted means, simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import Loglogistic, Lognormal, Weibull, log_time
from tests.families.event_rows import KINDS, direct, rows_of
from tests.families.graph import as_draws, evaluate, likelihood_model

FAMILIES: dict[str, Any] = {"weibull": Weibull(), "lognormal": Lognormal(), "loglogistic": Loglogistic()}
SPREAD = {"weibull": "shape", "lognormal": "sigma", "loglogistic": "shape"}
CENTRE = {"weibull": "log_scale", "lognormal": "log_median", "loglogistic": "log_scale"}
CONSTANTS = {"end": np.array(30.0)}


def law_of(name: str, location: Any, spread: Any) -> Any:
    """Scipy's distribution of the times."""
    if name == "weibull":
        return stats.weibull_min(spread, scale=np.exp(location))
    if name == "lognormal":
        return stats.lognorm(spread, scale=np.exp(location))
    return stats.fisk(spread, scale=np.exp(location))


@pytest.mark.parametrize("truncated", [False, True], ids=["from the start", "truncated"])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_likelihood_is_scipys_for_every_kind_of_row(name: str, kind: str, truncated: bool) -> None:
    family, outcome = FAMILIES[name], rows_of(kind, truncated=truncated)
    n = len(outcome["time"])
    design = np.random.default_rng(3).normal(scale=0.5, size=(n, 2))
    model = likelihood_model(family, design, outcome, np.zeros(n, int), n_treatments=1)
    b, spread = np.array([0.4, -0.3]), 1.4
    found = evaluate(family, model, {"b": b, "alpha": 0.2, f"{SPREAD[name]}_log__": np.log(spread)})
    location = float(found[CENTRE[name]]) + design @ b
    expected = []
    for i in range(n):
        law = law_of(name, location[i], spread)
        expected.append(direct(outcome, i, law.pdf, law.sf))
    assert float(found["likelihood"]) == pytest.approx(sum(expected), rel=1e-12)
    pointwise = family.log_likelihood(
        (design @ b)[:, None], outcome, np.zeros(n, int), as_draws(found, family), CONSTANTS
    )
    np.testing.assert_allclose(pointwise[:, 0], expected, rtol=1e-11)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_gradients_stay_finite_far_out_in_both_tails(name: str) -> None:
    """Where a sampler may start: times e^60 too late and too early, and rows of every kind."""
    family, outcome = FAMILIES[name], rows_of("all", truncated=True)
    model = likelihood_model(family, np.ones((8, 1)), outcome, np.zeros(8, int), n_treatments=1)
    gradient = model.compile_fn(model.dlogp(), mode="FAST_COMPILE")
    spread = f"{SPREAD[name]}_log__"
    for shift in (-5.0, 5.0):
        for log_spread in (-1.0, 1.0):
            point = {"b": np.array([shift]), "mean": np.array(shift), spread: np.array(log_spread)}
            assert np.isfinite(gradient(point)).all(), (shift, log_spread)


def test_the_normal_tail_has_a_gradient_where_its_survival_underflows() -> None:
    import pytensor
    import pytensor.tensor as pt

    w = pt.vector("w")
    cumulative, log_slope = log_time.LOGNORMAL.graph_hazard(w)
    function = pytensor.function(
        [w], [cumulative, log_slope, pt.grad(cumulative.sum(), w)], mode="FAST_COMPILE"
    )
    at = np.array([-1e6, -40.0, -1.0, 0.0, 1e-9, 3.0, 40.0, 1e4])
    found, slope, gradient = function(at)
    scipys = [-stats.norm.logsf(at), stats.norm.logpdf(at) - stats.norm.logsf(at)]
    scipys[1][-1] = np.log(
        1e4 + 1e-4
    )  # density over survival is w + 1/w far out (there scipy's terms cancel)
    for values in ((found, slope), log_time.LOGNORMAL.hazard(at)):
        np.testing.assert_allclose(values, scipys, rtol=1e-12)
    np.testing.assert_allclose(gradient, np.exp(scipys[1]), rtol=1e-11)


@pytest.mark.parametrize("spread", [0.4, 0.97, 1.0, 2.5])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_survival_and_restricted_mean_are_scipys_survival_curve_and_its_area(
    name: str, spread: float
) -> None:
    eta, horizon = np.array([-1.0, 0.0, 2.0]).reshape(3, 1, 1), 6.0
    parameters = {SPREAD[name]: np.array([spread]), CENTRE[name]: np.array([1.2])}
    found = {
        kind: FAMILIES[name].response(Estimand(kind=kind, horizon=horizon), eta, parameters, CONSTANTS)
        for kind in ("survival", "rmst")
    }
    for i in range(3):
        law = law_of(name, 1.2 + eta[i, 0, 0], spread)
        assert found["survival"][i, 0, 0] == pytest.approx(law.sf(horizon), rel=1e-12)
        area, _ = integrate.quad(law.sf, 0, horizon, epsabs=1e-13, epsrel=1e-12, limit=200)
        assert found["rmst"][i, 0, 0] == pytest.approx(area, rel=1e-9)


@pytest.mark.parametrize("near", [0.0, 1e-6, 1e-9, 1e-12, 1e-15])
@pytest.mark.parametrize("inverse", [1, 2, 3])
def test_the_loglogistic_mean_is_smooth_where_its_closed_form_changes(inverse: int, near: float) -> None:
    """At whole 1 / shape the incomplete beta function has a logarithm; shape 1 gives s log(1 + h / s)."""
    shape = np.array([1 / (inverse + near)])
    location = np.array([0.3])
    found = log_time.LOGLOGISTIC.restricted_mean(8.0, location, shape)[0]
    # On the scale of log time the integrand is smooth for every shape.
    area, _ = integrate.quad(
        lambda z: np.exp(z) * stats.fisk(shape[0], scale=np.exp(0.3)).sf(np.exp(z)), -40, np.log(8.0), epsrel=1e-12, limit=400
    )  # fmt: skip
    assert found == pytest.approx(area, rel=1e-7)
    if inverse == 1 and near == 0.0:
        assert found == pytest.approx(np.exp(0.3) * np.log1p(8.0 / np.exp(0.3)), rel=1e-12)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_simulated_times_are_scipys_law(name: str) -> None:
    uniform = np.random.default_rng(3).random((1, 1, 20_000))
    parameters = {SPREAD[name]: np.array([1.4]), CENTRE[name]: np.array([0.7])}
    times = FAMILIES[name].simulate(np.full(uniform.shape, 0.5), parameters, CONSTANTS, uniform)
    assert stats.kstest(times.ravel(), law_of(name, 1.2, 1.4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_higher_eta_means_later_events(name: str) -> None:
    parameters = {SPREAD[name]: np.array([1.3]), CENTRE[name]: np.array([1.0])}
    eta = np.linspace(-1, 1, 5).reshape(5, 1, 1)
    survival = FAMILIES[name].response(Estimand(kind="survival", horizon=4.0), eta, parameters, CONSTANTS)
    assert (np.diff(survival[:, 0, 0]) > 0).all()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_maximum_is_where_scipys_fit_of_censored_data_puts_it(name: str) -> None:
    """`scipy.stats.CensoredData` knows exact, left-, right- and interval-censored times."""
    rng = np.random.default_rng(11)
    true = law_of(name, 1.5, 1.2).rvs(300, random_state=rng)
    lower, upper, kind = true.copy(), true.copy(), np.arange(300) % 4
    lower[kind == 1], upper[kind == 1] = np.minimum(true, 6.0)[kind == 1], np.inf
    upper[(kind == 1) & (true < 6.0)] = true[(kind == 1) & (true < 6.0)]
    lower[kind == 2], upper[kind == 2] = np.floor(true)[kind == 2], np.floor(true)[kind == 2] + 1
    lower[kind == 3], upper[kind == 3] = 0.0, np.maximum(true, 3.0)[kind == 3]
    event = np.isfinite(upper)
    outcome = {"time": np.where(event, upper, lower), "event": event, "lower": lower, "upper": upper}
    outcome["entry"] = np.zeros(300)
    censored = stats.CensoredData(
        uncensored=true[lower == upper], right=lower[~event], left=upper[event & (lower == 0)],
        interval=np.column_stack([lower, upper])[event & (lower > 0) & (lower < upper)],
    )  # fmt: skip
    scipys = {"weibull": stats.weibull_min, "lognormal": stats.lognorm, "loglogistic": stats.fisk}[name]
    spread, _, scale = scipys.fit(censored, floc=0)

    def misfit(point: np.ndarray) -> float:
        parameters = {CENTRE[name]: point[:1], SPREAD[name]: np.exp(point[1:])}
        return (
            -FAMILIES[name]
            .log_likelihood(np.zeros((300, 1)), outcome, np.zeros(300, int), parameters, CONSTANTS)
            .sum()
        )

    best = optimize.minimize(
        misfit, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11}
    )
    np.testing.assert_allclose(np.exp(best.x), [scale, spread], rtol=2e-4)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_refusal_of_a_horizon_names_it(name: str) -> None:
    parameters = {SPREAD[name]: np.array([1.3]), CENTRE[name]: np.array([1.0])}
    with pytest.raises(SpecError, match=r"31.*follow-up.*earlier"):
        FAMILIES[name].response(
            Estimand(kind="survival", horizon=31.0), np.zeros((1, 1, 1)), parameters, CONSTANTS
        )


def test_the_spread_given_the_predictor_is_that_of_the_laws_at_the_centre_of_their_priors() -> None:
    outcome = rows_of("right-censored", truncated=False)
    assert Weibull().latent_sd(outcome) == pytest.approx(stats.gumbel_l.std(), rel=1e-12)
    assert Loglogistic().latent_sd(outcome) == pytest.approx(stats.logistic.std(), rel=1e-12)
    assert Lognormal().latent_sd(outcome) == pytest.approx(np.log([2.0, 6.5, 4.0, 9.0]).std(), rel=1e-12)
    assert Lognormal().latent_sd({"time": np.ones(3), "event": np.ones(3, bool)}) == 1.0
