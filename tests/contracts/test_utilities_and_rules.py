"""What every registered utility and every rule must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError, UnknownTreatmentError
from medresponse.core.registry import registered
from medresponse.decisions import Harm, Options, Rate, Rule, Utility, decide
from medresponse.response import Responses
from tests.response_kinds import responses_of

# Arguments of the parts that cannot be made without any.
UTILITIES: dict[str, dict[str, Any]] = {"category_utility": {"categories": {"PD": 0.0, "SD": 0.5, "CR": 1.0}}}
RULES: dict[str, dict[str, Any]] = {"treat_all": {"treatment": "B"}}
HARM = Harm(
    name="rash", source="made up",
    rates={"A": Rate(mean=0.1, lower=0.05, upper=0.16), "B": Rate(mean=0.2, lower=0.2, upper=0.2)},
)  # fmt: skip


@pytest.fixture(scope="module")
def responses() -> Responses:
    """Of an ordinal outcome, which every utility accepts."""
    return responses_of("ordinal", estimand="at_least", part="SD")[0]


@pytest.fixture(params=sorted(registered(Utility)))
def utility(request: pytest.FixtureRequest) -> Any:
    changes = {"burden": {"B": 0.1}, "harm_weights": {"rash": 0.5}}
    return registered(Utility)[request.param](**UTILITIES.get(request.param, {}), **changes)


@pytest.fixture(params=sorted(registered(Rule)))
def rule(request: pytest.FixtureRequest) -> Any:
    return registered(Rule)[request.param](**RULES.get(request.param, {}))


def test_utilities_survive_plain_data(utility: Any) -> None:
    assert from_plain(Utility, to_plain(utility)) == utility


def test_worth_and_losses_have_the_shape_of_responses(utility: Any, responses: Responses) -> None:
    asked = dict_of(responses.chunks())
    for rows, values, worth in utility.worth(responses):
        np.testing.assert_allclose(values, asked[rows.start][: len(values)])
        assert worth.shape == values.shape and np.isfinite(worth).all()
    losses = utility.losses(responses, [HARM])
    assert losses.shape == (2, responses.fit.n_draws)
    np.testing.assert_allclose(losses[1], 0.1 + 0.5 * 0.2)
    assert losses[0].mean() == pytest.approx(0.05, rel=0.05) and losses[0].std() > 0
    np.testing.assert_array_equal(utility.losses(responses, [HARM]), losses)


def dict_of(chunks: Any) -> dict[int, np.ndarray]:
    return {rows.start: values for rows, values in chunks}


def test_harms_without_weight_and_unknown_treatments_are_refused(utility: Any, responses: Responses) -> None:
    other = Harm(name="nausea", rates=HARM.rates, source="made up")
    with pytest.raises(SpecError, match="harm_weights: none for 'nausea'"):
        decide(responses, utility, harms=[HARM, other])
    with pytest.raises(UnknownTreatmentError, match="no treatment 'Z'"):
        decide(responses, utility, harms=[Harm(name="rash", rates={"Z": HARM.rates["A"]}, source="")])


def test_rules_survive_plain_data(rule: Any) -> None:
    assert from_plain(Rule, to_plain(rule)) == rule


def test_rules_choose_one_treatment_for_each_patient(rule: Any) -> None:
    rng = np.random.default_rng(0)
    utility, p = rng.normal(size=(50, 3)), rng.random((50, 3))
    kept = utility.copy(), p.copy()
    allowed = rng.random((50, 3)) < 0.5
    allowed[:, 1] = True

    def choose(allowed: np.ndarray) -> np.ndarray:
        options = Options(
            utility=utility, p_worthwhile=p, allowed=allowed, reference=1, treatments=("A", "B", "C")
        )
        return np.asarray(rule.choose(options))

    chosen = choose(np.ones((50, 3), dtype=bool))
    assert chosen.shape == (50,) and set(chosen) <= {0, 1, 2}
    assert allowed[np.arange(50), choose(allowed)].all()
    assert set(choose(np.tile([False, True, False], (50, 1)))) == {1}
    np.testing.assert_array_equal(utility, kept[0])
    np.testing.assert_array_equal(p, kept[1])
