"""Inference: engines, diagnostics, the fit and its storage."""

from medresponse.inference.diagnostics import Diagnostics, Limits, diagnose
from medresponse.inference.engines import ChainEngine, ChainRun, Engine, Nuts, sample_chains
from medresponse.inference.fitted import Fit, Support
from medresponse.inference.fitting import compiled, engine_for, fit, fit_many, only_outcome
from medresponse.inference.gibbs import Gibbs
from medresponse.inference.numpyro_nuts import Numpyro
from medresponse.inference.planning import Plan, plan
from medresponse.inference.pymc_nuts import PymcNuts
from medresponse.inference.store import load_fit, save_fit

__all__ = [
    "ChainEngine",
    "ChainRun",
    "Diagnostics",
    "Engine",
    "Fit",
    "Gibbs",
    "Limits",
    "Numpyro",
    "Nuts",
    "Plan",
    "PymcNuts",
    "Support",
    "compiled",
    "diagnose",
    "engine_for",
    "fit",
    "fit_many",
    "load_fit",
    "only_outcome",
    "plan",
    "sample_chains",
    "save_fit",
]
