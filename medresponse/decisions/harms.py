"""How often a treatment harms, with what is not known of it: read by decisions, printed by reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_TAILS = (0.025, 0.975)
_TOLERANCE = (
    0.25  # how far an end of a matched interval may lie from the stated one, in widths of the interval
)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a harm happens under one option.

    Parameters
    ----------
    mean : float
        Probability, 0 to 1.
    lower, upper : float
        Its 95% interval.
    draws : tuple of float
        Draws of the probability where there are some (`from_draws`); without them `sample` takes a beta distribution.
    """

    mean: float
    lower: float
    upper: float
    draws: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.mean <= self.upper <= 1:
            raise ValueError(
                f"a rate needs 0 <= lower <= mean <= upper <= 1, found mean {self.mean:g} and interval {self.lower:g} to {self.upper:g}"
            )
        if self.draws and not (0 <= min(self.draws) and max(self.draws) <= 1):
            raise ValueError("draws of a rate are probabilities, 0 to 1")

    @classmethod
    def from_draws(cls, draws: Sequence[float] | np.ndarray) -> Rate:
        """Return the rate with the mean and the 95% interval of its draws."""
        values = np.asarray(draws, dtype=float)
        if values.size == 0 or not np.isfinite(values).all():
            raise ValueError("draws of a rate: none, or not all finite")
        lower, upper = np.quantile(values, _TAILS)
        mean = float(np.clip(values.mean(), lower, upper))
        return cls(mean=mean, lower=float(lower), upper=float(upper), draws=tuple(values.tolist()))

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return `n` draws of the probability, shape (draw,).

        Own draws in random order, each as often as any other (to one); else of the beta distribution that has the mean and
        the width of the 95% interval.

        Raises
        ------
        ValueError
            If no beta distribution has about this mean and interval.
        """
        if self.draws:
            own = np.resize(rng.permutation(np.array(self.draws)), n)
            return rng.permutation(own)
        if self.lower == self.upper:
            return np.full(n, self.mean)
        size = self._beta_size()
        return rng.beta(self.mean * size, (1 - self.mean) * size, n)

    def _beta_size(self) -> float:
        """Return a + b of the beta distribution."""
        from scipy.optimize import brentq
        from scipy.stats import beta

        def ends(log_size: float) -> np.ndarray:
            size = np.exp(log_size)
            return np.asarray(beta.ppf(_TAILS, self.mean * size, (1 - self.mean) * size))

        width = self.upper - self.lower
        if 0 < self.mean < 1:
            # Below some size a beta distribution of small mean narrows again, towards all or nothing.
            grid = np.linspace(np.log(0.5), np.log(1e10), 200)
            spans = np.array([np.ptp(ends(at)) for at in grid])
            widest = int(spans.argmax())
            if spans[widest] >= width > spans[-1]:
                found = float(brentq(lambda at: np.ptp(ends(at)) - width, grid[widest], grid[-1]))
                if np.abs(ends(found) - (self.lower, self.upper)).max() <= _TOLERANCE * width:
                    return float(np.exp(found))
        raise ValueError(
            f"no beta distribution has mean {self.mean:g} and about the 95% interval {self.lower:g} to {self.upper:g}; give the "
            "rate's draws, Rate.from_draws(...)"
        )


@dataclass(frozen=True, kw_only=True)
class Harm:
    """One harm, per treatment label; a treatment without a rate is printed as not known.

    Parameters
    ----------
    name : str
    rates : mapping
        Treatment (as in the schema) -> `Rate`.
    source : str
        Where the rates come from.
    horizon : str
        Over what time, in words; the responses' horizon if empty.
    individualised : bool
        Whether the rates are this patient's or a group's.
    """

    name: str
    rates: Mapping[str, Rate]
    source: str
    horizon: str = ""
    individualised: bool = False
