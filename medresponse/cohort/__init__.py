"""The cohort: schema, checks and the frozen table of patients."""

from medresponse.cohort.checks import cohort_from_frame
from medresponse.cohort.cohort import Cohort, Exclusion
from medresponse.cohort.feature import TRANSFORMS, Feature
from medresponse.cohort.findings import Finding, describe, findings_table
from medresponse.cohort.outcomes import (
    Binary,
    CompetingRisks,
    Continuous,
    Count,
    Ordinal,
    OutcomeSchema,
    TimeToEvent,
)
from medresponse.cohort.schema import BLOCKS, Eligibility, Level, Schema, Treatment, load_schema
from medresponse.cohort.splits import grouped_folds, random_folds

__all__ = [
    "BLOCKS",
    "TRANSFORMS",
    "Binary",
    "Cohort",
    "CompetingRisks",
    "Continuous",
    "Count",
    "Eligibility",
    "Exclusion",
    "Feature",
    "Finding",
    "Level",
    "Ordinal",
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
