"""Is the model applicable to this patient? Inputs in range, jointly, and complete."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import UnknownPatientError
from medresponse.response.predict import completed_columns
from medresponse.response.responses import Responses


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
    """

    outside: tuple[str, ...]
    unusual_levels: tuple[str, ...]
    missing: tuple[str, ...]
    n_inputs: int
    distance_percentile: float
    new_groups: tuple[str, ...]

    @property
    def within(self) -> bool:
        """Whether every known input, and their combination, lies within the training population."""
        return not self.outside and not self.unusual_levels and self.distance_percentile < 99


def applicability(responses: Responses, cohort: Cohort, patient: str) -> Applicability:
    """Check one patient of `responses` against the training population.

    Parameters
    ----------
    responses : Responses
    cohort : Cohort
        The cohort that `responses` were made for.
    patient : str
    """
    if patient not in responses.ids:
        raise UnknownPatientError(f"patient {patient} is not among the responses")
    fit, row = responses.fit, responses.ids.index(patient)
    values = cohort.select([patient]).table.row(0, named=True)
    outside, rare, missing = [], [], []
    for feature in fit.encoding.features:
        value = values[feature.name]
        if value is None:
            missing.append(feature.name)
        elif feature.type == "continuous" and not feature.low <= value <= feature.high:
            outside.append(feature.name)
        elif feature.levels and feature.shares[feature.levels.index(value)] < 0.01:
            rare.append(feature.name)
    columns = completed_columns(fit, responses.patients, row, seed=responses.seed)
    distance = float(np.median(fit.support.distance(columns)))
    percentile = 49 + int(np.searchsorted(fit.support.distances, distance, side="right"))
    groups = responses.patients.groups
    new = tuple(g.column for g in fit.layout.groupings if groups[g.column][row] not in g.labels)
    return Applicability(
        outside=tuple(outside), unusual_levels=tuple(rare), missing=tuple(missing), n_inputs=len(fit.encoding.features),
        distance_percentile=float(percentile), new_groups=new,
    )  # fmt: skip
