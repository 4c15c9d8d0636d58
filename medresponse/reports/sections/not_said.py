"""What the report does not say, and the line where a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section


@register(Section, "not_said")
@dataclass(frozen=True, kw_only=True)
class NotSaid:
    """Limits in sentences, and the names of the blanks to be filled in by hand."""

    placement: ClassVar[Placement] = "full"

    title: str
    sentences: tuple[str, ...]
    blanks: tuple[str, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the limits and the signature line."""
        n = len(context.responses.basis.adjusted_for)
        sentences = []
        if context.others:
            sentences.append(
                "It chooses no treatment. It cannot give the probability that this person is helped: nobody is seen under two "
                "options at once; its figures describe the average of patients with the same inputs."
            )
        else:
            sentences.append(
                "It cannot say what a change of treatment would do: there is nothing to compare with."
            )
        beyond = (
            f", nor of anything after {context.wording.by.split(' ', 1)[1]}" if context.wording.by else ""
        )
        sentences.append(
            f"It knows nothing of this patient\u2019s preferences, of costs, of interactions or of anything beyond the {n} inputs{beyond}."
        )
        if context.responses.estimand.kind == "cured":
            sentences.append(
                "It rests on the model\u2019s form, not on data alone: nobody is followed for ever, and some who are free of the "
                "event when follow-up ends may have it later."
            )
        return cls(
            title="What this report does not say", sentences=tuple(sentences),
            blanks=("Reviewed by", "Date", "Decision and reason"),
        )  # fmt: skip
