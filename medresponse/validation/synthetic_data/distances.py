"""Smoke tests and the membership attack, by distances between records.

They pass generators that leak by single columns (Yao et al. 2025, arXiv:2505.01524), so that they can raise suspicion and
never remove it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from medresponse.validation.synthetic_data.risk import Tally
from medresponse.validation.synthetic_data.space import row_blocks

COPIES, CLOSEST, RATIO, MEMBERSHIP = (
    "exact copies",
    "distance to closest record",
    "nearest-neighbour distance ratio",
    "membership",
)

TOLERANCE = 1e-6
"""Of a copy, in standard deviations: at 1e-9 rounding hides true copies."""


def distance_checks(train: np.ndarray, holdout: np.ndarray, made: np.ndarray) -> Iterator[Tally]:
    """Yield the tallies of exact copies, closest records, and membership; coordinates of shape (patient, coordinate).

    Parameters
    ----------
    train, holdout : numpy.ndarray
        Real patients that the generator learned from, and as many that it did not.
    made : numpy.ndarray
        Made-up patients.
    """
    n, m = len(train), len(holdout)
    size = min(n, m)  # the nearest of more records is nearer
    (first, second, to_train), (other_first, other_second, to_holdout) = (
        _nearest(made, real[:size]) for real in (train, holdout)
    )
    copies = [float((near <= TOLERANCE).sum()) for near in (first, other_first)]
    yield Tally(COPIES, copies[0], len(made), copies[1], len(made))
    yield _closer(CLOSEST, first, other_first)
    yield _closer(RATIO, _ratio(first, second), _ratio(other_first, other_second))
    yield _membership(to_train, to_holdout)


def _nearest(made: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each made-up record's smallest and next distance to real ones, and each real one's smallest to made-up ones."""
    nearest, back = [], np.full(len(real), np.inf)
    for rows in row_blocks(len(made), len(real)):
        apart = cdist(made[rows], real, "cityblock")
        nearest.append(np.partition(apart, 1, axis=1)[:, :2])
        back = np.minimum(back, apart.min(axis=0))
    first, second = np.concatenate(nearest).T
    return first, second, back


def _closer(check: str, train: np.ndarray, holdout: np.ndarray) -> Tally:
    """Count the made-up records whose measure is smaller towards the training patients, ties as halves."""
    ties = 0.5 * (train == holdout).sum()
    hits, control = float((train < holdout).sum() + ties), float((train > holdout).sum() + ties)
    return Tally(check, hits, len(train), control, len(train), paired=True)


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.divide(first, second, out=np.ones(len(first)), where=second > 0)


def _membership(train: np.ndarray, holdout: np.ndarray) -> Tally:
    """Guess that the closer of two patients is the one learned from; the excess is twice the area under the curve, less 1."""
    auc = float(mannwhitneyu(holdout, train, method="asymptotic").statistic / (len(train) * len(holdout)))
    n = min(len(train), len(holdout))
    return Tally(MEMBERSHIP, auc * n, n, (1 - auc) * n, n, paired=True)
