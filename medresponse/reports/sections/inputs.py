"""Every input of this patient, as the model saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.features import group_labels
from medresponse.reports.base import Placement, ReportContext, Section

_BLOCKS = {
    "genomic": "block.genomic", "history": "block.history", "lifestyle": "block.lifestyle", "imaging": "block.imaging",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class InputRow:
    """One input: words, block, value with unit, and what the checks said of it."""

    label: str
    column: str
    block: str
    value: str
    status: str


@register(Section, "inputs")
@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All inputs in the model's order, then the groups (site, study) it pools over."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    caption: str
    rows: tuple[InputRow, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the inputs."""
        features = context.responses.fit.encoding.features
        rows = [_row(context, feature.name, feature.block) for feature in features]
        rows += [_group(context, grouping.column) for grouping in context.responses.fit.layout.groupings]
        caption = context.say("inputs.caption")
        return cls(title=context.say("inputs.title"), caption=caption, rows=tuple(rows))


def _row(context: ReportContext, name: str, block: str) -> InputRow:
    return InputRow(
        label=context.feature_label(name),
        column=name,
        block=context.say(_BLOCKS[block]),
        value=context.feature_value(name),
        status=_status(context, name),
    )


def _status(context: ReportContext, name: str) -> str:
    found = context.applicability
    if name in found.missing:
        return context.say("inputs.missing")
    if name in found.outside:
        return context.say("inputs.outside")
    if name in found.unusual_levels:
        return context.say("inputs.rare")
    return context.say("inputs.inside")


def _group(context: ReportContext, column: str) -> InputRow:
    new = column in context.applicability.new_groups
    value = group_labels(column, context.cohort)[0]
    status = context.say("inputs.new_group" if new else "inputs.known_group")
    return InputRow(
        label=column, column=column, block=context.say("inputs.group"), value=value, status=status
    )
