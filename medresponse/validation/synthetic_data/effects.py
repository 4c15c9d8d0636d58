"""Treatment effects and predictions by one regression for each kind of outcome, fitted alike to real and made-up patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.validation.synthetic_data.space import Space

type Arrays = Mapping[str, np.ndarray]

SCALES = {
    "continuous": "difference",
    "ordinal": "difference in position",
    "binary": "log odds ratio",
    "count": "log rate ratio",
    "time_to_event": "log hazard ratio",
    "competing_risks": "log hazard ratio, first cause",
}
"""Kind of outcome -> what its effect is."""

_RIDGE = 0.1  # of the coefficients of standardised columns, so that an empty level has one


@dataclass(frozen=True)
class Regression:
    """Coefficients of the arms after the reference, then of the features; `seen` says which arms can be compared with it."""

    coefficients: np.ndarray
    seen: np.ndarray

    @property
    def effects(self) -> np.ndarray:
        """Effect of each treatment but the reference, adjusted for the features, shape (treatment - 1,); NaN if not seen."""
        return np.where(self.seen, self.coefficients[: len(self.seen)], np.nan)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the linear predictor without its intercept, shape (patient,)."""
        return x @ self.coefficients


def design(cohort: Cohort, space: Space) -> tuple[np.ndarray, int]:
    """Return arms and features, shape (patient, column), and how many columns are arms; missing numbers at the mean."""
    arms = max(len(cohort.treatments) - 1, 0)
    parts = [(cohort.treatment_idx[:, None] == np.arange(1, arms + 1)).astype(float)]
    features = cohort.schema.feature_columns
    for block in space.blocks(cohort):
        if block.column.name not in features:
            continue
        if block.column.levels:
            parts.append((block.values[:, None] == np.arange(1, len(block.column.levels))).astype(float))
        else:
            parts.append(block.coordinates[:, :1])
    return np.column_stack(parts), arms


def having(cohort: Cohort, outcome: str) -> Cohort:
    """Return the patients whose outcome is known."""
    reads = cohort.schema.outcomes[outcome].reads.items()
    needed = [column for column, reading in reads if not reading.may_be_empty]
    return cohort.where(pl.all_horizontal(pl.col(needed).is_not_null()))


def regress(cohort: Cohort, outcome: str, space: Space) -> Regression | None:
    """Fit the regression of an outcome's kind to patients who have it; None if there is nothing to fit (one class, no event)."""
    cohort = having(cohort, outcome)
    if cohort.n < 2:
        return None
    x, arms = design(cohort, space)
    kind, y = cohort.schema.outcomes[outcome].kind, cohort.outcome(outcome)
    if not x.shape[1] or np.ptp(_observed(kind, y)) == 0:
        return None
    sizes = np.bincount(cohort.treatment_idx, minlength=arms + 1)
    return Regression(_FITS[kind](x, y), (sizes[1 : arms + 1] > 0) & (sizes[0] > 0))


def concordance(regression: Regression, cohort: Cohort, outcome: str, space: Space) -> float:
    """Return Harrell's concordance of predictions with an outcome of any kind; 0.5 is chance.

    NaN if no two patients can be compared.
    """
    from sksurv.exceptions import NoComparablePairException
    from sksurv.metrics import concordance_index_censored

    cohort = having(cohort, outcome)
    x, _ = design(cohort, space)
    kind, y = cohort.schema.outcomes[outcome].kind, cohort.outcome(outcome)
    predicted = regression.predict(x)
    value = y["time"] if "time" in y else _observed(kind, y)
    event = _event(kind, y) if "time" in y else np.ones(len(value), dtype=bool)
    if cohort.n < 2 or not event.any():
        return np.nan
    try:
        return float(concordance_index_censored(event, value, predicted if "time" in y else -predicted)[0])
    except NoComparablePairException:
        return np.nan


def _observed(kind: str, y: Arrays) -> np.ndarray:
    """Return what must vary: values, rates, or events."""
    if "time" in y:
        return _event(kind, y).astype(float)
    return y["value"] / y["exposure"] if "exposure" in y else y["value"].astype(float)


def _event(kind: str, y: Arrays) -> np.ndarray:
    return y["cause"] == 0 if kind == "competing_risks" else y["event"].astype(bool)


def _least_squares(x: np.ndarray, y: Arrays) -> np.ndarray:
    from sklearn.linear_model import Ridge

    return np.asarray(Ridge(alpha=_RIDGE).fit(x, y["value"]).coef_)


def _logistic(x: np.ndarray, y: Arrays) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    return np.asarray(LogisticRegression(C=1 / _RIDGE, max_iter=1000).fit(x, y["value"]).coef_[0])


def _poisson(x: np.ndarray, y: Arrays) -> np.ndarray:
    from sklearn.linear_model import PoissonRegressor

    weights = y["exposure"]
    model = PoissonRegressor(alpha=_RIDGE / weights.sum(), max_iter=1000)
    return np.asarray(model.fit(x, y["value"] / weights, sample_weight=weights).coef_)


def _cox(x: np.ndarray, y: Arrays) -> np.ndarray:
    return _cox_of(x, y["event"].astype(bool), y["time"])


def _cause_specific(x: np.ndarray, y: Arrays) -> np.ndarray:
    return _cox_of(x, y["cause"] == 0, y["time"])


def _cox_of(x: np.ndarray, event: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Late entry is not used: real and made-up patients are read alike."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    return np.asarray(
        CoxPHSurvivalAnalysis(alpha=_RIDGE, ties="efron").fit(x, Surv.from_arrays(event, time)).coef_
    )


_FITS: Mapping[str, Callable[[np.ndarray, Arrays], np.ndarray]] = {
    "continuous": _least_squares,
    "ordinal": _least_squares,
    "binary": _logistic,
    "count": _poisson,
    "time_to_event": _cox,
    "competing_risks": _cause_specific,
}
