"""What figures show, as plain numbers: axes with their marks, densities, curves. Drawing is `svg`'s."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.reports.base import ReportContext
from medresponse.reports.format import Formatter
from medresponse.reports.withheld import WithheldOption, withheld_option
from medresponse.reports.wording import Wording, moments

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


@dataclass(frozen=True, kw_only=True)
class OptionCurve:
    """One option's curve, its line style (an index, so that styles differ without colour) and its words."""

    label: str
    style: int
    curve: Curve


def axis_of(low: float, high: float, wording: Wording, *, signed: bool = False) -> Axis:
    """Return an axis with round marks that covers `low` to `high`."""
    step = _round_step(high - low)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    unit = 10.0 ** math.floor(math.log10(step) + 1e-9)
    places = [_tidy(i * step) for i in range(first, last + 1)]
    ticks = tuple(Tick(at=at, text=wording.tick(at, unit, signed=signed)) for at in places)
    return Axis(low=places[0], high=places[-1], ticks=ticks)


def time_axis(horizon: float, fmt: Formatter) -> Axis:
    """Return an axis from 0 to `horizon` with marks at its quarters."""
    ticks = tuple(
        Tick(at=q * horizon, text=fmt.plain_number(q * horizon)) for q in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    return Axis(low=0.0, high=float(horizon), ticks=ticks)


def option_curves(
    context: ReportContext,
    times: np.ndarray,
    draws: np.ndarray,
    *,
    start: float,
    end: np.ndarray | None = None,
) -> tuple[OptionCurve | WithheldOption, ...]:
    """Return one curve an option, or what stands in its place.

    Parameters
    ----------
    context : ReportContext
    times : numpy.ndarray
        From 0, shape (time,).
    draws : numpy.ndarray
        Probabilities at every time but the first, shape (option, time - 1, draw).
    start : float
        The probability at time 0.
    end : numpy.ndarray, optional
        More draws of the probability at the last time, shape (option, draw): ends of curves are read, and not only looked at.
    """
    return tuple(
        OptionCurve(
            label=label, style=k, curve=_curve(times, draws[k], start, None if end is None else end[k])
        )
        if k in context.shown
        else withheld_option(context, k)
        for k, label in enumerate(context.option_labels)
    )


def ends_in_words(context: ReportContext, options: Sequence[OptionCurve | WithheldOption]) -> str:
    """Return where each option's curve ends, with its interval: the numbers of a figure's alt text."""
    return "; ".join(
        context.say(
            "curves.end",
            option=o.label,
            estimate=context.fmt.of_100(o.curve.mean[-1]),
            interval=_end(o.curve, context.fmt),
        )
        for o in options
        if isinstance(o, OptionCurve)
    )


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


def _curve(times: np.ndarray, draws: np.ndarray, start: float, end: np.ndarray | None) -> Curve:
    lower, upper = np.quantile(draws, [0.025, 0.975], axis=-1)
    parts = {"mean": draws.mean(axis=-1), "lower": lower, "upper": upper}
    if end is not None:
        last = zip(parts.values(), moments(end), strict=True)
        for values, value in last:
            values[-1] = value
    points = {name: (start, *(round(float(v), 5) for v in values)) for name, values in parts.items()}
    return Curve(time=tuple(round(float(t), 4) for t in times), **points)


def _end(curve: Curve, fmt: Formatter) -> str:
    return fmt.span(fmt.count_of_100(curve.lower[-1]), fmt.count_of_100(curve.upper[-1]))


def _round_step(width: float) -> float:
    """Return 1, 2 or 5 times a power of ten, for about six marks."""
    rough = width / 6
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(m for m in (1, 2, 5, 10) if rough <= m * power * (1 + 1e-9))


def _tidy(value: float) -> float:
    return float(f"{value:.6g}")
