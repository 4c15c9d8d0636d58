"""Who is in the training data and who was left out, with reasons (a CONSORT-style flow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports import format as fmt
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
        texts = fmt.suppress(counts, total_known=False)
        hidden = fmt.SUPPRESSED in texts
        read = fmt.WITHHELD if hidden else fmt.count(provenance.n_patients + sum(counts))
        rows = [FlowRow(step="Patients read", n=read)]
        rows += [
            FlowRow(step=f"Left out: {reason}", n=text)
            for (reason, _), text in zip(provenance.flow, texts, strict=True)
        ]
        if not counts:
            rows.append(FlowRow(step="Left out by an eligibility rule", n="0"))
        rows.append(FlowRow(step="Patients the model learned from", n=fmt.count(provenance.n_patients)))
        caption = "Training data" + (
            f"; counts of 1 to {fmt.FLOOR - 1} are shown as {fmt.SUPPRESSED}" if hidden else ""
        )
        return cls(title="Who was studied", caption=caption, rows=tuple(rows))
