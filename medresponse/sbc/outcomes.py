"""Simulated outcomes as a study would have observed them: follow-up, exposure and causes of a template cohort."""

from __future__ import annotations

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.families import Arrays, Family


def observe_as(
    template: Arrays,
    family: Family,
    eta: np.ndarray,
    treatment_idx: np.ndarray,
    parameters: Arrays,
    constants: Arrays,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return one simulated outcome a patient, observed as those of the template were.

    Times are censored at the end of follow-up: a censored patient's own, the longest time of all for the others, which is
    fixed before any time is drawn and so says nothing of it. A cause is drawn from its probability given the time, by
    the family's own likelihood. Counts are drawn over the template's exposures.

    Parameters
    ----------
    template : mapping
        The observed outcomes of the cohort, as `Cohort.outcome` gives them.
    family : Family
    eta : numpy.ndarray
        Predictor under every treatment, shape (patient, treatment), or (predictor, patient, treatment) for several.
    treatment_idx : numpy.ndarray
        The treatment received, shape (patient,).
    parameters, constants : mapping
        One draw of the family's parameters (draws first), and what `learn` returned.
    rng : numpy.random.Generator

    Raises
    ------
    SpecError
        If times were truncated or known up to an interval: what would have been seen is not known then.
    """
    exposure = template.get("exposure")
    over = eta if exposure is None else eta + np.log(exposure)[:, None]
    patients = np.arange(len(treatment_idx))
    uniform = rng.random((*eta.shape[-2:], 1))
    value = family.simulate(over[..., None], parameters, constants, uniform)[patients, treatment_idx, 0]
    if family.outcome_kind not in ("time_to_event", "competing_risks"):
        return {**template, "value": value}
    time, event = template["time"], np.asarray(template["event"], dtype=bool)
    if np.any(template["entry"] > 0) or np.any(
        event & (template.get("lower", time) < template.get("upper", time))
    ):
        raise SpecError(
            "calibration by simulation needs times from zero that are exact or right-censored; leave entry and upper out",
            code="calibration",
        )
    end = np.where(event, time.max(), time)
    happened = value <= end
    seen = np.maximum(np.minimum(value, end), np.finfo(float).tiny)
    if family.outcome_kind == "time_to_event":
        upper = np.where(happened, seen, np.inf)
        return {**template, "time": seen, "event": happened, "lower": seen, "upper": upper}
    n_causes = int(template["n_causes"])
    found = {**template, "time": seen, "event": happened}
    log_p = np.column_stack(
        [
            family.log_likelihood(
                eta[..., patients, treatment_idx, None], {**found, "event": np.ones_like(happened), "cause": np.full(len(seen), c)},
                treatment_idx, parameters, constants,
            )[:, 0]
            for c in range(n_causes)
        ]
    )  # fmt: skip
    share = np.exp(log_p - log_p.max(axis=1, keepdims=True)).cumsum(axis=1)
    cause = (rng.random(len(seen))[:, None] * share[:, -1:] > share).sum(axis=1)
    return {**found, "cause": np.where(happened, cause, -1)}
