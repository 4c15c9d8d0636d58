"""A cause of treatment and outcome that nobody recorded: reveals false certainty; sensitivity analysis must widen.

Its strength is a grid of 0, 0.3 and 0.7 standard deviations; 0.3 here.
"""

from medresponse.synthetic.mechanisms.assignments import Observational
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.scenario import Confounding, Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s05_hidden_confounder",
        assignment=Observational(),
        effect=Modifiers(heterogeneity="med"),
        confounding=Confounding(alignment=0.5, hidden=0.3),
    )
)
