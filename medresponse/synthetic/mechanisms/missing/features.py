"""Values of features that are not recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from medresponse.core.registry import did_you_mean
from medresponse.synthetic.mechanisms.kinds import Missing, Scores
from medresponse.synthetic.mechanisms.knobs import between, contradicts, labels, mechanism


@mechanism(Missing, "none")
@dataclass(frozen=True, kw_only=True)
class Complete:
    """Every value is recorded."""

    def columns(self, names: Sequence[str]) -> Mapping[str, float]:
        """Return none."""
        return {}

    def probability(self, scores: Scores, starts: Mapping[str, float]) -> Mapping[str, np.ndarray]:
        """Return none."""
        return {}


@mechanism(Missing, "features")
@dataclass(frozen=True, kw_only=True)
class AtRandom:
    """Values of some columns are missing.

    Parameters
    ----------
    rate : float
        Share of values missing in each column, within (0, 1).
    of : tuple of str
        The columns.
    on : str
        ``nothing`` (completely at random), ``first`` (at random: on the first column, which is always known) or
        ``value`` (not at random: on the value itself, high ones more often).
    strength : float
        Log odds for each standard deviation of what it depends on, -3 to 3.
    """

    rate: float = 0.2
    of: tuple[str, ...] = ("bmi", "creatinine", "haemoglobin")
    on: Literal["nothing", "first", "value"] = "first"
    strength: float = 1.0

    def __post_init__(self) -> None:
        labels("missing.of", self.of)
        between("missing.rate", self.rate, 0.0, 1.0, open_low=True, open_high=True)
        between("missing.strength", self.strength, -3.0, 3.0)

    def columns(self, names: Sequence[str]) -> Mapping[str, float]:
        """Return the columns with the rate."""
        for name in self.of:
            if name not in names:
                raise contradicts("missing.of", f"no column {name!r}; {did_you_mean(name, list(names))}")
            if name == names[0] and self.on == "first":
                raise contradicts("missing.of", f"{name} decides which values are missing and must be known")
        return dict.fromkeys(self.of, self.rate)

    def probability(self, scores: Scores, starts: Mapping[str, float]) -> Mapping[str, np.ndarray]:
        """Return logistic probabilities."""
        source = {"first": scores.names[0]}
        found = {}
        for name, start in starts.items():
            own = 0.0 if self.on == "nothing" else self.strength * scores.of(source.get(self.on, name))
            found[name] = np.broadcast_to(expit(start + own), scores.n)
        return found
