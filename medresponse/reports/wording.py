"""The outcome in words, and estimates written on its scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medresponse.cohort import Continuous, TimeToEvent
from medresponse.reports import format as fmt
from medresponse.response import Responses


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A posterior mean and its equal-tailed 95% interval, as numbers (in the responses' unit) and as text."""

    mean: float
    lower: float
    upper: float
    text: str
    interval: str


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How one outcome is spoken of.

    Parameters
    ----------
    scale : str
        ``per_100`` for a probability, ``amount`` for everything else.
    what : str
        What is counted or measured: "alive without AIDS at 300 days", "weekly dose".
    unit : str
        UCUM unit of an amount; empty for a probability.
    by : str
        "at 300 days", "within 300 days", or empty.
    direction : int
        +1 if more is better, -1 if less is, 0 if neither.
    step : float
        What amounts are rounded to, one step for all options of a patient.
    """

    scale: Literal["per_100", "amount"]
    what: str
    unit: str
    by: str
    direction: int
    step: float = 1.0

    @property
    def difference_unit(self) -> str:
        """Unit of a difference, in words."""
        return "per 100" if self.scale == "per_100" else fmt.unit_words(self.unit)

    def absolute(self, draws: np.ndarray, *, level: float = 0.95) -> Estimate:
        """Return the estimate of a mean response from its draws."""
        mean, lower, upper = moments(draws, level)
        if self.scale == "per_100":
            bounds = fmt.span(fmt.count_of_100(lower), fmt.count_of_100(upper))
            return Estimate(mean=mean, lower=lower, upper=upper, text=fmt.of_100(mean), interval=bounds)
        bounds = fmt.with_unit(
            fmt.span(fmt.amount(lower, self.step), fmt.amount(upper, self.step)), self.unit
        )
        text = fmt.with_unit(fmt.amount(mean, self.step), self.unit)
        return Estimate(mean=mean, lower=lower, upper=upper, text=text, interval=bounds)

    def difference(self, draws: np.ndarray, *, level: float = 0.95) -> Estimate:
        """Return the signed estimate of a difference between two mean responses from its draws."""
        return self.written_difference(*moments(draws, level))

    def written_difference(self, mean: float, lower: float, upper: float) -> Estimate:
        """Return a difference whose mean and interval are known already, with its texts."""
        step = self.difference_step(lower, upper)
        factor = 100.0 if self.scale == "per_100" else 1.0
        value, low, high = (fmt.signed(factor * x, step) for x in (mean, lower, upper))
        text = f"{value} per 100" if self.scale == "per_100" else fmt.with_unit(value, self.unit)
        bounds = fmt.span(low, high)
        if self.scale == "amount":
            bounds = fmt.with_unit(bounds, self.unit)
        return Estimate(mean=mean, lower=lower, upper=upper, text=text, interval=bounds)

    def bare_difference(self, mean: float, lower: float, upper: float, *, step: float) -> str:
        """Return ``+21 (0 to +40)``, for a column whose heading names the unit."""
        factor = 100.0 if self.scale == "per_100" else 1.0
        value, low, high = (fmt.signed(factor * x, step) for x in (mean, lower, upper))
        return f"{value} ({fmt.span(low, high)})"

    def difference_step(self, lower: float, upper: float) -> float:
        """Return the rounding step of differences: one patient of 100, or what the interval supports."""
        return 1.0 if self.scale == "per_100" else fmt.step_for(lower, upper)

    def spans_zero(self, estimate: Estimate) -> bool:
        """Say whether the interval, as it is printed, includes no difference."""
        factor = 100.0 if self.scale == "per_100" else 1.0
        step = self.difference_step(estimate.lower, estimate.upper)
        lower, upper = (fmt.signed(factor * x, step) for x in (estimate.lower, estimate.upper))
        return not (lower.startswith("+") or upper.startswith(fmt.MINUS))

    def tick(self, value: float, step: float, *, signed: bool) -> str:
        """Return the text of an axis mark at `value` (in the responses' unit)."""
        factor = 100.0 if self.scale == "per_100" else 1.0
        write = fmt.signed if signed else fmt.amount
        return write(factor * value, max(factor * step, 1.0) if self.scale == "per_100" else step)


def moments(draws: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return mean, lower and upper bound of the equal-tailed interval."""
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(draws.mean()), float(lower), float(upper)


def wording_of(responses: Responses, values: np.ndarray) -> Wording:
    """Return how the outcome of `responses` is spoken of, with mean responses `values` (treatment, draw)."""
    schema = responses.fit.schema.outcomes[responses.fit.outcome]
    lower, upper = np.quantile(values, [0.025, 0.975], axis=-1)
    widest = int(np.argmax(upper - lower))
    step = fmt.step_for(float(lower[widest]), float(upper[widest]))
    if isinstance(schema, TimeToEvent):
        return _of_time_to_event(responses, schema, step)
    assert isinstance(schema, Continuous)
    return Wording(
        scale="amount", what=schema.label, unit=schema.unit, by="", direction=responses.direction, step=step
    )


def _of_time_to_event(responses: Responses, schema: TimeToEvent, step: float) -> Wording:
    horizon = fmt.counted(float(responses.horizon or 0.0), responses.horizon_unit)
    if responses.estimand.kind == "survival":
        what = f"{schema.free_label} at {horizon}"
        return Wording(scale="per_100", what=what, unit="", by=f"at {horizon}", direction=responses.direction)
    what = f"average time {schema.free_label} within {horizon}"
    by = f"within {horizon}"
    return Wording(
        scale="amount", what=what, unit=responses.unit, by=by, direction=responses.direction, step=step
    )
