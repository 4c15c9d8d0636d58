"""Sums of trees: the sampler against its prior, against all trees of a small problem counted out, and in a whole chain."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import kstest, norm

import medresponse as mr
from medresponse.cohort import Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.features import Forest
from medresponse.inference import gibbs as gibbs_module
from medresponse.inference.ensembles import Ensemble, Ranks
from medresponse.inference.prior import prior_fit
from medresponse.inference.prior_trees import prior_nodes
from medresponse.model import ModelSpec, SumOfTrees, Trees, prepare
from medresponse.priors import Normal


def batch_error(values: np.ndarray, batches: int = 25) -> np.ndarray:
    """Standard error of the mean over the first axis by batch means."""
    means = np.array([part.mean(axis=0) for part in np.array_split(values, batches)])
    return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(batches))


def mixed_columns(n: int) -> np.ndarray:
    """A number, one that is often the same, and an indicator that is mostly negative."""
    rng = np.random.default_rng(3)
    return np.column_stack(
        [rng.standard_normal(n), rng.integers(0, 4, n), np.where(rng.random(n) < 0.2, 0.8, -0.2)]
    )


def ensemble_of(prior: SumOfTrees, columns: np.ndarray, **fields: Any) -> Ensemble:
    p = columns.shape[1]
    usual = {
        "leaf_sd": prior.scale / np.sqrt(prior.trees), "positions": np.arange(p), "weights": np.full(p, 1 / p), "basis": None,
        "rng": np.random.default_rng(7),
    }  # fmt: skip
    return Ensemble(prior, columns=columns, **(usual | fields))


def _shape(column: np.ndarray, trees: int) -> list[float]:
    splits = (column >= 0).sum()
    return [(column[:trees] < 0).mean(), splits, splits**2, *((column == j).sum() for j in range(3))]


@pytest.mark.parametrize(
    "prior",
    [
        SumOfTrees(trees=10),
        SumOfTrees(trees=10, grow=0.5, min_patients=8),
        SumOfTrees(trees=10, grow=0.9, depth_penalty=0.4, min_patients=2),
    ],
)
def test_without_data_the_sampler_draws_from_the_prior(prior: SumOfTrees) -> None:
    columns, weights, rng = mixed_columns(40), np.array([0.5, 0.3, 0.2]), np.random.default_rng(1)
    ensemble, residual = ensemble_of(prior, columns, weights=weights), np.zeros(40)
    ranks = Ranks(columns, np.arange(3))
    sampled, values = [], []
    for _ in range(2500):
        ensemble.sweep(residual, np.full(40, 1e-12))
        sampled.append(_shape(ensemble.nodes()[0], prior.trees))
        values.append(ensemble.function()[0])
    drawn = np.array(
        [
            _shape(prior_nodes(prior, ranks, np.arange(3), weights, unit=1.0, rng=rng)[0], prior.trees)
            for _ in range(300)
        ]
    )
    found = np.array(sampled)[100:]
    error = np.hypot(batch_error(found), drawn.std(axis=0) / np.sqrt(len(drawn)))
    assert (np.abs(found.mean(axis=0) - drawn.mean(axis=0)) < 4.5 * error).all()
    assert np.std(values) == pytest.approx(prior.scale, rel=0.1)


def _every_tree(
    columns: np.ndarray, prior: SumOfTrees, rows: np.ndarray, depth: int
) -> list[tuple[float, list[np.ndarray], Any]]:
    """Return prior weight, leaves and rules of each tree that grows at some patients, rules by equal chances."""
    chance = prior.grow * (1.0 + depth) ** -prior.depth_penalty
    found: list[tuple[float, list[np.ndarray], Any]] = [(1 - chance, [rows], None)]
    for j in range(columns.shape[1]):
        levels = np.unique(columns[rows, j])[:-1]
        for level in levels:
            low = rows[columns[rows, j] <= level]
            high = rows[columns[rows, j] > level]
            if min(len(low), len(high)) < prior.min_patients:
                continue
            own = chance / columns.shape[1] / len(levels)
            sides = (_every_tree(columns, prior, side, depth + 1) for side in (low, high))
            found += [
                (own * a[0] * b[0], a[1] + b[1], ((j, float(level)), a[2], b[2])) for a, b in product(*sides)
            ]
    return found


@pytest.mark.parametrize("with_basis", [False, True])
def test_one_tree_follows_the_posterior_of_all_trees_counted_out(with_basis: bool) -> None:
    rng = np.random.default_rng(5)
    columns = np.column_stack([np.arange(12) % 3, np.arange(12) // 4 % 2, rng.integers(0, 3, 12)]).astype(
        float
    )
    basis = np.where(np.arange(12) % 2, 0.5, -0.5) if with_basis else np.ones(12)
    prior = SumOfTrees(trees=1, grow=0.8, depth_penalty=1.0, min_patients=2, scale=1.3)
    precision = rng.uniform(0.5, 2.0, 12)
    target = basis * (1.5 * (columns[:, 0] > 1) - columns[:, 1]) + 0.8 * rng.standard_normal(12)

    every = _every_tree(columns, prior, np.arange(12), 0)
    weights = []
    for weight, leaves, _ in every:
        for rows in leaves:
            covariance = np.diag(1 / precision[rows]) + prior.scale**2 * np.outer(basis[rows], basis[rows])
            log = -0.5 * np.linalg.slogdet(covariance)[1]
            log -= 0.5 * target[rows] @ np.linalg.solve(covariance, target[rows])
            weight *= np.exp(log)
        weights.append(weight)
    posterior = np.array(weights) / sum(weights)
    roots = sorted({rule[0] if rule else (-1, 0.0) for *_, rule in every})
    expected = [
        sum(p for p, (*_, r) in zip(posterior, every, strict=True) if (r[0] if r else (-1, 0.0)) == root)
        for root in roots
    ]
    counts = np.arange(1, 6)
    expected += [
        sum(p for p, (_, leaves, _) in zip(posterior, every, strict=True) if len(leaves) == k) for k in counts
    ]

    ensemble = ensemble_of(prior, columns, basis=basis if with_basis else None)
    residual, seen, standard = target.copy(), [], []
    for _ in range(20_000):
        ensemble.sweep(residual, precision)
        column, value = ensemble.nodes()
        root = (-1, 0.0) if column[0] < 0 else (int(column[0]), float(np.floor(value[0])))
        seen.append([*(root == r for r in roots), *((column < 0).sum() == counts)])
        rows = ensemble._leaf[0] == ensemble._leaf[0, 0]
        own = (precision[rows] * basis[rows]) @ basis[rows] + prior.scale**-2
        mean = (precision[rows] * basis[rows]) @ target[rows] / own
        standard.append((ensemble.function()[0] - mean) * np.sqrt(own))
        assert np.unique(ensemble._leaf[0], return_counts=True)[1].min() >= prior.min_patients
    found = np.array(seen, dtype=float)
    assert (np.abs(found.mean(axis=0) - expected) < 4.5 * batch_error(found) + 1e-4).all()
    assert kstest(standard, norm.cdf).pvalue > 1e-4  # the first patient's leaf, given its patients
    np.testing.assert_allclose(residual, target - basis * ensemble.function(), atol=1e-9)


def test_array_forests_score_what_the_sampler_holds() -> None:
    rng = np.random.default_rng(1)
    columns, basis = mixed_columns(120), rng.choice([-0.5, 0.5], 120)
    target = 2.0 * (columns[:, 1] > 1) + basis * (columns[:, 2] > 0) + 0.3 * rng.standard_normal(120)
    prior = SumOfTrees(trees=30)
    made = [
        ensemble_of(prior, np.column_stack([rng.random(120), columns]), positions=np.array([1, 2, 3]),
                    weights=np.full(3, 1 / 3), leaf_sd=0.3, basis=times, rng=np.random.default_rng(seed))
        for seed, times in enumerate((None, basis))
    ]  # fmt: skip
    residual = target.copy()
    for _ in range(30):
        for ensemble in made:
            ensemble.sweep(residual, np.full(120, 4.0))
    full = np.column_stack([rng.random(120), columns])
    for ensemble in made:
        column, value = ensemble.nodes()
        forest = Forest(column[None], value[None], 30)
        assert (column >= 0).sum() > 20  # there are splits to disagree on
        np.testing.assert_allclose(forest.values(full)[:, 0], ensemble.function(), rtol=0, atol=1e-10)
        shifted = Forest(column[None], ensemble.nodes(shift=0.7)[1][None], 30)
        np.testing.assert_allclose(shifted.values(full), forest.values(full) + 0.7, atol=1e-10)
        of_indicator = value[column == 3]
        np.testing.assert_allclose(of_indicator, 0.3)  # the middle of -0.2 and 0.8
    fitted = made[0].function() + basis * made[1].function()
    np.testing.assert_allclose(residual, target - fitted, atol=1e-8)


@pytest.mark.parametrize("low", [1.0, np.nextafter(1.0, 2.0), -3.0])
def test_values_without_a_number_between_them_are_told_apart(low: float) -> None:
    """Halves are rounded to even: for one of two neighbours in a row the middle is the upper one."""
    high = np.nextafter(low, np.inf)
    threshold = Ranks(np.array([[high], [low], [high]]), np.array([0])).threshold(0, 0)
    scored = Forest(np.array([[0, -1, -1]]), np.array([[threshold, -1.0, 1.0]]), 1)
    np.testing.assert_array_equal(scored.values(np.array([[low], [high]]))[:, 0], [-1.0, 1.0])


def test_trees_that_outgrow_their_room_get_more() -> None:
    columns = np.random.default_rng(2).standard_normal((300, 3))
    prior = SumOfTrees(trees=3, grow=0.9, depth_penalty=0.5, min_patients=2)
    ensemble, target = ensemble_of(prior, columns), np.exp(columns[:, 0]) + columns[:, 1] * columns[:, 2]
    residual = target.copy()
    for _ in range(400):
        ensemble.sweep(residual, np.full(300, 1e4))
    column, value = ensemble.nodes()
    assert len(column) > 3 * 15
    np.testing.assert_allclose(
        Forest(column[None], value[None], 3).values(columns)[:, 0], ensemble.function()
    )
    np.testing.assert_allclose(residual, target - ensemble.function(), atol=1e-9)


def test_without_a_feature_to_split_on_trees_are_leaves() -> None:
    nothing = np.zeros(0, dtype=int)
    prior = SumOfTrees(trees=4)
    ensemble = ensemble_of(prior, np.ones((20, 1)), positions=nothing, weights=np.zeros(0))
    for _ in range(20):
        ensemble.sweep(np.zeros(20), np.ones(20))
    ranks = Ranks(np.ones((20, 1)), nothing)
    drawn = prior_nodes(prior, ranks, nothing, np.zeros(0), unit=1.0, rng=np.random.default_rng(1))
    assert (ensemble.nodes()[0] == -1).all() and (drawn[0] == -1).all()


def test_a_whole_chain_whose_outcomes_are_redrawn_draws_from_the_prior() -> None:
    """Parameters given outcomes, outcomes given parameters, in turn: both have their prior laws (Geweke 2004, JASA 99:799)."""
    n, rng = 12, np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "id": [f"P{i}" for i in range(n)], "arm": ["old", "new"] * (n // 2), "age": rng.normal(60, 10, n),
            "sex": np.array(["f", "m"])[rng.integers(0, 2, n)], "y": rng.standard_normal(n),
        }
    )  # fmt: skip
    schema = from_plain(
        Schema,
        {
            "name": "small", "source": "numpy", "id": "id", "synthetic": True,
            "treatment": {"column": "arm", "levels": {"old": {}, "new": {}}, "reference": "old", "assignment": "randomised"},
            "outcomes": {"y": {"kind": "continuous", "column": "y", "unit": "1", "label": "y", "direction": "higher_is_better"}},
            "features": {"history": {"age": {"type": "continuous", "unit": "year"}, "sex": {"type": "binary", "levels": ["f", "m"]}}},
        },
    )  # fmt: skip
    cohort = cohort_from_frame(frame, schema)
    sums = {name: SumOfTrees(trees=2, grow=0.8, min_patients=3) for name in ("prognostic", "predictive")}
    spec = ModelSpec(
        family=mr.families.Gaussian(), blocks={}, treatment=Normal(sigma=0.5),
        trees=Trees(blocks=("history",), **sums),
    )  # fmt: skip
    prepared = prepare(spec, cohort, outcome="y", seed=1)
    columns, outcome = prepared.encoding.columns(prepared.codes[0]), dict(cohort.outcome("y"))
    chain = gibbs_module._Chain(
        spec, prepared, columns, outcome, cohort.treatment_idx, {}, seed=3, job=(0, 0)
    )
    visited = []
    for _ in range(4000):
        chain._sweep(1, 3)
        sigma, functions = chain._parameters["sigma"], [e.function() for e in chain._ensembles]
        draw = chain._draw()
        visited.append(
            [
                sigma, sigma**2, abs(draw["coefficients"][-1]), *(f.std() for f in functions),
                *((draw[f"forest_{name}_column"] >= 0).sum() for name in ("prognostic", "predictive_0")),
                chain._mean.std(), np.abs(chain._residual / sigma).mean(),
            ]
        )  # fmt: skip
        outcome["value"] = chain._mean + sigma * rng.standard_normal(n)

    drawn = prior_fit(spec, cohort, draws=1500, seed=5)
    prognosis, effects = (f.reshape(n, -1) for f in drawn.forest_values(columns))
    contrast = prepared.layout.contrast_matrix[cohort.treatment_idx]
    coefficient, sigma = drawn.draws("coefficients")[:, -1], drawn.draws("sigma")
    mean = prognosis + contrast * (coefficient + effects)
    assert drawn.forests is not None
    splits = [
        (drawn.forests[f"{name}_column"].values[0] >= 0).sum(axis=1)
        for name in ("prognostic", "predictive_0")
    ]
    noise = np.abs(rng.standard_normal((1500, n))).mean(axis=1)
    expected = np.column_stack(
        [sigma, sigma**2, np.abs(coefficient), prognosis.std(axis=0), effects.std(axis=0), *splits, mean.std(axis=0), noise]
    )  # fmt: skip
    found = np.array(visited)
    error = np.hypot(batch_error(found), expected.std(axis=0) / np.sqrt(len(expected)))
    z = (found.mean(axis=0) - expected.mean(axis=0)) / error
    assert (np.abs(z) < 4.5).all(), z.round(1)
