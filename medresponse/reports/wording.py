"""The response in words, and estimates written on its scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.reports.format import Formatter, rounded, step_for
from medresponse.reports.language import Language
from medresponse.response import Responses

Scale = Literal["per_100", "events", "amount"]


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
    fmt : Formatter
        Of the page's language.
    scale : str
        ``per_100`` for a probability, ``events`` for how many events are expected, ``amount`` for everything else.
    what : str
        What is counted or measured: "alive without AIDS at 300 days", "attacks", "weekly dose".
    unit : str
        UCUM unit of an amount; empty otherwise.
    horizon : str
        "300 days", or empty.
    by : str
        "at 300 days", "within 300 days", or empty.
    direction : int
        +1 if more is better, -1 if less is, 0 if neither.
    step : float
        What amounts and events are rounded to, one step for all options of a patient.
    has : bool
        Whether counted patients have `what`, rather than are it.
    among : str
        Whose events are counted: "in 100 patient-years", "in 100 patients"; empty for everything else.
    """

    fmt: Formatter
    scale: Scale
    what: str
    unit: str
    by: str
    direction: int
    horizon: str = ""
    step: float = 1.0
    has: bool = False
    among: str = ""

    @property
    def factor(self) -> float:
        """What values in the responses' unit are multiplied by to be printed."""
        return 1.0 if self.scale == "amount" else 100.0

    @property
    def noun(self) -> Literal["have", "are", "events", "amount"]:
        """Which sentences `what` fits: of patients who have or are it, of events or of an amount."""
        if self.scale == "per_100":
            return "have" if self.has else "are"
        return self.scale

    @property
    def counted(self) -> str:
        """What stands after a number of patients: "free of relapse", "with relapse as first event"."""
        return self.fmt.language.say("counted.have", what=self.what) if self.has else self.what

    @property
    def absolute_unit(self) -> str:
        """Unit of a mean response, in words."""
        if self.scale == "per_100":
            return self.fmt.language.say("unit_of_100")
        return self.among or self.fmt.unit_words(self.unit)

    @property
    def difference_unit(self) -> str:
        """Unit of a difference, in words."""
        return self.fmt.language.say("unit_per_100") if self.scale == "per_100" else self.absolute_unit

    def absolute(self, draws: np.ndarray, *, level: float = 0.95) -> Estimate:
        """Return the estimate of a mean response from its draws."""
        mean, lower, upper = moments(draws, level)
        value, low, high = (self.bare(x) for x in (mean, lower, upper))
        bounds = self.fmt.span(low, high)
        if self.scale == "per_100":
            text = self.fmt.of_100(mean)
            return Estimate(mean=mean, lower=lower, upper=upper, text=text, interval=bounds)
        if self.scale == "amount":
            bounds = self.fmt.with_unit(bounds, self.unit)
        text = self._with_unit(value, rounded(self.factor * mean, self.step))
        return Estimate(mean=mean, lower=lower, upper=upper, text=text, interval=bounds)

    def bare(self, value: float) -> str:
        """Return a mean response without its unit."""
        if self.scale == "per_100":
            return self.fmt.count_of_100(value)
        write = self.fmt.positive if self.scale == "events" else self.fmt.amount
        return write(self.factor * value, self.step)

    def difference(self, draws: np.ndarray, *, level: float = 0.95) -> Estimate:
        """Return the signed estimate of a difference between two mean responses from its draws."""
        return self.written_difference(*moments(draws, level))

    def written_difference(self, mean: float, lower: float, upper: float) -> Estimate:
        """Return a difference whose mean and interval are known already, with its texts."""
        step = self.difference_step(lower, upper)
        value, low, high = (self.bare_signed(x, step) for x in (mean, lower, upper))
        bounds = self.fmt.span(low, high)
        if self.scale == "amount":
            bounds = self.fmt.with_unit(bounds, self.unit)
        text = self._with_unit(value, rounded(self.factor * mean, step))
        if self.scale == "per_100":
            text = self.fmt.language.say("number.quantity", value=value, unit=self.difference_unit)
        return Estimate(mean=mean, lower=lower, upper=upper, text=text, interval=bounds)

    def bare_difference(self, mean: float, lower: float, upper: float, *, step: float) -> str:
        """Return ``+21 (0 to +40)``, for a column whose heading names the unit."""
        value, low, high = (self.bare_signed(x, step) for x in (mean, lower, upper))
        return f"{value} ({self.fmt.span(low, high)})"

    def bare_signed(self, value: float, step: float) -> str:
        """Return a difference with its sign and without its unit."""
        return self.fmt.signed(self.factor * value, step)

    def sizes(self, values: Sequence[float], step: float) -> str:
        """Return a difference or its interval without signs, for words that say to which side: ``14``, ``11 to 17``."""
        texts = [self.fmt.amount(self.factor * abs(value), step) for value in values]
        text = texts[0] if len(texts) == 1 else self.fmt.span(*texts)
        if self.scale != "amount":
            return text
        n = rounded(self.factor * abs(values[0]), step) if len(values) == 1 else None
        return self.fmt.with_unit(text, self.unit, n=n)

    def difference_step(self, lower: float, upper: float) -> float:
        """Return the rounding step of printed differences: one patient of 100, or what the interval supports."""
        return 1.0 if self.scale == "per_100" else step_for(self.factor * lower, self.factor * upper)

    def spans_zero(self, estimate: Estimate) -> bool:
        """Say whether the interval, as it is printed, includes no difference."""
        step = self.difference_step(estimate.lower, estimate.upper)
        lower, upper = (rounded(self.factor * x, step) for x in (estimate.lower, estimate.upper))
        return lower <= 0 <= upper

    def tick(self, value: float, step: float, *, signed: bool) -> str:
        """Return the text of an axis mark at `value` (in the responses' unit)."""
        write = self.fmt.signed if signed else self.fmt.amount
        width = self.factor * step
        return write(self.factor * value, max(width, 1.0) if self.scale == "per_100" else width)

    def _with_unit(self, text: str, n: Decimal) -> str:
        if self.among:
            return self.fmt.language.say("number.quantity", value=text, unit=self.among)
        return self.fmt.with_unit(text, self.unit, n=n)


def moments(draws: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return mean, lower and upper bound of the equal-tailed interval."""
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(draws.mean()), float(lower), float(upper)


def wording_of(responses: Responses, values: np.ndarray, language: Language) -> Wording:
    """Return how `responses` are spoken of in a language, with mean responses `values` (treatment, draw).

    Raises
    ------
    SpecError
        If there are no words for what is asked.
    """
    kind = responses.estimand.kind
    if kind not in _WORDS:
        raise SpecError(f"no report on '{kind}': pages are written for {', '.join(_WORDS)}")
    fmt, meaning = Formatter(language), responses.kind
    scale: Scale = "amount"
    if meaning.unit == "probability":
        scale = "per_100"
    elif meaning.unit in ("rate", "events"):
        scale = "events"
    lower, upper = np.quantile(values, [0.025, 0.975], axis=-1)
    widest = int(np.argmax(upper - lower))
    factor = 1.0 if scale == "amount" else 100.0
    horizon = fmt.quantity(float(responses.horizon), responses.horizon_unit) if responses.horizon else ""
    words = _WORDS[kind](responses, responses.outcome_schema, language, horizon)
    return Wording(
        fmt=fmt, scale=scale, unit=responses.unit if scale == "amount" else "", direction=responses.direction, horizon=horizon,
        step=step_for(factor * float(lower[widest]), factor * float(upper[widest])), **words,
    )  # fmt: skip


# What each kind of estimand is called. A kind belongs to outcomes that have the words it asks for.


def _survival(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    by = words.say("by.at", horizon=horizon)
    return {"what": words.say("what.survival", free=schema.free_label, by=by), "by": by}


def _rmst(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    by = words.say("by.within", horizon=horizon)
    return {"what": words.say("what.rmst", free=schema.free_label, by=by), "by": by}


def _cured(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    return {"what": words.say("what.cured", event=schema.event_label), "by": ""}


def _cumulative_incidence(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    by, event = words.say("by.within", horizon=horizon), schema.part_label(responses.part)
    return {"what": words.say("what.cumulative_incidence", event=event, by=by), "by": by, "has": True}


def _time_lost(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    by, event = words.say("by.within", horizon=horizon), schema.part_label(responses.part)
    return {"what": words.say("what.time_lost", event=event, by=by), "by": by}


def _mean(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    return {"what": schema.label, "by": ""}


def _probability(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    # Quoted, since schemas name an event by a noun ("relapse") or by a state ("dead or dependent").
    return {"what": words.say("what.probability", event=schema.event_label), "by": "", "has": True}


def _category(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    category = schema.part_label(responses.part)
    return {
        "what": words.say("what.category", outcome=schema.label, category=category),
        "by": "",
        "has": True,
    }


def _at_least(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    found = _category(responses, schema, words, horizon)
    key = {1: "what.or_better", -1: "what.or_worse", 0: "what.or_higher"}[responses.direction]
    is_last = responses.part == schema.parts[-1]
    return found if is_last else found | {"what": words.say(key, what=found["what"])}


def _rate(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    return {"what": schema.label, "by": "", "among": words.say(_AMONG[schema.time_unit])}


def _count(responses: Responses, schema: Any, words: Language, horizon: str) -> dict[str, Any]:
    by = words.say("by.within", horizon=horizon)
    what = words.say("what.count", events=schema.label, by=by)
    return {"what": what, "by": by, "among": words.say("among.patients")}


_AMONG = {
    None: "among.patients", "day": "among.patient_days", "week": "among.patient_weeks", "month": "among.patient_months",
    "year": "among.patient_years",
}  # fmt: skip
_WORDS: dict[str, Callable[[Responses, Any, Language, str], dict[str, Any]]] = {
    "survival": _survival, "rmst": _rmst, "cured": _cured, "cumulative_incidence": _cumulative_incidence,
    "time_lost": _time_lost, "mean": _mean, "probability": _probability, "at_least": _at_least, "category": _category,
    "rate": _rate, "count": _count,
}  # fmt: skip
