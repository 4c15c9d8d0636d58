"""Monte Carlo standard errors of any score, by batches of posterior draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A number, its Monte Carlo standard error (0 for a deterministic one) and its unit ("1" for none)."""

    value: float
    mcse: float
    unit: str


def batch_means(values: np.ndarray, *, batches: int) -> np.ndarray:
    """Average draws within consecutive batches: (..., draw) -> (..., batch).

    Draws left over beyond a multiple of `batches` join no batch.
    """
    size = values.shape[-1] // batches
    if size < 1:
        raise ValueError(f"{values.shape[-1]} draws cannot fill {batches} batches")
    trimmed = values[..., : size * batches]
    return trimmed.reshape(*values.shape[:-1], batches, size).mean(axis=-1)


def batched(
    score: Callable[[np.ndarray], float], predictions: np.ndarray, *, clusters: int = 1, unit: str = "1"
) -> Estimate:
    """Return a score of the posterior mean prediction with its Monte Carlo standard error.

    Parameters
    ----------
    score : callable
        Takes predictions without the last axis.
    predictions : numpy.ndarray
        Shape (..., batch): the prediction from each batch of draws, as `batch_means` gives it.
    clusters : int
        See `batch_error`.
    unit : str

    Notes
    -----
    The score of the mean over batches is reported. Its Monte Carlo standard error is the delete-one-batch
    jackknife: scores are not linear in the predictions, and some jump (patients change groups of a calibration
    table), so that the spread of scores of single batches, each from few draws, would not speak of the score
    of all. For a smooth score the two agree (batch means: Flegal, Haran & Jones 2008, Stat Sci 23:250).
    """
    error = _jackknife(score, predictions)
    if clusters > 1:
        groups = np.array_split(predictions, clusters, axis=-1)
        error = max(error, _jackknife(score, np.stack([group.mean(axis=-1) for group in groups], axis=-1)))
    return Estimate(float(score(predictions.mean(axis=-1))), error, unit)


def _jackknife(score: Callable[[np.ndarray], float], predictions: np.ndarray) -> float:
    n, total = predictions.shape[-1], predictions.sum(axis=-1)
    values = np.array([score((total - predictions[..., b]) / (n - 1)) for b in range(n)])
    return float(np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))


def batch_error(each: Sequence[float], *, clusters: int = 1) -> float:
    """Return the Monte Carlo standard error of a mean from its values in consecutive batches.

    Parameters
    ----------
    each : sequence of float
        One value a batch.
    clusters : int
        Imputations that the batches belong to, in equal consecutive shares. Batches of one imputation share its
        error, so that with several the spread of their means is what counts, if it is the larger.
    """
    values = np.asarray(each)
    naive = values.std(ddof=1) / np.sqrt(len(values))
    if clusters < 2:
        return float(naive)
    means = np.array([part.mean() for part in np.array_split(values, clusters)])
    return float(max(naive, means.std(ddof=1) / np.sqrt(clusters)))
