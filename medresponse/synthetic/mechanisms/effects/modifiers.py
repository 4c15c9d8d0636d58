"""Effects that vary with a few scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from medresponse.synthetic.mechanisms.kinds import Effect, Scores
from medresponse.synthetic.mechanisms.knobs import between, each_between, mechanism, one_each

RATIOS = MappingProxyType({"none": 0.0, "med": 0.5, "high": 1.0})
"""Heterogeneity -> standard deviation of the effect over its average size."""


@mechanism(Effect, "modifiers")
@dataclass(frozen=True, kw_only=True)
class Modifiers:
    """An average effect, and a standardised surface of some scores around it, another for each treatment.

    Parameters
    ----------
    magnitude : tuple of float
        Average effect of each treatment but the reference, in units of the outcome's predictor; positive is better.
    heterogeneity : str
        ``none``, ``med`` or ``high``: standard deviation over magnitude is 0, 0.5 or 1.
    terms : int
        Scores that modify each effect, 1 to 20.
    on : str
        Whether they are of the ``covariates`` or the ``genome``.
    """

    magnitude: tuple[float, ...] = (0.3, 0.15)
    heterogeneity: Literal["none", "med", "high"] = "none"
    terms: int = 3
    on: Literal["covariates", "genome"] = "covariates"

    def __post_init__(self) -> None:
        each_between("effect.magnitude", self.magnitude, -5.0, 5.0)
        between("effect.terms", self.terms, 1, 20)

    def check(self, treatments: tuple[str, ...], names: Sequence[str]) -> None:
        """Refuse magnitudes that are not one for each treatment but the reference."""
        one_each("effect.magnitude", self.magnitude, treatments, active=True)

    def surfaces(self, treatments: tuple[str, ...]) -> tuple[str, ...]:
        """Return one for each treatment but the reference; none without heterogeneity."""
        if self.heterogeneity == "none":
            return ()
        return tuple(f"effect of treatment {k}" for k in range(1, len(treatments)))

    def values(
        self, treatments: tuple[str, ...], scores: Scores, surfaces: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return effects, shape (patient, treatment)."""
        effect = np.zeros((scores.n, len(treatments)))
        effect[:, 1:] = self.magnitude
        for k, label in enumerate(self.surfaces(treatments), start=1):
            effect[:, k] += RATIOS[self.heterogeneity] * abs(self.magnitude[k - 1]) * surfaces[label]
        return effect
