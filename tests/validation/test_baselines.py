"""What users would fit instead: the same columns, the same outcome, scikit-survival's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.core.errors import SpecError
from medresponse.validation import BASELINES, fit_baseline, kaplan_meier

TIMES = np.array([0.5, 2.0, 6.0, 15.0])


def trial(n: int = 300, *, effects: tuple[float, ...] = (0.0, -0.7), interaction: float = 0.0, seed: int = 0):  # type: ignore[no-untyped-def]
    """Exponential times: hazard 0.1 exp(0.5 x + effect of the arm + interaction x arm)."""
    rng = np.random.default_rng(seed)
    x, arm = rng.standard_normal((n, 2)), np.arange(n) % len(effects)
    log_hazard = np.log(0.1) + 0.5 * x[:, 0] + np.array(effects)[arm] + interaction * x[:, 1] * (arm - 0.5)
    event_time, censoring = rng.exponential(1 / np.exp(log_hazard)), rng.uniform(5, 30, n)
    return x, arm, {"time": np.minimum(event_time, censoring), "event": event_time <= censoring}


@pytest.mark.parametrize("name", [*sorted(set(BASELINES) - {"random_survival_forest"}), "kaplan_meier"])
def test_curves_are_probabilities_that_fall_and_carry_on_beyond_follow_up(name: str) -> None:
    x, arm, outcome = trial(150)
    curves = fit_baseline(name, x, arm, outcome, seed=1)(x[:9], arm[:9], np.append(TIMES, [29.0, 500.0]))
    assert curves.shape == (9, 6)
    assert ((curves >= 0) & (curves <= 1)).all() and (np.diff(curves, axis=1) <= 1e-12).all()


@pytest.mark.parametrize("name", [*sorted(set(BASELINES) - {"random_survival_forest"}), "kaplan_meier"])
def test_everybody_is_free_of_the_event_before_the_first_one(name: str) -> None:
    x, arm, outcome = trial(150)
    outcome["event"][np.argmin(outcome["time"])] = True
    before = outcome["time"].min() / 2
    curves = fit_baseline(name, x, arm, outcome, seed=1)(x[:5], arm[:5], np.array([before]))
    np.testing.assert_allclose(curves, 1.0, atol=1e-12)


def test_cox_is_scikit_survivals_on_columns_and_arm() -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    x, arm, outcome = trial()
    y = Surv.from_arrays(outcome["event"], outcome["time"])
    model = CoxPHSurvivalAnalysis(alpha=0.1, ties="efron").fit(np.column_stack([x, arm]), y)
    expected = np.vstack(
        [f(TIMES) for f in model.predict_survival_function(np.column_stack([x[:7], arm[:7]]))]
    )
    found = fit_baseline("cox", x, arm, outcome, seed=1)(x[:7], arm[:7], TIMES)
    np.testing.assert_allclose(
        found, expected, rtol=1e-5
    )  # centred arms change the baseline hazard, not the curves


def test_only_the_interaction_model_lets_the_effect_differ_between_patients() -> None:
    x, arm, outcome = trial(800, interaction=1.0)
    new = np.array([[0.0, -1.5], [0.0, 1.5]])
    for name, differs in (("cox", False), ("cox_interactions", True)):
        curves = fit_baseline(name, x, arm, outcome, seed=1)
        log_ratio = [
            np.log(
                np.log(curves(new[[i]], np.array([1]), TIMES[[2]]))
                / np.log(curves(new[[i]], np.array([0]), TIMES[[2]]))
            )
            for i in (0, 1)
        ]
        difference = float((log_ratio[1] - log_ratio[0])[0, 0])
        assert (abs(difference) > 1.5) is differs  # 3 x 1.0 by construction


@pytest.mark.parametrize("name", ["cox", "cox_interactions"])
def test_three_arms_need_not_lie_in_a_line(name: str) -> None:
    """Arm 1 better than both others: no single slope over arm numbers says so."""
    x, arm, outcome = trial(1500, effects=(0.0, -1.2, 0.8))
    curves = fit_baseline(name, x, arm, outcome, seed=1)
    zero = np.zeros((3, 2))
    log_hazard = np.log(-np.log(curves(zero, np.arange(3), TIMES[[2]])))[:, 0]
    error = 4 * np.sqrt(2 / 300)  # some 300 events an arm
    assert log_hazard[1] - log_hazard[0] == pytest.approx(-1.2, abs=error)
    assert log_hazard[2] - log_hazard[0] == pytest.approx(0.8, abs=error)


def test_kaplan_meier_is_that_of_the_patients_arm() -> None:
    x, arm, outcome = trial()
    curves = fit_baseline("kaplan_meier", x, arm, outcome, seed=1)(x[:4], np.array([1, 0, 1, 1]), TIMES)
    for k in (0, 1):
        expected = kaplan_meier({n: v[arm == k] for n, v in outcome.items()}, TIMES)[0]
        np.testing.assert_allclose(curves[0 if k else 1], expected, rtol=1e-12)
    np.testing.assert_array_equal(curves[0], curves[3])


def test_a_forest_depends_on_its_seed_alone() -> None:
    from medresponse.validation import baselines

    make, interactions, seeded = BASELINES["random_survival_forest"]
    assert seeded and not interactions
    assert make(3).get_params()["random_state"] == 3
    assert {name for name, (_, _, matters) in baselines.BASELINES.items() if matters} == {
        "random_survival_forest", "gradient_boosting",
    }  # fmt: skip


def test_an_unknown_baseline_is_named_with_the_nearest() -> None:
    x, arm, outcome = trial(50)
    with pytest.raises(SpecError, match=r"coxx.*cox"):
        fit_baseline("coxx", x, arm, outcome, seed=1)
