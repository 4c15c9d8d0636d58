"""Draws from the prior of a model with trees or hinges, in numpy."""

from __future__ import annotations

import numpy as np

from medresponse.families import Augmented
from medresponse.features import Forest
from medresponse.inference.ensembles import Ranks
from medresponse.inference.gibbs import (
    FOREST,
    HINGES,
    hinge_law,
    require_augmented,
    splittable,
    stack_nodes,
)
from medresponse.inference.linear import LinearPart
from medresponse.inference.prior_hinges import prior_hinges
from medresponse.inference.slices import ScaleStep
from medresponse.model import ModelSpec, Prepared, SumOfTrees

Rule = tuple[int, int]  # a feature's number, and the rank of the largest value that goes left


def prior_trees(
    spec: ModelSpec, prepared: Prepared, treatment_idx: np.ndarray, groups: dict[str, np.ndarray], *,
    draws: int, rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return draws by name as a chain of `sample_trees` holds them, shape (draw, ...).

    Parameters
    ----------
    spec : ModelSpec
        With trees or hinges.
    prepared : Prepared
        Of which the first completed data set is used.
    treatment_idx : numpy.ndarray
        Shape (patient,).
    groups : dict
        Grouping column -> index of each patient's group.
    draws : int
    rng : numpy.random.Generator

    Raises
    ------
    SpecError
        As `sample_trees` does.
    """
    family: Augmented = require_augmented(spec.family)
    layout, columns = prepared.layout, prepared.encoding.columns(prepared.codes[0])
    unit = float(prepared.data[0]["latent_sd"])
    at = family.intercept_prior(prepared.data[0], prepared.constants)
    linear = LinearPart(spec, prepared, columns, treatment_idx, groups, intercept=at)
    result = linear.prior_draws(draws, rng)
    intercept = result.pop("intercept")
    steps = {name: ScaleStep(prior).prior_draws(draws, rng) for name, prior in family.free.items()}
    rows = [
        family.from_free({n: float(v[s]) for n, v in steps.items()}, prepared.constants) for s in range(draws)
    ]
    result |= {name: np.array([row[name] for row in rows]) for name in rows[0]}
    trees, plan = spec.trees, []
    if trees is not None:
        plan += [("prognostic", trees.prognostic)]
    if trees is not None and trees.predictive is not None:
        plan += [(f"predictive_{j}", trees.predictive) for j in range(layout.n_contrasts)]
    for name, prior in plan:
        assert trees is not None
        positions, weights = splittable(prepared.encoding, trees.blocks, with_score=name == "prognostic")
        ranks = Ranks(columns, positions)
        every = [prior_nodes(prior, ranks, positions, weights, unit=unit, rng=rng) for _ in range(draws)]
        column = stack_nodes([c for c, _ in every], "column")
        value = stack_nodes([v for _, v in every], "value")
        mean = Forest(column, value, prior.trees).values(columns).mean(axis=0)
        result[f"{FOREST}{name}_column"] = column
        result[f"{FOREST}{name}_value"] = value - np.where(column < 0, mean[:, None] / prior.trees, 0.0)
        if name == "prognostic":
            intercept = intercept + mean
        else:
            own = layout.slices["treatment"].start + int(name.removeprefix("predictive_"))
            result["coefficients"][:, own] += mean
    if spec.hinges is not None:
        contrasts = layout.contrast_matrix[treatment_idx]
        law = hinge_law(spec.hinges, prepared.encoding, columns, contrasts, unit=unit)
        nodes = prior_hinges(law, draws=draws, rng=rng)
        result |= {f"{FOREST}{HINGES}{name}": values for name, values in nodes.items()}
    return result | {family.intercept_name: intercept}


def prior_nodes(
    prior: SumOfTrees, ranks: Ranks, positions: np.ndarray, weights: np.ndarray, *, unit: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return column and value of each node of one sum of trees from its prior, shape (node,), in the order of `features.Forest`.

    Parameters
    ----------
    prior : SumOfTrees
    ranks : Ranks
        Of the training patients' values in the columns that may be split on.
    positions, weights : numpy.ndarray
        These columns and their prior probabilities, as `splittable` returns them.
    unit : float
        The family's `latent_sd`.
    rng : numpy.random.Generator
    """
    leaf_sd, chances = prior.scale * unit / np.sqrt(prior.trees), np.cumsum(weights)
    trees = [_prior_tree(prior, ranks.codes, chances, rng) for _ in range(prior.trees)]
    split_columns, values = [], []
    for depth in range(max(len(tree) for tree in trees)):
        for rule in [rule for tree in trees if depth < len(tree) for rule in tree[depth]]:
            split_columns.append(-1 if rule is None else int(positions[rule[0]]))
            values.append(leaf_sd * float(rng.standard_normal()) if rule is None else ranks.threshold(*rule))
    return np.array(split_columns, dtype=np.int32), np.array(values)


def _prior_tree(
    prior: SumOfTrees, codes: np.ndarray, chances: np.ndarray, rng: np.random.Generator
) -> list[list[Rule | None]]:
    """Return the rule of each node, None for a leaf, level by level."""
    while True:
        tree = _attempt(prior, codes, chances, rng)
        if tree is not None:
            return tree


def _attempt(
    prior: SumOfTrees, codes: np.ndarray, chances: np.ndarray, rng: np.random.Generator
) -> list[list[Rule | None]] | None:
    """Return a tree, or None if a split of it leaves too few patients on a side."""
    tree: list[list[Rule | None]] = []
    level = [np.arange(codes.shape[1])]
    while level:
        children: list[np.ndarray] = []
        rules: list[Rule | None] = []
        split = rng.random(len(level)) < prior.grow * (1.0 + len(tree)) ** -prior.depth_penalty
        for rows, wanted in zip(level, split, strict=True):
            rules.append(_prior_rule(codes, chances, rows, rng) if wanted else None)
            if rules[-1] is not None:
                number, cut = rules[-1]
                low = codes[number, rows] <= cut
                children += [rows[low], rows[~low]]
            elif wanted:
                return None
        if any(len(rows) < prior.min_patients for rows in children):
            return None
        tree.append(rules)
        level = children
    return tree


def _prior_rule(
    codes: np.ndarray, chances: np.ndarray, rows: np.ndarray, rng: np.random.Generator
) -> Rule | None:
    """Return a feature and one of its values among the patients but the largest, None where they have only one."""
    if not len(chances):
        return None
    number = min(int(np.searchsorted(chances, rng.random(), side="right")), len(chances) - 1)
    levels = np.flatnonzero(np.bincount(codes[number, rows]))
    return (number, int(levels[rng.integers(len(levels) - 1)])) if len(levels) > 1 else None
