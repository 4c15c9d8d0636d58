"""The model: spec, preparation of training data, and the PyMC graph."""

from medresponse.model.build import build_model
from medresponse.model.hinges import Hinges, SumOfHinges
from medresponse.model.prepare import Prepared, make_layout, prepare
from medresponse.model.spec import ModelSpec, MultipleImputation, PropensityScore
from medresponse.model.trees import SumOfTrees, Trees

__all__ = [
    "Hinges",
    "ModelSpec",
    "MultipleImputation",
    "Prepared",
    "PropensityScore",
    "SumOfHinges",
    "SumOfTrees",
    "Trees",
    "build_model",
    "make_layout",
    "prepare",
]
