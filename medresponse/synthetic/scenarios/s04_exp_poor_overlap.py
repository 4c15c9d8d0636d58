"""A convex response, and a part of the population that never gets an active treatment: reveals over-confidence outside support.

Knobs are those of ACIC 2016: polynomial assignment, exponential response, overlap lacking in one term, alignment 0.75.
"""

from medresponse.synthetic.mechanisms.assignments import Observational
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.outcomes import GaussianOutcome
from medresponse.synthetic.scenario import Confounding, Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s04_exp_poor_overlap",
        assignment=Observational(model="polynomial", root=0.35, overlap="one_term"),
        outcome=GaussianOutcome(surface="exponential"),
        effect=Modifiers(heterogeneity="high"),
        confounding=Confounding(alignment=0.75),
    )
)
