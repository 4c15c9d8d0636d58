"""The response in words, and estimates written on its scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medresponse.core.errors import SpecError
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
    """How one response is spoken of.

    Parameters
    ----------
    scale : str
        ``per_100`` for a probability, ``events`` for how many events are expected, ``amount`` for everything else.
    what : str
        What is counted or measured: "alive without AIDS at 300 days", "attacks", "weekly dose".
    unit : str
        UCUM unit of an amount; empty otherwise.
    by : str
        "at 300 days", "within 300 days", or empty.
    direction : int
        +1 if more is better, -1 if less is, 0 if neither.
    step : float
        What amounts and events are rounded to, one step for all options of a patient.
    has : bool
        Whether counted patients have `what`, rather than are it.
    among : str
        Whose events are counted: "100 patient-years", "100 patients"; empty for everything else.
    """

    scale: Literal["per_100", "events", "amount"]
    what: str
    unit: str
    by: str
    direction: int
    step: float = 1.0
    has: bool = False
    among: str = ""

    @property
    def factor(self) -> float:
        """What values in the responses' unit are multiplied by to be printed."""
        return 1.0 if self.scale == "amount" else 100.0

    @property
    def verb(self) -> str:
        """``are`` or ``have``: what counted patients do with `what`."""
        return "have" if self.has else "are"

    @property
    def counted(self) -> str:
        """What stands after a number of patients: "free of relapse", "with relapse as first event"."""
        return f"with {self.what}" if self.has else self.what

    @property
    def absolute_unit(self) -> str:
        """Unit of a mean response, in words."""
        if self.scale == "per_100":
            return "of 100"
        return f"in {self.among}" if self.among else fmt.unit_words(self.unit)

    @property
    def difference_unit(self) -> str:
        """Unit of a difference, in words."""
        return "per 100" if self.scale == "per_100" else self.absolute_unit

    def absolute(self, draws: np.ndarray, *, level: float = 0.95) -> Estimate:
        """Return the estimate of a mean response from its draws."""
        mean, lower, upper = moments(draws, level)
        value, low, high = (self.bare(x) for x in (mean, lower, upper))
        bounds = fmt.span(low, high)
        if self.scale == "per_100":
            return Estimate(mean=mean, lower=lower, upper=upper, text=fmt.of_100(mean), interval=bounds)
        if self.scale == "amount":
            bounds = fmt.with_unit(bounds, self.unit)
        return Estimate(mean=mean, lower=lower, upper=upper, text=self._with_unit(value), interval=bounds)

    def bare(self, value: float) -> str:
        """Return a mean response without its unit."""
        if self.scale == "per_100":
            return fmt.count_of_100(value)
        write = fmt.positive if self.scale == "events" else fmt.amount
        return write(self.factor * value, self.step)

    def difference(self, draws: np.ndarray, *, level: float = 0.95) -> Estimate:
        """Return the signed estimate of a difference between two mean responses from its draws."""
        return self.written_difference(*moments(draws, level))

    def written_difference(self, mean: float, lower: float, upper: float) -> Estimate:
        """Return a difference whose mean and interval are known already, with its texts."""
        step = self.difference_step(lower, upper)
        value, low, high = (self.bare_signed(x, step) for x in (mean, lower, upper))
        bounds = fmt.span(low, high)
        if self.scale == "amount":
            bounds = fmt.with_unit(bounds, self.unit)
        text = f"{value} per 100" if self.scale == "per_100" else self._with_unit(value)
        return Estimate(mean=mean, lower=lower, upper=upper, text=text, interval=bounds)

    def bare_difference(self, mean: float, lower: float, upper: float, *, step: float) -> str:
        """Return ``+21 (0 to +40)``, for a column whose heading names the unit."""
        value, low, high = (self.bare_signed(x, step) for x in (mean, lower, upper))
        return f"{value} ({fmt.span(low, high)})"

    def bare_signed(self, value: float, step: float) -> str:
        """Return a difference with its sign and without its unit."""
        return fmt.signed(self.factor * value, step)

    def difference_step(self, lower: float, upper: float) -> float:
        """Return the rounding step of printed differences: one patient of 100, or what the interval supports."""
        return 1.0 if self.scale == "per_100" else fmt.step_for(self.factor * lower, self.factor * upper)

    def spans_zero(self, estimate: Estimate) -> bool:
        """Say whether the interval, as it is printed, includes no difference."""
        step = self.difference_step(estimate.lower, estimate.upper)
        lower, upper = (self.bare_signed(x, step) for x in (estimate.lower, estimate.upper))
        return not (lower.startswith("+") or upper.startswith(fmt.MINUS))

    def tick(self, value: float, step: float, *, signed: bool) -> str:
        """Return the text of an axis mark at `value` (in the responses' unit)."""
        write = fmt.signed if signed else fmt.amount
        width = self.factor * step
        return write(self.factor * value, max(width, 1.0) if self.scale == "per_100" else width)

    def _with_unit(self, text: str) -> str:
        return f"{text} in {self.among}" if self.among else fmt.with_unit(text, self.unit)


def moments(draws: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return mean, lower and upper bound of the equal-tailed interval."""
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(draws.mean()), float(lower), float(upper)


def wording_of(responses: Responses, values: np.ndarray) -> Wording:
    """Return how `responses` are spoken of, with mean responses `values` (treatment, draw).

    Raises
    ------
    SpecError
        If there are no words for what is asked.
    """
    kind = responses.estimand.kind
    if kind not in _WORDS:
        raise SpecError(f"no report on '{kind}': pages are written for {', '.join(_WORDS)}")
    words, meaning = _WORDS[kind](responses, responses.outcome_schema), responses.kind
    scale: Literal["per_100", "events", "amount"] = "amount"
    if meaning.unit == "probability":
        scale = "per_100"
    elif meaning.unit in ("rate", "events"):
        scale = "events"
    lower, upper = np.quantile(values, [0.025, 0.975], axis=-1)
    widest = int(np.argmax(upper - lower))
    factor = 1.0 if scale == "amount" else 100.0
    return Wording(
        scale=scale, unit=responses.unit if scale == "amount" else "", direction=responses.direction,
        step=fmt.step_for(factor * float(lower[widest]), factor * float(upper[widest])), **words,
    )  # fmt: skip


def _horizon(responses: Responses) -> str:
    return fmt.counted(float(responses.horizon or 0.0), responses.horizon_unit)


# What each kind of estimand is called. A kind belongs to outcomes that have the words it asks for.


def _survival(responses: Responses, schema: Any) -> dict[str, Any]:
    by = f"at {_horizon(responses)}"
    return {"what": f"{schema.free_label} {by}", "by": by}


def _rmst(responses: Responses, schema: Any) -> dict[str, Any]:
    by = f"within {_horizon(responses)}"
    return {"what": f"average time {schema.free_label} {by}", "by": by}


def _cured(responses: Responses, schema: Any) -> dict[str, Any]:
    return {"what": f"never going to have {schema.event_label}", "by": ""}


def _cumulative_incidence(responses: Responses, schema: Any) -> dict[str, Any]:
    by = f"within {_horizon(responses)}"
    return {"what": f"{schema.part_label(responses.part)} as first event {by}", "by": by, "has": True}


def _time_lost(responses: Responses, schema: Any) -> dict[str, Any]:
    by = f"within {_horizon(responses)}"
    return {"what": f"average time lost to {schema.part_label(responses.part)} {by}", "by": by}


def _mean(responses: Responses, schema: Any) -> dict[str, Any]:
    return {"what": schema.label, "by": ""}


def _probability(responses: Responses, schema: Any) -> dict[str, Any]:
    # Quoted, since schemas name an event by a noun ("relapse") or by a state ("dead or dependent").
    return {"what": f"the outcome \u201c{schema.event_label}\u201d", "by": "", "has": True}


def _category(responses: Responses, schema: Any) -> dict[str, Any]:
    return {"what": f"{schema.label} \u201c{schema.part_label(responses.part)}\u201d", "by": "", "has": True}


def _at_least(responses: Responses, schema: Any) -> dict[str, Any]:
    words = _category(responses, schema)
    beyond = {1: " or better", -1: " or worse", 0: " or higher"}[responses.direction]
    is_last = responses.part == schema.parts[-1]
    return words if is_last else words | {"what": words["what"] + beyond}


def _rate(responses: Responses, schema: Any) -> dict[str, Any]:
    among = f"100 patient-{schema.time_unit}s" if schema.time_unit else "100 patients"
    return {"what": schema.label, "by": "", "among": among}


def _count(responses: Responses, schema: Any) -> dict[str, Any]:
    by = f"within {_horizon(responses)}"
    return {"what": f"{schema.label} {by}", "by": by, "among": "100 patients"}


_WORDS: dict[str, Callable[[Responses, Any], dict[str, Any]]] = {
    "survival": _survival, "rmst": _rmst, "cured": _cured, "cumulative_incidence": _cumulative_incidence,
    "time_lost": _time_lost, "mean": _mean, "probability": _probability, "at_least": _at_least, "category": _category,
    "rate": _rate, "count": _count,
}  # fmt: skip
