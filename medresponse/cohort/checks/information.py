"""Checks of what a feature column can tell: nothing, little, or nothing of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medresponse.cohort.checks.dependence import check_dependence
from medresponse.cohort.checks.intake import Check, Intake, shown
from medresponse.cohort.findings import Finding

MOSTLY_MISSING = 0.5


def check_information(intake: Intake) -> Iterator[Finding]:
    """all_missing_column, mostly_missing, constant_column: warnings on what a column can tell."""
    for name, feature in intake.features.items():
        n_missing = intake.n - int(intake.present(name).sum())
        if n_missing == intake.n:
            action = "no patient has a value: leave it out of the schema"
            yield Finding("warning", "all_missing_column", name, n_missing, (), action)
            continue
        if n_missing > MOSTLY_MISSING * intake.n:
            action = (
                "more than half of the patients have no value: its effect rests on the others and on "
                "the prior"
            )
            yield Finding("warning", "mostly_missing", name, n_missing, (), action)
        readable = intake.numbers(name).values if not feature.is_discrete else intake.text(name)
        if readable.drop_nulls().n_unique() == 1:
            action = "every patient has the same value: it carries no information, leave it out"
            yield Finding("warning", "constant_column", name, intake.n - n_missing, (), action)


def check_rare_levels(intake: Intake) -> Iterator[Finding]:
    """one_patient_level: levels with a single patient, counted but neither named nor attributed."""
    for name, feature in intake.features.items():
        if not feature.is_discrete:
            continue
        text = intake.text(name)
        counts = text.filter(text.is_in(list(feature.level_names))).value_counts()["count"]
        n = int((counts == 1).sum())
        if n:
            action = (
                f"{n} level(s) have one patient each: merge them with others, or rely on the prior for them"
            )
            yield Finding("warning", "one_patient_level", name, n, (), action)


def check_within_arms(intake: Intake) -> Iterator[Finding]:
    """constant_within_arm: a feature that varies, but not among the patients of some treatment."""
    arms = [(level, mask.to_numpy()) for level, mask in intake.arms]
    for name in intake.features:
        codes = intake.codes(name)
        if not _varies(codes):
            continue
        still = [(level, mask) for level, mask in arms if mask.sum() > 1 and not _varies(codes[mask])]
        if still:
            action = (
                f"all patients with treatment {shown(level for level, _ in still)} have the same value, or none: how "
                "the benefit of treatment changes with it rests on the prior"
            )
            n = sum(int(mask.sum()) for _, mask in still)
            yield Finding("warning", "constant_within_arm", name, n, (), action)


def _varies(codes: np.ndarray) -> bool:
    known = codes[~np.isnan(codes)]
    return known.size > 1 and bool(np.ptp(known) > 0)


INFORMATION: tuple[Check, ...] = (check_information, check_rare_levels, check_within_arms, check_dependence)
