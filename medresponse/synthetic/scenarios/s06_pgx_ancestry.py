"""CYP2C19 alleles without function weaken one drug, and ancestry goes with allele and prognosis: reveals ancestry taken for a gene's effect.

Frequencies and the interaction's size are those of `star_alleles` and `loss_of_function`, with their sources.
"""

from medresponse.synthetic.mechanisms.effects import LossOfFunction
from medresponse.synthetic.mechanisms.genomes import StarAlleles
from medresponse.synthetic.mechanisms.outcomes import BinaryOutcome
from medresponse.synthetic.scenario import Confounding, Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s06_pgx_ancestry",
        genome=StarAlleles(),
        outcome=BinaryOutcome(base=0.2),
        effect=LossOfFunction(magnitude=(0.5, 0.25)),
        confounding=Confounding(ancestry=0.4),
    )
)
