"""A `Fit` whose draws come from the prior: what a spec says before it sees outcomes."""

from __future__ import annotations

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.rng import derive_seed, stream
from medresponse.features import group_indices
from medresponse.inference.diagnostics import Diagnostics
from medresponse.inference.engines import ChainRun
from medresponse.inference.fitted import Fit
from medresponse.inference.fitting import (
    fit_identity,
    make_provenance,
    make_support,
    only_outcome,
    to_datasets,
)
from medresponse.inference.prior_trees import prior_trees
from medresponse.model import ModelSpec, Prepared, build_model, prepare


def prior_fit(
    spec: ModelSpec, cohort: Cohort, *, outcome: str | None = None, draws: int = 1000, seed: int
) -> Fit:
    """Draw parameters from the prior and return them in the shape of a fit, so that the same verbs score them.

    Its diagnostics never pass: it cannot be mistaken for a posterior.

    Parameters
    ----------
    spec : ModelSpec
    cohort : Cohort
        Gives the features, and the crude rate or spread on which the intercept is centred.
    outcome : str, optional
    draws : int
    seed : int
    """
    name = outcome or only_outcome(cohort)
    prepared = prepare(spec, cohort, outcome=name, seed=seed)
    if spec.searches:
        sampled = prior_trees(
            spec, prepared, cohort.treatment_idx, group_indices(prepared.layout, cohort),
            draws=draws, rng=stream(seed, "prior"),
        )  # fmt: skip
    else:
        sampled = _from_graph(spec, prepared, draws=draws, seed=seed)
    run = ChainRun(0, 0, sampled, {"diverging": np.zeros(draws, dtype=bool)})
    posterior, stats, forests = to_datasets([run], prepared)
    nan = float("nan")
    diagnostics = Diagnostics(
        rhat=nan, rhat_parameter="prior draws", ess_bulk=nan, ess_bulk_parameter="prior draws", ess_tail=nan,
        ess_tail_parameter="prior draws", ess_p5=nan, divergences=0, bfmi=nan, chains=0, chains_asked=0,
    )  # fmt: skip
    provenance = make_provenance(
        spec,
        cohort,
        identity=fit_identity(spec, cohort, name, {"kind": "prior"}, seed),
        seed=seed,
        engine={"kind": "prior"},
        sampler="prior draws",
        imputations=1,
    )
    return Fit(
        spec=spec, outcome=name, schema=cohort.schema, encoding=prepared.encoding, layout=prepared.layout,
        constants=prepared.constants, imputer=prepared.imputer, support=make_support(prepared), posterior=posterior,
        sample_stats=stats, diagnostics=diagnostics, diagnostics_table=pl.DataFrame(), provenance=provenance,
        codes=prepared.codes, forests=forests,
    )  # fmt: skip


def _from_graph(spec: ModelSpec, prepared: Prepared, *, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Return draws of coefficients, family parameters and group scales from the model's graph, shape (draw, ...)."""
    import pymc as pm

    model = build_model(spec, prepared.design)
    wanted = ["coefficients", *spec.family.parameters]
    for predictor in prepared.predictors:
        stem = f"{predictor}_" if predictor else ""
        for grouping in prepared.layout.groupings:
            parts = ("scale", "slope_scale", "treatment_scale")
            scales = [f"{stem}{grouping.stem}_{part}" for part in parts]
            wanted += [v for v in scales if v in model.named_vars]
    sampled = pm.draw([model[v] for v in wanted], draws=draws, random_seed=derive_seed(seed, "prior") % 2**32)
    if draws == 1:  # which PyMC returns without their dimension
        sampled = [values[None] for values in sampled]
    return dict(zip(wanted, sampled, strict=True))
