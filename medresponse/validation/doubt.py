"""What posteriors leave unknown of their own calibration: how far predictions may be off without the model being wrong.

One fit that predicts new patients errs for all of them at once, by as much as its posterior says it might. Refits of a
cross-validation share most of their patients, and so most of their error; what each errs by in the mean runs against the
patients left out and cancels over the folds, but the error of a slope does not. That is no fault, so intervals of what is
measured allow for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.response import Responses


@dataclass(frozen=True)
class Doubt:
    """Posterior standard deviations of what is measured; for each treatment but for `slope`.

    Parameters
    ----------
    mean : numpy.ndarray
        Of the mean response of those who received it, shape (treatment,).
    slope : float
        Of the slope of responses on their posterior means, under the treatment received.
    benefit : numpy.ndarray
        Of the average benefit over the reference, shape (treatment,).
    benefit_slope : numpy.ndarray
        Of the slope of benefits on their posterior means, shape (treatment,); infinite where these do not vary.
    """

    mean: np.ndarray
    slope: float
    benefit: np.ndarray
    benefit_slope: np.ndarray


@dataclass(frozen=True)
class Errors:
    """Posterior standard deviations of sums over the patients of one fit, and what the sums are divided by.

    Parameters
    ----------
    mean, benefit, benefit_slope : (numpy.ndarray, numpy.ndarray)
        Shape (treatment,) each.
    slope : (float, float)
    """

    mean: tuple[np.ndarray, np.ndarray]
    slope: tuple[float, float]
    benefit: tuple[np.ndarray, np.ndarray]
    benefit_slope: tuple[np.ndarray, np.ndarray]


def errors_of(
    part: Responses, predicted: np.ndarray, received: np.ndarray, weight: np.ndarray, reference: int
) -> Errors:
    """Return how far one fit may be off in sums over the patients that it predicts.

    Parameters
    ----------
    part : Responses
        Of these patients, by that fit.
    predicted : numpy.ndarray
        Their posterior means, shape (patient, treatment).
    received : numpy.ndarray
        Position of the treatment received.
    weight : numpy.ndarray
        Of the patients in regressions on the response.
    reference : int
    """
    n, k = predicted.shape
    arms = np.eye(k)[received]
    own = predicted[np.arange(n), received]
    x = own - np.average(own, weights=weight)
    benefit = predicted - predicted[:, [reference]]
    slopes = benefit - benefit.mean(axis=0)
    sums = {name: np.zeros((k, part.fit.n_draws)) for name in ("mean", "benefit", "benefit_slope")}
    slope = np.zeros(part.fit.n_draws)
    for rows, values in part.chunks():
        mine, w = values[np.arange(len(values)), received[rows]], weight[rows]
        differences = values - values[:, [reference]]
        sums["mean"] += (arms[rows] * w[:, None]).T @ mine
        sums["benefit"] += differences.sum(axis=0)
        sums["benefit_slope"] += np.einsum("ik,iks->ks", slopes[rows], differences)
        slope += (w * x[rows]) @ mine
    return Errors(
        mean=(sums["mean"].std(axis=1), arms.T @ weight),
        slope=(float(slope.std()), float((weight * x**2).sum())),
        benefit=(sums["benefit"].std(axis=1), np.full(k, float(n))),
        benefit_slope=(sums["benefit_slope"].std(axis=1), (slopes**2).sum(axis=0)),
    )  # fmt: skip


def doubt_of(parts: Sequence[Errors]) -> Doubt:
    """Return the doubt of one fit, or of refits that each predict some of the patients.

    The errors of refits are taken for one and the same. Of means nothing is in doubt then: a refit without those who do
    well predicts too little, just for them.
    """
    mean, benefit = (_shared([getattr(part, name) for part in parts]) for name in ("mean", "benefit"))
    several = len(parts) > 1
    return Doubt(
        mean=np.zeros_like(mean) if several else mean,
        slope=float(_shared([part.slope for part in parts])),
        benefit=np.zeros_like(benefit) if several else benefit,
        benefit_slope=_shared([part.benefit_slope for part in parts]),
    )


def _shared(sums: Sequence[tuple[np.ndarray | float, np.ndarray | float]]) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.divide(sum(error for error, _ in sums), sum(over for _, over in sums))
    return np.asarray(total)
