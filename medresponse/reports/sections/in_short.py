"""The answer in sentences made by rules: one an option, with numbers, and no word for a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports import format as fmt
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.predictive import predictive_of
from medresponse.reports.wording import Estimate, Wording


@register(Section, "in_short")
@dataclass(frozen=True, kw_only=True)
class InShort:
    """One sentence for each option other than the reference, or one for a single arm."""

    placement: ClassVar[Placement] = "full"

    lead: str
    sentences: tuple[str, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the sentences."""
        if not context.others:
            return cls(lead="In short:", sentences=(_single_arm(context),))
        return cls(lead="In short:", sentences=tuple(_comparison(context, k) for k in context.others))


def _comparison(context: ReportContext, k: int) -> str:
    wording, labels = context.wording, context.option_labels
    option, reference = labels[k], labels[context.reference_idx]
    gain = wording.difference(context.values[k] - context.values[context.reference_idx])
    own, other = (wording.absolute(context.values[j]) for j in (k, context.reference_idx))
    interval = f"95% interval {gain.interval}"
    against = f"{own.text} against {other.text}"
    if wording.scale == "events":  # the long unit once
        against = f"{wording.bare(own.mean)} against {other.text}"
    if wording.spans_zero(gain):
        return (
            f"{option} compared with {reference}: too uncertain to say whether {_asked(wording)}; estimate {against} "
            f"(difference {_bare(wording, gain)}; the 95% interval, {gain.interval}, includes 0)."
        )
    if wording.scale == "per_100":
        return (
            f"With {option}, {_more(gain)} of 100 patients like this one {wording.verb} {wording.what} than with "
            f"{reference}: {against} ({interval} per 100)."
        )
    side = {"events": ("are more", "are fewer")}.get(wording.scale, ("is higher", "is lower"))[gain.mean < 0]
    return (
        f"With {option}, {wording.what} {side} than with {reference}: {against} (difference {_bare(wording, gain)}, "
        f"{interval})."
    )


def _bare(wording: Wording, gain: Estimate) -> str:
    if wording.scale != "events":
        return gain.text
    return wording.bare_signed(gain.mean, wording.difference_step(gain.lower, gain.upper))


def _asked(wording: Wording) -> str:
    if wording.scale == "per_100":
        return f"more or fewer patients like this one {wording.verb} {wording.what}"
    if wording.scale == "events":
        return f"{wording.what} are more or fewer"
    return f"{wording.what} is higher or lower"


def _more(gain: Estimate) -> str:
    return f"{fmt.count_of_100(abs(gain.mean))} {'more' if gain.mean > 0 else 'fewer'}"


def _single_arm(context: ReportContext) -> str:
    wording = context.wording
    own = wording.absolute(context.values[0])
    if wording.scale == "per_100":
        return (
            f"{own.text} patients like this one {wording.verb} {wording.what} (95% interval {own.interval})."
        )
    person = predictive_of(context)
    spread = (
        f" Single patients differ: 90 of 100 such patients have values from {person[0].interval}."
        if person
        else ""
    )
    return f"{_capital(wording.what)}: {own.text} on average in patients like this one (95% interval {own.interval}).{spread}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
