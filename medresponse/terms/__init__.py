"""Non-linear terms of one feature: one file a term, registered by name."""

from medresponse.terms.base import Term
from medresponse.terms.gaussian_process import GaussianProcess
from medresponse.terms.spline import Spline

__all__ = ["GaussianProcess", "Spline", "Term"]
