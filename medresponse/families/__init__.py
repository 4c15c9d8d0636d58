"""Outcome families: one file a family, registered by name."""

from medresponse.families.base import Arrays, Family
from medresponse.families.gaussian import Gaussian
from medresponse.families.piecewise_exponential import PiecewiseExponential
from medresponse.families.weibull import Weibull

__all__ = ["Arrays", "Family", "Gaussian", "PiecewiseExponential", "Weibull"]
