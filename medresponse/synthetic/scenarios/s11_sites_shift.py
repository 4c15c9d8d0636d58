"""Twelve sites, three of them new with other patients: reveals pooling and transport that fail.

An intraclass correlation of 0.03 is seen of HbA1c; 0.15 is a stress.
"""

from medresponse.synthetic.mechanisms.assignments import Randomised
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.scenario import Scenario, Sites, name_scenario

SCENARIO = name_scenario(
    Scenario(
        name="s11_sites_shift",
        sites=Sites(n=12, icc=0.03, treatment_sd=0.1, held_out=3, shift=0.5),
        assignment=Randomised(block=6, strata=("site",)),
        effect=Modifiers(heterogeneity="med"),
    )
)
