"""The numbers behind the page: mean, median and three intervals of everything estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.predictive import predictive_of
from medresponse.reports.wording import Wording

LEVELS = (0.5, 0.8, 0.95)
_COLUMNS = (
    "numbers.mean", "numbers.median", "numbers.interval_50", "numbers.interval_80", "numbers.interval_95",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NumberRow:
    """One quantity: raw mean, median and bounds (50, 80, 95%) in the responses' unit, none if withheld, and the texts printed."""

    label: str
    raw: tuple[float, ...]
    cells: tuple[str, ...]


@register(Section, "numbers")
@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Responses, differences and times gained, with what spread remains for one person.

    Parameters
    ----------
    spread : tuple of float
        Where the response is a probability, a shown option each: the share of the variance of one patient's outcome that
        would remain if the average were known.
    """

    placement: ClassVar[Placement] = "appendix"

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[NumberRow, ...]
    spread: tuple[float, ...]
    note: str

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the table; None if every option is withheld."""
        if context.verdict.whole:
            return None
        rows = _rows(context, context.values, context.wording)
        times, wording = context.mean_times, context.time_wording
        if times is not None and wording is not None:
            rows += _rows(context, times, wording)
        say = context.say
        return cls(
            title=say("numbers.title"), caption=say("numbers.caption", draws=say("count.draws", n=context.values.shape[1])),
            columns=tuple(say(key) for key in _COLUMNS), rows=tuple(rows), spread=_spread(context), note=_note(context),
        )  # fmt: skip


def _rows(context: ReportContext, values: np.ndarray, wording: Wording) -> list[NumberRow]:
    labels, say = context.option_labels, context.say
    parts = {"what": wording.counted, "unit": wording.absolute_unit}
    rows = [
        _row(
            context,
            say("numbers.response", option=label, **parts),
            values[k] if k in context.shown else None,
            wording,
            False,
        )
        for k, label in enumerate(labels)
    ]
    reference = context.reference_idx
    sign, key = (wording.direction or 1), "numbers.benefit" if wording.direction else "numbers.difference"
    for k in context.others:
        label = say(key, option=labels[k], reference=labels[reference], unit=wording.difference_unit)
        draws = sign * (values[k] - values[reference]) if k in context.compared else None
        rows.append(_row(context, label, draws, wording, True))
    return rows


def _row(
    context: ReportContext, label: str, draws: np.ndarray | None, wording: Wording, signed: bool
) -> NumberRow:
    if draws is None:
        return NumberRow(
            label=label, raw=(), cells=(context.say("withheld.mark"), *("\N{EN DASH}",) * (len(_COLUMNS) - 1))
        )
    ends = [end for level in LEVELS for end in ((1 - level) / 2, (1 + level) / 2)]
    raw = (float(draws.mean()), *(float(q) for q in np.quantile(draws, [0.5, *ends])))
    texts = [_text(value, raw, wording, signed) for value in raw]
    pairs = [wording.fmt.span(texts[i], texts[i + 1]) for i in (2, 4, 6)]
    return NumberRow(label=label, raw=raw, cells=(texts[0], texts[1], *pairs))


def _text(value: float, raw: tuple[float, ...], wording: Wording, signed: bool) -> str:
    if signed:
        return wording.bare_signed(value, wording.difference_step(raw[-2], raw[-1]))
    return wording.bare(value)


def _spread(context: ReportContext) -> tuple[float, ...]:
    """Return how much of one outcome's variance is how patients differ.

    An outcome that happens with probability p has variance ``E[p] (1 - E[p])`` over all that is possible, of which
    ``Var(p)`` is what the data leave unknown of p (law of total variance).
    """
    if context.wording.scale != "per_100":
        return ()
    shares = []
    for k in context.shown:
        mean, unknown = float(context.values[k].mean()), float(context.values[k].var())
        whole = mean * (1 - mean)
        shares.append(1 - unknown / whole if whole > 0 else 0.0)  # where p is 0 or 1, nothing varies
    return tuple(shares)


def _note(context: ReportContext) -> str:
    spread = _spread(context)
    if spread:
        labels = [context.option_labels[k] for k in context.shown]
        values = "; ".join(
            f"{label}: {context.fmt.percent(share)}" for label, share in zip(labels, spread, strict=True)
        )
        return context.say("numbers.note.outcome", values=values)
    person = predictive_of(context)
    if not person:
        return context.say("numbers.note")
    pairs = zip(context.option_labels, person, strict=True)
    values = "; ".join(f"{label}: {estimate.interval}" for label, estimate in pairs if estimate is not None)
    return context.say("numbers.note.person", values=values)
