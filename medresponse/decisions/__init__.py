"""Whether to show an estimate at all; and, for statisticians, decisions under stated utilities and what a rule is worth."""

from medresponse.decisions.abstention import (
    LIFTS,
    AbstentionRules,
    Contraindication,
    Reason,
    Verdict,
    judge,
    verdict_table,
)
from medresponse.decisions.base import Options, Rule, Utility
from medresponse.decisions.bounds import (
    WHY_BOUNDS,
    BenefitBounds,
    benefit_bounds,
    binary_bounds,
    makarov_bounds,
    ordinal_bounds,
)
from medresponse.decisions.category_utility import CategoryUtility
from medresponse.decisions.deciding import Decision, decide
from medresponse.decisions.expected_utility import ExpectedUtility
from medresponse.decisions.harms import Harm, Rate
from medresponse.decisions.number_needed import NumberNeeded, number_needed, numbers_needed
from medresponse.decisions.observed import observed_response
from medresponse.decisions.pseudo import pseudo_observations
from medresponse.decisions.rules import HighestUtility, TreatAll, WorthwhileBenefit
from medresponse.decisions.true_value import TrueValue, true_value, value_of_choices
from medresponse.decisions.value import RuleValue, rule_value

__all__ = [
    "LIFTS",
    "WHY_BOUNDS",
    "AbstentionRules",
    "BenefitBounds",
    "CategoryUtility",
    "Contraindication",
    "Decision",
    "ExpectedUtility",
    "Harm",
    "HighestUtility",
    "NumberNeeded",
    "Options",
    "Rate",
    "Reason",
    "Rule",
    "RuleValue",
    "TreatAll",
    "TrueValue",
    "Utility",
    "Verdict",
    "WorthwhileBenefit",
    "benefit_bounds",
    "binary_bounds",
    "decide",
    "judge",
    "makarov_bounds",
    "number_needed",
    "numbers_needed",
    "observed_response",
    "ordinal_bounds",
    "pseudo_observations",
    "rule_value",
    "true_value",
    "value_of_choices",
    "verdict_table",
]
