"""The model: spec, preparation of training data, and the PyMC graph."""

from medresponse.model.build import build_model
from medresponse.model.prepare import Prepared, group_indices, make_layout, prepare
from medresponse.model.spec import ModelSpec, MultipleImputation

__all__ = [
    "ModelSpec",
    "MultipleImputation",
    "Prepared",
    "build_model",
    "group_indices",
    "make_layout",
    "prepare",
]
