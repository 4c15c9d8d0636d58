"""What benchmarks keep of draws of patients' effects: numpy only, for this package and for its peers alike."""

from __future__ import annotations

import numpy as np


def kept(effects: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is scored of draws of effects, shape (patient, chain, draw).

    ``benefit`` with ``lower`` and ``upper``, its mean and 95% interval; ``average``, the interval of the mean over
    patients; ``differs``, whether the interval of the effect less that mean excludes zero; ``effect_rhat``, split R-hat
    (Gelman et al. 2013, Bayesian Data Analysis, section 11.4), and ``average_rhat``, that of the mean over patients.
    All of shape (patient,) but the two of the mean.
    """
    flat = effects.reshape(len(effects), -1)
    mean = flat.mean(axis=0)
    lower, upper = np.quantile(flat, [0.025, 0.975], axis=1)
    low, high = np.quantile(flat - mean, [0.025, 0.975], axis=1)
    return {
        "benefit": flat.mean(axis=1), "lower": lower, "upper": upper, "average": np.quantile(mean, [0.025, 0.975]),
        "differs": (low > 0) | (high < 0), "effect_rhat": split_rhat(effects),
        "average_rhat": split_rhat(effects.mean(axis=0)[None])[0],
    }  # fmt: skip


def split_rhat(draws: np.ndarray) -> np.ndarray:
    """Return split R-hat of each row of draws (row, chain, draw): 1 where all are one value, infinite where only chains differ."""
    half = draws.shape[2] // 2
    halves = np.concatenate([draws[:, :, :half], draws[:, :, -half:]], axis=1)
    within = halves.var(axis=2, ddof=1).mean(axis=1)
    between = halves.mean(axis=2).var(axis=1, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.sqrt((half - 1) / half + between / within)
    return np.where(within > 0, found, np.where(between > 0, np.inf, 1.0))
