"""Per-patient treatment-response distributions from hierarchical Bayesian models.

The public page. Everything is resolved on first use, so that `import medresponse` stays quick::

    import medresponse as mr

    cohort = mr.read("trial.csv", "schema.yaml")
    fit = mr.fit(
        mr.ModelSpec(family=mr.families.Weibull(), blocks={"history": mr.priors.Normal()}), cohort, seed=7
    )
    responses = mr.respond(fit, cohort, horizon=12, unit="month")
    record = mr.validate(fit, cohort, horizon=12, unit="month", worthwhile=0.05)
    page = mr.report(responses, cohort, patient="P0042", worthwhile=0.05, validation=record)
    page.save("P0042.html")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "read": "medresponse.readers",
    "read_example": "medresponse.readers",
    "load_schema": "medresponse.cohort",
    "cohort_from_frame": "medresponse.cohort",
    "check_prior": "medresponse.prior_check",
    "compare_specs": "medresponse.comparison",
    "compare_fits": "medresponse.comparison",
    "mix_draws": "medresponse.comparison",
    "plan": "medresponse.inference",
    "fit": "medresponse.inference",
    "save_fit": "medresponse.inference",
    "load_fit": "medresponse.inference",
    "Nuts": "medresponse.inference",
    "PymcNuts": "medresponse.inference",
    "Numpyro": "medresponse.inference",
    "Gibbs": "medresponse.inference",
    "ModelSpec": "medresponse.model",
    "Trees": "medresponse.model",
    "SumOfTrees": "medresponse.model",
    "Hinges": "medresponse.model",
    "SumOfHinges": "medresponse.model",
    "validate": "medresponse.cross_validation",
    "ValidationRecord": "medresponse.validation",
    "respond": "medresponse.response",
    "contrast": "medresponse.response",
    "pairwise": "medresponse.response",
    "score": "medresponse.response",
    "superiority": "medresponse.response",
    "decide": "medresponse.decisions",
    "learn": "medresponse.synthetic.learned",
    "Scenario": "medresponse.synthetic.scenario",
    "scenario": "medresponse.synthetic.scenario",
    "scenarios": "medresponse.synthetic.scenario",
    "simulate": "medresponse.synthetic.simulation",
    "write_trial": "medresponse.synthetic.trials",
    "read_trial_cohort": "medresponse.synthetic.trials",
    "read_truth": "medresponse.synthetic.trials",
    "assess_generator": "medresponse.validation.synthetic_data",
    "report": "medresponse.reports",
}
_PACKAGES = (
    "cohort", "decisions", "families", "inference", "model", "priors", "readers", "reports", "response", "synthetic", "terms",
    "validation",
)  # fmt: skip

__all__ = [
    "Gibbs",
    "Hinges",
    "ModelSpec",
    "Numpyro",
    "Nuts",
    "PymcNuts",
    "Scenario",
    "SumOfHinges",
    "SumOfTrees",
    "Trees",
    "ValidationRecord",
    "assess_generator",
    "check_prior",
    "cohort",
    "cohort_from_frame",
    "compare_fits",
    "compare_specs",
    "contrast",
    "decide",
    "decisions",
    "families",
    "fit",
    "inference",
    "learn",
    "load_fit",
    "load_schema",
    "mix_draws",
    "model",
    "pairwise",
    "plan",
    "priors",
    "read",
    "read_example",
    "read_trial_cohort",
    "read_truth",
    "readers",
    "report",
    "reports",
    "respond",
    "response",
    "save_fit",
    "scenario",
    "scenarios",
    "score",
    "simulate",
    "superiority",
    "synthetic",
    "terms",
    "validate",
    "validation",
    "write_trial",
    "__version__",
]

if TYPE_CHECKING:
    from medresponse import (
        cohort,
        decisions,
        families,
        inference,
        model,
        priors,
        readers,
        reports,
        response,
        synthetic,
        terms,
        validation,
    )
    from medresponse.cohort import cohort_from_frame, load_schema
    from medresponse.comparison import compare_fits, compare_specs, mix_draws
    from medresponse.cross_validation import validate
    from medresponse.decisions import decide
    from medresponse.inference import Gibbs, Numpyro, Nuts, PymcNuts, fit, load_fit, plan, save_fit
    from medresponse.model import Hinges, ModelSpec, SumOfHinges, SumOfTrees, Trees
    from medresponse.prior_check import check_prior
    from medresponse.readers import read, read_example
    from medresponse.reports import report
    from medresponse.response import contrast, pairwise, respond, score, superiority
    from medresponse.synthetic.learned import learn
    from medresponse.synthetic.scenario import Scenario, scenario, scenarios
    from medresponse.synthetic.simulation import simulate
    from medresponse.synthetic.trials import read_trial_cohort, read_truth, write_trial
    from medresponse.validation import ValidationRecord
    from medresponse.validation.synthetic_data import assess_generator


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
    elif name in _PACKAGES:
        value = importlib.import_module(f"medresponse.{name}")
    else:
        raise AttributeError(f"module 'medresponse' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
