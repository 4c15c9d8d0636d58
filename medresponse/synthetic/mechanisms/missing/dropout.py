"""Outcomes that are not recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from medresponse.synthetic.mechanisms.kinds import Dropout, Signal
from medresponse.synthetic.mechanisms.knobs import between, mechanism


@mechanism(Dropout, "none")
@dataclass(frozen=True, kw_only=True)
class CompleteFollowUp:
    """Every outcome is recorded."""

    @property
    def target(self) -> float:
        """None are missing."""
        return 0.0

    def probability(self, response: np.ndarray, signal: Signal, start: float) -> np.ndarray:
        """Return zeros."""
        return np.zeros(len(response))


@mechanism(Dropout, "leaving")
@dataclass(frozen=True, kw_only=True)
class Leaving:
    """Patients leave before their outcome is known.

    Parameters
    ----------
    rate : float
        Share who leave, within (0, 1): 0.05 is of little concern, 0.2 is, 0.65 was seen in quality of life.
    on : str
        ``response`` (not at random: those who fare worse leave more), ``prognosis`` (at random given the features) or
        ``nothing``.
    strength : float
        Log odds for each standard deviation, 0 to 3.
    """

    rate: float = 0.2
    on: Literal["response", "prognosis", "nothing"] = "response"
    strength: float = 1.0

    def __post_init__(self) -> None:
        between("dropout.rate", self.rate, 0.0, 1.0, open_low=True, open_high=True)
        between("dropout.strength", self.strength, 0.0, 3.0)

    @property
    def target(self) -> float:
        """The rate."""
        return self.rate

    def probability(self, response: np.ndarray, signal: Signal, start: float) -> np.ndarray:
        """Return logistic probabilities."""
        reasons = {
            "response": response,
            "prognosis": signal.prognosis[:, 0],
            "nothing": np.zeros(len(response)),
        }
        return np.asarray(expit(start - self.strength * reasons[self.on]))
