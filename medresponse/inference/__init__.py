"""Inference: engines, diagnostics, the fit and its storage."""

from medresponse.inference.diagnostics import Diagnostics, Limits, diagnose
from medresponse.inference.engines import ChainRun, Engine, Nuts, sample_chains
from medresponse.inference.fitted import Fit, Support
from medresponse.inference.fitting import compiled, engine_for, fit, fit_many, only_outcome
from medresponse.inference.gibbs import Gibbs
from medresponse.inference.store import load_fit, save_fit

__all__ = [
    "ChainRun",
    "Diagnostics",
    "Engine",
    "Fit",
    "Gibbs",
    "Limits",
    "Nuts",
    "Support",
    "compiled",
    "diagnose",
    "engine_for",
    "fit",
    "fit_many",
    "load_fit",
    "only_outcome",
    "sample_chains",
    "save_fit",
]
