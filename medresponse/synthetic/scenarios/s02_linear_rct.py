"""A randomised trial with linear prognosis and linear effect modification: the model's own world, a baseline."""

from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.scenario import Scenario, name_scenario

SCENARIO = name_scenario(Scenario(name="s02_linear_rct", effect=Modifiers(heterogeneity="med")))
