"""Priors: one file a prior, registered by name."""

from medresponse.priors.base import Column, Prior, ScalePrior, Scales, scaled_normal
from medresponse.priors.grouped import Grouped
from medresponse.priors.half_t import HALF_T_BEND
from medresponse.priors.horseshoe import Horseshoe
from medresponse.priors.normal import Normal
from medresponse.priors.r2d2 import R2D2
from medresponse.priors.scales import Exponential, Gamma, HalfNormal, HalfStudentT, LogNormal
from medresponse.priors.student_t import StudentT
from medresponse.priors.treatments import (
    ByClass,
    Exchangeable,
    MonotoneDose,
    TreatmentLevel,
    TreatmentStructure,
)

__all__ = [
    "Prior",
    "Column",
    "Scales",
    "scaled_normal",
    "Normal",
    "StudentT",
    "R2D2",
    "Horseshoe",
    "Grouped",
    "HALF_T_BEND",
    "ScalePrior",
    "HalfNormal",
    "HalfStudentT",
    "LogNormal",
    "Exponential",
    "Gamma",
    "TreatmentStructure",
    "TreatmentLevel",
    "Exchangeable",
    "ByClass",
    "MonotoneDose",
]
