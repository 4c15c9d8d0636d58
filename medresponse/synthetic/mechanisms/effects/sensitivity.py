"""Patients who need less of a drug, whatever the dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.mechanisms.kinds import Effect, Scores
from medresponse.synthetic.mechanisms.knobs import between, mechanism


@mechanism(Effect, "sensitivity")
@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """One surface for every dose: the log of the potency.

    Parameters
    ----------
    sd : float
        Standard deviation of the log potency over patients, 0 to 2.
    terms : int
        Scores that it depends on, 1 to 20.
    """

    sd: float = 0.5
    terms: int = 3

    def __post_init__(self) -> None:
        between("effect.sd", self.sd, 0.0, 2.0)
        between("effect.terms", self.terms, 1, 20)

    def check(self, treatments: tuple[str, ...], names: Sequence[str]) -> None:
        """Nothing: any treatments fit."""

    def surfaces(self, treatments: tuple[str, ...]) -> tuple[str, ...]:
        """Return one."""
        return ("sensitivity",)

    def values(
        self, treatments: tuple[str, ...], scores: Scores, surfaces: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return log potencies, zero under the reference, shape (patient, treatment)."""
        effect = np.zeros((scores.n, len(treatments)))
        effect[:, 1:] = self.sd * surfaces["sensitivity"][:, None]
        return effect
