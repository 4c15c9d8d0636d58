"""What a posterior leaves unknown of its own calibration: how far one fit may be off without being wrong.

Refits of a cross-validation each err in their own way; one fit that predicts new patients errs for all of them at once, by
as much as its posterior says it might. That is no fault, so intervals of what is measured allow for it.
"""

from __future__ import annotations

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


def doubt_of(
    part: Responses, predicted: np.ndarray, received: np.ndarray, weight: np.ndarray, reference: int
) -> Doubt:
    """Return the posterior's own doubt.

    Parameters
    ----------
    part : Responses
        Of all patients by one fit.
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
    arm_weight, power = arms.T @ weight, (slopes**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Doubt(
            mean=sums["mean"].std(axis=1) / arm_weight, slope=float(slope.std() / (weight * x**2).sum()),
            benefit=sums["benefit"].std(axis=1) / n, benefit_slope=sums["benefit_slope"].std(axis=1) / power,
        )  # fmt: skip
