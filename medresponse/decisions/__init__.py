"""What is decided from responses: whether to show an estimate at all."""

from medresponse.decisions.abstention import (
    LIFTS,
    AbstentionRules,
    Contraindication,
    Reason,
    Verdict,
    judge,
    verdict_table,
)

__all__ = ["LIFTS", "AbstentionRules", "Contraindication", "Reason", "Verdict", "judge", "verdict_table"]
