"""Hazards that cross: one drug acts late in a frail population. Reveals proportional-hazards models and decisions by early curves.

Shapes lie within those of four public survival data sets (0.9 to 1.4) and beyond (0.6); the frailty variance is assumed.
"""

from medresponse.synthetic.mechanisms.assignments import Randomised
from medresponse.synthetic.mechanisms.censoring import Administrative
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.outcomes import WeibullOutcome
from medresponse.synthetic.scenario import Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s08_survival_nonph",
        assignment=Randomised(block=6),
        outcome=WeibullOutcome(shapes=(1.0, 0.6, 1.4), frailty=0.3),
        effect=Modifiers(magnitude=(0.4, 0.2), heterogeneity="med"),
        censoring=Administrative(accrual=12.0, follow_up=24.0),
    )
)
