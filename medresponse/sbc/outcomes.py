"""Simulated outcomes as a study would have observed them: entry, follow-up, visits, exposure and causes of a template."""

from __future__ import annotations

import numpy as np

from medresponse.families import Arrays, Family

_HALVINGS = 60  # of the log of time: more than a double's digits
_EARLIEST = 1e-12  # of the end of follow-up: where the search for a time begins


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

    What a study fixes before it sees any event is taken from the template, and says nothing of the times drawn:

    - *Entry.* A left-truncated patient's time is drawn given survival to the entry.
    - *Follow-up.* A censored patient's ends when it did, the others' at the longest time of all.
    - *Visits.* An interval-censored patient is seen at the ends of the interval and, as often as that, before and after;
      so is a censored one where no time in the template is exact, at the median width.
    - *Exposure.* Counts are drawn over the template's.

    A cause is drawn from its probability given the time, by the family's own likelihood.

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
    """
    exposure = template.get("exposure")
    over = eta if exposure is None else eta + np.log(exposure)[:, None]
    patients = np.arange(len(treatment_idx))
    uniform = rng.random((*eta.shape[-2:], 1))
    value = family.simulate(over[..., None], parameters, constants, uniform)[patients, treatment_idx, 0]
    if family.outcome_kind not in ("time_to_event", "competing_risks"):
        return {**template, "value": value}
    entry, event = template["entry"], np.asarray(template["event"], dtype=bool)
    lower = template.get("lower", template["time"])
    upper = template.get("upper", np.where(event, template["time"], np.inf))
    own = eta[..., patients, treatment_idx, None]
    late = entry > 0
    longest = float(np.where(np.isfinite(upper), upper, lower).max())
    if late.any():
        given = _after_entry(family, own, treatment_idx, parameters, constants, entry, longest, rng)
        value = np.where(late, given, value)
    end = np.where(event, longest, lower)
    step, phase = _visits(lower, upper, event)
    happened = value <= end
    seen = np.maximum(np.minimum(value, end), np.finfo(float).tiny)
    if family.outcome_kind == "time_to_event":
        return {**template, **_between_visits(seen, happened, end, entry, step, phase)}
    found = {**template, "time": seen, "event": happened}
    n_causes = int(template["n_causes"])
    log_p = np.column_stack(
        [
            family.log_likelihood(
                own, {**found, "event": np.ones_like(happened), "cause": np.full(len(seen), c)}, treatment_idx,
                parameters, constants,
            )[:, 0]
            for c in range(n_causes)
        ]
    )  # fmt: skip
    share = np.exp(log_p - log_p.max(axis=1, keepdims=True)).cumsum(axis=1)
    cause = (rng.random(len(seen))[:, None] * share[:, -1:] > share).sum(axis=1)
    return {**found, "cause": np.where(happened, cause, -1)}


def _after_entry(
    family: Family, eta: np.ndarray, treatment_idx: np.ndarray, parameters: Arrays, constants: Arrays,
    entry: np.ndarray, longest: float, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Return times drawn given survival to `entry`, infinite beyond `longest`, shape (patient,).

    The cumulative hazard since entry is a unit exponential; the time at which it is reached is found by halving, so that
    late entries, that few would live to see, lose no digits.
    """

    def hazard(until: np.ndarray) -> np.ndarray:
        alive = {
            "time": until, "lower": until, "upper": np.full(len(until), np.inf), "entry": entry,
            "event": np.zeros(len(until), dtype=bool), "cause": np.full(len(until), -1),
        }  # fmt: skip
        return -family.log_likelihood(eta, alive, treatment_idx, parameters, constants)[:, 0]

    target = rng.standard_exponential(len(entry))
    low = np.log(np.maximum(entry, longest * _EARLIEST))
    high = np.full(len(entry), np.log(longest))
    never = hazard(np.exp(high)) < target
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        later = hazard(np.exp(middle)) < target
        low, high = np.where(later, middle, low), np.where(later, high, middle)
    return np.where(never, np.inf, np.exp(high))


def _visits(lower: np.ndarray, upper: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the time between visits, 0 for a patient under constant watch, and the time of one visit, shape (patient,)."""
    interval = event & (lower < upper)
    step = np.where(interval, np.where(event, upper, 0.0) - lower, 0.0)
    if interval.any() and not (event & ~interval).any():
        step[~event] = np.median(step[interval])
    return step, lower


def _between_visits(
    seen: np.ndarray, happened: np.ndarray, end: np.ndarray, entry: np.ndarray, step: np.ndarray, phase: np.ndarray
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return ``time``, ``event``, ``lower`` and ``upper`` of times that are known to the visits around them only."""
    visited = step > 0
    width = np.where(visited, step, 1.0)
    offset = np.mod(phase, width)
    before = offset + width * np.floor((seen - offset) / width)
    last = offset + width * np.floor((end - offset) / width + 1e-9)
    # An event after the last visit is not known of; before the first visit lies time 0 or the entry.
    event = np.where(visited, happened & (seen < last), happened)
    lower = np.where(visited, np.maximum(np.where(event, before, last), entry), seen)
    upper = np.where(event, np.where(visited, before + width, seen), np.inf)
    return {"time": np.where(event, upper, lower), "event": event, "lower": lower, "upper": upper}
