"""Laws of outcomes, in closed forms of their own."""

from medresponse.synthetic.mechanisms.outcomes.binary import BinaryOutcome
from medresponse.synthetic.mechanisms.outcomes.gaussian import GaussianOutcome
from medresponse.synthetic.mechanisms.outcomes.weibull import WeibullOutcome

__all__ = ["BinaryOutcome", "GaussianOutcome", "WeibullOutcome"]
