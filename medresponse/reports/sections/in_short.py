"""The answer in sentences made by rules: one an option, with numbers, and no word for a probability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import capital, rounded
from medresponse.reports.predictive import predictive_of
from medresponse.reports.withheld import short_reason


@register(Section, "in_short")
@dataclass(frozen=True, kw_only=True)
class InShort:
    """One sentence for each option other than the reference, one for a single arm, and one for each that is withheld."""

    placement: ClassVar[Placement] = "full"

    lead: str
    sentences: tuple[str, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the sentences."""
        return cls(lead=context.say("in_short.lead"), sentences=tuple(_sentences(context)))


def _sentences(context: ReportContext) -> Iterator[str]:
    """Yield what is said of each option, in fixed order; of the reference only what no comparison says."""
    if context.verdict.whole:
        reason = short_reason(context, context.reference_idx)
        yield context.say("in_short.withheld.all", reason=reason)
    elif not context.others:
        yield _single_arm(context)
    else:
        for k, option in enumerate(context.option_labels):
            if k not in context.shown:
                yield context.say("in_short.withheld", option=option, reason=short_reason(context, k))
            elif k in context.compared:
                yield _comparison(context, k)
            elif not context.compared:
                yield _alone(context, k)


# The sentences by what is counted or measured, and by whether the difference is clear and to which side.
_UNCLEAR = {
    "are": "in_short.unclear.are", "have": "in_short.unclear.have", "events": "in_short.unclear.events",
    "amount": "in_short.unclear.amount",
}  # fmt: skip
_MORE = {
    "are": "in_short.more.are", "have": "in_short.more.have", "events": "in_short.more.events", "amount": "in_short.more.amount",
}  # fmt: skip
_FEWER = {
    "are": "in_short.fewer.are", "have": "in_short.fewer.have", "events": "in_short.fewer.events",
    "amount": "in_short.fewer.amount",
}  # fmt: skip
_ALONE = {"are": "in_short.alone.are", "have": "in_short.alone.have"}
_SINGLE = {"are": "in_short.single.are", "have": "in_short.single.have"}


def _comparison(context: ReportContext, k: int) -> str:
    """Say which option has more, and by how much: sizes and sides in words, since signs mean benefit elsewhere on the page."""
    wording, labels = context.wording, context.option_labels
    gain = wording.difference(context.values[k] - context.values[context.reference_idx])
    own, other = (wording.absolute(context.values[j]) for j in (k, context.reference_idx))
    parts = {
        "option": labels[k], "reference": labels[context.reference_idx], "what": wording.what, "other": other.text,
        # The long unit of events stands once.
        "own": wording.bare(own.mean) if wording.scale == "events" else own.text,
    }  # fmt: skip
    step = wording.difference_step(gain.lower, gain.upper)
    if wording.spans_zero(gain):
        mean, lower, upper = (_sided(context, value, step) for value in (gain.mean, gain.lower, gain.upper))
        interval = wording.fmt.span(lower, upper)
        return context.say(_UNCLEAR[wording.noun], difference=mean, interval=interval, **parts)
    bounds = sorted((gain.lower, gain.upper), key=abs)
    return context.say(
        (_FEWER if gain.mean < 0 else _MORE)[wording.noun], difference=wording.sizes([gain.mean], step),
        interval=wording.sizes(bounds, step), **parts,
    )  # fmt: skip


_SIDES = {
    ("amount", False): "in_short.side.lower",
    ("amount", True): "in_short.side.higher",
    ("counted", False): "in_short.side.fewer",
    ("counted", True): "in_short.side.more",
}


def _sided(context: ReportContext, value: float, step: float) -> str:
    """Return ``3 fewer``, ``0`` or ``9 more``."""
    wording = context.wording
    size, number = wording.sizes([value], step), rounded(wording.factor * value, step)
    if not number:
        return size
    scale = "amount" if wording.scale == "amount" else "counted"
    return context.say(_SIDES[scale, number > 0], size=size)


def _alone(context: ReportContext, k: int) -> str:
    wording = context.wording
    own = wording.absolute(context.values[k])
    return context.say(
        _ALONE.get(wording.noun, "in_short.alone.mean"), option=context.option_labels[k], own=own.text, what=wording.what,
        interval=own.interval,
    )  # fmt: skip


def _single_arm(context: ReportContext) -> str:
    wording = context.wording
    own = wording.absolute(context.values[0])
    if wording.scale == "per_100":
        return context.say(_SINGLE[wording.noun], own=own.text, what=wording.what, interval=own.interval)
    what = capital(wording.what)
    sentences = [context.say("in_short.single.mean", what=what, own=own.text, interval=own.interval)]
    person = predictive_of(context)
    if person and person[0] is not None:
        sentences.append(context.say("in_short.single.spread", interval=person[0].interval))
    return " ".join(sentences)
