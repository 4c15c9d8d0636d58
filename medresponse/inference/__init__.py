"""Inference: engines, diagnostics, the fit and its storage."""

from medresponse.inference.diagnostics import Diagnostics, Limits, diagnose
from medresponse.inference.engines import Engine, Nuts
from medresponse.inference.fitted import Fit, Support
from medresponse.inference.fitting import engine_for, fit, fit_many
from medresponse.inference.gibbs import Gibbs
from medresponse.inference.store import load_fit, save_fit

__all__ = [
    "Diagnostics",
    "Engine",
    "Fit",
    "Gibbs",
    "Limits",
    "Nuts",
    "Support",
    "diagnose",
    "engine_for",
    "fit",
    "fit_many",
    "load_fit",
    "save_fit",
]
