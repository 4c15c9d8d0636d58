"""How strongly observed features are tied to treatment and outcome, by linear regression: the measure of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Partial R^2 of features, and what a linear regression on them leaves.

    Parameters
    ----------
    sd : float
        Standard deviation of the outcome within treatment groups.
    df : int or None
        Residual degrees of freedom of outcome on treatments and features; None where there is less than 2, or the
        columns are collinear.
    strengths : mapping
        (treatment index, feature) -> partial R^2 with that treatment (against the reference) given the other features,
        and with the outcome given treatments and the other features. Empty where `df` is None.
    """

    sd: float
    df: int | None
    strengths: dict[tuple[int, str], tuple[float, float]]


def observed_strengths(
    outcome: np.ndarray,
    treatment_idx: np.ndarray,
    columns: np.ndarray,
    owners: Sequence[str],
    *,
    n_treatments: int,
    reference: int,
) -> Observed:
    """Regress outcome and treatments on features by least squares.

    Parameters
    ----------
    outcome, treatment_idx : numpy.ndarray
        Shape (patient,).
    columns : numpy.ndarray
        Shape (patient, column).
    owners : sequence of str
        Feature of each column.
    n_treatments, reference : int
        `reference` is what the other treatments are compared with.
    """
    n, others = len(outcome), [k for k in range(n_treatments) if k != reference]
    groups = [outcome[treatment_idx == k] for k in range(n_treatments)]
    sd = float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / (n - n_treatments)))
    received = (treatment_idx[:, None] == np.array(others)).astype(float)
    design = np.column_stack([np.ones(n), received, columns])
    df = n - design.shape[1]
    if df < 2 or np.linalg.matrix_rank(design) < design.shape[1]:
        return Observed(sd=sd, df=None, strengths={})
    positions = {owner: [i for i, o in enumerate(owners) if o == owner] for owner in dict.fromkeys(owners)}
    with_outcome = _partial_r2(
        design, outcome, {f: [i + 1 + len(others) for i in p] for f, p in positions.items()}
    )
    strengths: dict[tuple[int, str], tuple[float, float]] = {}
    for j, k in enumerate(others):
        rest = np.delete(design, 1 + j, axis=1)
        with_treatment = _partial_r2(
            rest, received[:, j], {f: [i + len(others) for i in p] for f, p in positions.items()}
        )
        strengths |= {(k, f): (with_treatment[f], with_outcome[f]) for f in positions}
    return Observed(sd=sd, df=df, strengths=strengths)


def _partial_r2(design: np.ndarray, response: np.ndarray, groups: dict[str, list[int]]) -> dict[str, float]:
    """Return the partial R^2 of groups of columns given all others: W / (W + df), with W the Wald statistic."""
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ (design.T @ response)
    residual = float(((response - design @ coefficients) ** 2).sum())
    found = {}
    for name, at in groups.items():
        own = coefficients[at]
        # What the residual sum of squares grows by without these columns.
        gain = float(own @ np.linalg.solve(inverse[np.ix_(at, at)], own))
        found[name] = gain / (gain + residual) if gain + residual > 0 else 0.0
    return found
