"""What outcomes made of classes have in common: classes to learn from, overall and in every arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from medresponse.cohort.findings import Finding
from medresponse.cohort.outcomes.base import FEW_PATIENTS

if TYPE_CHECKING:
    from medresponse.cohort.checks.intake import Intake


def one_class(intake: Intake, column: str, codes: pl.Series) -> Iterator[Finding]:
    """one_outcome_class; `codes` are positions of classes, null where unreadable."""
    known = codes.drop_nulls()
    if known.n_unique() == 1:
        action = "all patients have the same outcome, so nothing can be learnt: check how the file writes the others"
        yield Finding("error", "one_outcome_class", column, len(known), (), action)


def rare_classes(intake: Intake, column: str, codes: pl.Series, names: Sequence[str]) -> Iterator[Finding]:
    """rare_class_in_arm: one finding an arm (or for a cohort of one arm), on classes that the cohort has."""
    present = sorted(codes.drop_nulls().unique().to_list())
    if len(present) < 2:
        return
    for level, arm in intake.arms or (("", codes.is_not_null()),):
        in_arm = codes.filter(arm).drop_nulls().to_list()
        sizes = {i: in_arm.count(i) for i in present}
        rare = [i for i, size in sizes.items() if size < FEW_PATIENTS]
        if in_arm and rare:
            where = f"with treatment {level} " if level else ""
            action = (
                f"fewer than {FEW_PATIENTS} patients {where}have {' / '.join(names[i] for i in rare)}: what is said "
                "of that rests largely on the prior"
            )
            n = sum(sizes[i] for i in rare)
            yield Finding("warning", "rare_class_in_arm", column, n, (), action)
