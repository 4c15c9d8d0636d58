"""Competing risks: against a direct loop, closed forms, numerical integration and one cause alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import CompetingRisks, PiecewiseExponential
from tests.families.graph import as_draws, evaluate, likelihood_model, linear

CUTS = (2.0, 5.0)
EDGES = np.array([0.0, *CUTS, 9.0])
FAMILY = CompetingRisks(cuts=CUTS)
# Two causes and censoring before, at and after the cut points; two patients came under observation late.
OUTCOME = {
    "time": np.array([0.5, 2.0, 2.0, 2.5, 5.0, 5.0, 7.5, 9.0]),
    "event": np.array([True, True, False, True, True, True, False, True]),
    "cause": np.array([0, 1, -1, 1, 0, 1, -1, 0]),
    "entry": np.array([0.0, 0.0, 1.0, 0.0, 2.5, 0.0, 0.0, 0.0]),
    "n_causes": np.array(2),
}
TREATMENT = np.array([0, 1, 2, 0, 1, 2, 0, 1])
DESIGN = np.random.default_rng(1).normal(size=(8, 2))


def point_of(seed: int = 5) -> dict[str, np.ndarray | float]:
    rng = np.random.default_rng(seed)
    point: dict[str, np.ndarray | float] = {"b": rng.normal(scale=0.5, size=(2, 2))}
    for cause in ("cause_1_", "cause_2_"):
        point |= {
            f"{cause}alpha": rng.normal(), f"{cause}baseline_step_log__": np.log(0.4),
            f"{cause}baseline_steps": rng.normal(size=2), f"{cause}treatment_steps": rng.normal(size=(2, 2)),
            f"{cause}treatment_step_log__": np.log(0.7),
        }  # fmt: skip
    return point


def hazard_at(t: float, log_hazard: np.ndarray) -> float:
    return float(np.exp(log_hazard[np.searchsorted(CUTS, t)]))


def test_the_likelihood_is_that_of_a_direct_loop() -> None:
    model = likelihood_model(FAMILY, DESIGN, OUTCOME, TREATMENT, n_treatments=3)
    point = point_of()
    found = evaluate(FAMILY, model, point)
    assert found["log_hazard"].shape == (2, 3, 3)  # (cause, treatment, interval)
    eta, each = DESIGN @ point["b"], []
    for i in range(8):
        total, entry, time = 0.0, OUTCOME["entry"][i], OUTCOME["time"][i]
        for cause in range(2):
            log_hazard = found["log_hazard"][cause, TREATMENT[i]] + eta[i, cause]
            for j, (start, end) in enumerate(zip([0.0, *CUTS], [*CUTS, np.inf], strict=True)):
                total -= np.exp(log_hazard[j]) * max(min(time, end) - max(entry, start), 0.0)
                if OUTCOME["cause"][i] == cause and start < time <= end:
                    total += log_hazard[j]
        each.append(total)
    assert float(found["likelihood"]) == pytest.approx(sum(each), rel=1e-12)
    pointwise = FAMILY.log_likelihood(
        linear(DESIGN, point["b"]), OUTCOME, TREATMENT, as_draws(found, FAMILY), FAMILY.learn(OUTCOME)
    )
    np.testing.assert_allclose(pointwise[:, 0], each, rtol=1e-12)


def test_it_is_a_product_over_causes_in_which_the_others_are_censored() -> None:
    """The sum of two piecewise-exponential log-likelihoods, in another family's code."""
    log_hazard = np.random.default_rng(3).normal(-2.0, 0.5, size=(1, 2, 3, 3))
    eta = np.random.default_rng(4).normal(size=(2, 8, 1))
    constants = FAMILY.learn(OUTCOME)
    both = FAMILY.log_likelihood(eta, OUTCOME, TREATMENT, {"log_hazard": log_hazard}, constants)
    single = PiecewiseExponential(cuts=CUTS)
    alone = sum(
        single.log_likelihood(
            eta[c], {**OUTCOME, "event": OUTCOME["cause"] == c}, TREATMENT, {"log_hazard": log_hazard[:, c]}, constants
        )
        for c in range(2)
    )  # fmt: skip
    np.testing.assert_allclose(both, alone, rtol=1e-12)


@pytest.mark.parametrize("horizon", [0.7, 2.0, 3.0, 9.0])
def test_incidence_and_time_lost_are_integrals_of_hazard_times_survival(horizon: float) -> None:
    rng, constants = np.random.default_rng(6), FAMILY.learn(OUTCOME)
    log_hazard, eta = rng.normal(-1.5, 0.8, size=(2, 2, 2, 3)), rng.normal(size=(2, 3, 2, 2))
    parameters = {"log_hazard": log_hazard}
    for i, k, d in [(0, 0, 0), (2, 1, 1)]:
        hazards = log_hazard[d, :, k] + eta[:, i, k, d][:, None]
        inside = [c for c in CUTS if c < horizon] or None

        def survival(t: float, h: np.ndarray = hazards) -> float:
            spent = np.clip(np.minimum(t, [2.0, 5.0, np.inf]) - EDGES[:-1], 0.0, None)
            return float(np.exp(-(np.exp(h) * spent).sum()))

        for cause in range(2):

            def density(t: float, h: np.ndarray = hazards[cause]) -> float:
                return hazard_at(t, h) * survival(t)

            incidence = integrate.quad(density, 0, horizon, points=inside, epsrel=1e-11)[0]
            # The area under an incidence curve is the density weighted by the time that is left.
            lost = integrate.quad(
                lambda t: density(t) * (horizon - t), 0, horizon, points=inside, epsrel=1e-11
            )[0]
            for kind, expected in (("cumulative_incidence", incidence), ("time_lost", lost)):
                estimand = Estimand(kind=kind, horizon=horizon, part=cause)
                found = FAMILY.response(estimand, eta, parameters, constants)[i, k, d]
                assert found == pytest.approx(expected, rel=1e-9)


def test_with_constant_hazards_it_is_the_textbook_closed_form() -> None:
    """``h_c / h (1 - exp(-h t))``, whatever the cut points."""
    rates, constants = np.array([0.11, 0.04]), FAMILY.learn(OUTCOME)
    parameters = {"log_hazard": np.broadcast_to(np.log(rates)[None, :, None, None], (1, 2, 3, 3))}
    total = rates.sum()
    for horizon in (1.0, 4.0, 9.0):
        for cause in range(2):
            share = rates[cause] / total
            incidence = share * -np.expm1(-total * horizon)
            lost = share * (horizon + np.expm1(-total * horizon) / total)
            for kind, expected in (("cumulative_incidence", incidence), ("time_lost", lost)):
                estimand = Estimand(kind=kind, horizon=horizon, part=cause)
                found = FAMILY.response(estimand, np.zeros((2, 1, 3, 1)), parameters, constants)
                np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    log_hazard=st.lists(st.floats(-6.0, 2.0), min_size=9, max_size=9),
    eta=st.lists(st.floats(-4.0, 4.0), min_size=3, max_size=3),
    horizon=st.floats(0.01, 9.0),
)
def test_incidences_and_survival_sum_to_one_and_times_lost_and_free_to_the_horizon(
    log_hazard: list[float], eta: list[float], horizon: float
) -> None:
    constants = {"edges": EDGES, "n_causes": np.array(3)}
    parameters = {"log_hazard": np.array(log_hazard).reshape(1, 3, 1, 3)}
    predictor = np.array(eta).reshape(3, 1, 1, 1)

    def value(kind: str, part: int | None = None) -> float:
        estimand = Estimand(kind=kind, horizon=horizon, part=part)
        return float(FAMILY.response(estimand, predictor, parameters, constants)[0, 0, 0])

    incidences = [value("cumulative_incidence", c) for c in range(3)]
    lost = [value("time_lost", c) for c in range(3)]
    assert sum(incidences) + value("survival") == pytest.approx(1.0, abs=1e-12)
    assert sum(lost) + value("rmst") == pytest.approx(horizon, rel=1e-11)
    assert min(incidences) >= 0 and min(lost) >= -1e-15


def test_a_lower_hazard_of_one_cause_raises_the_incidence_of_the_other() -> None:
    parameters, constants = {"log_hazard": np.full((1, 2, 3, 3), -2.0)}, FAMILY.learn(OUTCOME)
    eta = np.zeros((2, 2, 3, 1))
    eta[0, 1] = -1.0  # the second patient's hazard of the first cause
    first, second = (
        FAMILY.response(
            Estimand(kind="cumulative_incidence", horizon=8.0, part=c), eta, parameters, constants
        )[:, 0, 0]
        for c in range(2)
    )
    assert first[1] < first[0] and second[1] > second[0]


def test_simulated_times_are_those_of_the_first_event_of_any_cause() -> None:
    uniform = np.random.default_rng(6).random((1, 1, 20_000))
    log_hazard = np.log(np.array([[0.05, 0.3, 0.02], [0.05, 0.1, 0.03]])).reshape(1, 2, 1, 3)
    parameters = {"log_hazard": np.repeat(log_hazard, 20_000, axis=0)}
    times = FAMILY.simulate(np.zeros((2, *uniform.shape)), parameters, FAMILY.learn(OUTCOME), uniform)

    def cdf(t: np.ndarray) -> np.ndarray:
        total = 0.1 * np.minimum(t, 2.0) + 0.4 * np.clip(t - 2.0, 0, 3.0) + 0.05 * np.maximum(t - 5.0, 0)
        return 1 - np.exp(-total)

    assert stats.kstest(times.ravel(), cdf).pvalue > 1e-3


def test_causes_have_crude_rates_and_predictors_of_their_own() -> None:
    constants = FAMILY.learn(OUTCOME)
    assert FAMILY.predictors(constants) == ("cause_1", "cause_2")
    data = FAMILY.observe(OUTCOME, TREATMENT, constants)
    watched = OUTCOME["time"].sum() - OUTCOME["entry"].sum()
    np.testing.assert_allclose(np.exp(data["crude_log_hazard"]), [[3 / watched, 3 / watched]], rtol=1e-12)
    assert FAMILY.companions(OUTCOME).shape == (8, 4)


def test_the_unit_information_is_that_of_the_rarest_cause() -> None:
    outcome = OUTCOME | {"cause": np.array([0, 1, -1, 1, 0, 1, -1, 1])}
    assert FAMILY.unit_information_sd(outcome) == pytest.approx(1 / np.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("part", [None, -1, 2])
def test_an_incidence_of_no_cause_is_refused(part: int | None) -> None:
    estimand = Estimand(kind="cumulative_incidence", horizon=3.0, part=part)
    with pytest.raises(SpecError, match=r"part is .*choose 0 to 1"):
        FAMILY.response(
            estimand, np.zeros((2, 1, 3, 1)), {"log_hazard": np.zeros((1, 2, 3, 3))}, FAMILY.learn(OUTCOME)
        )
