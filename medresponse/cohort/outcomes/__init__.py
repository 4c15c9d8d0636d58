"""Outcomes: one kind a file, and `OutcomeSchema`, any of them."""

from medresponse.cohort.outcomes.base import Outcome
from medresponse.cohort.outcomes.binary import Binary
from medresponse.cohort.outcomes.competing_risks import CompetingRisks
from medresponse.cohort.outcomes.continuous import Continuous
from medresponse.cohort.outcomes.count import Count
from medresponse.cohort.outcomes.ordinal import Ordinal
from medresponse.cohort.outcomes.readings import Reading
from medresponse.cohort.outcomes.time_to_event import TimeToEvent

OutcomeSchema = TimeToEvent | Continuous | Binary | Ordinal | Count | CompetingRisks
"""Any outcome; ``kind`` in YAML says which (an entry without it is taken for the one whose entries it shares most)."""

__all__ = [
    "Binary",
    "CompetingRisks",
    "Continuous",
    "Count",
    "Ordinal",
    "Outcome",
    "OutcomeSchema",
    "Reading",
    "TimeToEvent",
]
