"""Three doses that shrink tumours and do harm, with patients leaving: reveals extrapolation over doses, and policies that forget harm."""

from medresponse.synthetic.mechanisms.assignments import Randomised
from medresponse.synthetic.mechanisms.effects import Sensitivity
from medresponse.synthetic.mechanisms.missing import Leaving
from medresponse.synthetic.mechanisms.outcomes import TumourGrowthOutcome
from medresponse.synthetic.scenario import Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s12_tgi_dose",
        treatments=("placebo", "dose_25", "dose_50", "dose_100"),
        assignment=Randomised(block=8),
        outcome=TumourGrowthOutcome(),
        effect=Sensitivity(),
        dropout=Leaving(rate=0.2),
    )
)
