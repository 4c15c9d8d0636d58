"""Difference of each option from the reference: density, interval, and three probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import capital, per_hundred, rounded
from medresponse.reports.plotdata import Axis, Density, Tick, axis_of, density_of
from medresponse.reports.withheld import WithheldOption, withheld_option
from medresponse.reports.wording import Estimate

_LEAST_HALF_WIDTH = 0.05  # of 100 patients: narrower axes would have no whole marks


@dataclass(frozen=True, kw_only=True)
class Probability:
    """Posterior probability that the conditional effect lies in a region, with its words."""

    name: str
    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One option against the reference."""

    label: str
    estimate: Estimate
    probabilities: tuple[Probability, ...]
    density: Density
    time_gained: Estimate | None
    alt: str


@register(Section, "differences")
@dataclass(frozen=True, kw_only=True)
class Differences:
    """All comparisons, on one axis; positive is better where the outcome has a better side. Withheld options keep their place."""

    title: str
    comparisons: tuple[Comparison | WithheldOption, ...]
    axis: Axis
    worthwhile: Tick | None
    left: str
    right: str
    none: str
    time_gained_name: str
    note: str

    @property
    def placement(self) -> Placement:
        """Half the page for one comparison."""
        return "half" if len(self.comparisons) == 1 else "full"

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the comparisons; None if there are none, for a single arm or because estimates are withheld."""
        if not context.compared:
            return None
        draws = {k: context.difference(k) for k in context.compared}
        axis = _axis(context, list(draws.values()))
        time_gained, name = _time_gained(context)
        comparisons = tuple(
            _comparison(context, k, draws[k], axis, time_gained.get(k))
            if k in draws
            else withheld_option(context, k)
            for k in context.others
        )
        return cls(
            title=_title(context), comparisons=comparisons, axis=axis, worthwhile=_worthwhile(context),
            left=_left(context), right=_right(context), none=context.say("differences.none"),
            time_gained_name=name, note=_note(context),
        )  # fmt: skip


def _title(context: ReportContext) -> str:
    wording = context.wording
    key = "differences.title.better"
    if wording.direction == 0:
        key = "differences.title"
    elif wording.direction < 0 and wording.scale != "amount":
        key = "differences.title.fewer"
    elif context.responses.estimand.kind == "time_lost":
        key = "differences.title.less"
    reference = context.option_labels[context.reference_idx]
    return context.say(key, reference=reference, unit=wording.difference_unit)


def _left(context: ReportContext) -> str:
    if context.wording.direction == 0:
        return context.say("differences.lower")
    return context.say("differences.left", reference=context.option_labels[context.reference_idx])


def _right(context: ReportContext) -> str:
    if context.wording.direction == 0:
        return context.say("differences.higher")
    label = context.option_labels[context.others[0]]
    # The other option is named where there is one only and its name is short.
    if len(context.others) == 1 and len(label) <= 34:
        return context.say("differences.right", option=label)
    return context.say("differences.right_other")


def _comparison(
    context: ReportContext, k: int, draws: np.ndarray, axis: Axis, gained: Estimate | None
) -> Comparison:
    estimate, label = context.wording.difference(draws), context.option_labels[k]
    probabilities = _probabilities(context, draws)
    said = ", ".join(f"{p.name} {p.text}" for p in probabilities)
    return Comparison(
        label=label, estimate=estimate, probabilities=probabilities, density=density_of(draws, axis.low, axis.high),
        time_gained=gained,
        alt=context.say(
            "differences.alt", option=label, estimate=estimate.text, interval=estimate.interval, probabilities=said
        ),
    )  # fmt: skip


def _probabilities(context: ReportContext, draws: np.ndarray) -> tuple[Probability, ...]:
    better, worse = float((draws > 0).mean()), float((draws < 0).mean())
    if context.wording.direction == 0:
        found = [("differences.p_higher", better), ("differences.p_lower", worse)]
    else:
        assert context.worthwhile is not None
        found = [
            ("differences.p_benefit", better),
            ("differences.p_worthwhile", float((draws > context.worthwhile).mean())),
            ("differences.p_worse", worse),
        ]
    return tuple(
        Probability(name=context.say(key), value=value, text=context.fmt.percent(value))
        for key, value in found
    )


def _axis(context: ReportContext, draws: list[np.ndarray]) -> Axis:
    low = min(float(np.quantile(d, 0.002)) for d in draws)
    high = max(float(np.quantile(d, 0.998)) for d in draws)
    mark = context.worthwhile or 0.0
    if context.wording.scale == "per_100":
        low, high = min(low, -_LEAST_HALF_WIDTH), max(high, _LEAST_HALF_WIDTH)
    else:
        low, high = min(low, -0.1 * (high - low)), max(high, 0.1 * (high - low))
    low, high = min(low, mark), max(high, mark)
    # Room for the words at the worthwhile line, which stand to its right.
    return axis_of(low, max(high, mark + 0.3 * (high - low)), context.wording, signed=True)


def _worthwhile(context: ReportContext) -> Tick | None:
    if context.worthwhile is None:
        return None
    return Tick(
        at=context.worthwhile, text=context.say("differences.worthwhile", value=_worthwhile_words(context))
    )


def _worthwhile_words(context: ReportContext) -> str:
    value = context.worthwhile or 0.0
    return f"+{context.fmt.plain_number(context.wording.factor * value)}"


def _time_gained(context: ReportContext) -> tuple[dict[int, Estimate], str]:
    """Return differences in restricted mean time, by option, and their name; empty unless on the survival scale."""
    values, wording = context.mean_times, context.time_wording
    if values is None or wording is None:
        return {}, ""
    found = {k: wording.difference(values[k] - values[context.reference_idx]) for k in context.compared}
    return found, capital(wording.what)


def _note(context: ReportContext) -> str:
    sentences, unit = [], context.wording.difference_unit
    if context.worthwhile is not None:
        value = _worthwhile_words(context)
        sentences.append(context.say("differences.note.worthwhile", value=value, unit=unit))
    sentences.append(context.say("differences.note.interval"))
    if context.wording.scale == "per_100" and any(_rounds_apart(context, k) for k in context.compared):
        sentences.append(context.say("differences.note.rounded"))
    return " ".join(sentences)


def _rounds_apart(context: ReportContext, k: int) -> bool:
    """Say whether the printed difference is not that of the printed responses."""
    own, other = (per_hundred(float(context.values[j].mean())) for j in (k, context.reference_idx))
    difference = float((context.values[k] - context.values[context.reference_idx]).mean())
    return rounded(100.0 * difference, 1.0) != own - other
