"""A `Fit` whose draws come from the prior: what a spec says before it sees outcomes."""

from __future__ import annotations

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.rng import derive_seed
from medresponse.inference.diagnostics import Diagnostics
from medresponse.inference.fitted import Fit
from medresponse.inference.fitting import fit_identity, make_provenance, make_support, only_outcome
from medresponse.model import ModelSpec, build_model, prepare


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
    import pymc as pm

    name = outcome or only_outcome(cohort)
    prepared = prepare(spec, cohort, outcome=name, seed=seed)
    model = build_model(
        spec, prepared.encoding, prepared.layout, prepared.data[0], levels=prepared.levels, predictors=prepared.predictors
    )  # fmt: skip
    wanted = ["coefficients", *spec.family.parameters]
    for predictor in prepared.predictors:
        stem = f"{predictor}_" if predictor else ""
        for grouping in prepared.layout.groupings:
            parts = ("scale", "slope_scale", "treatment_scale")
            scales = [f"{stem}{grouping.stem}_{part}" for part in parts]
            wanted += [v for v in scales if v in model.named_vars]
    sampled = pm.draw([model[v] for v in wanted], draws=draws, random_seed=derive_seed(seed, "prior") % 2**32)
    arrays = {}
    for variable, values in zip(wanted, sampled, strict=True):
        arrays[variable] = (
            ("chain", "draw", *(f"{variable}_{i}" for i in range(values.ndim - 1))),
            values[None],
        )
    posterior = xr.Dataset(arrays, {"imputation": ("chain", [0])})
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
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((1, draws), dtype=bool))})
    return Fit(
        spec=spec, outcome=name, schema=cohort.schema, encoding=prepared.encoding, layout=prepared.layout,
        constants=prepared.constants, imputer=prepared.imputer, support=make_support(prepared), posterior=posterior,
        sample_stats=stats, diagnostics=diagnostics, diagnostics_table=pl.DataFrame(), provenance=provenance,
        codes=prepared.codes,
    )  # fmt: skip
