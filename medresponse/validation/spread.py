"""Do intervals say how far an estimate would move with other patients: refits against their posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.cohort import Cohort
from medresponse.response import Responses

_MOST_PATIENTS = 100


@dataclass(frozen=True)
class Spread:
    """How far mean responses differ between refits, over how far their posterior says they might.

    Parameters
    ----------
    ratio : float
        Root of the mean ratio of the grouped jackknife's variance to the posterior variance; 2 for intervals of half
        the width that they should have, below 1 where priors hold estimates back.
    degrees : float
        Degrees of freedom of the squared ratio's scaled chi-squared law.
    """

    ratio: float
    degrees: float


def few_of(cohort: Cohort) -> Cohort:
    """Return up to 100 patients, spread evenly over the cohort."""
    n = min(cohort.n, _MOST_PATIENTS)
    return cohort.select([cohort.patients[(2 * i + 1) * cohort.n // (2 * n)] for i in range(n)])


def refit_spread(whole: Responses, refits: Sequence[Responses]) -> Spread:
    """Compare the refits of a cross-validation with the posterior of the fit to all patients.

    Parameters
    ----------
    whole : Responses
        Of the fit to all patients, about a few of them.
    refits : sequence of Responses
        Of the fits that left one random group out each, about the same few.

    Notes
    -----
    With estimates t_g that leave out group g of G, ``(G - 1) / G sum (t_g - mean)^2`` estimates the variance of the
    estimate from all patients (grouped jackknife; Shao & Tu 1995, The Jackknife and Bootstrap, 2.3). It is averaged over
    the mean responses of these patients under all treatments, each relative to its posterior variance. These are
    correlated: with posterior correlations R the average has ``(G - 1) tr(R)^2 / tr(R^2)`` degrees of freedom
    (Satterthwaite 1946, Biometrics 2:110).
    """
    draws = whole.draws().values.reshape(len(whole.ids) * len(whole.treatments), -1)
    means = np.stack([refit.reduce(lambda v: v.mean(axis=-1)).ravel() for refit in refits])
    groups, deviation = len(refits), draws.std(axis=1, ddof=1)
    kept = deviation > 0
    if not kept.any():
        return Spread(np.inf, float(groups - 1))
    jackknife = (groups - 1) / groups * ((means - means.mean(axis=0)) ** 2).sum(axis=0)
    ratio = float(np.sqrt((jackknife[kept] / deviation[kept] ** 2).mean()))
    return Spread(ratio, (groups - 1) * _effective(draws[kept], deviation[kept]))


def _effective(draws: np.ndarray, deviation: np.ndarray) -> float:
    """Return the number of independent directions, tr(R)^2 / tr(R^2), with the squares' sampling noise taken off."""
    standard = (draws - draws.mean(axis=1, keepdims=True)) / deviation[:, None]
    m, s = standard.shape
    squares = float(((standard @ standard.T / (s - 1)) ** 2).sum()) - m * (m - 1) / s
    return float(m**2 / max(squares, m))
