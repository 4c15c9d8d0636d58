"""What figures show, as plain numbers: axes with their marks, densities, curves. Drawing is `svg`'s."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medresponse.reports.wording import Wording

_POINTS = 81


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis: where, in the responses' unit, and its text."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A linear axis from `low` to `high`, in the responses' unit."""

    low: float
    high: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, kw_only=True)
class Density:
    """A posterior density as points; `y` is scaled to a maximum of 1."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A probability over time with its pointwise 95% band."""

    time: tuple[float, ...]
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def axis_of(low: float, high: float, wording: Wording, *, signed: bool = False) -> Axis:
    """Return an axis with round marks that covers `low` to `high`."""
    step = _round_step(high - low)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    unit = 10.0 ** math.floor(math.log10(step) + 1e-9)
    places = [_tidy(i * step) for i in range(first, last + 1)]
    ticks = tuple(Tick(at=at, text=wording.tick(at, unit, signed=signed)) for at in places)
    return Axis(low=places[0], high=places[-1], ticks=ticks)


def density_of(draws: np.ndarray, low: float, high: float) -> Density:
    """Return a Gaussian kernel density over [low, high] (Silverman 1986, eq. 3.31)."""
    spread = min(draws.std(ddof=1), float(np.subtract(*np.quantile(draws, [0.75, 0.25]))) / 1.34)
    bandwidth = max(0.9 * spread * len(draws) ** -0.2, 1e-9 * (high - low))
    x = np.linspace(low, high, _POINTS)
    # Binning first: a kernel over 1,000 bins costs the same for any number of draws.
    weights, edges = np.histogram(draws, bins=1000, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    y = np.exp(-0.5 * ((x[:, None] - centres) / bandwidth) ** 2) @ weights
    peak = float(y.max()) or 1.0
    return Density(x=tuple(_tidy(v) for v in x), y=tuple(round(float(v) / peak, 4) for v in y))


def _round_step(width: float) -> float:
    """Return 1, 2 or 5 times a power of ten, for about six marks."""
    rough = width / 6
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(m for m in (1, 2, 5, 10) if rough <= m * power * (1 + 1e-9))


def _tidy(value: float) -> float:
    return float(f"{value:.6g}")
