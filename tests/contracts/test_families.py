"""What every registered outcome family must do, whatever its equations and kind of outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.estimand import ESTIMANDS, Estimand
from medresponse.core.links import Linked
from medresponse.core.over_time import OverTime, responses_over
from medresponse.families import Compressing, Family
from tests.families.forms import (
    CASES,
    FORMS,
    HORIZON,
    N,
    design,
    estimands_of,
    learned,
    model_of,
    outcome_of,
    predictors_like,
    prior_draws,
    random_eta,
    treatment_idx,
)
from tests.families.graph import evaluate, likelihood_model, linear


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def family(form: str) -> Any:
    return FORMS[form]


@pytest.fixture
def outcome(family: Any) -> dict[str, np.ndarray]:
    return outcome_of(family.outcome_kind)


def repeated(outcome: dict[str, np.ndarray], times: int) -> dict[str, np.ndarray]:
    """The same patients several times over."""
    return {name: np.tile(value, times) if np.ndim(value) else value for name, value in outcome.items()}


def test_is_a_family_and_survives_plain_data(family: Any) -> None:
    assert isinstance(family, Family)
    assert from_plain(Family, to_plain(family)) == family
    assert set(family.estimands) <= set(ESTIMANDS)


def test_predictors_have_names_of_their_own_or_none(family: Any) -> None:
    names = family.predictors(learned(family))
    assert names == ("",) or (len(set(names)) == len(names) > 1 and all(names))


@pytest.mark.parametrize(
    ("form", "rows", "n_treatments"), [(*case, 3) for case in CASES] + [(form, "plain", 1) for form in FORMS]
)
def test_the_graph_starts_finite_and_is_the_sum_of_the_pointwise_log_likelihoods_in_numpy(
    form: str, rows: str, n_treatments: int
) -> None:
    family, model = FORMS[form], model_of(form, rows, n_treatments)
    names = ["likelihood", *family.parameters]
    outputs = model.replace_rvs_by_values([model[name] for name in names])
    function = model.compile_fn(
        [model.logp(), model.dlogp(), *outputs], inputs=model.value_vars, on_unused_input="ignore",
        mode="FAST_COMPILE",
    )  # fmt: skip
    start = model.initial_point()
    value, gradient, *_ = function(start)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    rng, constants = np.random.default_rng(4), learned(family, rows)
    for _ in range(3):
        point = {name: value + rng.normal(scale=0.3, size=np.shape(value)) for name, value in start.items()}
        _, gradient, likelihood, *parameters = function(point)
        assert np.isfinite(gradient).all()
        draws = {
            name: np.asarray(value)[None] for name, value in zip(family.parameters, parameters, strict=True)
        }
        pointwise = family.log_likelihood(
            linear(design(), point["b"]), outcome_of(family.outcome_kind, rows), treatment_idx(n_treatments), draws, constants
        )  # fmt: skip
        assert pointwise.shape == (N, 1)
        assert pointwise.sum() == pytest.approx(float(likelihood), rel=1e-10)


@pytest.mark.parametrize("form", [form for form, family in FORMS.items() if isinstance(family, Compressing)])
def test_compressed_data_have_the_likelihood_of_the_rows(form: str) -> None:
    family = FORMS[form]
    rows = likelihood_model(
        family, design(), outcome_of(family.outcome_kind), treatment_idx(1), n_treatments=1, compressed=False
    )
    start = {name: value + 0.2 for name, value in rows.initial_point().items()}
    expected = evaluate(family, rows, start)
    found = evaluate(family, model_of(form, "plain", 1), start)
    assert float(found["likelihood"]) == pytest.approx(float(expected["likelihood"]), rel=1e-11)


def test_constants_survive_storage_as_arrays(family: Any, form: str) -> None:
    """A saved fit gives zero-dimensional arrays for numbers."""
    eta, parameters = random_eta(family, (4, 2, 6), seed=2, scale=1.0), prior_draws(form)
    stored = {name: np.array(value) for name, value in learned(family).items()}
    for estimand in estimands_of(family):
        expected = family.response(estimand, eta, parameters, learned(family))
        np.testing.assert_array_equal(family.response(estimand, eta, parameters, stored), expected)


def test_responses_and_outcomes_have_one_value_a_patient_treatment_and_draw(family: Any, form: str) -> None:
    shape, parameters, constants = (5, 2, 6), prior_draws(form), learned(family)
    eta = predictors_like(family, np.zeros(shape))
    for estimand in estimands_of(family):
        values = family.response(estimand, eta, parameters, constants)
        assert values.shape == shape and np.isfinite(values).all()
        if ESTIMANDS[estimand.kind].unit == "probability":
            assert ((values >= 0) & (values <= 1)).all()
    outcomes = family.simulate(eta, parameters, constants, np.random.default_rng(0).random(shape))
    assert outcomes.shape == shape and not np.isnan(outcomes).any()
    # Only where some never have the event may a time be infinite.
    assert np.isfinite(outcomes).all() or "cured" in family.estimands


def test_a_patient_far_from_the_training_data_is_scored_without_a_warning(family: Any, form: str) -> None:
    parameters, constants = prior_draws(form), learned(family)
    outcome = outcome_of(family.outcome_kind)
    for far in (-40.0, 40.0):
        eta = predictors_like(family, np.full((1, 2, 6), far))
        for estimand in estimands_of(family):
            assert np.isfinite(family.response(estimand, eta, parameters, constants)).all()
        for uniform in (1e-6, 0.5, 1 - 1e-6):
            assert not np.isnan(
                family.simulate(eta, parameters, constants, np.full((1, 2, 6), uniform))
            ).any()
        rows = predictors_like(family, np.full((N, 6), far))
        assert np.isfinite(
            family.log_likelihood(rows, outcome, treatment_idx(2), parameters, constants)
        ).all()


def test_neither_eta_nor_parameters_are_changed_in_place(family: Any, form: str) -> None:
    eta, parameters = predictors_like(family, np.full((2, 2, 6), 0.1)), prior_draws(form)
    before = {name: value.copy() for name, value in parameters.items()}
    for estimand in estimands_of(family):
        family.response(estimand, eta, parameters, learned(family))
    family.simulate(eta, parameters, learned(family), np.full((2, 2, 6), 0.5))
    assert (eta == 0.1).all()
    for name, value in before.items():
        np.testing.assert_array_equal(parameters[name], value)


# What a response says of simulated outcomes; kinds that ask which cause came first cannot be read off times.
MEANINGS: dict[str, Callable[[np.ndarray, int | None], np.ndarray]] = {
    "survival": lambda y, part: y > HORIZON,
    "rmst": lambda y, part: np.minimum(y, HORIZON),
    "cured": lambda y, part: np.isinf(y),
    "mean": lambda y, part: y,
    "probability": lambda y, part: y,
    "at_least": lambda y, part: y >= part,
    "category": lambda y, part: y == part,
    "rate": lambda y, part: y,
    "count": lambda y, part: HORIZON * y,
}


def test_predictive_outcomes_average_to_the_responses(family: Any, form: str) -> None:
    """Outcomes at probabilities spread evenly in log odds, far into the tails: weighted means are expectations."""
    points = 40_000
    log_odds = np.linspace(-30.0, 30.0, points)
    weight = expit(log_odds) * expit(-log_odds) * (log_odds[1] - log_odds[0])
    for draw in range(3):
        one = {name: value[[draw]] for name, value in prior_draws(form).items()}
        many = {name: np.repeat(value, points, axis=0) for name, value in one.items()}
        eta = predictors_like(family, np.broadcast_to([[0.3], [-0.4]], (1, 2, points)))
        outcomes = family.simulate(
            eta, many, learned(family), np.broadcast_to(expit(log_odds), (1, 2, points))
        )
        for estimand in estimands_of(family):
            if estimand.kind not in MEANINGS:
                assert ESTIMANDS[estimand.kind].part == "cause"
                continue
            expected = family.response(estimand, eta[..., :1], one, learned(family))[..., 0]
            found = (MEANINGS[estimand.kind](outcomes, estimand.part) * weight).sum(axis=-1)
            # A step in the integrand costs at most the weight of one point.
            np.testing.assert_allclose(found, expected, rtol=2e-3, atol=HORIZON * weight.max())


def test_what_features_are_imputed_from_is_finite_and_one_row_a_patient(
    family: Any, outcome: dict[str, np.ndarray]
) -> None:
    companions = family.companions(outcome)
    assert companions.ndim == 2 and len(companions) == N and np.isfinite(companions).all()
    assert (np.abs(companions.mean(axis=0)) < 0.5).all() and (companions.std(axis=0) < 2).all()


@pytest.mark.parametrize(("form", "rows"), CASES)
def test_what_is_learned_of_unusual_rows_is_finite(form: str, rows: str) -> None:
    family = FORMS[form]
    outcome = outcome_of(family.outcome_kind, rows)
    assert np.isfinite(family.companions(outcome)).all()
    assert 0 < family.unit_information_sd(outcome) < np.inf
    assert 0 < family.latent_sd(outcome) < np.inf
    for value in family.learn(outcome).values():
        assert np.isfinite(value).all()


def test_the_unit_information_sd_shrinks_with_the_root_of_the_data_and_the_latent_sd_does_not(
    family: Any, outcome: dict[str, np.ndarray]
) -> None:
    fourfold = repeated(outcome, 4)
    ratio = family.unit_information_sd(outcome) / family.unit_information_sd(fourfold)
    assert ratio == pytest.approx(2.0, rel=0.02)  # 2% for a standard deviation with n - 1
    assert family.latent_sd(fourfold) == pytest.approx(family.latent_sd(outcome), rel=0.02)


@pytest.mark.parametrize("form", [form for form, family in FORMS.items() if isinstance(family, Linked)])
def test_a_link_gives_the_response_that_the_family_gives(form: str) -> None:
    family, parameters = FORMS[form], prior_draws(form)
    constants, eta = learned(family), random_eta(family, (4, 2, 6), seed=3, scale=2.0)
    links = {e: family.link(e, parameters, constants) for e in estimands_of(family)}
    for estimand, link in links.items():
        if link is not None:
            expected = family.response(estimand, eta, parameters, constants)
            np.testing.assert_allclose(link.response(eta), expected, rtol=1e-10, atol=1e-14)
    without = ("root" in form) or ("fading" in form)
    assert any(links.values()) != without


@pytest.mark.parametrize("form", [form for form, family in FORMS.items() if isinstance(family, OverTime)])
def test_many_times_at_once_are_the_same_as_one_by_one(form: str) -> None:
    family, parameters = FORMS[form], prior_draws(form)
    constants, eta = learned(family), random_eta(family, (4, 2, 6), seed=3, scale=2.0)
    for kind in family.estimands:
        asked = [Estimand(kind=kind, horizon=time) for time in (HORIZON, 0.5, 24.0)]
        found = responses_over(family, asked, eta, parameters, constants)
        expected = [family.response(estimand, eta, parameters, constants) for estimand in asked]
        np.testing.assert_allclose(found, np.stack(expected, axis=2), rtol=1e-12)
