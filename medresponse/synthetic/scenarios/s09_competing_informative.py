"""Death competes with progression, and those with the worse prognosis leave: reveals 1 - KM taken for incidence, and censoring taken for chance."""

from medresponse.synthetic.mechanisms.censoring import Informative
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.outcomes import CompetingOutcome
from medresponse.synthetic.scenario import Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s09_competing_informative",
        outcome=CompetingOutcome(),
        effect=Modifiers(magnitude=(0.4, 0.2), heterogeneity="med"),
        censoring=Informative(rate=0.35),
    )
)
