"""Laws of outcomes, in closed forms of their own."""

from medresponse.synthetic.mechanisms.outcomes.binary import BinaryOutcome
from medresponse.synthetic.mechanisms.outcomes.competing import CompetingOutcome
from medresponse.synthetic.mechanisms.outcomes.gaussian import GaussianOutcome
from medresponse.synthetic.mechanisms.outcomes.tumour_growth import TumourGrowthOutcome
from medresponse.synthetic.mechanisms.outcomes.weibull import WeibullOutcome

__all__ = ["BinaryOutcome", "CompetingOutcome", "GaussianOutcome", "TumourGrowthOutcome", "WeibullOutcome"]
