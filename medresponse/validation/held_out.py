"""Predictions for patients that their model has not seen, beside what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.rng import stream
from medresponse.core.units import convert_time
from medresponse.features import fit_propensity
from medresponse.response import Responses, respond
from medresponse.response.question import time_unit
from medresponse.validation.counterparts import Counterpart, counterpart, within_intervals
from medresponse.validation.doubt import Doubt, doubt_of, errors_of
from medresponse.validation.spread import Spread, few_of, refit_spread

if TYPE_CHECKING:
    from medresponse.inference import Fit

_DRAWS = 1000  # the Monte Carlo error of a mean is then 3% of its posterior standard deviation
_LEVEL = 0.90
_LEAST_PROPENSITY = 0.01


@dataclass(frozen=True, kw_only=True)
class Predictive:
    """The predictive law against the outcome itself.

    Parameters
    ----------
    pit : numpy.ndarray
        Predictive probability of no more than the outcome, or the follow-up time, shape (patient,); spread evenly over
        the jump of a discrete law.
    entry : numpy.ndarray
        The same of the time of entry, 0 for all but late entries.
    seen : numpy.ndarray
        Whether the outcome is known, rather than only known to lie beyond.
    inside : numpy.ndarray or None
        Whether it lies within the 90% predictive interval; None for outcomes that are discrete or censored.
    """

    pit: np.ndarray
    entry: np.ndarray
    seen: np.ndarray
    inside: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out predictions of one question, and the outcomes that they are judged by.

    Parameters
    ----------
    responses : Responses
        Of the model that is validated, for its question.
    fits : tuple of Fit
        That the predictions are from.
    cohort : Cohort
    fold : numpy.ndarray
        Which of `fits` each patient was predicted by, shape (patient,).
    received : numpy.ndarray
        Position of the treatment received.
    predicted : numpy.ndarray
        Posterior mean responses, shape (patient, treatment), in the responses' unit.
    observed : Counterpart or None
        In the responses' unit; None where no outcome can be held against the estimand.
    propensity : numpy.ndarray
        Probability of each treatment, shape (patient, treatment).
    predictive : Predictive or None
        None where the mean response is the whole law (a binary outcome), or counts are of unequal exposures.
    doubt : Doubt or None
        What posteriors leave unknown of the predictions; None where nothing is observed.
    spread : Spread or None
        How far refits differ; None without refits.
    method : str
        How the predictions were kept apart from the outcomes, in words.
    """

    responses: Responses
    fits: tuple[Fit, ...]
    cohort: Cohort
    fold: np.ndarray
    received: np.ndarray
    predicted: np.ndarray
    observed: Counterpart | None
    propensity: np.ndarray
    predictive: Predictive | None
    doubt: Doubt | None
    spread: Spread | None
    method: str


def held_out(
    responses: Responses, fits: Sequence[Fit], cohort: Cohort, masks: Sequence[np.ndarray], *, method: str, seed: int
) -> HeldOut:  # fmt: skip
    """Predict every patient of a cohort by a fit that has not seen them.

    Parameters
    ----------
    responses : Responses
        Of the model that is validated, with the question asked of it; of any patients.
    fits : sequence of Fit
        One for each mask: refits without these patients; or the validated fit itself, for patients that it never saw.
    cohort : Cohort
        With treatments and outcomes.
    masks : sequence of numpy.ndarray
        Which patients each fit predicts, shape (patient,); together each patient once.
    method : str
        How the predictions were kept apart, in words ("five-fold cross-validation").
    seed : int
        Of the propensity folds and of the places of discrete outcomes within their jumps.

    Raises
    ------
    DataError
        If the masks do not divide the patients, or a treatment was given to nobody.
    """
    fold = _fold(masks, cohort.n)
    received, k = cohort.treatment_idx, len(responses.treatments)
    if (np.bincount(received, minlength=k) == 0).any():
        raise DataError("a treatment was given to nobody: nothing can be validated of it", code="empty_arm")
    predicted = np.empty((cohort.n, k))
    outcome = cohort.outcome(responses.fit.outcome)
    observed = _in_unit(counterpart(responses.estimand, outcome, received), responses)
    law, errors, reference = _Law(outcome, cohort, responses, seed), [], reference_of(responses)
    for fit, mask in zip(fits, masks, strict=True):
        part = asked(responses, fit, cohort.where(mask))
        predicted[mask] = part.reduce(lambda v: v.mean(axis=-1))
        law.add(part, np.flatnonzero(mask), received)
        if observed is not None:
            errors.append(errors_of(part, predicted[mask], received[mask], observed.weight[mask], reference))
    spread = None
    if len(fits) > 1:
        few = few_of(cohort)
        whole, *refits = (asked(responses, fit, few) for fit in (responses.fit, *fits))
        spread = refit_spread(whole, refits)
    return HeldOut(
        responses=responses, fits=tuple(fits), cohort=cohort, fold=fold, received=received, predicted=predicted,
        observed=observed, doubt=doubt_of(errors) if errors else None,
        propensity=_propensity(cohort, responses, fold), predictive=law.found(), method=method,
        spread=spread,
    )  # fmt: skip


def _fold(masks: Sequence[np.ndarray], n: int) -> np.ndarray:
    every = np.stack([np.asarray(mask, dtype=bool) for mask in masks])
    if every.shape[1] != n or not (every.sum(axis=0) == 1).all() or not every.any(axis=1).all():
        raise DataError("the masks must name each patient once, and each some patients", code="folds")
    return every.argmax(axis=0)


def asked(responses: Responses, fit: Fit, cohort: Cohort) -> Responses:
    """Return the same question asked of another fit, about any patients."""
    return respond(
        fit, cohort, horizon=responses.horizon, unit=responses.horizon_unit or None,
        estimand=responses.estimand.kind, part=responses.part or None, draws=_DRAWS,
    )  # fmt: skip


def _in_unit(found: Counterpart | None, responses: Responses) -> Counterpart | None:
    if found is None or responses.kind.unit != "time":
        return found
    own = time_unit(responses.outcome_schema)
    return replace(found, value=found.value * convert_time(1.0, given=own, wanted=responses.horizon_unit))


def reference_of(responses: Responses) -> int:
    """Return the position of the treatment that benefits are measured against; 0 for a single arm."""
    if len(responses.treatments) < 2:
        return 0
    return responses.treatments.index(responses.basis.reference)


class _Law:
    """Collects the predictive law of each patient, fold by fold."""

    def __init__(
        self, outcome: dict[str, np.ndarray], cohort: Cohort, responses: Responses, seed: int
    ) -> None:
        kind = responses.outcome_schema.kind
        self.times = kind in ("time_to_event", "competing_risks")
        equal = kind == "count" and bool((outcome["exposure"] == 1).all())
        exact = self.times and not within_intervals(outcome)
        self.wanted = exact or equal or kind in ("continuous", "ordinal")
        n = cohort.n
        self.value = outcome["time"] if self.times else np.asarray(outcome["value"], dtype=float)
        self.seen = outcome["event"].astype(bool) if self.times else np.ones(n, dtype=bool)
        self.start = outcome["entry"] if self.times else np.full(n, -np.inf)
        self.place = np.array([stream(seed, "pit", patient).random() for patient in cohort.patients])
        self.pit, self.entry = np.zeros(n), np.zeros(n)
        self.inside = np.zeros(n, dtype=bool) if kind == "continuous" else None

    def add(self, part: Responses, rows: np.ndarray, received: np.ndarray) -> None:
        """Take the predictive draws of some patients, under the treatment received."""
        if not self.wanted:
            return
        for piece, values in part.predictive_chunks():
            at = rows[piece]
            draws, value = values[np.arange(len(at)), received[at]], self.value[at][:, None]
            below, equal = (draws < value).mean(axis=-1), (draws == value).mean(axis=-1)
            self.pit[at] = below + self.place[at] * equal
            self.entry[at] = (draws <= self.start[at][:, None]).mean(axis=-1)
            if self.inside is not None:
                low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=-1)
                self.inside[at] = (low <= self.value[at]) & (self.value[at] <= high)

    def found(self) -> Predictive | None:
        """Return what was collected."""
        if not self.wanted:
            return None
        return Predictive(pit=self.pit, entry=self.entry, seen=self.seen, inside=self.inside)


def _propensity(cohort: Cohort, responses: Responses, fold: np.ndarray) -> np.ndarray:
    """Return the probability of each treatment: the shares of a randomised trial, else a model of all features.

    The model sees every feature that the schema declares, whether the validated one uses it or not, and none of the
    patients that it speaks of.
    """
    received, k = cohort.treatment_idx, len(responses.treatments)
    shares = np.bincount(received, minlength=k) / cohort.n
    found = np.tile(shares, (cohort.n, 1))
    if responses.basis.assignment != "observational":
        return found
    columns = feature_columns(cohort)
    parts = fold if fold.max() > 0 else np.arange(cohort.n) % 5  # rows are sorted by pseudonym
    for part in np.unique(parts):
        rest = parts != part
        if len(np.unique(received[rest])) == k:
            score = fit_propensity(columns[rest], received[rest], cohort.treatments)
            found[~rest] = score.probabilities(columns[~rest])
    return np.clip(found, _LEAST_PROPENSITY, None)


def feature_columns(cohort: Cohort) -> np.ndarray:
    """Return every declared feature as standardised columns, shape (patient, column).

    Levels are indicators; a missing value is the mean, with an indicator of its own.
    """
    columns = []
    for name, feature in cohort.schema.feature_columns.items():
        series = cohort.table[name]
        columns.append(series.is_null().to_numpy().astype(float))
        if feature.is_discrete and series.dtype != pl.Float64:
            text = series.cast(pl.String)
            columns += [(text == level).fill_null(False).to_numpy().astype(float) for level in feature.level_names]  # fmt: skip
        else:
            numbers = series.cast(pl.Float64)
            columns.append(numbers.fill_null(numbers.mean() or 0.0).to_numpy())
    table = np.stack(columns, axis=1) if columns else np.zeros((cohort.n, 0))
    spread = table.std(axis=0)
    kept = spread > 0
    return (table[:, kept] - table[:, kept].mean(axis=0)) / spread[kept]
