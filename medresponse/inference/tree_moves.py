"""Moves of regression trees given the residual of all else, for numba; `SumOfTrees` states their law.

A tree's nodes stand in the rows of its arrays: node 0 is the root, a split node's children are at ``left`` and the place after
it. ``split`` is the feature that a node is split on, -1 for a leaf and -2 for a place that is free. Patients whose code of that
feature is at most ``cut`` go left. Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from medresponse.inference.ensembles import FREE, LEAF

_GROW, _PRUNE = 0.4, 0.8  # a birth below the first, a death below the second, else a split is changed


def draw_trees(
    rng: Any, residual: Any, precision: Any, basis: Any, codes: Any, chances: Any, law: Any, min_patients: int,
    split: Any, cut: Any, left: Any, parent: Any, value: Any, leaf: Any, sums: Any, rows: Any, seen: Any,
) -> None:  # fmt: skip
    """Draw every tree once: one proposed change of its shape with leaves integrated out, then its leaves.

    Parameters
    ----------
    rng : numpy.random.Generator
    residual : array
        Latent outcome less everything fitted, shape (patient,); follows.
    precision : array
        Of each patient's error.
    basis : array
        What the sum of trees is multiplied by, shape (patient,).
    codes : array
        Ranks of each feature's values, shape (feature, patient).
    chances : array
        Cumulative prior probabilities of the features.
    law : array
        `SumOfTrees.grow`, `SumOfTrees.depth_penalty` and the prior variance of a leaf.
    min_patients : int
    split, cut, left, parent, value : array
        Nodes, shape (tree, node).
    leaf : array
        Leaf of each patient, shape (tree, patient).
    sums : array
        Room for each node's patients, precision and precision-weighted residual, shape (3, node).
    rows, seen : array
        Room for patients of a node and for the codes among them; none is seen.
    """
    n = len(residual)
    for t in range(len(split)):
        sums[:] = 0.0
        for i in range(n):
            node = leaf[t, i]
            residual[i] += value[t, node] * basis[i]
            weighted = precision[i] * basis[i]
            sums[0, node] += 1.0
            sums[1, node] += weighted * basis[i]
            sums[2, node] += weighted * residual[i]
        move = rng.random()
        if move < _GROW:
            _grow(rng, residual, precision, basis, codes, chances, law, min_patients, split[t], cut[t], left[t], parent[t],
                  leaf[t], sums, rows, seen)  # fmt: skip
        elif move < _PRUNE:
            _prune(rng, law, split[t], left[t], parent[t], leaf[t], sums)
        else:
            _change(rng, residual, precision, basis, codes, chances, law, min_patients, split[t], cut[t], left[t], leaf[t],
                    sums, rows, seen)  # fmt: skip
        for node in range(split.shape[1]):
            if split[t, node] == LEAF:
                own = sums[1, node] + 1 / law[2]
                value[t, node] = sums[2, node] / own + rng.standard_normal() / math.sqrt(own)
        for i in range(n):
            residual[i] -= value[t, leaf[t, i]] * basis[i]


@register_jitable  # type: ignore[untyped-decorator]
def _grow(
    rng: Any, residual: Any, precision: Any, basis: Any, codes: Any, chances: Any, law: Any, min_patients: int,
    split: Any, cut: Any, left: Any, parent: Any, leaf: Any, sums: Any, rows: Any, seen: Any,
) -> None:  # fmt: skip
    """Propose to split a leaf by a rule drawn from the prior, which cancels in the ratio."""
    leaves, ends = _counts(split, left)
    node = _nth(split, left, int(rng.random() * leaves), False)
    m = _patients(leaf, node, node, rows)
    if m < 2 * min_patients:
        return
    feature, threshold = _rule(rng, codes, chances, rows, m, seen)
    if feature < 0:
        return
    first = 1
    while split[first] != FREE:
        first += 2
    _add_up(residual, precision, basis, codes[feature], threshold, rows, m, sums, first)
    if min(sums[0, first], sums[0, first + 1]) < min_patients:
        return
    # Where a leaf's sister is a leaf, their parent is an end now, and would not be.
    if node > 0 and split[left[parent[node]]] == LEAF and split[left[parent[node]] + 1] == LEAF:
        ends -= 1
    gain = _evidence(sums, first, law[2]) + _evidence(sums, first + 1, law[2]) - _evidence(sums, node, law[2])
    gain += _log_split(law, _depth(parent, node)) + math.log(leaves / (ends + 1))
    if math.log(rng.random()) < gain:
        split[node], cut[node], left[node] = feature, threshold, first
        split[first] = split[first + 1] = LEAF
        parent[first] = parent[first + 1] = node
        _share_out(codes[feature], threshold, rows, m, leaf, first)


@register_jitable  # type: ignore[untyped-decorator]
def _prune(rng: Any, law: Any, split: Any, left: Any, parent: Any, leaf: Any, sums: Any) -> None:
    """Propose to make a leaf of a node whose children are leaves."""
    leaves, ends = _counts(split, left)
    if ends == 0:
        return
    node = _nth(split, left, int(rng.random() * ends), True)
    first = left[node]
    for k in range(3):
        sums[k, node] = sums[k, first] + sums[k, first + 1]
    gain = _evidence(sums, node, law[2]) - _evidence(sums, first, law[2]) - _evidence(sums, first + 1, law[2])
    gain += math.log(ends / (leaves - 1)) - _log_split(law, _depth(parent, node))
    if math.log(rng.random()) < gain:
        split[node] = LEAF
        split[first] = split[first + 1] = FREE
        for i in range(len(leaf)):
            if leaf[i] == first or leaf[i] == first + 1:
                leaf[i] = node


@register_jitable  # type: ignore[untyped-decorator]
def _change(
    rng: Any, residual: Any, precision: Any, basis: Any, codes: Any, chances: Any, law: Any, min_patients: int,
    split: Any, cut: Any, left: Any, leaf: Any, sums: Any, rows: Any, seen: Any,
) -> None:  # fmt: skip
    """Propose another rule, from the prior, for a node whose children are leaves."""
    _, ends = _counts(split, left)
    if ends == 0:
        return
    node = _nth(split, left, int(rng.random() * ends), True)
    first = left[node]
    m = _patients(leaf, first, first + 1, rows)
    feature, threshold = _rule(rng, codes, chances, rows, m, seen)
    if feature < 0:
        return
    before = _evidence(sums, first, law[2]) + _evidence(sums, first + 1, law[2])
    old = (
        sums[0, first],
        sums[1, first],
        sums[2, first],
        sums[0, first + 1],
        sums[1, first + 1],
        sums[2, first + 1],
    )
    _add_up(residual, precision, basis, codes[feature], threshold, rows, m, sums, first)
    gain = _evidence(sums, first, law[2]) + _evidence(sums, first + 1, law[2]) - before
    if min(sums[0, first], sums[0, first + 1]) >= min_patients and math.log(rng.random()) < gain:
        split[node], cut[node] = feature, threshold
        _share_out(codes[feature], threshold, rows, m, leaf, first)
        return
    for k in range(3):
        sums[k, first], sums[k, first + 1] = old[k], old[3 + k]


@register_jitable  # type: ignore[untyped-decorator]
def _rule(rng: Any, codes: Any, chances: Any, rows: Any, m: int, seen: Any) -> tuple[int, int]:
    """Draw a feature and one of its values among the patients but the largest; -1 where they have only one."""
    if len(chances) == 0:
        return -1, -1
    u, feature = rng.random(), 0
    while feature < len(chances) - 1 and chances[feature] <= u:
        feature += 1
    own = codes[feature]
    low = high = own[rows[0]]
    for r in range(m):
        code = own[rows[r]]
        seen[code] = True
        low, high = min(low, code), max(high, code)
    distinct = 0
    for code in range(low, high + 1):
        distinct += seen[code]
    chosen, threshold = int(rng.random() * (distinct - 1)), -1
    for code in range(low, high + 1):
        if seen[code]:
            if chosen == 0:
                threshold = code
            chosen -= 1
            seen[code] = False
    return (feature, threshold) if distinct > 1 else (-1, -1)


@register_jitable  # type: ignore[untyped-decorator]
def _add_up(
    residual: Any,
    precision: Any,
    basis: Any,
    codes: Any,
    threshold: int,
    rows: Any,
    m: int,
    sums: Any,
    first: int,
) -> None:
    """Put the sums of both sides of a rule at `first` and after it."""
    for k in range(3):
        sums[k, first] = sums[k, first + 1] = 0.0
    for r in range(m):
        i = rows[r]
        node = first + (codes[i] > threshold)
        weighted = precision[i] * basis[i]
        sums[0, node] += 1.0
        sums[1, node] += weighted * basis[i]
        sums[2, node] += weighted * residual[i]


@register_jitable  # type: ignore[untyped-decorator]
def _share_out(codes: Any, threshold: int, rows: Any, m: int, leaf: Any, first: int) -> None:
    for r in range(m):
        leaf[rows[r]] = first + (codes[rows[r]] > threshold)


@register_jitable  # type: ignore[untyped-decorator]
def _patients(leaf: Any, one: int, other: int, rows: Any) -> int:
    """List the patients of one leaf or two and return their number."""
    m = 0
    for i in range(len(leaf)):
        if leaf[i] == one or leaf[i] == other:
            rows[m] = i
            m += 1
    return m


@register_jitable  # type: ignore[untyped-decorator]
def _evidence(sums: Any, node: int, variance: float) -> float:
    """Return the log marginal likelihood of a leaf, less what does not depend on the tree."""
    return -0.5 * math.log1p(variance * sums[1, node]) + 0.5 * sums[2, node] ** 2 / (
        sums[1, node] + 1 / variance
    )


@register_jitable  # type: ignore[untyped-decorator]
def _log_split(law: Any, depth: int) -> float:
    """Return the log prior ratio of a split node with two leaves to a leaf, but for the rule."""
    own, below = law[0] * (1.0 + depth) ** -law[1], law[0] * (2.0 + depth) ** -law[1]
    return math.log(own) + 2 * math.log1p(-below) - math.log1p(-own)


@register_jitable  # type: ignore[untyped-decorator]
def _depth(parent: Any, node: int) -> int:
    depth = 0
    while node > 0:
        node = parent[node]
        depth += 1
    return depth


@register_jitable  # type: ignore[untyped-decorator]
def _is_end(split: Any, left: Any, node: int) -> bool:
    """Say whether a node's children are both leaves."""
    return split[node] >= 0 and split[left[node]] == LEAF and split[left[node] + 1] == LEAF


@register_jitable  # type: ignore[untyped-decorator]
def _counts(split: Any, left: Any) -> tuple[int, int]:
    """Return how many leaves there are, and how many nodes whose children are both leaves."""
    leaves, ends = 0, 0
    for node in range(len(split)):
        leaves += split[node] == LEAF
        ends += _is_end(split, left, node)
    return leaves, ends


@register_jitable  # type: ignore[untyped-decorator]
def _nth(split: Any, left: Any, number: int, end: bool) -> int:
    """Return a leaf, or a node whose children are both leaves, by its number."""
    for node in range(len(split)):
        if _is_end(split, left, node) if end else split[node] == LEAF:
            if number == 0:
                return node
            number -= 1
    return -1
