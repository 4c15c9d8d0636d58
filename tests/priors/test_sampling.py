"""A tiny regression under each prior and each pooling of treatments: few divergences, and the truth comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.features import treatment_contrasts
from medresponse.inference.compiled import Compiled
from medresponse.inference.engines import Nuts, sample_chains
from medresponse.priors import (
    R2D2,
    ByClass,
    Column,
    Grouped,
    Horseshoe,
    MonotoneDose,
    Normal,
    Scales,
    StudentT,
    TreatmentLevel,
)

pytestmark = pytest.mark.recovery

ENGINE = Nuts(draws=500, tune=500, chains=2)
PATHS: list[tuple[str, ...]] = [("A", "P")] * 3 + [("B", "P"), ("C", "Q"), ("C", "Q"), (), ()]
STRUCTURES = {"by_class": ByClass(active=True), "monotone_dose": MonotoneDose(direction="increasing")}
LEVELS = tuple(
    TreatmentLevel(name=name, treatment_class="X" if dose else None, dose=dose, is_reference=not dose)
    for name, dose in {"placebo": 0.0, "low": 1.0, "mid": 2.0, "high": 3.0}.items()
)


def sampled(model: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Draws of shape (chain, draw, ...), after a look at the divergences."""
    chains = sample_chains(Compiled(lambda: model), [{}], engine=ENGINE, seed=1).chains
    divergences = sum(int(chain.stats["diverging"].sum()) for chain in chains)
    assert divergences <= 0.01 * ENGINE.chains * ENGINE.draws
    return {name: np.stack([chain.posterior[name] for chain in chains]) for name in names}


def assert_recovered(draws: np.ndarray, truth: np.ndarray) -> None:
    """Both chains agree, and each coefficient lies within 3.5 posterior standard deviations of its truth."""
    spread = draws.std(axis=(0, 1))
    assert (np.abs(np.diff(draws.mean(axis=1), axis=0)[0]) < 0.5 * spread).all()
    assert (np.abs(draws.mean(axis=(0, 1)) - truth) < 3.5 * spread).all()


@pytest.mark.parametrize(
    ("prior", "p", "n"),
    [
        (StudentT(), 8, 100), (R2D2(), 8, 100), (Grouped(expected_nonzero=2), 8, 100),
        (Horseshoe(expected_nonzero=3), 300, 60),
    ],
    ids=["student_t", "r2d2", "grouped", "horseshoe, five columns a patient"],
)  # fmt: skip
def test_coefficients_come_back(prior: Any, p: int, n: int) -> None:
    import pymc as pm
    import pytensor.tensor as pt

    rng = np.random.default_rng(0)
    x, truth = rng.standard_normal((n, p)), np.zeros(p)
    truth[:3] = [1.5, -1.5, 1.0] if p > n else [1.0, -0.5, 0.25]
    y = x @ truth + rng.standard_normal(n)
    columns = tuple(Column(f"x{i}", PATHS[i] if p == len(PATHS) else ()) for i in range(p))
    scales = Scales(unit_information_sd=y.std() / np.sqrt(n), latent_sd=y.std(), column_sd=x.std(axis=0))
    with pm.Model(coords={"term": [column.label for column in columns]}) as model:
        b = prior.coefficients("b", columns=columns, dims="term", scales=scales)
        pm.Normal("y", pm.Normal("a", 0, 2) + pt.dot(x, b), pm.HalfNormal("s", 2), observed=y)
    draws = sampled(model, ["b"])["b"]
    assert_recovered(draws, truth)
    assert (draws[..., 0] > 0.3).mean() > 0.99 and (draws[..., 1] < -0.1).mean() > 0.95


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_effects_of_treatments_come_back(structure: Any) -> None:
    import pymc as pm
    import pytensor.tensor as pt

    rng = np.random.default_rng(2)
    arm, truth = np.arange(200) % 4, np.array([0.0, 0.4, 0.9, 1.0])
    y = truth[arm] + rng.standard_normal(200)
    contrasts = treatment_contrasts(4)
    scales = Scales(unit_information_sd=1 / np.sqrt(200), latent_sd=1.0, column_sd=np.ones(0))
    with pm.Model(coords={"term": [f"contrast {j + 1}" for j in range(3)]}) as model:
        effects = structure.effects(
            "effect", Normal(sigma=1.0), levels=LEVELS, contrasts=contrasts, dims="term", scales=scales
        )
        delta = pm.Deterministic("delta", pt.dot(contrasts, effects))
        pm.Normal("y", pm.Normal("a", 0, 2) + delta[arm], pm.HalfNormal("s", 2), observed=y)
    delta = sampled(model, ["delta"])["delta"]
    assert_recovered(delta[..., 1:] - delta[..., :1], truth[1:])
    if isinstance(structure, MonotoneDose):
        assert (np.diff(delta, axis=-1) >= 0).all()
