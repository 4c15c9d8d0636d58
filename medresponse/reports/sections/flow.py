"""Who is in the training data and who was left out, with reasons (a CONSORT-style flow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.core.small_cells import FLOOR
from medresponse.reports.base import Placement, ReportContext, Section


@dataclass(frozen=True, kw_only=True)
class FlowRow:
    """One step and the patients at it."""

    step: str
    n: str


@register(Section, "flow")
@dataclass(frozen=True, kw_only=True)
class Flow:
    """Rows read, left out by each rule, and used."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    caption: str
    rows: tuple[FlowRow, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the flow; small counts are suppressed, and so is a total that would reveal one."""
        provenance = context.responses.fit.provenance
        counts = [n for _, n in provenance.flow]
        fmt, say = context.fmt, context.say
        texts = fmt.cells(counts, totals="unknown")
        hidden = fmt.suppressed in texts
        (learned,) = fmt.cells([provenance.n_patients], totals="unknown")
        hidden |= learned == fmt.suppressed
        read = fmt.withheld if hidden else fmt.count(provenance.n_patients + sum(counts))
        rows = [FlowRow(step=say("flow.read"), n=read)]
        rows += [
            FlowRow(step=say("flow.left_out", reason=reason), n=text)
            for (reason, _), text in zip(provenance.flow, texts, strict=True)
        ]
        if not counts:
            rows.append(FlowRow(step=say("flow.none_left_out"), n=fmt.count(0)))
        rows.append(FlowRow(step=say("flow.learned"), n=learned))
        caption = say("flow.caption")
        if hidden:
            caption = say("flow.caption.suppressed", most=FLOOR - 1, shown=fmt.suppressed)
        return cls(title=say("flow.title"), caption=caption, rows=tuple(rows))
