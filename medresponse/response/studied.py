"""The patients a model learned from, made ready once to be compared with: how many like this one had each option."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.small_cells import one_count
from medresponse.features import Propensity, fit_propensity
from medresponse.response.columns import main_columns_of
from medresponse.response.predict import Patients, encode_patients
from medresponse.response.responses import Responses

if TYPE_CHECKING:
    from medresponse.inference import Fit

_RIDGE = 1e-3  # on standardised columns, as in the distance from the centre: rare levels give no infinite distances
_DIRECTIONS = 200
_MOST_PAIRED = 2000  # patients whose distances from each other say how far apart patients are
_NEAREST = 1e-6  # where nobody differs from anybody, everybody is similar
_AT_ONCE = 4_000_000  # distances held at once


@dataclass(frozen=True, repr=False)
class Studied:
    """Training patients as points, for counting those near a new patient; rows of patients, so never saved.

    Parameters
    ----------
    fit : Fit
    patients : Patients
    received : numpy.ndarray
        Position of the option that each received, shape (patient,).
    center : numpy.ndarray
        Mean of the main feature columns, shape (column,).
    whitening : numpy.ndarray
        Shape (column, direction): distances between whitened rows are Mahalanobis distances.
    points : numpy.ndarray
        Whitened training rows, shape (patient, direction).
    between : numpy.ndarray
        Quantiles 0.01, 0.02, ..., 0.99 of the distance between two training patients, shape (99,).
    propensity : Propensity or None
        Of observational data: the fit's own score, or one made of the main columns.
    fingerprint : str
        Of the training cohort.
    """

    fit: Fit
    patients: Patients
    received: np.ndarray
    center: np.ndarray
    whitening: np.ndarray
    points: np.ndarray
    between: np.ndarray
    propensity: Propensity | None
    fingerprint: str
    _averages: dict[object, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def counts(self) -> np.ndarray:
        """Training patients who received each option, shape (treatment,)."""
        return np.bincount(self.received, minlength=len(self.fit.treatments))

    def __repr__(self) -> str:
        return f"<Studied: {one_count(len(self.points))} patients in {self.points.shape[1]} directions>"

    @cached_property
    def _position(self) -> dict[str, int]:
        return {patient: i for i, patient in enumerate(self.patients.ids)}

    def similar(self, columns: np.ndarray, ids: tuple[str, ...], *, share: float) -> np.ndarray:
        """Return the effective number of similar training patients under each option, shape (patient, treatment).

        Parameters
        ----------
        columns : numpy.ndarray
            Main feature columns of the patients asked about, shape (patient, column).
        ids : tuple of str
            A patient is not counted as similar to himself or herself.
        share : float
            The bandwidth, as the quantile of the distance between two training patients beyond which patients are not
            similar at all: 0.01 to 0.99.

        Notes
        -----
        Weights are those of Epanechnikov's kernel, ``w = max(0, 1 - d^2 / h^2)``, of the Mahalanobis distance ``d``
        between rows of main feature columns; numbers are Kish's effective sample sizes of these weights, ``(sum w)^2 /
        sum w^2``, 0 where nobody is within ``h``. A kernel without end would give a patient far from everybody large
        effective numbers, since only ratios of weights matter to them.

        References
        ----------
        Kish (1965), Survey Sampling, section 11.7. Epanechnikov (1969), Theory Probab Appl 14:153.
        """
        reach = max(float(np.interp(share, np.arange(1, 100) / 100, self.between)), _NEAREST)
        arms = np.eye(len(self.fit.treatments))[self.received]
        found = np.empty((len(columns), arms.shape[1]))
        size = max(1, _AT_ONCE // len(self.points))
        for start in range(0, len(columns), size):
            rows = slice(start, start + size)
            squares = _squares((columns[rows] - self.center) @ self.whitening, self.points)
            weights = np.maximum(0.0, 1.0 - squares / reach**2)
            for i, patient in enumerate(ids[rows]):
                if patient in self._position:
                    weights[i, self._position[patient]] = 0.0
            total, of_squares = weights @ arms, weights**2 @ arms
            found[rows] = np.divide(total**2, of_squares, out=np.zeros_like(total), where=of_squares > 0)
        return np.round(found, 6)  # beyond are bits that depend on how many patients are looked at together

    def average(self, responses: Responses) -> np.ndarray:
        """Return the average response over the training patients to what `responses` ask, shape (treatment, draw).

        Every training patient counts under every option (the model's own standardisation). Computed once a question.
        """
        key = (responses.estimand, responses.unit, responses.part, responses.fit.n_draws, responses.seed)
        if key not in self._averages:
            self._averages[key] = replace(responses, patients=self.patients).mean_over_patients()
        return self._averages[key]


def studied(fit: Fit, training: Cohort) -> Studied:
    """Make the training patients ready, once for all patients that are asked about.

    Parameters
    ----------
    fit : Fit
    training : Cohort
        The cohort that the fit was made from.

    Raises
    ------
    DataError
        If it is another cohort.
    """
    if training.fingerprint != fit.provenance.cohort_fingerprint:
        raise DataError(
            "reference is not the cohort that the model learned from (fingerprints differ)",
            code="cohort_mismatch",
        )
    patients = encode_patients(fit, training)
    columns = main_columns_of(fit, patients)
    center = columns.mean(axis=0)
    _, singular, directions = np.linalg.svd(columns - center, full_matrices=False)
    variances = singular[:_DIRECTIONS] ** 2 / max(len(columns) - 1, 1) + _RIDGE
    whitening = directions[:_DIRECTIONS].T / np.sqrt(variances)
    points = (columns - center) @ whitening
    treatment = fit.schema.treatment
    propensity = None
    if treatment and treatment.assignment == "observational":
        propensity = fit.encoding.propensity
        received_all = len(np.unique(training.treatment_idx)) == len(fit.treatments)
        if propensity is None and received_all and fit.encoding.features:
            propensity = fit_propensity(columns, training.treatment_idx, fit.treatments)
    return Studied(
        fit=fit, patients=patients, received=training.treatment_idx, center=center, whitening=whitening, points=points,
        between=_between(points), propensity=propensity, fingerprint=training.fingerprint,
    )  # fmt: skip


def _between(points: np.ndarray) -> np.ndarray:
    """Return quantiles of the distances between pairs of different patients, of an even sample of many."""
    some = points[:: -(-len(points) // _MOST_PAIRED)]
    squares = _squares(some, some)[np.triu_indices(len(some), k=1)]
    return np.sqrt(np.quantile(squares, np.arange(1, 100) / 100)) if len(squares) else np.zeros(99)


def _squares(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return squared distances between rows, shape (first, second)."""
    product = first @ second.T
    return np.maximum((first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * product, 0.0)
