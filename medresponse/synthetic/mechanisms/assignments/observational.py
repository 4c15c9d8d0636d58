"""Treatment by choice, for reasons that can also matter to the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medresponse.synthetic.mechanisms.kinds import Assignment
from medresponse.synthetic.mechanisms.knobs import between, mechanism
from medresponse.synthetic.mechanisms.surfaces import Shape

_LARGE = 700.0  # log odds whose exponential is still a number


@mechanism(Assignment, "observational")
@dataclass(frozen=True, kw_only=True)
class Observational:
    """A multinomial logit of surfaces of the patient's scores.

    Parameters
    ----------
    model : str
        Shape of the surfaces, under the names of ACIC 2016: linear, polynomial, step (or exponential).
    root : float
        Share of patients with any treatment but the reference, within (0, 1); others share it equally.
    overlap : str
        ``full``, or ``one_term``: a box of the population (its first two reasons both high) never gets anything but the
        reference.
    strength : float
        Standard deviation of each log odds, 0 to 5.
    """

    model: Shape = "linear"
    root: float = 0.35
    overlap: Literal["full", "one_term"] = "full"
    strength: float = 1.0

    def __post_init__(self) -> None:
        between("assignment.root", self.root, 0.0, 1.0, open_low=True, open_high=True)
        between("assignment.strength", self.strength, 0.0, 5.0)

    @property
    def randomised(self) -> bool:
        """By choice."""
        return False

    def check(self, treatments: tuple[str, ...], *, has_sites: bool) -> None:
        """Nothing: any treatments fit."""

    def leanings(self, treatments: tuple[str, ...]) -> Mapping[str, Shape]:
        """Return one surface for each treatment but the reference."""
        return {f"assignment of treatment {k}": self.model for k in range(1, len(treatments))}

    def shares(self, n_treatments: int) -> np.ndarray:
        """Return the shares that `root` states."""
        return np.array([1 - self.root, *[self.root / (n_treatments - 1)] * (n_treatments - 1)])

    def propensity(self, leanings: np.ndarray, boxed: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return softmax of the log odds; outside overlap, certainly the reference."""
        odds = np.exp(np.minimum(start + self.strength * leanings, _LARGE))
        if self.overlap == "one_term":
            odds[boxed] = 0.0
        total = 1.0 + odds.sum(axis=1, keepdims=True)
        return np.concatenate([1.0 / total, odds / total], axis=1)

    def draw(
        self, propensity: np.ndarray, strata: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Return one treatment a patient."""
        steps = np.cumsum(propensity, axis=1)[:, :-1]
        return np.asarray((rng.random(len(propensity))[:, None] >= steps).sum(axis=1))
