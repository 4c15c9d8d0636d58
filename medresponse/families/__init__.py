"""Outcome families: one file a family, registered by name."""

from medresponse.families.augmented import Augmented
from medresponse.families.base import (
    Arrays,
    Compressing,
    Family,
    Predictor,
    RowLikelihood,
    Rowwise,
    centred_walk,
)
from medresponse.families.bernoulli import Bernoulli
from medresponse.families.canonical import CanonicalRows, canonical_estimates
from medresponse.families.competing_risks import CompetingRisks
from medresponse.families.cure import Cure
from medresponse.families.event_rows import PiecewiseRows, WeibullRows
from medresponse.families.gaussian import Gaussian
from medresponse.families.loglogistic import Loglogistic
from medresponse.families.lognormal import Lognormal
from medresponse.families.negative_binomial import NegativeBinomial
from medresponse.families.ordinal import Ordinal
from medresponse.families.ordinal_rows import OrdinalRows
from medresponse.families.piecewise_exponential import PiecewiseExponential
from medresponse.families.poisson import Poisson
from medresponse.families.student_t import StudentT
from medresponse.families.weibull import Weibull

__all__ = [
    "Arrays",
    "Augmented",
    "Bernoulli",
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
    "OrdinalRows",
    "PiecewiseExponential",
    "PiecewiseRows",
    "Poisson",
    "Predictor",
    "RowLikelihood",
    "Rowwise",
    "StudentT",
    "Weibull",
    "WeibullRows",
    "canonical_estimates",
    "centred_walk",
]
