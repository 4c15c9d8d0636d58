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
        say, horizon = context.say, context.wording.horizon
        inputs = say("count.inputs", n=len(context.responses.basis.adjusted_for))
        sentences = [say("not_said.compare" if context.others else "not_said.single")]
        if horizon:
            sentences.append(say("not_said.knows_until", inputs=inputs, horizon=horizon))
        else:
            sentences.append(say("not_said.knows", inputs=inputs))
        if context.responses.estimand.kind == "cured":
            sentences.append(say("not_said.cured"))
        blanks = (say("not_said.reviewed"), say("not_said.date"), say("not_said.decision"))
        return cls(title=say("not_said.title"), sentences=tuple(sentences), blanks=blanks)
