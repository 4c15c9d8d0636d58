"""The probability of each treatment for patients in whom a rule is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medresponse.cohort import Cohort
from medresponse.cohort.splits import random_folds
from medresponse.core.errors import DataError
from medresponse.core.registry import did_you_mean
from medresponse.decisions.deciding import Decision
from medresponse.features import fit_propensity
from medresponse.response import main_columns

FOLDS = 5


def propensities(
    parts: Sequence[Decision],
    order: np.ndarray,
    cohort: Cohort,
    given: Mapping[str, float] | np.ndarray | None,
) -> tuple[np.ndarray, str]:
    """Return probabilities of shape (patient, treatment), in cohort order, and where they come from in words.

    Parameters
    ----------
    parts : sequence of Decision
    order : numpy.ndarray
        Row of the joined decisions for each patient of `cohort`.
    cohort : Cohort
    given : mapping or numpy.ndarray, optional
        Known probabilities.

    Raises
    ------
    DataError
        If given probabilities do not cover the treatments, are not between 0 and 1, or do not sum to one.
    """
    treatments, n = cohort.treatments, cohort.n
    if given is not None:
        return _checked(_spread(given, treatments, n), n, treatments), "as given"
    if parts[0].responses.basis.assignment == "randomised":
        shares = np.bincount(cohort.treatment_idx, minlength=len(treatments)) / n
        return np.tile(shares, (n, 1)), "shares of the treatments, randomised alike for all"
    if all(part.responses.fit.encoding.propensity for part in parts):
        return np.concatenate([_own(part, cohort) for part in parts])[order], "propensity score of the fit"
    return _cross_fitted(parts[0], cohort), f"propensity score fitted here, {FOLDS} folds"


def _spread(given: Mapping[str, float] | np.ndarray, treatments: tuple[str, ...], n: int) -> np.ndarray:
    if not isinstance(given, Mapping):
        return np.asarray(given, dtype=float)
    for name in given:
        if name not in treatments:
            raise DataError(
                f"propensity: no treatment {name!r}; {did_you_mean(name, treatments)}", code="propensity"
            )
    missing = [name for name in treatments if name not in given]
    if missing:
        raise DataError(f"propensity: none for {', '.join(missing)}", code="propensity")
    return np.tile([float(given[name]) for name in treatments], (n, 1))


def _checked(values: np.ndarray, n: int, treatments: tuple[str, ...]) -> np.ndarray:
    if values.shape != (n, len(treatments)):
        raise DataError(
            f"propensity: shape {values.shape} found, (patient, treatment) = {(n, len(treatments))} needed",
            code="propensity",
        )
    if not ((values > 0) & (values < 1)).all() or np.abs(values.sum(axis=1) - 1).max() > 1e-6:
        raise DataError(
            "propensity: probabilities between 0 and 1 that sum to one are needed", code="propensity"
        )
    return values


def _own(part: Decision, cohort: Cohort) -> np.ndarray:
    fit = part.responses.fit
    assert fit.encoding.propensity is not None
    # `select` keeps the cohort's order of patients; responses may be in another.
    chosen = cohort.select(part.responses.ids)
    found = fit.encoding.propensity.probabilities(main_columns(fit, chosen))
    row = {patient: i for i, patient in enumerate(chosen.patients)}
    return found[[row[patient] for patient in part.responses.ids]]


def _cross_fitted(part: Decision, cohort: Cohort) -> np.ndarray:
    """Return probabilities for each fold from a score fitted to the other folds' patients."""
    columns, received = main_columns(part.responses.fit, cohort), cohort.treatment_idx
    fold = random_folds(cohort, folds=min(FOLDS, cohort.n), seed=part.responses.seed)
    found = np.empty((cohort.n, len(cohort.treatments)))
    for f in np.unique(fold):
        others = received[fold != f]
        if len(np.unique(others)) < len(cohort.treatments):
            raise DataError("too few patients on some treatment to fit a propensity score", code="propensity")
        score = fit_propensity(columns[fold != f], others, cohort.treatments)
        found[fold == f] = score.probabilities(columns[fold == f])
    return found
