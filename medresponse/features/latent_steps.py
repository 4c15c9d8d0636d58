"""Steps of the Gibbs sampler of latent normals with a covariance in full, for numba; `latent_dense` states their law.

Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from medresponse.features.readings import CATEGORICAL, CONTINUOUS, FARTHEST, ORDERED


def gibbs_steps(
    rng: Any, steps: int, draws_parameters: bool, leaves_open: bool, z: Any, known: Any, mean: Any, covariance: Any
) -> None:  # fmt: skip
    """Draw mean and covariance, unless they stand, and then every latent in turn, `steps` times.

    Parameters
    ----------
    rng : numpy.random.Generator
    steps : int
    draws_parameters : bool
    leaves_open : bool
        Latents of what is not known exactly stand.
    z : array
        Latents, shape (row, latent), companions last; follow.
    known : Known
        Of the latents that are no companions.
    mean, covariance : array
        Shapes (latent,) and (latent, latent); follow.
    """
    q = len(mean)
    uniform, precision = np.empty(q), np.linalg.inv(covariance)
    for _ in range(steps):
        if draws_parameters:
            precision = draw_parameters(rng, z, mean, covariance)
        for i in range(len(z)):
            for j in range(q):
                uniform[j] = rng.random()
            for feature in range(known.codes.shape[1]):
                _draw_feature(z[i], known, i, feature, leaves_open, mean, precision, uniform)


@register_jitable  # type: ignore[untyped-decorator]
def draw_parameters(rng: Any, z: Any, mean: Any, covariance: Any) -> Any:
    """Draw mean and covariance given latents in their places, and return the latter's inverse."""
    n, q = z.shape
    for j in range(q):
        mean[j] = 0.0
        for i in range(n):
            mean[j] += z[i, j]
        mean[j] /= n
    scatter = np.eye(q)
    for i in range(n):
        for j in range(q):
            apart = z[i, j] - mean[j]
            for k in range(j + 1):
                scatter[j, k] += apart * (z[i, k] - mean[k])
    for j in range(q):
        for k in range(j):
            scatter[k, j] = scatter[j, k]
    # Bartlett's decomposition of a Wishart draw of the precision, df = n - 1 + q + 2.
    bartlett = np.tril(rng.standard_normal((q, q)))
    for j in range(q):
        bartlett[j, j] = math.sqrt(rng.chisquare(n + q + 1 - j))
    factor = np.dot(np.linalg.cholesky(np.linalg.inv(scatter)), bartlett)
    precision = np.dot(factor, factor.T)
    covariance[:] = np.linalg.inv(precision)
    covariance[:] = (covariance + covariance.T) / 2
    mean += np.dot(np.linalg.cholesky(covariance / n), rng.standard_normal(q))
    return precision


@register_jitable(inline="always")  # type: ignore[untyped-decorator]
def _draw_feature(
    z: Any, known: Any, row: int, feature: int, leaves_open: bool, mean: Any, precision: Any, uniform: Any
) -> None:  # fmt: skip
    """Draw a feature's latents of one row, each given all its others `z` and what is known of the feature."""
    code, kind = known.codes[row, feature], known.kind[feature]
    missing, information = math.isnan(code), 0.0
    if len(known.information) > 0:
        information = known.information[row, feature]
    exact = not missing and information == 0
    if (leaves_open and not exact) or (kind == CONTINUOUS and exact):
        return
    first, last, level = known.first[feature], known.first[feature + 1], -1
    if kind == CATEGORICAL and not missing and code != known.baseline[feature]:
        level = first + int(code) - (1 if code > known.baseline[feature] else 0)
    for j in range(first, last):
        pull = 0.0
        for k in range(len(z)):
            pull += (z[k] - mean[k]) * precision[j, k]
        location, total = z[j] - pull / precision[j, j], precision[j, j] + information
        if information > 0:
            location += information / total * (code - location)
        lower, upper = -math.inf, math.inf
        if kind == ORDERED and not missing:
            lower, upper = known.edges[feature, int(code)], known.edges[feature, int(code) + 1]
        elif kind == CATEGORICAL and level == j:  # its latent is the largest and positive
            lower = 0.0
            for k in range(first, last):
                if k != j:
                    lower = max(lower, z[k])
        elif kind == CATEGORICAL and level >= 0:
            upper = z[level]
        elif kind == CATEGORICAL and not missing:  # the baseline: all are negative
            upper = 0.0
        z[j] = _truncated(location, 1 / math.sqrt(total), lower, upper, uniform[j])


@register_jitable  # type: ignore[untyped-decorator]
def _truncated(location: float, spread: float, lower: float, upper: float, uniform: float) -> float:
    """Draw a normal truncated to (lower, upper) by inversion, in the tail where that is exact."""
    a, b = (lower - location) / spread, (upper - location) / spread
    flip = a > 0  # invert in the lower tail, where the distribution function keeps its digits
    if flip:
        a, b = -b, -a
    low, high = normal_cdf(a), normal_cdf(b)
    draw = normal_quantile(low + uniform * (high - low))
    draw = min(max(draw, max(a, -FARTHEST)), min(b, FARTHEST))
    return location - spread * draw if flip else location + spread * draw


@register_jitable  # type: ignore[untyped-decorator]
def normal_cdf(x: float) -> float:
    """Return the standard normal distribution function."""
    if math.isinf(x):
        return 0.0 if x < 0 else 1.0
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


# Numerators and denominators in the middle, and in the nearer and the farther tail, of Wichura (1988), Appl Stat 37:477, AS 241.
_MIDDLE = (
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
    1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
), (
    5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
    687.1870074920579083, 42.313330701600911252, 1.0,
)  # fmt: skip
_NEARER = (
    7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
), (
    1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
    0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0,
)  # fmt: skip
_FARTHER = (
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
    0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
), (
    2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
    0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0,
)  # fmt: skip


@register_jitable  # type: ignore[untyped-decorator]
def normal_quantile(p: float) -> float:
    """Return the standard normal quantile, to 16 digits."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_MIDDLE, 0.180625 - q * q)
    tail = p if q < 0 else 1 - p
    if tail <= 0:
        return -math.inf if q < 0 else math.inf
    r = math.sqrt(-math.log(tail))
    found = _ratio(_NEARER, r - 1.6) if r <= 5 else _ratio(_FARTHER, r - 5)
    return -found if q < 0 else found


@register_jitable  # type: ignore[untyped-decorator]
def _ratio(coefficients: Any, r: float) -> float:
    """Return a ratio of polynomials, coefficients of the highest powers first."""
    above, below = 0.0, 0.0
    for c in coefficients[0]:
        above = above * r + c
    for c in coefficients[1]:
        below = below * r + c
    return above / below
