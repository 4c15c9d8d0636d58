"""A family's likelihood as a compiled function of hand-set values, without the rest of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medresponse.families import Arrays, Compressing, Family, Predictor
from medresponse.features import treatment_contrasts

# Quantities that a point may hold in place of what is sampled, of which they are linear functions given all else.
HELD = {"alpha": "mean", "baseline_level": "baseline_means", "baseline_steps": "baseline_along_informed__"}


def likelihood_model(
    family: Family,
    design: np.ndarray,
    outcome: Arrays,
    treatment_idx: np.ndarray,
    *,
    n_treatments: int,
    compressed: bool = True,
) -> Any:
    """The family's likelihood in a model with standard normal coefficients ``b``: (coefficient,) or, for a family
    with several predictors, (coefficient, predictor). A family that can compresses its data unless told not to."""
    import pymc as pm
    import pytensor.tensor as pt

    constants = family.learn(outcome)
    count = len(family.predictors(constants))
    with pm.Model() as model:
        if compressed and isinstance(family, Compressing):
            data = family.compress(design, outcome, treatment_idx, constants)
        else:
            data = family.observe(outcome, treatment_idx, constants)
        shared = {name: pm.Data(name, value) for name, value in data.items()}
        b = pm.Normal("b", 0.0, 1.0, shape=design.shape[1] if count == 1 else (design.shape[1], count))
        predictor = Predictor(b, lambda: pt.dot(design, b))
        family.likelihood(predictor, shared, contrasts=treatment_contrasts(n_treatments))
    return model


def linear(design: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`eta` for `Family.log_likelihood` from one set of coefficients: (patient, 1) or (predictor, patient, 1)."""
    eta = design @ b
    return eta[:, None] if eta.ndim == 1 else eta.T[:, :, None]


def evaluate(family: Family, model: Any, point: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Log-likelihood and the family's parameters at one point (values of the unconstrained variables).

    Quantities in `HELD` may be given in place of what is sampled."""
    held = {name: name.replace(own, HELD[own]) for name in point for own in HELD if name.endswith(own)}
    names = ["likelihood", *family.parameters, *held]
    outputs = model.replace_rvs_by_values([model[name] for name in names])
    function = model.compile_fn(
        outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE"
    )
    values = {name: np.asarray(value, dtype=float) for name, value in point.items()}
    values |= {sampled: values.pop(name) for name, sampled in held.items()}
    assert set(values) == {variable.name for variable in model.value_vars}, "set every variable by hand"

    def found() -> dict[str, np.ndarray]:
        return dict(zip(names, (np.asarray(v) for v in function(values)), strict=True))

    for name, sampled in held.items():
        shape = values[sampled].shape

        def at(x: np.ndarray, name: str = name, sampled: str = sampled, shape: Any = shape) -> np.ndarray:
            values[sampled] = x.reshape(shape)
            return found()[name].ravel()

        zero = np.zeros(values[sampled].size)
        offset = at(zero)
        slope = np.array([at(row) - offset for row in np.eye(len(zero))]).reshape(len(zero), len(zero))
        values[sampled] = np.linalg.solve(slope.T, np.ravel(point[name]) - offset).reshape(shape)
    return found()


def as_draws(parameters: Mapping[str, np.ndarray], family: Family) -> dict[str, np.ndarray]:
    """The family's parameters as one posterior draw, draws first."""
    return {name: parameters[name][None] for name in family.parameters}
