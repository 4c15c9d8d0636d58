"""What happened to each patient, on the scale of the responses that are asked about."""

from __future__ import annotations

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.decisions.pseudo import pseudo_observations
from medresponse.response import Responses

_OF_TIMES = ("survival", "rmst", "cumulative_incidence", "time_lost")


def observed_response(responses: Responses, cohort: Cohort) -> np.ndarray:
    """Return what each patient's outcome says of the mean response under the treatment received, shape (patient,).

    The outcome itself where it is seen: its value, 1 or 0 for an event or a category, events a unit of exposure. Of times to
    an event, pseudo-observations within treatment groups, which assume that censoring does not depend on features or outcome
    within a group.

    Parameters
    ----------
    responses : Responses
        Says which outcome and estimand, in which unit.
    cohort : Cohort
        With treatments and outcomes.

    Raises
    ------
    SpecError
        If nobody's estimand can be seen (``cured``).
    DataError
        If outcomes or treatments are missing, follow-up ends before the horizon, times are known to intervals only, or
        patients entered late.
    """
    outcome, estimand = cohort.outcome(responses.fit.outcome), responses.estimand
    if estimand.kind in _OF_TIMES:
        return _from_times(responses, cohort, outcome)
    if estimand.kind in ("mean", "probability"):
        return outcome["value"].astype(float)
    if estimand.kind == "at_least":
        return (outcome["value"] >= estimand.part).astype(float)
    if estimand.kind == "category":
        return (outcome["value"] == estimand.part).astype(float)
    if estimand.kind in ("rate", "count"):
        return np.asarray(outcome["value"] / outcome["exposure"] * (estimand.horizon or 1.0))
    raise SpecError(
        f"{responses.kind.title}: no patient's outcome shows it; ask for another estimand",
        code="not_observed",
    )


def _from_times(responses: Responses, cohort: Cohort, outcome: dict[str, np.ndarray]) -> np.ndarray:
    time, event, estimand = outcome["time"], outcome["event"].astype(bool), responses.estimand
    if outcome["entry"].any():
        raise DataError("some patients entered late: no pseudo-observations of these", code="delayed_entry")
    if "upper" in outcome and (outcome["lower"][event] < outcome["upper"][event]).any():
        raise DataError("some events are known to an interval only: no pseudo-observations", code="interval")
    of_cause = outcome["cause"] == estimand.part if "cause" in outcome else None
    values, group = np.empty(cohort.n), cohort.treatment_idx
    for k in np.unique(group):
        own = group == k
        values[own] = pseudo_observations(
            time[own], event[own], kind=estimand.kind, horizon=float(estimand.horizon or 0.0),
            of_cause=None if of_cause is None else of_cause[own],
        )  # fmt: skip
    return responses.factor * values
