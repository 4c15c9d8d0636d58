"""Five of 500 linked variants modify the effect: reveals credit given to the wrong variant, and multimodal shrinkage."""

from medresponse.synthetic.mechanisms.covariates import GaussianCopula
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.genomes import BaldingNichols
from medresponse.synthetic.scenario import Confounding, Scenario, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s07_polygenic_ld",
        treatments=("control", "drug_a"),
        covariates=GaussianCopula(p=8),
        genome=BaldingNichols(variants=500),
        effect=Modifiers(magnitude=(0.4,), heterogeneity="high", terms=5, on="genome"),
        confounding=Confounding(ancestry=0.3),
    )
)
