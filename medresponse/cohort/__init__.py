"""The cohort: schema, checks and the frozen table of patients."""

from medresponse.cohort.checks import cohort_from_frame
from medresponse.cohort.cohort import Cohort, Exclusion
from medresponse.cohort.findings import Finding, describe, findings_table
from medresponse.cohort.schema import (
    BLOCKS,
    Continuous,
    Eligibility,
    Feature,
    Level,
    OutcomeSchema,
    Schema,
    TimeToEvent,
    Treatment,
    load_schema,
)
from medresponse.cohort.splits import grouped_folds, random_folds

__all__ = [
    "BLOCKS",
    "Cohort",
    "Continuous",
    "Eligibility",
    "Exclusion",
    "Feature",
    "Finding",
    "Level",
    "OutcomeSchema",
    "Schema",
    "TimeToEvent",
    "Treatment",
    "cohort_from_frame",
    "describe",
    "findings_table",
    "grouped_folds",
    "load_schema",
    "random_folds",
]
