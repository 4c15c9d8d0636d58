"""A randomised trial in which every patient's effect is the same: reveals invented heterogeneity.

The default of nature: over 222 trials of antidepressants the variances of the arms differ by a ratio of 0.98 to 1.00.
"""

from medresponse.synthetic.mechanisms.assignments import Randomised
from medresponse.synthetic.scenario import Scenario, Sites, name_scenario

SCENARIO = name_scenario(
    Scenario(name="s01_null_rct", sites=Sites(n=12), assignment=Randomised(block=6, strata=("site",)))
)
