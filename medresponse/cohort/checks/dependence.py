"""Features that are exact linear combinations of others, and more features than patients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medresponse.cohort.checks.intake import Intake, shown
from medresponse.cohort.findings import Finding

TOLERANCE = 1e-8
"""Largest distance of a column of length 1 from the span of others at which it counts as their combination."""

_NEGLIGIBLE = 1e-6  # coefficient, between columns of length 1, below which a column takes no part


def check_dependence(intake: Intake) -> Iterator[Finding]:
    """more_features_than_patients, or else collinear_columns, one finding a set of dependent features.

    A set is minimal: without any one of its columns, the others are independent. It is searched for with unknown
    values at their means and, if they outnumber the columns, in the rows that know every feature; the rows that know
    all features of a set must confirm it.
    """
    if intake.is_wide:
        action = (
            "there are at least as many columns as patients: allowed, but the data alone do not tell their "
            "coefficients apart; each is identified through the shrinkage prior, so choose one that is meant for many "
            "features. Collinearity and separation, certain to occur, are not listed"
        )
        yield Finding("warning", "more_features_than_patients", "", intake.n, (), action)
        return
    columns, owners = _columns(intake)
    sets: set[frozenset[str]] = set()
    for searched in _searched(columns):
        for circuit in _circuits(searched):
            members = frozenset(owners[i] for i in circuit)
            if len(members) > 1 and _confirmed(columns[:, circuit]):
                sets.add(members)
    order = list(intake.features)
    for names in sorted(sorted(members, key=order.index) for members in sets):
        action = (
            f"the columns of {shown(names)} are linearly dependent: the data do not divide their effects, the prior "
            "alone does; leave one of them out"
        )
        yield Finding("warning", "collinear_columns", names[0], intake.n, (), action)


def _columns(intake: Intake) -> tuple[np.ndarray, list[str]]:
    """Return the columns that a model makes of the features, (row, column), NaN where unknown, and their features."""
    columns: list[np.ndarray] = []
    owners: list[str] = []
    for name, feature in intake.features.items():
        codes = intake.codes(name)
        if feature.type == "categorical":
            known = ~np.isnan(codes)
            sizes = np.bincount(codes[known].astype(np.int64), minlength=len(feature.levels))
            others = [i for i in range(len(feature.levels)) if i != sizes.argmax()]
            own = [np.where(known, codes == i, np.nan) for i in others]
        else:
            own = [codes]
        columns += own
        owners += [name] * len(own)
    return np.column_stack(columns) if columns else np.empty((intake.n, 0)), owners


def _searched(columns: np.ndarray) -> Iterator[np.ndarray]:
    """Yield columns of length 1 (0 if constant), with mean 0 and nothing missing."""
    yield _standardised(columns)
    complete = ~np.isnan(columns).any(axis=1)
    if columns.shape[1] + 1 < complete.sum() < len(columns):
        yield _standardised(columns[complete])


def _standardised(columns: np.ndarray) -> np.ndarray:
    known = ~np.isnan(columns)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, columns, 0.0).sum(axis=0) / counts
    # A constant column is left with the rounding error of its mean, which is nothing to compare with.
    scale = np.abs(np.where(known, columns, 0.0)).max(axis=0, initial=0.0)
    centred = np.where(known, columns - means, 0.0)
    length = np.sqrt((centred**2).sum(axis=0))
    constant = length <= 1e-12 * scale * np.sqrt(counts)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))


def _circuits(columns: np.ndarray) -> Iterator[list[int]]:
    """Yield the positions of columns in minimal dependent sets, by a QR decomposition with column pivoting.

    The first columns that it picks span the others to within `TOLERANCE` (Golub & Van Loan, Matrix Computations,
    4th ed., section 5.4.2); each of the others with those that its expression needs is one set. It takes a number of
    operations proportional to rows x columns squared.
    """
    from scipy.linalg import qr, solve_triangular  # slow to import, and most uses of a cohort never get here

    positions = np.flatnonzero(columns.any(axis=0))
    if not positions.size:
        return
    triangle, pivots = qr(columns[:, positions], mode="r", pivoting=True)
    rank = int((np.abs(np.diagonal(triangle)) > TOLERANCE).sum())
    needs = solve_triangular(triangle[:rank, :rank], triangle[:rank, rank:])
    for needed, pivot in zip(needs.T, pivots[rank:], strict=True):
        members = [*pivots[:rank][np.abs(needed) > _NEGLIGIBLE], pivot]
        yield sorted(int(positions[member]) for member in members)


def _confirmed(columns: np.ndarray) -> bool:
    """Say whether columns are dependent in the rows that know all of them, in which each must vary."""
    known = _standardised(columns[~np.isnan(columns).any(axis=1)])
    if len(known) <= columns.shape[1] or not known.any(axis=0).all():
        return False
    return bool(np.linalg.svd(known, compute_uv=False)[-1] <= TOLERANCE)
