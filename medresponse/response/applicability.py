"""Is the model applicable to this patient? Inputs in range, jointly, complete, and shared with patients on each option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import UnknownPatientError
from medresponse.features import Propensity
from medresponse.features.encoding import FeatureEncoding
from medresponse.response.columns import main_columns_of
from medresponse.response.predict import Patients, completed_columns
from medresponse.response.responses import Responses
from medresponse.response.studied import Studied

if TYPE_CHECKING:
    from medresponse.inference import Fit

RARE = 0.01
SIMILAR_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Applicability:
    """What the checks say of one patient.

    Parameters
    ----------
    outside : tuple of str
        Continuous features outside the central 98% of the training values.
    unusual_levels : tuple of str
        Features whose level fewer than 1% of the training patients had.
    missing : tuple of str
        Features not recorded, averaged over their likely values.
    n_inputs : int
    distance_percentile : float
        Share of training patients less far from the centre than this one (Mahalanobis distance), in percent;
        99 means at or beyond the 99th percentile.
    new_groups : tuple of str
        Grouping columns (site, study) whose value training never saw.
    beyond : mapping
        Feature of `outside` -> how far outside, in training standard deviations on the model's scale.
    unseen_levels : tuple of str
        Features whose level no training patient had.
    distance_ratio : float
        Distance from the centre over the 99th percentile of the training patients' distances.
    similar : tuple of float, optional
        Effective number of similar training patients under each option; None if the training cohort is not at hand.
    propensity : tuple of float, optional
        Probability of each option for patients like this one; None if it was randomised, or neither the
        training cohort is at hand nor a score in the fit.
    """

    outside: tuple[str, ...]
    unusual_levels: tuple[str, ...]
    missing: tuple[str, ...]
    n_inputs: int
    distance_percentile: float
    new_groups: tuple[str, ...]
    beyond: dict[str, float]
    unseen_levels: tuple[str, ...]
    distance_ratio: float
    similar: tuple[float, ...] | None = None
    propensity: tuple[float, ...] | None = None

    @property
    def within(self) -> bool:
        """Whether every known input, and their combination, lies within the training population."""
        return not self.outside and not self.unusual_levels and self.distance_percentile < 99


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The same of many patients, as arrays; rows are patients, columns of the first four are the fit's features.

    Parameters
    ----------
    ids : tuple of str
    beyond : numpy.ndarray
        Standard deviations outside the central 98% of the training values, 0 inside it, where missing and of levels.
    share : numpy.ndarray
        Share of the training patients with the patient's level; 1 where missing and of continuous features.
    missing : numpy.ndarray
        Whether the feature is missing.
    distance : numpy.ndarray
        Mahalanobis distance from the centre of training, shape (patient,).
    new_groups : tuple of tuple of str
    similar, propensity : numpy.ndarray, optional
        Shape (patient, treatment).
    """

    ids: tuple[str, ...]
    beyond: np.ndarray
    share: np.ndarray
    missing: np.ndarray
    distance: np.ndarray
    new_groups: tuple[tuple[str, ...], ...]
    similar: np.ndarray | None
    propensity: np.ndarray | None


def applicability(
    responses: Responses, cohort: Cohort, patient: str, *, training: Studied | None = None,
    similar_share: float = SIMILAR_SHARE,
) -> Applicability:  # fmt: skip
    """Check one patient of `responses` against the training population.

    Parameters
    ----------
    responses : Responses
    cohort : Cohort
        The cohort that `responses` were made for.
    patient : str
    training : Studied, optional
        The training patients, for what is known of each option.
    similar_share : float
        How near a similar patient is; see `Studied.similar`.
    """
    if patient not in responses.ids or patient not in cohort.patients:
        raise UnknownPatientError(f"patient {patient} is not among the responses")
    one = responses.select([patient])
    return applicability_of(one, measure(one, training=training, similar_share=similar_share), 0)


def applicability_of(responses: Responses, measures: Measures, row: int) -> Applicability:
    """Return one row of `measures`, in names."""
    fit, limits = responses.fit, responses.fit.support.distances
    names = np.array(fit.encoding.names, dtype=object)
    beyond, share, distance = measures.beyond[row], measures.share[row], float(measures.distance[row])

    def named(chosen: np.ndarray) -> tuple[str, ...]:
        return tuple(names[chosen])

    return Applicability(
        outside=named(beyond > 0), unusual_levels=named(share < RARE), missing=named(measures.missing[row]),
        n_inputs=len(names), new_groups=measures.new_groups[row],
        distance_percentile=float(49 + int(np.searchsorted(limits, distance, side="right"))),
        beyond={name: float(beyond[i]) for i, name in enumerate(names) if beyond[i] > 0},
        unseen_levels=named(share == 0), distance_ratio=distance_ratio(fit, distance),
        similar=_row(measures.similar, row), propensity=_row(measures.propensity, row),
    )  # fmt: skip


def distance_ratio(fit: Fit, distance: float) -> float:
    """Return a distance over the 99th percentile of the training patients' distances; 0 where nobody differs."""
    limit = float(fit.support.distances[-1])
    return distance / limit if limit > 0 else 0.0


def measure(
    responses: Responses, *, training: Studied | None = None, similar_share: float = SIMILAR_SHARE
) -> Measures:
    """Check all patients of `responses` against the training population; parameters as in `applicability`."""
    fit, patients = responses.fit, responses.patients
    codes, missing = patients.codes, np.isnan(patients.codes)
    beyond, share = np.zeros(codes.shape), np.ones(codes.shape)
    for i, feature in enumerate(fit.encoding.features):
        known = ~missing[:, i]
        if feature.type == "continuous":
            beyond[known, i] = _beyond(feature, codes[known, i])
        else:
            share[known, i] = np.array(feature.shares)[codes[known, i].astype(int)]
    similar = propensity = None
    score = training.propensity if training is not None else _own_score(responses)
    if training is not None or score is not None:
        columns = main_columns_of(fit, patients)
        if training is not None:
            similar = training.similar(columns, patients.ids, share=similar_share)
        if score is not None:
            propensity = score.probabilities(columns)
    return Measures(
        ids=patients.ids, beyond=beyond, share=share, missing=missing, distance=_distances(responses),
        new_groups=_new_groups(fit, patients), similar=similar, propensity=propensity,
    )  # fmt: skip


def _own_score(responses: Responses) -> Propensity | None:
    """Return the fit's own propensity score, if options were chosen."""
    observational = responses.basis.assignment == "observational"
    return responses.fit.encoding.propensity if observational else None


def _beyond(feature: FeatureEncoding, codes: np.ndarray) -> np.ndarray:
    """Return how far codes of a continuous feature are outside the central 98%; a code's unit is a standard deviation."""
    low, high = feature.codes(np.array([feature.low, feature.high]))
    return np.maximum(np.maximum(codes - high, low - codes), 0.0)


def _distances(responses: Responses) -> np.ndarray:
    """Return distances from the centre; with missing features, the median over completions."""
    fit, patients = responses.fit, responses.patients
    whole = ~patients.uncertain
    found = np.empty(len(patients.ids))
    found[whole] = fit.support.distance(fit.encoding.columns(patients.codes[whole]))
    for row in np.flatnonzero(~whole):
        columns = completed_columns(fit, patients, int(row), seed=responses.seed)
        found[row] = np.median(fit.support.distance(columns))
    return found


def _new_groups(fit: Fit, patients: Patients) -> tuple[tuple[str, ...], ...]:
    known = [(g.column, frozenset(g.labels)) for g in fit.layout.groupings]
    return tuple(
        tuple(column for column, labels in known if patients.groups[column][row] not in labels)
        for row in range(len(patients.ids))
    )


def _row(values: np.ndarray | None, row: int) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(v) for v in values[row])
