"""What gates on all patients and on groups of them have in common: units, options, doubly robust surprises."""

from __future__ import annotations

import numpy as np

from medresponse.response import Responses
from medresponse.validation.counterparts import Counterpart
from medresponse.validation.gates import GateLimits
from medresponse.validation.held_out import HeldOut
from medresponse.validation.question import Question


def scale_of(responses: Responses, observed: Counterpart) -> float:
    """Return the unit of limits on gaps; see `GateLimits`."""
    unit = responses.kind.unit
    if unit == "probability":
        return 1.0
    if unit == "time":
        return float("nan") if responses.horizon is None else float(responses.horizon)
    mean = np.average(observed.value, weights=observed.weight)
    return float(2 * np.sqrt(np.average((observed.value - mean) ** 2, weights=observed.weight)))


def option_labels(responses: Responses) -> tuple[str, ...]:
    """Return each option in words; one empty text for a single arm."""
    treatment = responses.fit.schema.treatment
    return tuple(treatment.label(t) for t in responses.treatments) if treatment else ("",)


def tolerated_benefit(question: Question, limits: GateLimits, scale: float) -> float:
    """Return how far an average benefit may be off: the smallest that is worthwhile, or the gap of a response."""
    return limits.gap * scale if question.worthwhile is None else question.worthwhile


def surprises(held: HeldOut, observed: Counterpart) -> np.ndarray:
    """Return what doubly robust scores add to predictions, shape (patient, treatment).

    ``score_k = m_k + 1{A = k} (z - m_k) / e_k`` averages to the mean response under option k whatever the model says,
    as long as the propensities are right (Robins, Rotnitzky & Zhao 1994, J Am Stat Assoc 89:846; for calibration of
    benefits see Xu & Yadlowsky 2022, AISTATS).
    """
    received = held.received[:, None] == np.arange(held.predicted.shape[1])
    return np.where(received, (observed.value[:, None] - held.predicted) / held.propensity, 0.0)
