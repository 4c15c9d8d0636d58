"""A prodrug that carriers of CYP2C19 alleles without function cannot activate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.mechanisms.genomes.star_alleles import CYP2C19, LOST
from medresponse.synthetic.mechanisms.kinds import Effect, Scores
from medresponse.synthetic.mechanisms.knobs import between, contradicts, each_between, mechanism, one_each


@mechanism(Effect, "loss_of_function")
@dataclass(frozen=True, kw_only=True)
class LossOfFunction:
    """The first active treatment loses effect with each CYP2C19 allele without function; others do not.

    Parameters
    ----------
    magnitude : tuple of float
        Effect of each treatment but the reference without such alleles, on the predictor.
    interaction : float
        Ratio by which each allele multiplies the odds (of a time to event: the hazard) under the first active treatment. In
        15 trials of clopidogrel the ratio was 1.29 between carriers, of one allele or two, and others; that each counts is
        assumed. Evidence spans 1.1 to 1.5.
    """

    magnitude: tuple[float, ...] = (0.3, 0.15)
    interaction: float = 1.29

    def __post_init__(self) -> None:
        each_between("effect.magnitude", self.magnitude, -5.0, 5.0)
        between("effect.interaction", self.interaction, 1.0, 5.0)

    def check(self, treatments: tuple[str, ...], names: Sequence[str]) -> None:
        """Refuse a genome without CYP2C19."""
        one_each("effect.magnitude", self.magnitude, treatments, active=True)
        if "cyp2c19" not in names:
            raise contradicts("effect", "loss_of_function needs the genome star_alleles")

    def surfaces(self, treatments: tuple[str, ...]) -> tuple[str, ...]:
        """Return none."""
        return ()

    def values(
        self, treatments: tuple[str, ...], scores: Scores, surfaces: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return effects, shape (patient, treatment)."""
        effect = np.zeros((scores.n, len(treatments)))
        effect[:, 1:] = self.magnitude
        lost = np.array([LOST[level] for level in CYP2C19])[scores.values["cyp2c19"]]
        effect[:, 1] -= np.log(self.interaction) * lost
        return effect
