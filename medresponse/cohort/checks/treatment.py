"""Checks of the treatment column: levels, and patients in every arm."""

from __future__ import annotations

from collections.abc import Iterator

from medresponse.cohort.checks.intake import Check, Intake, shown
from medresponse.cohort.findings import Finding


def check_treatment(intake: Intake) -> Iterator[Finding]:
    """missing_treatment and unknown_treatment."""
    treatment = intake.treatment
    if treatment is None:
        return
    text, column = intake.text(treatment.column), treatment.column
    or_leave_out = (
        ", or leave the whole column out"
        if intake.for_prediction
        else ", or exclude the rows by an eligibility rule"
    )
    yield from intake.in_rows(
        text.is_null(), "missing_treatment", column, f"fill in the treatment{or_leave_out}"
    )
    unknown = ~text.is_in(list(treatment.levels)).fill_null(True)
    n_values = text.filter(unknown).n_unique()
    action = (
        f"{n_values} distinct value(s) are none of the declared levels ({shown(treatment.levels)}); correct "
        "them, or declare the level and fit anew"
    )
    yield from intake.in_rows(unknown, "unknown_treatment", column, action)


def check_arms(intake: Intake) -> Iterator[Finding]:
    """one_arm_only or arm_without_patients."""
    treatment = intake.treatment
    if treatment is None:
        return
    present = set(intake.text(treatment.column).drop_nulls().to_list())
    absent = [level for level in treatment.levels if level not in present]
    if len(absent) == len(treatment.levels) - 1:
        action = (
            "all patients have the same treatment, so nothing can be compared: add the other arm, or "
            "leave treatment out of the schema"
        )
        yield Finding("error", "one_arm_only", treatment.column, intake.n, (), action)
    elif len(absent) < len(treatment.levels):
        for level in absent:
            action = (
                f"no patient has treatment {level}: take the level out of the schema, or check how "
                "the data write it"
            )
            yield Finding("error", "arm_without_patients", treatment.column, 0, (), action)


TREATMENT_VALUES: tuple[Check, ...] = (check_treatment,)
ARMS: tuple[Check, ...] = (check_arms,)
