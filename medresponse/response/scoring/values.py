"""Responses from a line in the linear predictor, in float32 that keeps what differs between draws and treatments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from medresponse.core.links import LinkName
from medresponse.core.machine_code import compiled

_NAMES = get_args(LinkName)
_IDENTITY, _LOG, _LOGIT, _PROBIT, _LOGLOG = range(len(_NAMES))
# Where a probability is 1/2.
_MEDIAN = {"loglog": float(-np.log(np.log(2.0)))}


@dataclass(frozen=True)
class Values:
    """Responses as ``offset + scale * relative``.

    Parameters
    ----------
    offset, scale : numpy.ndarray
        One number a patient, shape (patient,), float64; `scale` is positive.
    relative : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    """

    offset: np.ndarray
    scale: np.ndarray
    relative: np.ndarray


def values_at(name: LinkName, center: np.ndarray, deviation: np.ndarray) -> Values:
    """Return the responses at ``x = center + deviation``; `deviation` is used up.

    A probability near one is held as its distance from one, a large exponential in units of a patient's largest centre.

    Parameters
    ----------
    name : str
        Of the link.
    center : numpy.ndarray
        Mean over draws, shape (patient, treatment), float64.
    deviation : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    """
    offset, scale = np.empty(len(center)), np.empty(len(center))
    respond = compiled(_respond, "i8", "f8", "f8[2]", "f4[3]", "f8[1]", "f8[1]")
    respond(_NAMES.index(name), _MEDIAN.get(name, 0.0), center, deviation, offset, scale)
    return Values(offset, scale, deviation)


def _respond(
    link: int, median: float, center: np.ndarray, x: np.ndarray, offset: np.ndarray, scale: np.ndarray
) -> None:
    """Replace deviations by responses, with the offset and scale of each patient."""
    one = np.float32(1.0)
    half, root = np.float32(0.5), np.float32(np.sqrt(0.5))
    # exp(y) = 2^n exp(r): n whole, |r| <= log(2) / 2, log(2) in two parts, exp(r) by its series, 2^n by its bits.
    per_two, first, second = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
    low, high, infinite = np.float32(-87.0), np.float32(88.0), np.float32(np.inf)
    c2, c3, c4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
    c5, c6, c7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
    n, n_treatments, n_draws = x.shape
    y, bits = np.empty(n_draws, dtype=np.float32), np.empty(n_draws, dtype=np.int32)
    power = bits.view(np.float32)
    for i in range(n):
        mean, most = 0.0, center[i, 0]
        for k in range(n_treatments):
            mean += center[i, k] / n_treatments
            most = max(most, center[i, k])
        near_one = link > _LOG and mean > median
        sign = -one if near_one else one
        offset[i], scale[i] = (1.0 if near_one else 0.0), 1.0
        start = 0.0
        if link == _IDENTITY:
            start = offset[i] = center[i, 0]
        elif link == _LOG:
            start, scale[i] = most, np.exp(most)
        for k in range(n_treatments):
            own, shift = x[i, k], np.float32(center[i, k] - start)
            if link == _IDENTITY:
                for s in range(n_draws):
                    own[s] += shift
                continue
            if link == _PROBIT:
                for s in range(n_draws):
                    own[s] = sign * half * np.float32(math.erfc(-sign * root * (own[s] + shift)))
                continue
            turned = one if link == _LOG else (-sign if link == _LOGIT else -one)
            for s in range(n_draws):
                y[s] = turned * (own[s] + shift)
            for again in range(2 if link == _LOGLOG else 1):
                for s in range(n_draws):
                    if again:  # exp(-exp(-x))
                        y[s] = -(own[s] * power[s] + power[s])
                    v = min(max(y[s], low), high)
                    whole = np.floor(v * per_two + half)
                    r = v - whole * first - whole * second
                    # exp(r) - 1, from which exp(y) and exp(y) - 1 follow without loss.
                    own[s] = r * (one + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * c7))))))
                    bits[s] = (np.int32(whole) + np.int32(127)) << np.int32(23)
            if link == _LOGIT:
                for s in range(n_draws):
                    own[s] = sign / (one + power[s] + own[s] * power[s])
            elif near_one:
                for s in range(n_draws):
                    own[s] = own[s] * power[s] + (power[s] - one)
            else:
                for s in range(n_draws):
                    own[s] = own[s] * power[s] + power[s] if y[s] <= high else infinite
