"""The peers of the benchmarks of fits: the compressed form is the long one, and effects are put together alike."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from benchmarks.fits import ROWS, effects_of
from benchmarks.plain import compressed_model, plain_model
from benchmarks.trial import FAMILIES, flagship, numbers, outcome
from medresponse.core.registry import registered
from medresponse.families import Family
from medresponse.features import Layout, treatment_contrasts


def test_the_peers_compressed_form_has_the_density_of_the_long_one_up_to_a_constant() -> None:
    made = numbers(150, genomic=3, seed=1)
    y = outcome("continuous", made["eta"], np.random.default_rng(1))["y"]
    found = []
    for make in (plain_model, compressed_model):
        model = make(made, y)
        density, rng = model.compile_logp(mode="FAST_COMPILE"), np.random.default_rng(2)
        points = [
            {name: rng.normal(0, 0.5, np.shape(value)) for name, value in model.initial_point().items()}
            for _ in range(3)
        ]
        found.append([float(density(point)) for point in points])
    long, short = np.array(found)
    np.testing.assert_allclose(np.diff(long), np.diff(short), rtol=1e-8)


def test_effects_are_levels_and_coefficients_of_every_arm() -> None:
    contrasts = treatment_contrasts(3)
    layout = Layout(
        columns=("a", "b"), modifiers=(0, 1), contrasts=tuple(map(tuple, contrasts.tolist())), groupings=()
    )
    b = np.random.default_rng(1).normal(size=(4, layout.n_coefficients))
    run = SimpleNamespace(posterior={"coefficients": b, "intercept": np.full(4, 10.0)})
    (found,) = effects_of(layout, [run])
    for arm in range(3):
        rows = layout.dense(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.full(3, arm)) @ b.T
        np.testing.assert_allclose(found[:, arm], 10.0 + rows[0])
        for column in range(2):
            np.testing.assert_allclose(found[:, 3 + 2 * arm + column], rows[1 + column] - rows[0])


def test_rows_are_named_and_every_family_of_the_trial_is_one() -> None:
    assert len(ROWS) == 9 and all(row.__doc__ for row in ROWS.values())
    assert set(FAMILIES) <= set(registered(Family))
    assert flagship("weibull").pooling == ("site",)
