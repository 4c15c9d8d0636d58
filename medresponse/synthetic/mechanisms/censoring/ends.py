"""Ends of follow-up: never, at the end of the study, or for reasons that matter to the outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.mechanisms.kinds import Censoring, Signal
from medresponse.synthetic.mechanisms.knobs import between, mechanism


@mechanism(Censoring, "none")
@dataclass(frozen=True, kw_only=True)
class Uncensored:
    """Everybody is followed until the event."""

    @property
    def target(self) -> float | None:
        """None."""
        return None

    @property
    def end(self) -> float | None:
        """None."""
        return None

    def hazard(self, signal: Signal, log_rate: float) -> np.ndarray:
        """Return zeros."""
        return np.zeros(len(signal.prognosis))

    def draw(self, hazard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return infinity."""
        return np.full(len(hazard), np.inf)


@mechanism(Censoring, "administrative")
@dataclass(frozen=True, kw_only=True)
class Administrative:
    """Patients enter evenly over `accrual` months; the study ends `follow_up` months after the last entry."""

    accrual: float = 12.0
    follow_up: float = 24.0

    def __post_init__(self) -> None:
        between("censoring.accrual", self.accrual, 0.0, np.inf, open_high=True)
        between("censoring.follow_up", self.follow_up, 0.0, np.inf, open_low=True, open_high=True)

    @property
    def target(self) -> float | None:
        """None: the design says it."""
        return None

    @property
    def end(self) -> float | None:
        """None: the end differs between patients."""
        return None

    def hazard(self, signal: Signal, log_rate: float) -> np.ndarray:
        """Return zeros."""
        return np.zeros(len(signal.prognosis))

    def draw(self, hazard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return time from entry to the end of the study."""
        return self.follow_up + self.accrual * rng.random(len(hazard))


@mechanism(Censoring, "informative")
@dataclass(frozen=True, kw_only=True)
class Informative:
    """Patients leave at a constant hazard that grows with their log hazard of the event.

    Parameters
    ----------
    rate : float
        Share of patients censored, within (0, 1), averaged over treatments.
    strength : float
        Log hazard ratio of leaving for each unit of worse prognosis, -3 to 3.
    hidden : float
        The same for each unit of what no analyst sees, -3 to 3: then no adjustment mends it.
    end : float
        Months after which nobody is followed.
    """

    rate: float = 0.35
    strength: float = 1.0
    hidden: float = 0.0
    end: float = 60.0

    def __post_init__(self) -> None:
        between("censoring.rate", self.rate, 0.0, 1.0, open_low=True, open_high=True)
        between("censoring.strength", self.strength, -3.0, 3.0)
        between("censoring.hidden", self.hidden, -3.0, 3.0)
        between("censoring.end", self.end, 0.0, np.inf, open_low=True)

    @property
    def target(self) -> float | None:
        """The rate."""
        return self.rate

    def hazard(self, signal: Signal, log_rate: float) -> np.ndarray:
        """Return hazards of leaving, a month."""
        worse = self.strength * signal.prognosis[:, 0] + self.hidden * signal.unseen[:, 0]
        return np.asarray(np.exp(log_rate - worse))

    def draw(self, hazard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return times of leaving."""
        return np.minimum(rng.standard_exponential(len(hazard)) / hazard, self.end)
