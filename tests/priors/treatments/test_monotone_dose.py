"""Effects ordered by dose: always, in the named direction, with the stated law; what is refused."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from scipy import stats

from medresponse.core.errors import SpecError
from medresponse.priors import Exchangeable, MonotoneDose, Normal, Prior, StudentT, TreatmentLevel
from tests.priors.graph import joint_draws
from tests.priors.treatments.graph import recorded_modifiers, structure_model


def levels_of(doses: dict[str, Any], *, reference: str = "placebo") -> tuple[TreatmentLevel, ...]:
    """Levels with their dose, or with (dose, class)."""
    pairs = {name: dose if isinstance(dose, tuple) else (dose, None) for name, dose in doses.items()}
    return tuple(
        TreatmentLevel(name=name, dose=dose, treatment_class=of, is_reference=name == reference)
        for name, (dose, of) in pairs.items()
    )


LEVELS = levels_of({"high": 80.0, "placebo": 0.0, "low": 5.0, "mid": 20.0})
BY_DOSE = [1, 2, 3, 0]


@pytest.mark.parametrize("direction", ["increasing", "decreasing"])
@pytest.mark.parametrize("prior", [Normal(sigma=0.7), StudentT(sigma=0.7, df=3)], ids=["normal", "student_t"])
def test_effects_are_always_ordered_by_dose_and_span_the_priors_absolute_law(
    direction: Literal["increasing", "decreasing"], prior: Prior
) -> None:
    p = joint_draws(structure_model(MonotoneDose(direction=direction), prior, LEVELS), draws=2000)
    steps = np.diff(p["delta"][:, BY_DOSE], axis=1) * (1 if direction == "increasing" else -1)
    assert (steps > 0).all()
    law = stats.norm(scale=0.7) if isinstance(prior, Normal) else stats.t(3, scale=0.7)
    assert stats.kstest(steps.sum(axis=1), lambda x: 2 * law.cdf(x) - 1).pvalue > 1e-3


@pytest.mark.parametrize("concentration", [1.0, 4.0])
def test_steps_are_dirichlet_shares_of_the_whole(concentration: float) -> None:
    structure = MonotoneDose(direction="increasing", concentration=concentration)
    p = joint_draws(structure_model(structure, Normal(), LEVELS), draws=2000)
    share = np.diff(p["delta"][:, BY_DOSE], axis=1)
    share /= share.sum(axis=1, keepdims=True)
    for j in range(3):
        assert stats.kstest(share[:, j], stats.beta(concentration, 2 * concentration).cdf).pvalue > 1e-3


def test_two_doses_have_one_effect_of_the_named_sign() -> None:
    levels = levels_of({"placebo": 0.0, "drug": 1.0})
    p = joint_draws(structure_model(MonotoneDose(direction="decreasing"), Normal(), levels), draws=500)
    assert (p["delta"][:, 1] < p["delta"][:, 0]).all()


def test_modifiers_stay_exchangeable() -> None:
    (_, ((_, ordered),)) = recorded_modifiers(MonotoneDose(direction="increasing"), LEVELS)
    (_, ((_, exchangeable),)) = recorded_modifiers(Exchangeable(), LEVELS)
    assert ordered["columns"] == exchangeable["columns"] and "positive" not in ordered


@pytest.mark.parametrize(
    ("doses", "message"),
    [
        ({"placebo": None, "low": 1.0, "high": 2.0}, "placebo without a dose"),
        ({"placebo": 0.0, "low": 1.0, "high": 1.0}, "low, high at the same dose"),
        ({"placebo": 3.0, "low": 1.0, "high": 4.0}, "low at a lower dose than the reference placebo"),
        ({"placebo": 0.0, "a": (1.0, "X"), "b": (2.0, "Y")}, r"several classes.*a \(X\), b \(Y\).*by_class"),
    ],
)
def test_levels_that_have_no_order_of_doses_are_refused_by_name(doses: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        structure_model(MonotoneDose(direction="increasing"), Normal(), levels_of(doses))


def test_the_direction_is_never_silent() -> None:
    with pytest.raises(TypeError, match="direction"):
        MonotoneDose()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="'increasing' and 'decreasing'"):
        MonotoneDose(direction="up")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, float("inf"), float("nan")])
def test_the_concentration_must_be_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match="concentration"):
        MonotoneDose(direction="increasing", concentration=value)
