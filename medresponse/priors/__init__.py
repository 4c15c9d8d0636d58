"""Priors: one file a prior, registered by name."""

from medresponse.priors.base import Prior, ScalePrior
from medresponse.priors.horseshoe import Horseshoe
from medresponse.priors.normal import Normal
from medresponse.priors.scales import HalfNormal, LogNormal

__all__ = ["HalfNormal", "Horseshoe", "LogNormal", "Normal", "Prior", "ScalePrior"]
