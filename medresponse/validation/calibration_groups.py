"""Predicted against observed in groups of patients by what was predicted for them: the points of a calibration plot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from medresponse.core.small_cells import FLOOR, shares_are_safe
from medresponse.validation.counterparts import Counterpart
from medresponse.validation.estimates import mean_error, wilson
from medresponse.validation.held_out import HeldOut, reference_of
from medresponse.validation.scales import option_labels, surprises

_Z = float(ndtri(0.975))
_RESPONSE_GROUPS, _BENEFIT_GROUPS = 10, 5  # at most; a benefit is a difference and asks for more patients

_Safe = Callable[[np.ndarray], bool]


@dataclass(frozen=True, kw_only=True)
class GroupPoint:
    """One group of patients.

    Parameters
    ----------
    predicted, observed : float
        Means, in the responses' unit.
    lower, upper : float
        95% interval of the observed mean: of chance in the outcomes alone.
    n : int
        Patients, 11 or more.
    """

    predicted: float
    observed: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True, kw_only=True)
class GroupedCalibration:
    """The groups of one quantity, from the least predicted to the most.

    Parameters
    ----------
    quantity : str
        ``response`` under the option received, or ``benefit`` over the reference (positive is better).
    of : str
        The option whose benefit it is, in words; empty for the response.
    points : tuple of GroupPoint
    """

    quantity: Literal["response", "benefit"]
    of: str = ""
    points: tuple[GroupPoint, ...]


def calibration_groups(held: HeldOut) -> tuple[GroupedCalibration, ...]:
    """Return the points of the response and of each option's benefit; nothing of a quantity that was not measured.

    Parameters
    ----------
    held : HeldOut

    Returns
    -------
    tuple of GroupedCalibration
        In groups of equal size, at most ten of the response and five of a benefit. Patients alike in what is predicted stay
        together. A group that must not be shown joins the next: of fewer than 11 patients; of fewer than 11, but some,
        with or without an event that is counted; for a benefit, of fewer than 11 who received the option or the reference.

    Notes
    -----
    Observed benefits are means of the doubly robust scores of `scales.surprises`.
    """
    observed = held.observed
    if observed is None:
        return ()
    found = [_of_response(held, observed)]
    reference, surprise = reference_of(held.responses), surprises(held, observed)
    for k, label in enumerate(option_labels(held.responses)):
        if k != reference:
            found.append(_of_benefit(held, surprise, k, reference, label))
    return tuple(one for one in found if one.points)


def _of_response(held: HeldOut, observed: Counterpart) -> GroupedCalibration:
    counted, value = held.responses.kind.unit == "probability", observed.value

    def safe(rows: np.ndarray) -> bool:
        n = len(rows)
        return n >= FLOOR and (not counted or shares_are_safe(round(float(value[rows].sum())), n))

    own = held.predicted[np.arange(len(held.received)), held.received]
    points = _points(own, value, observed.weight, _RESPONSE_GROUPS, safe, counted=counted)
    return GroupedCalibration(quantity="response", points=points)


def _of_benefit(
    held: HeldOut, surprise: np.ndarray, k: int, reference: int, label: str
) -> GroupedCalibration:
    def safe(rows: np.ndarray) -> bool:
        return min(int((held.received[rows] == option).sum()) for option in (k, reference)) >= FLOOR

    sign = held.responses.direction or 1
    predicted = sign * (held.predicted[:, k] - held.predicted[:, reference])
    score = predicted + sign * (surprise[:, k] - surprise[:, reference])
    points = _points(predicted, score, np.ones(len(score)), _BENEFIT_GROUPS, safe, counted=False)
    return GroupedCalibration(quantity="benefit", of=label, points=points)


def _points(
    predicted: np.ndarray, value: np.ndarray, weight: np.ndarray, most: int, safe: _Safe, *, counted: bool
) -> tuple[GroupPoint, ...]:
    if not (np.isfinite(predicted).all() and np.isfinite(value).all()):
        return ()
    points = []
    for rows in _groups(predicted, most, safe):
        w = weight[rows]
        expected, (mean, error) = float(np.average(predicted[rows], weights=w)), mean_error(value[rows], w)
        lower, upper = mean - _Z * error, mean + _Z * error
        if counted:
            # Where all or none have the event their spread says nothing; means of pseudo-values, and rounding, may leave [0, 1].
            expected, mean = (min(max(number, 0.0), 1.0) for number in (expected, mean))
            low, high = wilson(mean, len(rows), _Z)
            lower, upper = max(min(lower, low), 0.0), min(max(upper, high), 1.0)
        points.append(GroupPoint(predicted=expected, observed=mean, lower=lower, upper=upper, n=len(rows)))
    return tuple(points)


def _groups(predicted: np.ndarray, most: int, safe: _Safe) -> list[np.ndarray]:
    """Return the rows of each group in order; none if even all together must not be shown."""
    n = len(predicted)
    below = np.searchsorted(np.sort(predicted), predicted)  # the same for all who are alike
    part = below * min(most, max(n // FLOOR, 1)) // n
    groups: list[np.ndarray] = []
    rest = np.empty(0, dtype=np.int64)
    for p in np.unique(part):
        rest = np.concatenate([rest, np.flatnonzero(part == p)])
        if safe(rest):
            groups.append(rest)
            rest = rest[:0]
    while len(rest) and groups and not safe(rest):
        rest = np.concatenate([groups.pop(), rest])
    return [*groups, rest] if len(rest) and safe(rest) else groups
