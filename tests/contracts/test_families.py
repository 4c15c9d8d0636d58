"""What every registered outcome family must do, whatever its equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.core.registry import registered
from medresponse.families import Arrays, Family, Gaussian, PiecewiseExponential
from medresponse.priors import HalfNormal
from tests.families.graph import likelihood_model

N = 40
# Every family as it comes, and forms of it that take another way through the code.
FORMS: dict[str, Any] = {name: part() for name, part in sorted(registered(Family).items())} | {
    "piecewise_exponential, exchangeable": PiecewiseExponential(intervals=4, baseline="exchangeable"),
    "piecewise_exponential, proportional": PiecewiseExponential(cuts=(6.0, 12.0), time_varying=False),
    "piecewise_exponential, fading": PiecewiseExponential(intervals=4, fading=HalfNormal(sigma=0.3)),
    "gaussian, log": Gaussian(scale="log"),
    "gaussian, square root": Gaussian(scale="sqrt"),
    "gaussian, cube root": Gaussian(scale="cbrt"),
}
EVENTS = [name for name, family in FORMS.items() if family.outcome_kind == "time_to_event"]


def outcome_of(kind: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    if kind == "time_to_event":  # whole numbers, so that times are tied
        return {"time": rng.integers(1, 25, N).astype(float), "event": np.arange(N) % 3 != 0}
    return {"value": rng.uniform(5.0, 60.0, N)}


def design() -> np.ndarray:
    return np.random.default_rng(1).normal(scale=0.5, size=(N, 3))


@pytest.fixture(params=FORMS)
def family(request: pytest.FixtureRequest) -> Any:
    return FORMS[request.param]


@pytest.fixture(params=EVENTS)
def event_family(request: pytest.FixtureRequest) -> Any:
    return FORMS[request.param]


_PRIOR_DRAWS: dict[str, dict[str, np.ndarray]] = {}


def prior_draws(family: Any, *, n_treatments: int = 2, draws: int = 6) -> dict[str, np.ndarray]:
    """Prior draws of the family's parameters, draws first; drawn once a family."""
    import pymc as pm

    key = f"{family}-{n_treatments}"
    if key not in _PRIOR_DRAWS:
        model = model_of(family, n_treatments=n_treatments)
        values = pm.draw(
            [model[name] for name in family.parameters], draws=draws, random_seed=3, mode="FAST_COMPILE"
        )
        _PRIOR_DRAWS[key] = dict(zip(family.parameters, values, strict=True))
    return _PRIOR_DRAWS[key]


def model_of(family: Any, *, n_treatments: int) -> Any:
    treatment = np.arange(N) % n_treatments
    return likelihood_model(
        family, design(), outcome_of(family.outcome_kind), treatment, n_treatments=n_treatments
    )


def learned(family: Any) -> Arrays:
    return family.learn(outcome_of(family.outcome_kind))


def test_is_a_family_and_survives_plain_data(family: Any) -> None:
    assert isinstance(family, Family)
    assert from_plain(Family, to_plain(family)) == family


@pytest.mark.parametrize("n_treatments", [1, 2, 3])
def test_density_and_gradient_are_finite_at_the_start(family: Any, n_treatments: int) -> None:
    model = model_of(family, n_treatments=n_treatments)
    function = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")
    value, gradient = function(model.initial_point())
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("n_treatments", [1, 3])
def test_the_graphs_likelihood_is_the_sum_of_the_pointwise_ones_in_numpy(
    family: Any, n_treatments: int
) -> None:
    model, outcome = model_of(family, n_treatments=n_treatments), outcome_of(family.outcome_kind)
    names = ["likelihood", *family.parameters]
    outputs = model.replace_rvs_by_values([model[name] for name in names])
    function = model.compile_fn(
        outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE"
    )
    rng, start = np.random.default_rng(4), model.initial_point()
    for _ in range(3):
        point = {name: value + rng.normal(scale=0.3, size=np.shape(value)) for name, value in start.items()}
        likelihood, *parameters = function(point)
        draws = {
            name: np.asarray(value)[None] for name, value in zip(family.parameters, parameters, strict=True)
        }
        eta = (design() @ point["b"])[:, None]
        pointwise = family.log_likelihood(eta, outcome, np.arange(N) % n_treatments, draws, learned(family))
        assert pointwise.shape == (N, 1)
        assert pointwise.sum() == pytest.approx(float(likelihood), rel=1e-10)


def test_constants_survive_storage_as_arrays(family: Any) -> None:
    """A saved fit gives zero-dimensional arrays for numbers."""
    estimand = Estimand(
        kind=family.estimands[0], horizon=6.0 if family.outcome_kind == "time_to_event" else None
    )
    eta = np.random.default_rng(2).normal(size=(4, 2, 6))
    stored = {name: np.array(value) for name, value in learned(family).items()}
    parameters = prior_draws(family)
    expected = family.response(estimand, eta, parameters, learned(family))
    np.testing.assert_array_equal(family.response(estimand, eta, parameters, stored), expected)


def test_responses_and_outcomes_have_the_shape_of_the_linear_predictor(family: Any) -> None:
    eta, parameters = np.zeros((5, 2, 6)), prior_draws(family)
    horizon = 6.0 if family.outcome_kind == "time_to_event" else None
    for kind in family.estimands:
        values = family.response(Estimand(kind=kind, horizon=horizon), eta, parameters, learned(family))
        assert values.shape == eta.shape and np.isfinite(values).all()
    uniform = np.random.default_rng(0).random(eta.shape)
    outcomes = family.simulate(eta, parameters, learned(family), uniform)
    assert outcomes.shape == eta.shape and np.isfinite(outcomes).all()


def test_neither_eta_nor_parameters_are_changed_in_place(family: Any) -> None:
    eta, parameters = np.full((2, 2, 6), 0.1), prior_draws(family)
    before = {name: value.copy() for name, value in parameters.items()}
    horizon = 6.0 if family.outcome_kind == "time_to_event" else None
    for kind in family.estimands:
        family.response(Estimand(kind=kind, horizon=horizon), eta, parameters, learned(family))
    family.simulate(eta, parameters, learned(family), np.full(eta.shape, 0.5))
    assert (eta == 0.1).all()
    for name, value in before.items():
        np.testing.assert_array_equal(parameters[name], value)


def test_predictive_outcomes_average_to_the_responses(family: Any) -> None:
    """Outcomes at evenly spread probabilities: means over them are the expectations, to the grid's error."""
    points = 20_000
    uniform = (np.arange(points) + 0.5) / points
    for draw in range(3):
        one = {name: value[[draw]] for name, value in prior_draws(family).items()}
        many = {name: np.repeat(value, points, axis=0) for name, value in one.items()}
        eta = np.broadcast_to([[0.3], [-0.4]], (1, 2, points))
        outcomes = family.simulate(eta, many, learned(family), np.broadcast_to(uniform, eta.shape))
        for kind in family.estimands:
            horizon = 6.0 if family.outcome_kind == "time_to_event" else None
            expected = family.response(
                Estimand(kind=kind, horizon=horizon), eta[..., :1], one, learned(family)
            )[..., 0]
            found = {
                "survival": lambda y: (y > 6.0).mean(axis=-1),
                "rmst": lambda y: np.minimum(y, 6.0).mean(axis=-1),
                "mean": lambda y: y.mean(axis=-1),
            }[kind](outcomes)
            np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2 * 6.0 / points)


def test_what_features_are_imputed_from_is_finite_and_one_row_a_patient(family: Any) -> None:
    companions = family.companions(outcome_of(family.outcome_kind))
    assert companions.ndim == 2 and len(companions) == N and np.isfinite(companions).all()
    assert (np.abs(companions.mean(axis=0)) < 0.5).all() and (companions.std(axis=0) < 2).all()


def test_the_unit_information_sd_shrinks_with_the_root_of_the_data(family: Any) -> None:
    outcome = outcome_of(family.outcome_kind)
    fourfold = {name: np.tile(value, 4) for name, value in outcome.items()}
    ratio = family.unit_information_sd(outcome) / family.unit_information_sd(fourfold)
    assert ratio == pytest.approx(2.0, rel=0.02)  # 2% for a standard deviation with n - 1


# --- event times ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [None, 0.0, -1.0, 24.000001, float("inf"), float("nan")])
@pytest.mark.parametrize("kind", ["survival", "rmst"])
def test_a_horizon_outside_follow_up_is_refused(event_family: Any, kind: str, horizon: float | None) -> None:
    with pytest.raises(SpecError, match="horizon") as caught:
        event_family.response(
            Estimand(kind=kind, horizon=horizon),
            np.zeros((1, 2, 6)),
            prior_draws(event_family),
            learned(event_family),
        )
    assert caught.value.code == "horizon"


def test_the_end_of_follow_up_is_within_it(event_family: Any) -> None:
    estimand = Estimand(kind="survival", horizon=24.0)
    values = event_family.response(
        estimand, np.zeros((1, 2, 6)), prior_draws(event_family), learned(event_family)
    )
    assert ((values > 0) & (values < 1)).all()


def test_the_survival_probability_at_a_simulated_time_is_its_uniform_number(event_family: Any) -> None:
    eta = np.random.default_rng(7).normal(scale=0.3, size=(1, 2, 6))
    uniform = np.random.default_rng(8).uniform(0.3, 0.999, eta.shape)
    parameters, constants = prior_draws(event_family), learned(event_family)
    times = event_family.simulate(eta, parameters, constants, uniform)
    checked = 0
    for k, d in np.argwhere(times[0] <= 24.0):
        values = event_family.response(
            Estimand(kind="survival", horizon=float(times[0, k, d])), eta, parameters, constants
        )
        assert values[0, k, d] == pytest.approx(uniform[0, k, d], rel=1e-10)
        checked += 1
    assert checked >= 4


def test_the_density_is_the_slope_of_the_survival_curve_and_censoring_its_height(event_family: Any) -> None:
    eta = np.random.default_rng(9).normal(scale=0.3, size=(1, 2, 6))
    parameters, constants, step = prior_draws(event_family), learned(event_family), 1e-5
    for time in (0.8, 7.3, 19.7):
        below, at, above = (
            event_family.response(Estimand(kind="survival", horizon=t), eta, parameters, constants)[0]
            for t in (time - step, time, time + step)
        )
        for k in range(2):
            for event, expected in (
                (True, np.log((below[k] - above[k]) / (2 * step))),
                (False, np.log(at[k])),
            ):
                outcome = {"time": np.array([time]), "event": np.array([event])}
                found = event_family.log_likelihood(eta[:, k], outcome, np.array([k]), parameters, constants)
                np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-6)


def test_a_patient_followed_beyond_the_training_data_can_be_scored(event_family: Any) -> None:
    outcome = {"time": np.array([40.0, 40.0]), "event": np.array([True, False])}
    found = event_family.log_likelihood(
        np.zeros((2, 6)), outcome, np.array([0, 1]), prior_draws(event_family), learned(event_family)
    )
    assert np.isfinite(found).all()


def test_the_unit_information_sd_counts_events_not_patients(event_family: Any) -> None:
    outcome = outcome_of("time_to_event")
    assert event_family.unit_information_sd(outcome) == pytest.approx(1 / np.sqrt(outcome["event"].sum()))
    nobody = outcome | {"event": np.zeros(N, bool)}
    assert np.isfinite(event_family.unit_information_sd(nobody))
