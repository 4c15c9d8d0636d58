"""How strong an unmeasured confounder would have to be: the formulas, on numbers alone.

References
----------
VanderWeele & Ding (2017), Ann Intern Med 167:268 (E-value). Cinelli & Hazlett (2020), J R Stat Soc B 82:39
(robustness value, bounds by observed covariates).
"""

from __future__ import annotations

import numpy as np


def e_value(ratio: float) -> float:
    """Return the E-value of a risk ratio or rate ratio: 1 for no effect.

    It is the smallest risk ratio by which a confounder, beyond all that is adjusted for, would have to be associated
    with both treatment and outcome to explain the ratio away.
    """
    if not ratio > 0:
        raise ValueError(f"a ratio is positive, not {ratio}")
    above = max(ratio, 1.0 / ratio)
    return above + float(np.sqrt(above * (above - 1.0)))


def e_value_of_interval(lower: float, upper: float) -> float:
    """Return the E-value of an interval's limit nearest to no effect: 1 if the interval includes a ratio of 1."""
    if lower <= 1.0 <= upper:
        return 1.0
    return e_value(lower if lower > 1.0 else upper)


def ratio_of_difference(difference: float, sd: float) -> float:
    """Return the risk ratio that a difference in means is taken for, ``exp(0.91 d)``, with `sd` that of the outcome.

    An approximation: it holds for a normal outcome cut in two, about exactly near the median (VanderWeele & Ding, Table
    2; Chinn 2000, Stat Med 19:3127).
    """
    return float(np.exp(0.91 * difference / sd))


def robustness_value(t: float, df: float, *, level: float | None = None) -> float:
    """Return the robustness value: the partial R^2 with treatment and with outcome that explains an estimate away.

    Parameters
    ----------
    t : float
        Estimate over its standard error (here: posterior mean over posterior standard deviation).
    df : float
        Residual degrees of freedom of the linear regression, more than 1.
    level : float, optional
        What is to be explained away is then no longer the estimate itself, but that the interval of this probability
        excludes no effect.

    Returns
    -------
    float
        Share of the residual variance of treatment and of outcome, each, from 0 (nothing needed) to 1.

    Notes
    -----
    Cinelli & Hazlett (2020): with f the size of t over sqrt(df), less the critical f* at `level`, RV = (sqrt(f^4 + 4 f^2)
    - f^2) / 2, or (f^2 - f*^2) / (1 + f^2) where f > 1 / f* before that subtraction.
    """
    f, critical = abs(t) / np.sqrt(df), 0.0
    if level is not None:
        critical = critical_t(level, df - 1) / float(np.sqrt(df - 1))
    beyond = f - critical
    if beyond <= 0:
        return 0.0
    if critical > 0 and f > 1 / critical:
        return float((f**2 - critical**2) / (1 + f**2))
    return float((np.sqrt(beyond**4 + 4 * beyond**2) - beyond**2) / 2)


def critical_t(level: float, df: float) -> float:
    """Return the quantile of Student's t that bounds an interval of probability `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + level) / 2))


def benchmark(r2_treatment: float, r2_outcome: float, *, times: float = 1.0) -> tuple[float, float] | None:
    """Return the partial R^2 with treatment and outcome of a confounder `times` as strong as an observed feature.

    Parameters
    ----------
    r2_treatment : float
        Partial R^2 of the feature with the treatment, given the other features.
    r2_outcome : float
        Partial R^2 of the feature with the outcome, given treatment and the other features.
    times : float

    Returns
    -------
    tuple of float or None
        None if no confounder can be that strong. The second is an upper bound, cut at 1 (Cinelli & Hazlett 2020, bounds
        by observed covariates).
    """
    with_treatment = times * r2_treatment / (1 - r2_treatment)
    if with_treatment >= 1 or times * r2_treatment >= 1:
        return None
    overlap = times * r2_treatment**2 / ((1 - times * r2_treatment) * (1 - r2_treatment))
    if overlap >= 1:
        return None
    eta = (np.sqrt(times) + np.sqrt(overlap)) / np.sqrt(1 - overlap)
    return float(with_treatment), float(min(eta**2 * r2_outcome / (1 - r2_outcome), 1.0))


def adjusted(
    estimate: float, sd: float, df: float, *, with_treatment: float, with_outcome: float
) -> tuple[float, float]:
    """Return estimate and standard error had a confounder of these partial R^2 been adjusted for, the bias upwards.

    The estimate moves towards, and perhaps beyond, no effect (Cinelli & Hazlett 2020: omitted-variable bias in partial
    R^2).
    """
    bias = sd * np.sqrt(df * with_outcome * with_treatment / (1 - with_treatment))
    spread = sd * np.sqrt((1 - with_outcome) / (1 - with_treatment) * df / (df - 1))
    return float(np.sign(estimate) * (abs(estimate) - bias)), float(spread)
