"""What every registered treatment structure must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.registry import registered
from medresponse.priors import Normal, TreatmentLevel, TreatmentStructure
from tests.priors.graph import joint_draws
from tests.priors.treatments.graph import structure_model

# Arguments of the parts that cannot be made without any.
ARGUMENTS: dict[str, dict[str, Any]] = {"monotone_dose": {"direction": "increasing"}}
LEVELS = (
    TreatmentLevel(name="placebo", dose=0.0, is_reference=True),
    TreatmentLevel(name="high", treatment_class="X", dose=10.0),
    TreatmentLevel(name="low", treatment_class="X", dose=5.0),
)


@pytest.fixture(params=sorted(registered(TreatmentStructure)))
def structure(request: pytest.FixtureRequest) -> Any:
    return registered(TreatmentStructure)[request.param](**ARGUMENTS.get(request.param, {}))


def test_is_a_structure_and_survives_plain_data(structure: Any) -> None:
    assert isinstance(structure, TreatmentStructure)
    assert from_plain(TreatmentStructure, to_plain(structure)) == structure


def test_coefficients_are_recorded_under_the_given_name_by_contrast(structure: Any) -> None:
    model = structure_model(structure, Normal(), LEVELS, modifiers=True)
    assert model.named_vars_to_dims["effect"] == ("effect_term",)
    assert model.named_vars_to_dims["modifier"] == ("modifier_term",)
    p = joint_draws(model, draws=2)
    shapes = {name: p[name].shape[1:] for name in ("effect", "delta", "modifier", "modified")}
    assert shapes == {"effect": (2,), "delta": (3,), "modifier": (4,), "modified": (3, 2)}
    np.testing.assert_allclose(p["delta"].sum(axis=1), 0, atol=1e-12)


def test_density_and_gradient_are_finite_at_the_start(structure: Any) -> None:
    model = structure_model(structure, Normal(), LEVELS, modifiers=True)
    evaluate = model.compile_fn([model.logp(), model.dlogp()], mode="FAST_COMPILE")
    value, gradient = evaluate(model.initial_point())
    assert np.isfinite(value) and np.isfinite(gradient).all()
