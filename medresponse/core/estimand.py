"""What is asked of an outcome; known to families, which compute it, and to responses, which ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Estimand:
    """What about the outcome is asked for.

    Parameters
    ----------
    kind : str
        One of the family's `estimands`, described in `ESTIMANDS`.
    horizon : float, optional
        In the outcome's unit of time (or of exposure); required where the kind has one.
    part : int, optional
        Position of the category (ordinal outcome) or of the cause (competing risks) that is asked about;
        required where the kind has one.
    """

    kind: str
    horizon: float | None = None
    part: int | None = None


@dataclass(frozen=True, kw_only=True)
class EstimandKind:
    """How one kind of estimand is stated and read.

    Parameters
    ----------
    title : str
        In words; ``{part}`` stands for the words of the category or cause.
    unit : str
        ``probability``, ``outcome`` (the outcome's own unit), ``time`` (the horizon's unit), ``rate`` (events per
        unit of exposure) or ``events``.
    better : str
        Whether a ``higher`` or a ``lower`` value is better for the patient, as the ``outcome`` declares, or ``neither``.
    horizon : bool
        Whether it needs a horizon.
    part : str
        ``category`` or ``cause`` where it asks about one of them, else empty.
    """

    title: str
    unit: Literal["probability", "outcome", "time", "rate", "events"]
    better: Literal["higher", "lower", "outcome", "neither"]
    horizon: bool = False
    part: Literal["", "category", "cause"] = ""


ESTIMANDS: dict[str, EstimandKind] = {
    "survival": EstimandKind(
        title="probability of no event", unit="probability", better="higher", horizon=True
    ),
    "rmst": EstimandKind(title="restricted mean event-free time", unit="time", better="higher", horizon=True),
    "cured": EstimandKind(title="probability of never having the event", unit="probability", better="higher"),
    "cumulative_incidence": EstimandKind(
        title="probability of {part}", unit="probability", better="lower", horizon=True, part="cause"
    ),
    "time_lost": EstimandKind(
        title="restricted mean time lost to {part}", unit="time", better="lower", horizon=True, part="cause"
    ),
    "mean": EstimandKind(title="mean response", unit="outcome", better="outcome"),
    "probability": EstimandKind(title="probability of {part}", unit="probability", better="outcome"),
    "at_least": EstimandKind(
        title="probability of {part} or higher", unit="probability", better="outcome", part="category"
    ),
    "category": EstimandKind(
        title="probability of {part}", unit="probability", better="neither", part="category"
    ),
    "rate": EstimandKind(title="event rate", unit="rate", better="outcome"),
    "count": EstimandKind(title="expected number of events", unit="events", better="outcome", horizon=True),
}
