"""Responses from a line in the linear predictor, in float32 that keeps what differs between draws and treatments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from medresponse.core.links import LinkName
from medresponse.core.machine_code import compiled
from medresponse.response.scoring.predictors import Predictor

_NAMES = get_args(LinkName)
_IDENTITY, _LOG, _LOGIT, _PROBIT, _LOGLOG = range(len(_NAMES))
_NONE = -1
# Of the normal distribution function: exp(y^2 / 2) times its tail beyond y is `near` times this polynomial in `near`, where `near` is
# 1 / (1 + 0.3 y). Fitted to scipy's `erfcx` for the least greatest relative error from 0 to 16, which is 3.5e-9; the form is that of
# Shepherd & Laframboise (1981), Math Comp 36:249.
_PACE = 0.3
_MILLS = (
    0.11968672282983345, 0.11957120258723797, 0.11024026376009168, 0.07836811141364243, 0.0962163672744908, -0.07952971961812451,
    0.19190717072321753, -0.2283021261466894, 0.11247194748883624, -0.020629942046132072,
)  # fmt: skip
_FURTHEST = 15.0  # standard deviations; float32 has no number for the tail beyond
_PER_TWO, _LOG_TWO = float(1 / np.log(2.0)), float(np.log(2.0))
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


def values_at(name: LinkName, predictor: Predictor) -> Values:
    """Return the responses at a predictor, which is used up.

    A probability near one is held as its distance from one, a large exponential in units of a patient's largest centre. Groups
    are added and the link is applied in one pass.

    Parameters
    ----------
    name : str
        Of the link.
    predictor : Predictor
    """
    return _responses(_NAMES.index(name), _MEDIAN.get(name, 0.0), predictor)


def sum_of(predictor: Predictor) -> np.ndarray:
    """Return a predictor as one array (patient, treatment, draw), float32; it is used up."""
    return _responses(_NONE, 0.0, predictor).relative


def _responses(link: int, median: float, predictor: Predictor) -> Values:
    p, ((levels, level_draws), (slopes, slope_draws)) = predictor, predictor.effects
    offset, scale = np.empty(len(p.center)), np.empty(len(p.center))
    kinds = ("f8[2]", "f4[3]", "i8[1]", "f8[2]", "f8[2]", "f4[3]", "f8[2]", "f4[3]")
    compiled(_respond, "i8", "f8", *kinds, "f8[1]", "f8[1]")(
        link,
        median,
        p.center,
        p.deviation,
        p.group,
        p.x,
        levels,
        level_draws,
        slopes,
        slope_draws,
        offset,
        scale,
    )
    return Values(offset, scale, p.deviation)


def _respond(
    link: int, median: float, center: np.ndarray, deviation: np.ndarray, group: np.ndarray, x: np.ndarray,
    levels: np.ndarray, level_draws: np.ndarray, slopes: np.ndarray, slope_draws: np.ndarray, offset: np.ndarray,
    scale: np.ndarray,
) -> None:  # fmt: skip
    """Replace deviations by responses, with the offset and scale of each patient."""
    one, zero = np.float32(1.0), np.float32(0.0)
    half = np.float32(0.5)
    m0, m1, m2, m3, m4, m5, m6, m7, m8, m9 = _MILLS
    d2, d3, d4, d5, d6, d7 = 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040
    # exp(y) = 2^n exp(r): n whole, |r| <= log(2) / 2, log(2) in two parts, exp(r) by its series, 2^n by its bits.
    per_two, first, second = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
    low, high, infinite = np.float32(-87.0), np.float32(88.0), np.float32(np.inf)
    c2, c3, c4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
    c5, c6, c7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
    n, n_treatments, n_draws = deviation.shape
    nothing = np.zeros(n_draws, dtype=np.float32)
    for i in range(n):
        g, sloped = group[i], 0.0
        for j in range(x.shape[1]):
            sloped += x[i, j] * slopes[g, j]
        mean, most = 0.0, -np.inf
        for k in range(n_treatments):
            center[i, k] += levels[g, k] + sloped
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
            own, level, shift = deviation[i, k], level_draws[g, k], np.float32(center[i, k] - start)
            for j in range(x.shape[1]):
                slope, value = slope_draws[g, j], np.float32(x[i, j])
                for s in range(n_draws):
                    own[s] += value * slope[s]
            if link <= _IDENTITY:
                for s in range(n_draws):
                    own[s] += level[s] + shift
                continue
            if link == _PROBIT:
                for s in range(n_draws):
                    # The tail beyond |y| is exp(-y^2 / 2) times a ratio smooth in `near`; in float64, as y^2 would lose digits.
                    y = np.float64(sign * (own[s] + (level[s] + shift)))
                    away = abs(y)
                    near = 1.0 / (1.0 + _PACE * away)
                    ratio = near * (m0 + near * (m1 + near * (m2 + near * (m3 + near * (m4 + near * (
                        m5 + near * (m6 + near * (m7 + near * (m8 + near * m9)))))))))  # fmt: skip
                    e = -0.5 * min(away, _FURTHEST) ** 2
                    w = np.floor(e * _PER_TWO + 0.5)
                    q = e - w * _LOG_TWO
                    series = 1.0 + q * (1.0 + q * (d2 + q * (d3 + q * (d4 + q * (d5 + q * (d6 + q * d7))))))
                    scaled = np.int64(np.int64(np.int32(w) + np.int32(1023)) << np.int64(52)).view(np.float64)
                    tail = ratio * series * scaled
                    own[s] = np.float32(sign) * np.float32(tail if y < 0.0 else 1.0 - tail)
                continue
            turned = one if link == _LOG else (-sign if link == _LOGIT else -one)
            n_steps = 2 if link == _LOGLOG else 1  # exp(-x), then exp of minus that
            for step in range(n_steps):
                less_one = near_one and step == n_steps - 1
                for s in range(n_draws):
                    y = turned * (own[s] + (level[s] + shift))
                    v = min(max(y, low), high)
                    whole = np.floor(v * per_two + half)
                    r = v - whole * first - whole * second
                    # exp(r) - 1, from which exp(y) and exp(y) - 1 follow without loss.
                    grown = r * (one + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * c7))))))
                    power = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
                    if link == _LOGIT:
                        own[s] = sign / (one + power + grown * power)
                    elif less_one:
                        own[s] = grown * power + (power - one)
                    else:
                        own[s] = infinite if y > high else grown * power + power  # NaN stays
                turned, level, shift = -one, nothing, zero
