"""How several treatments' effects are pooled: one file a structure, registered by name."""

from medresponse.priors.treatments.base import TreatmentLevel, TreatmentStructure
from medresponse.priors.treatments.by_class import ByClass
from medresponse.priors.treatments.exchangeable import Exchangeable
from medresponse.priors.treatments.monotone_dose import MonotoneDose

__all__ = ["ByClass", "Exchangeable", "MonotoneDose", "TreatmentLevel", "TreatmentStructure"]
