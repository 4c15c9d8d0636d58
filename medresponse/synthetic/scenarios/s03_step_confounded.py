"""Steps in prognosis, effects and choice of treatment: reveals what smooth and linear models get wrong.

Knobs are those of ACIC 2016: step assignment, step response, alignment 0.75, root 0.35 (Dorie et al. 2019).
"""

from medresponse.synthetic.mechanisms.assignments import Observational
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.outcomes import GaussianOutcome
from medresponse.synthetic.scenario import Confounding, Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s03_step_confounded",
        assignment=Observational(model="step", root=0.35),
        outcome=GaussianOutcome(surface="step"),
        effect=Modifiers(heterogeneity="high"),
        confounding=Confounding(alignment=0.75),
    )
)
