"""What the families of event counts share: crude rate, exposure, expected counts and their quantiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import gammaincinv

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families.base import Arrays
from medresponse.families.companions import standardised

_LARGE = 1e9


def crude_log_rate(outcome: Arrays) -> np.ndarray:
    """Return the log of all events over all exposure, as if of half an event where there is none."""
    return np.asarray(np.log(max(outcome["value"].sum(), 0.5) / outcome["exposure"].sum()))


def count_companions(outcome: Arrays) -> np.ndarray:
    """Return the log of (count + 1/2) over exposure and the log exposure, standardised."""
    log_exposure = np.log(outcome["exposure"])
    return standardised(np.column_stack([np.log(outcome["value"] + 0.5) - log_exposure, log_exposure]))


def expected_count(estimand: Estimand, log_rate: np.ndarray) -> np.ndarray:
    """Return the rate, or the expected events over the horizon (the rate is that of all of it).

    Raises
    ------
    SpecError
        If ``count`` has no positive horizon.
    """
    if estimand.kind == "rate":
        return np.exp(log_rate)
    if estimand.horizon is None or not 0 < estimand.horizon < np.inf:
        raise SpecError(
            f"horizon {estimand.horizon}: an expected number of events needs a time over which to count",
            code="horizon",
        )
    return np.exp(log_rate + np.log(estimand.horizon))


def count_quantile(
    uniform: np.ndarray,
    mean: np.ndarray,
    extra: np.ndarray,
    exact: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return the smallest count whose cumulative probability reaches `uniform`.

    Parameters
    ----------
    uniform, mean : numpy.ndarray
        Of one shape.
    extra : numpy.ndarray
        Variance of the count beyond its mean, over the mean squared; broadcasts to that shape.
    exact : callable
        (uniform, mean) -> quantile. Means above 1e9, where one event is beyond any reader, take the quantile of the
        gamma distribution of equal mean and variance instead.
    """
    large = mean > _LARGE
    result = exact(uniform, np.where(large, 1.0, mean))
    if large.any():
        shape = 1 / (np.broadcast_to(extra, mean.shape)[large] + 1 / mean[large])
        result[large] = np.round(mean[large] * (gammaincinv(shape, uniform[large]) / shape))
    return result
