"""Outcome families: one file a family, registered by name."""

from medresponse.families.augmented import Augmented
from medresponse.families.base import Arrays, Canonical, CanonicalRows, Compressing, Family, Predictor
from medresponse.families.bernoulli import Bernoulli
from medresponse.families.canonical import canonical_estimates
from medresponse.families.competing_risks import CompetingRisks
from medresponse.families.cure import Cure
from medresponse.families.gaussian import Gaussian
from medresponse.families.loglogistic import Loglogistic
from medresponse.families.lognormal import Lognormal
from medresponse.families.negative_binomial import NegativeBinomial
from medresponse.families.ordinal import Ordinal
from medresponse.families.piecewise_exponential import PiecewiseExponential
from medresponse.families.poisson import Poisson
from medresponse.families.student_t import StudentT
from medresponse.families.weibull import Weibull

__all__ = [
    "Arrays",
    "Augmented",
    "Bernoulli",
    "Canonical",
    "CanonicalRows",
    "CompetingRisks",
    "Compressing",
    "Cure",
    "Family",
    "Gaussian",
    "Loglogistic",
    "Lognormal",
    "NegativeBinomial",
    "Ordinal",
    "PiecewiseExponential",
    "Poisson",
    "Predictor",
    "StudentT",
    "Weibull",
    "canonical_estimates",
]
