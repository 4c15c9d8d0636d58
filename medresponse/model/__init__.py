"""The model: spec, preparation of training data, and the PyMC graph."""

from medresponse.model.build import build_model
from medresponse.model.design import Design
from medresponse.model.hinges import Hinges, SumOfHinges
from medresponse.model.prepare import (
    Prepared,
    complete_patients,
    drawn_features,
    make_layout,
    prepare,
    redrawn,
    true_value_laws,
    with_codes,
    with_models,
    with_outcome,
)
from medresponse.model.prior_scale import narrow_priors
from medresponse.model.rotation import Rotation, rotate
from medresponse.model.spec import ModelSpec, MultipleImputation, PropensityScore
from medresponse.model.trees import SumOfTrees, Trees
from medresponse.model.written_out import WrittenOut, written_out
from medresponse.model.written_rows import WrittenRows

__all__ = [
    "Design",
    "Hinges",
    "ModelSpec",
    "MultipleImputation",
    "Prepared",
    "PropensityScore",
    "Rotation",
    "SumOfHinges",
    "SumOfTrees",
    "Trees",
    "WrittenOut",
    "WrittenRows",
    "build_model",
    "complete_patients",
    "drawn_features",
    "make_layout",
    "narrow_priors",
    "prepare",
    "redrawn",
    "rotate",
    "true_value_laws",
    "with_codes",
    "with_models",
    "with_outcome",
    "written_out",
]
