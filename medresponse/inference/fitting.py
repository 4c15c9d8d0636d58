"""`fit`: spec + cohort -> `Fit`."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.codec import to_plain
from medresponse.core.errors import SpecError
from medresponse.core.provenance import Provenance, utc_now, versions
from medresponse.inference.diagnostics import Limits, diagnose, pareto_k
from medresponse.inference.engines import Compiled, Nuts, Sampled, sample_chains
from medresponse.inference.fitted import Fit, Support
from medresponse.model import ModelSpec, Prepared, build_model, group_indices, prepare

log = logging.getLogger("medresponse.inference")


def fit(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    outcome: str | None = None,
    engine: Nuts | None = None,
    seed: int,
    checkpoint: str | Path | None = None,
    limits: Limits | None = None,
) -> Fit:
    """Fit a model to a cohort.

    Parameters
    ----------
    spec : ModelSpec
    cohort : Cohort
    outcome : str, optional
        Which of the schema's outcomes; may be left out if there is one.
    engine : Nuts, optional
        Sampler settings; 4 chains of 1,000 + 1,000 by default.
    seed : int
        Same seed, data, spec and software give the same draws.
    checkpoint : path, optional
        Folder for finished chains. A fit that was interrupted or killed goes on from there.
    limits : Limits, optional
        What the diagnostics must reach.

    Returns
    -------
    Fit
        Check ``fit.diagnostics.failures``: a fit that fails can be inspected and saved, not reported.

    Raises
    ------
    SpecError, DataError
        If spec and cohort do not go together.
    FitError
        If sampling fails.
    """
    (fitted,) = fit_many(
        spec, [cohort], outcome=outcome, engine=engine, seed=seed, checkpoint=checkpoint, limits=limits
    )
    return _with_influence(fitted, cohort)


def fit_many(
    spec: ModelSpec,
    cohorts: Sequence[Cohort],
    *,
    outcome: str | None = None,
    engine: Nuts | None = None,
    seed: int,
    checkpoint: str | Path | None = None,
    limits: Limits | None = None,
) -> tuple[Fit, ...]:
    """Fit one spec to several cohorts (folds, bootstraps), compiling once where layouts agree.

    Same parameters as `fit`. Fold i gets the same draws as ``fit(spec, cohorts[i], ...)`` would give.
    """
    engine = engine or Nuts()
    fits = []
    for cohort in cohorts:
        name = outcome or only_outcome(cohort)
        prepared = prepare(spec, cohort, outcome=name, seed=seed)
        identity = fit_identity(spec, cohort, name, to_plain(engine), seed)
        folder = Path(checkpoint) / identity[:16] if checkpoint is not None else None
        sampled = sample_chains(
            _compiled(spec, prepared), prepared.data, engine=engine, seed=seed, checkpoint=folder
        )
        fits.append(_assemble(spec, cohort, name, engine, seed, prepared, sampled, limits, identity))
        if sampled.interrupted:
            break  # the fit's status says so; what was not begun is not there
    return tuple(fits)


# Compiled models of this process, oldest first: a refit of the same graph costs its sampling alone.
_COMPILED: dict[str, Compiled] = {}
_COMPILED_LIMIT = 8
_INFLUENCE_DRAWS = 1000  # enough for k, and its cost grows with patients x draws
_FEWEST_INFLUENCE_DRAWS = 100  # below, there is no tail to fit k to
_INFLUENTIAL = 0.7


def _compiled(spec: ModelSpec, prepared: Prepared) -> Compiled:
    """Return the compiled model, from this process's cache where its graph is there already."""
    key = json.dumps([to_plain(spec), _graph_key(prepared)], sort_keys=True)
    if key not in _COMPILED:
        if len(_COMPILED) >= _COMPILED_LIMIT:
            _COMPILED.pop(next(iter(_COMPILED)))
        _COMPILED[key] = Compiled(build_model(spec, prepared.encoding, prepared.layout, prepared.data[0]))
        log.info("model compiled in %.1f s", _COMPILED[key].seconds)
    return _COMPILED[key]


def _graph_key(prepared: Prepared) -> list[Any]:
    """Return what the graph depends on besides the spec: numbers of columns, contrasts and groups, not their names."""
    layout = prepared.layout
    shapes = [(name, np.ndim(value), np.shape(value)[1:]) for name, value in prepared.data[0].items()]
    groups = [(len(grouping.labels), grouping.slopes) for grouping in layout.groupings]
    return [prepared.encoding.column_blocks, layout.modifiers, layout.contrasts, groups, shapes]


def _with_influence(fitted: Fit, cohort: Cohort) -> Fit:
    """Add the Pareto k of the training patients to the diagnostics, from the draws of the first imputation that finished."""
    assert fitted.codes is not None
    layout, family = fitted.layout, fitted.spec.family
    imputation = fitted.posterior["imputation"].values
    first = int(imputation.min())  # after an interrupt not always 0
    one = replace(fitted, posterior=fitted.posterior.isel(chain=imputation == first)).thinned(
        _INFLUENCE_DRAWS
    )
    if one.n_draws < _FEWEST_INFLUENCE_DRAWS:
        return fitted
    columns = fitted.encoding.columns(fitted.codes[first])
    design = layout.matrix(columns, cohort.treatment_idx, group_indices(layout, cohort))
    eta = design @ one.draws("coefficients").T
    outcome = cohort.outcome(fitted.outcome)
    pointwise = family.log_likelihood(
        eta, outcome, cohort.treatment_idx, one.family_draws(), fitted.constants
    )
    shapes = pareto_k(pointwise)
    diagnostics = replace(
        fitted.diagnostics, pareto_k=float(shapes.max()), influential=int((~(shapes <= _INFLUENTIAL)).sum())
    )
    return replace(fitted, diagnostics=diagnostics)


def only_outcome(cohort: Cohort) -> str:
    """Return the cohort's outcome where it has just one, else raise `SpecError`."""
    names = list(cohort.schema.outcomes)
    if len(names) > 1:
        raise SpecError(f"the cohort has several outcomes; say which: outcome= one of {', '.join(names)}")
    return names[0]


def fit_identity(spec: ModelSpec, cohort: Cohort, outcome: str, engine: dict[str, Any], seed: int) -> str:
    """Return the SHA-256 of what determines a fit; core counts do not."""
    settings = {k: v for k, v in engine.items() if k != "cores"}
    # Keys stay as they stand: the order of blocks, features and treatments is that of the coefficients.
    plain = [to_plain(spec), to_plain(cohort.schema), outcome, settings, seed, cohort.fingerprint, versions()]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def make_provenance(
    spec: ModelSpec, cohort: Cohort, *, identity: str, seed: int, engine: dict[str, Any], sampler: str,
    imputations: int, compile_seconds: float = 0.0, sample_seconds: float = 0.0,
) -> Provenance:  # fmt: skip
    """Return the provenance of a fit to `cohort`."""
    return Provenance(
        cohort_name=cohort.schema.name, cohort_source=cohort.schema.source, cohort_fingerprint=cohort.fingerprint,
        synthetic=cohort.schema.synthetic, n_patients=cohort.n, flow=tuple((e.reason, e.n) for e in cohort.flow),
        spec_hash=identity, seed=seed, engine=engine, sampler=sampler, imputations=imputations,
        compile_seconds=round(compile_seconds, 2), sample_seconds=round(sample_seconds, 2), versions=versions(),
        created_utc=utc_now(),
    )  # fmt: skip


def _assemble(
    spec: ModelSpec, cohort: Cohort, outcome: str, engine: Nuts, seed: int, prepared: Prepared, sampled: Sampled,
    limits: Limits | None, identity: str,
) -> Fit:  # fmt: skip
    posterior, stats = _datasets(sampled, prepared)
    asked = engine.chains * len(prepared.data)
    diagnostics, table = diagnose(posterior, stats, chains_asked=asked, limits=limits)
    for failure in diagnostics.failures:
        log.warning("diagnostics: %s", failure)
    provenance = make_provenance(
        spec, cohort, identity=identity, seed=seed, engine=to_plain(engine), sampler=sampled.library,
        imputations=len(prepared.data), compile_seconds=sampled.compile_seconds, sample_seconds=sampled.sample_seconds,
    )  # fmt: skip
    return Fit(
        spec=spec, outcome=outcome, schema=cohort.schema, encoding=prepared.encoding, layout=prepared.layout,
        constants=prepared.constants, imputer=prepared.imputer, support=make_support(prepared), posterior=posterior,
        sample_stats=stats, diagnostics=diagnostics, diagnostics_table=table, provenance=provenance,
        codes=prepared.codes,
    )  # fmt: skip


def _datasets(sampled: Sampled, prepared: Prepared) -> tuple[xr.Dataset, xr.Dataset]:
    """Stack chains; coefficients are labelled, other dimensions are named after their variable."""
    imputation = ("chain", [run.data_idx for run in sampled.chains])
    posterior, stats = {}, {}
    for name in sampled.chains[0].posterior:
        stacked = np.stack([run.posterior[name] for run in sampled.chains])
        dims = (
            ["coefficient"]
            if name == "coefficients"
            else [f"{name}_dim_{i}" for i in range(stacked.ndim - 2)]
        )
        posterior[name] = (("chain", "draw", *dims), stacked)
    for name in sampled.chains[0].stats:
        stats[name] = (("chain", "draw"), np.stack([run.stats[name] for run in sampled.chains]))
    coords = {"coefficient": list(prepared.layout.coefficient_labels), "imputation": imputation}
    return xr.Dataset(posterior, coords), xr.Dataset(stats, {"imputation": imputation})


def make_support(prepared: Prepared) -> Support:
    """Return where the training patients lie, from the first completed data set."""
    columns = prepared.encoding.columns(prepared.codes[0])
    mean = columns.mean(axis=0)
    centred = columns - mean
    # A little ridge keeps rare or collinear columns from giving infinite distances.
    covariance = centred.T @ centred / max(len(columns) - 1, 1) + 1e-3 * np.eye(columns.shape[1])
    support = Support(mean, np.linalg.inv(covariance), np.empty(0))
    distances = np.quantile(support.distance(columns), np.arange(0.50, 0.995, 0.01))
    return Support(mean, support.precision, distances)
