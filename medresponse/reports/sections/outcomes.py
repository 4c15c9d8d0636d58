"""Every outcome beside the asked one: the categories of an ordinal outcome, or the causes and no event, of 100 patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from medresponse.core.registry import register
from medresponse.core.units import convert_time
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import parts_of_100
from medresponse.response import Responses, category_probabilities, incidence_curves

_OF_CATEGORIES = ("category", "at_least")
_OF_CAUSES = ("cumulative_incidence", "time_lost")


@dataclass(frozen=True, kw_only=True)
class OutcomeBar:
    """One option's outcomes in the order of the rows, as whole numbers that add up to 100; none where it is withheld."""

    label: str
    counts: tuple[int, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OutcomeRow:
    """One outcome: its number and 95% interval, a cell an option."""

    name: str
    cells: tuple[str, ...]


@register(Section, "outcomes")
@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """A bar an option and the table of all outcomes; the asked one stands as it does on the rest of the page."""

    title: str
    caption: str
    columns: tuple[str, ...]
    bars: tuple[OutcomeBar, ...]
    rows: tuple[OutcomeRow, ...]
    beside: bool
    alt: str

    @property
    def placement(self) -> Placement:
        """Beside the differences where that place is free and there is room."""
        return "half" if self.beside else "appendix"

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the outcomes; None unless the one asked about is one of several that exclude each other."""
        kind = context.responses.estimand.kind
        if context.verdict.whole or kind not in (*_OF_CATEGORIES, *_OF_CAUSES):
            return None
        schema: Any = context.responses.outcome_schema  # of an outcome that says what its parts are called
        names = [schema.part_label(part) for part in schema.parts]
        if kind in _OF_CAUSES:
            names.append(schema.free_label)
            draws = _causes(context.responses)
        else:
            draws = _categories(context.responses)
        bars = tuple(
            _bar(context, k, draws[:, k].mean(axis=-1), asked=_asked(context.responses))
            for k in range(len(context.option_labels))
        )
        rows = tuple(
            OutcomeRow(name=name, cells=tuple(_cell(context, bars[k], k, draws[i, k], i) for k in range(len(bars))))
            for i, name in enumerate(names)
        )  # fmt: skip
        said = [
            context.say("outcomes.alt.option", option=bar.label, outcomes=", ".join(f"{n} {t}" for n, t in zip(names, bar.texts, strict=True)))
            for bar in bars if bar.counts
        ]  # fmt: skip
        return cls(
            title=context.say("outcomes.title"), caption=context.say("outcomes.caption"), columns=context.option_labels,
            bars=bars, rows=rows, beside=kind in _OF_CATEGORIES and len(bars) <= 2, alt=context.say("outcomes.alt", options="; ".join(said)),
        )  # fmt: skip


def _categories(responses: Responses) -> np.ndarray:
    """Return probabilities of every category, shape (category, treatment, draw)."""
    return next(category_probabilities(responses, len(responses.outcome_schema.parts)))[:, 0]


def _causes(responses: Responses) -> np.ndarray:
    """Return probabilities of every cause as first event up to the horizon, and of none, shape (cause + 1, treatment, draw)."""
    own = convert_time(1.0, given=responses.horizon_unit, wanted=responses.outcome_schema.time_unit or "")
    curves = incidence_curves(responses, times=[own * (responses.horizon or 0.0)])
    found = curves.isel(patient=0, time=0).transpose("cause", "treatment", "draw").values
    return np.concatenate([found, 1.0 - found.sum(axis=0, keepdims=True)])


def _asked(responses: Responses) -> tuple[int, ...]:
    """Return the positions of the outcomes that the page counts elsewhere, so that both numbers are the same."""
    parts, kind = responses.outcome_schema.parts, responses.estimand.kind
    if kind == "time_lost":
        return ()
    first = parts.index(responses.part or "")
    return tuple(range(first, len(parts))) if kind == "at_least" else (first,)


def _bar(context: ReportContext, k: int, means: np.ndarray, *, asked: tuple[int, ...]) -> OutcomeBar:
    if k not in context.shown:
        return OutcomeBar(label=context.option_labels[k], counts=(), texts=())
    counts = parts_of_100([float(p) for p in means], asked=asked)
    return OutcomeBar(
        label=context.option_labels[k],
        counts=counts,
        texts=tuple(context.fmt.whole_of_100(n) for n in counts),
    )


def _cell(context: ReportContext, bar: OutcomeBar, k: int, draws: np.ndarray, i: int) -> str:
    if k not in context.shown:
        return context.say("withheld.mark")
    lower, upper = (context.fmt.count_of_100(float(q)) for q in np.quantile(draws, [0.025, 0.975]))
    return f"{bar.texts[i]} ({context.fmt.span(lower, upper)})"
