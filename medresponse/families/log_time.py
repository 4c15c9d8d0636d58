"""Event times with ``log T = location + W / shape``: what Weibull, lognormal and log-logistic models share.

`location` holds the intercept and the linear predictor, so a higher predictor means later events (accelerated failure
time; Kalbfleisch & Prentice 2002, The Statistical Analysis of Failure Time Data, section 2.2). In numpy `location` is
(..., draw) and `shape` (draw,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import erfcx, gamma, gammainc, hyp2f1, log_ndtr, ndtr, ndtri

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, LinkName, linked
from medresponse.families.base import Arrays, checked_horizon
from medresponse.families.censoring import combine, event_times

_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
_ROOT_2 = np.sqrt(2.0)
_WHOLE = 1e-8  # 1 / shape this near a whole number is taken for it


@dataclass(frozen=True)
class Law:
    """A law of W.

    Parameters
    ----------
    hazard : callable
        w -> (cumulative hazard of W, log of its slope).
    graph_hazard : callable
        The same in PyTensor, with finite gradients however far w lies out.
    quantile : callable
        u -> the w that W exceeds with probability u.
    restricted_mean : callable
        (horizon, location, shape) -> E[min(T, horizon)].
    sd : float
        Standard deviation of W.
    link : str
        Link by which the survival probability follows from -w.
    """

    hazard: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    graph_hazard: Callable[[Any], tuple[Any, Any]]
    quantile: Callable[[np.ndarray], np.ndarray]
    restricted_mean: Callable[[float, np.ndarray, np.ndarray], np.ndarray]
    sd: float
    link: LinkName

    def survival(self, time: float, location: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Return the probability of no event by `time`."""
        return np.exp(-self.hazard(shape * (np.log(time) - location))[0])


def learn(outcome: Arrays) -> dict[str, np.ndarray]:
    """Return ``end``, the longest follow-up."""
    return {"end": np.asarray(event_times(outcome).latest.max())}


def observe(outcome: Arrays) -> dict[str, np.ndarray]:
    """Return what `graph_log_likelihood` and `graph_cumulative_at_entry` read, and ``crude_log_scale``.

    Always ``log_time`` and ``exact`` (patient,). Where there are such rows: ``interval_idx`` and ``log_upper`` of the
    interval-censored, ``entry_idx`` and ``log_entry`` of the left-truncated, ``begun`` (patient,), 0 where nothing
    is known of survival past time 0, whose logarithm no graph should meet. ``crude_log_scale``: log of the mean time
    observed per event.
    """
    times = event_times(outcome)
    begun, truncated = times.lower > 0, times.entry > 0
    data = {
        "log_time": np.log(np.where(begun, times.lower, times.latest.max())),
        "exact": times.exact.astype(float),
        "crude_log_scale": np.asarray(np.log(times.person_time / times.n_events)),
    }
    if not begun.all():
        data["begun"] = begun.astype(float)
    if times.interval.any():
        data["interval_idx"] = np.flatnonzero(times.interval).astype("int32")
        data["log_upper"] = np.log(times.upper[times.interval])
    if truncated.any():
        data["entry_idx"] = np.flatnonzero(truncated).astype("int32")
        data["log_entry"] = np.log(times.entry[truncated])
    return data


def graph_log_likelihood(law: Law, data: Mapping[str, Any], location: Any, shape: Any) -> Any:
    """Return pointwise log-likelihoods without truncation as a tensor (patient,)."""
    import pytensor.tensor as pt

    cumulative, log_slope = law.graph_hazard(shape * (data["log_time"] - location))
    if "begun" in data:
        cumulative = data["begun"] * cumulative
    result = data["exact"] * (pt.log(shape) + log_slope - data["log_time"]) - cumulative
    if "interval_idx" in data:
        rows = data["interval_idx"]
        until, _ = law.graph_hazard(shape * (data["log_upper"] - location[rows]))
        result = pt.inc_subtensor(result[rows], pt.log1mexp(cumulative[rows] - until))
    return result


def graph_cumulative_at_entry(law: Law, data: Mapping[str, Any], location: Any, shape: Any) -> Any:
    """Return cumulative hazards at entry of the truncated rows as a tensor (row,), None where there are none."""
    if "entry_idx" not in data:
        return None
    return law.graph_hazard(shape * (data["log_entry"] - location[data["entry_idx"]]))[0]


def add_likelihood(law: Law, data: Mapping[str, Any], location: Any, shape: Any) -> None:
    """Add the likelihood of times that follow `law`, given survival to entry, to the current model."""
    import pymc as pm

    total = graph_log_likelihood(law, data, location, shape).sum()
    at_entry = graph_cumulative_at_entry(law, data, location, shape)
    pm.Potential("likelihood", total if at_entry is None else total + at_entry.sum())


def log_likelihood(
    law: Law, outcome: Arrays, location: np.ndarray, shape: np.ndarray, *, truncation: bool = True
) -> np.ndarray:
    """Return pointwise log-likelihoods, shape (patient, draw); `truncation` False leaves out survival to entry."""
    times = event_times(outcome)
    rows = times.interval
    with np.errstate(divide="ignore", invalid="ignore"):  # log 0 at a lower end of 0, where no hazard is read
        log_time = np.log(times.lower)[:, None]
        cumulative, log_slope = law.hazard(shape * (log_time - location))
        log_hazard = log_slope + np.log(shape) - log_time
        until = law.hazard(shape * (np.log(times.upper[rows])[:, None] - location[rows]))[0]
        spent = cumulative
        if truncation and times.entry.any():
            spent = cumulative - law.hazard(shape * (np.log(times.entry)[:, None] - location))[0]
    return combine(times, log_hazard, spent, until - cumulative[rows])


def respond(
    law: Law, estimand: Estimand, constants: Arrays, location: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """Return survival probability or restricted mean time, shape of `location`.

    Raises
    ------
    SpecError
        If the horizon lies beyond the training follow-up.
    """
    horizon = checked_horizon(estimand, constants["end"])
    if estimand.kind == "survival":
        return law.survival(horizon, location, shape)
    return law.restricted_mean(horizon, location, shape)


def link(
    law: Law, estimand: Estimand, constants: Arrays, intercept: np.ndarray, shape: np.ndarray
) -> Link | None:
    """Return the link of survival probability at ``location = intercept + eta``; None for the restricted mean.

    Raises
    ------
    SpecError
        If the horizon lies beyond the training follow-up.
    """
    horizon = checked_horizon(estimand, constants["end"])
    return (
        linked(law.link, shape * (intercept - np.log(horizon)), shape)
        if estimand.kind == "survival"
        else None
    )


def simulate(law: Law, location: np.ndarray, shape: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the times survived with probability `uniform`."""
    return np.exp(location + law.quantile(uniform) / shape)


def _gumbel(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(over="ignore"):  # no survival, log-likelihood -inf
        return np.exp(w), w


def _graph_gumbel(w: Any) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    return pt.exp(w), w


def _weibull_mean(horizon: float, location: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Area under the survival curve by the incomplete gamma function."""
    scale = np.exp(location)
    return scale * gamma(1 + 1 / shape) * gammainc(1 / shape, (horizon / scale) ** shape)


def _normal(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # In the upper tail the slope is the scaled tail alone; from the cumulative hazard, w^2 / 2 would have to cancel.
    late = np.maximum(w, 0.0)
    tail = -np.log(erfcx(late / _ROOT_2) / 2)
    cumulative = np.where(w > 0, late**2 / 2 + tail, -log_ndtr(-w))
    return cumulative, np.where(w > 0, tail, cumulative - w**2 / 2) - _HALF_LOG_2PI


def _graph_normal(w: Any) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    # Each branch is kept from where it overflows: the gradient of an infinite branch not taken is NaN.
    late, early = pt.maximum(w, 0.0), pt.minimum(w, 0.0)
    tail = -pt.log(pt.erfcx(late / _ROOT_2) / 2)
    body = -pt.log1p(-pt.erfc(-early / _ROOT_2) / 2)
    cumulative = pt.switch(w > 0, late**2 / 2 + tail, body)
    return cumulative, pt.switch(w > 0, tail, body - early**2 / 2) - _HALF_LOG_2PI


def _lognormal_mean(horizon: float, location: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Mean of a lognormal cut off at the horizon (first term) plus the horizon times what survives it."""
    sigma = 1 / shape
    w = (np.log(horizon) - location) / sigma
    return np.exp(location + sigma**2 / 2 + log_ndtr(w - sigma)) + horizon * ndtr(-w)


def _logistic(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cumulative = np.logaddexp(0.0, w)
    return cumulative, w - cumulative


def _graph_logistic(w: Any) -> tuple[Any, Any]:
    import pytensor.tensor as pt

    cumulative = pt.softplus(w)
    return cumulative, w - cumulative


def _loglogistic_mean(horizon: float, location: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """``horizon * 2F1(1, 1/shape; 1 + 1/shape; -(horizon / scale)^shape)``, the area for any shape.

    This is the incomplete beta function B(1/shape, 1 - 1/shape), whose second argument is negative at shapes below 1,
    where `scipy.special.betainc` is not defined. Near whole 1/shape the hypergeometric function loses digits; it is
    smooth there, so the whole number stands in (relative error below 1e-7).
    """
    inverse = 1 / shape
    whole = np.round(inverse)
    inverse = np.where((np.abs(inverse - whole) < _WHOLE) & (whole > 0), whole, inverse)
    odds = np.exp(np.minimum(shape * (np.log(horizon) - location), 700.0))
    return horizon * hyp2f1(1.0, inverse, 1 + inverse, -odds)


WEIBULL = Law(
    hazard=_gumbel, graph_hazard=_graph_gumbel, quantile=lambda u: np.log(-np.log(u)), restricted_mean=_weibull_mean,
    sd=float(np.pi / np.sqrt(6.0)), link="loglog",
)  # fmt: skip
LOGNORMAL = Law(
    hazard=_normal,
    graph_hazard=_graph_normal,
    quantile=lambda u: -ndtri(u),
    restricted_mean=_lognormal_mean,
    sd=1.0,
    link="probit",
)
LOGLOGISTIC = Law(
    hazard=_logistic, graph_hazard=_graph_logistic, quantile=lambda u: np.log1p(-u) - np.log(u),
    restricted_mean=_loglogistic_mean, sd=float(np.pi / np.sqrt(3.0)), link="logit",
)  # fmt: skip
LAWS = {"weibull": WEIBULL, "lognormal": LOGNORMAL, "loglogistic": LOGLOGISTIC}
