"""Features missing at random, and patients who fare badly leave: reveals complete-case bias and false certainty about it.

Drop-out of 20% is of concern and 65% was seen in quality of life; 20% here.
"""

from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.missing import AtRandom, Leaving
from medresponse.synthetic.scenario import Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s10_missing_mnar",
        effect=Modifiers(heterogeneity="med"),
        missing=AtRandom(rate=0.2),
        dropout=Leaving(rate=0.2),
    )
)
