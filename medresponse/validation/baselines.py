"""What users would fit instead: scikit-survival's models on the same columns, for scores side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.validation.survival import Outcome, kaplan_meier

Curves = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _cox(seed: int) -> Any:
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    return CoxPHSurvivalAnalysis(alpha=0.1, ties="efron")


def _forest(seed: int) -> Any:
    from sksurv.ensemble import RandomSurvivalForest

    return RandomSurvivalForest(n_estimators=500, min_samples_leaf=15, random_state=seed, n_jobs=2)


def _boosting(seed: int) -> Any:
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis

    return GradientBoostingSurvivalAnalysis(
        n_estimators=100, learning_rate=0.05, max_depth=2, subsample=0.5, random_state=seed
    )


# name -> (estimator from a seed, whether treatment interactions are given as columns, whether seeds matter)
BASELINES: dict[str, tuple[Callable[[int], Any], bool, bool]] = {
    "cox": (_cox, False, False),
    "cox_interactions": (_cox, True, False),
    "random_survival_forest": (_forest, False, True),
    "gradient_boosting": (_boosting, False, True),
}


def fit_baseline(
    name: str, columns: np.ndarray, treatment: np.ndarray, outcome: Outcome, *, seed: int
) -> Curves:
    """Fit one baseline and return its prediction function.

    Parameters
    ----------
    name : str
        A key of `BASELINES`, or ``kaplan_meier`` (by treatment, without features).
    columns : numpy.ndarray
        Feature columns without NaN, shape (patient, column).
    treatment : numpy.ndarray
        Treatment index, shape (patient,).
    outcome : mapping
        ``time`` and ``event``.
    seed : int

    Returns
    -------
    callable
        ``curves(columns, treatment, times)`` -> event-free probability, shape (patient, time). Beyond the
        training follow-up the last value is carried on.

    Raises
    ------
    SpecError
        If there is no such baseline.
    """
    if name == "kaplan_meier":
        return _by_treatment(treatment, outcome)
    if name not in BASELINES:
        raise SpecError(f"no baseline {name!r}; {did_you_mean(name, [*BASELINES, 'kaplan_meier'])}")
    from sksurv.util import Surv

    make, interactions, _ = BASELINES[name]
    arms = int(treatment.max()) + 1
    model = make(seed).fit(
        _matrix(columns, treatment, arms, interactions),
        Surv.from_arrays(outcome["event"].astype(bool), outcome["time"]),
    )

    def curves(new: np.ndarray, arm: np.ndarray, times: np.ndarray) -> np.ndarray:
        functions = model.predict_survival_function(_matrix(new, arm, arms, interactions))
        domain = functions[0].domain
        inside = np.clip(times, domain[0], domain[1])
        # Before the first training time the step functions return their first value: nobody has had the event yet.
        return np.where(times < functions[0].x[0], 1.0, np.vstack([f(inside) for f in functions]))

    return curves


def _matrix(columns: np.ndarray, treatment: np.ndarray, arms: int, interactions: bool) -> np.ndarray:
    """Return the columns and one centred indicator for each arm but the first, with products if asked for."""
    indicators = (treatment[:, None] == np.arange(1, arms)) - 1.0 / arms
    products = [columns * indicator[:, None] for indicator in indicators.T] if interactions else []
    return np.hstack([columns, indicators, *products])


def _by_treatment(treatment: np.ndarray, outcome: Outcome) -> Curves:
    parts = {k: {n: v[treatment == k] for n, v in outcome.items()} for k in np.unique(treatment)}

    def curves(new: np.ndarray, arm: np.ndarray, times: np.ndarray) -> np.ndarray:
        by_arm = {k: kaplan_meier(part, times)[0] for k, part in parts.items()}
        return np.vstack([by_arm[k] for k in arm])

    return curves
