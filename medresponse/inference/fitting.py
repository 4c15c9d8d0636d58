"""`fit`: spec + cohort -> `Fit`."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.codec import to_plain
from medresponse.core.errors import SpecError
from medresponse.core.machine import one_blas_thread
from medresponse.core.provenance import Provenance, utc_now, versions
from medresponse.core.rng import stream
from medresponse.families import Arrays, Compressing, Rowwise
from medresponse.features import group_indices
from medresponse.inference.diagnostics import Limits, diagnose, pareto_k
from medresponse.inference.engines import (
    ChainEngine,
    ChainRun,
    Engine,
    Nuts,
    Sampled,
    Startable,
    sample_chains,
)
from medresponse.inference.fitted import Fit, Support
from medresponse.inference.gibbs import FOREST, Gibbs, sample_trees, stack_nodes
from medresponse.inference.planning import check_memory
from medresponse.inference.power_scaling import power_scaled
from medresponse.inference.redrawing import redraw
from medresponse.model import (
    Design,
    ModelSpec,
    Prepared,
    PropensityScore,
    WrittenRows,
    build_model,
    narrow_priors,
    prepare,
    rotate,
    written_out,
)

log = logging.getLogger("medresponse.inference")


@one_blas_thread()
def fit(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    outcome: str | None = None,
    engine: Engine | None = None,
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
    engine : Engine, optional
        Sampler settings: `Nuts`, 4 chains of 1,000 + 1,000 by default, or `Gibbs` for a spec with trees. `PymcNuts` and
        `Numpyro` are slower, and there to check it.
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
        If spec and cohort do not go together, or the environment's settings of numba or PyTensor allow no fit.
    FitError
        If sampling fails.
    MemoryLimitError
        If it cannot fit in memory, as `plan` predicts; the message says what would.
    StorageError
        If there is no room for a finished chain; those before it are kept.
    """
    (fitted,) = fit_many(
        spec, [cohort], outcome=outcome, engine=engine, seed=seed, checkpoint=checkpoint, limits=limits
    )
    return _with_influence(fitted, cohort)


@one_blas_thread()
def fit_many(
    spec: ModelSpec,
    cohorts: Sequence[Cohort],
    *,
    outcome: str | None = None,
    engine: Engine | None = None,
    seed: int,
    checkpoint: str | Path | None = None,
    limits: Limits | None = None,
) -> tuple[Fit, ...]:
    """Fit one spec to several cohorts (folds, bootstraps), compiling once where layouts agree.

    Same parameters as `fit`. Fold i gets the same draws as ``fit(spec, cohorts[i], ...)`` would give.
    """
    sampler = engine_for(spec, engine)
    if engine is not None and sampler is not engine:
        raise SpecError(
            "the Gibbs engine is for specs with trees or hinges, and they need it; leave engine out for the right one"
        )
    fits = []
    for cohort in cohorts:
        name = outcome or only_outcome(cohort)
        check_memory(spec, cohort, name, sampler)
        prepared = prepare(spec, cohort, outcome=name, seed=seed)
        for words in narrow_priors(spec, prepared):
            log.warning("prior: %s", words)
        identity = fit_identity(spec, cohort, name, to_plain(sampler), seed)
        folder = Path(checkpoint) / identity[:16] if checkpoint is not None else None
        prepared, sampled = complete_and_sample(
            spec, prepared, cohort, cohort.outcome(name), engine=sampler, seed=seed, checkpoint=folder
        )
        fits.append(_assemble(spec, cohort, name, sampler, seed, prepared, sampled, limits, identity))
        if sampled.interrupted:
            break  # the fit's status says so; what was not begun is not there
    return tuple(fits)


def engine_for(spec: ModelSpec, engine: Engine | None = None) -> Engine:
    """Return `engine` if it samples such a spec, else the one that does with its defaults.

    `Gibbs` for trees and hinges, else `Nuts`.
    """
    if engine is not None and isinstance(engine, Gibbs) == spec.searches:
        return engine
    return Gibbs() if spec.searches else Nuts()


def complete_and_sample(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, observed: Arrays, *, engine: Engine, seed: int,
    checkpoint: Path | None,
) -> tuple[Prepared, Sampled]:  # fmt: skip
    """Redraw what is imputed given the outcome's own model, and sample every chain of every imputation.

    Parameters
    ----------
    spec, prepared, cohort, observed
        As for `redraw`.
    engine : Engine
    seed : int
    checkpoint : Path, optional
        Folder for finished chains.
    """
    made = redraw(
        spec, prepared, cohort, observed, partial(_sample, spec, chains=1), engine=engine, seed=seed,
        checkpoint=checkpoint,
    )  # fmt: skip
    sampled = _sample(spec, made.prepared, cohort, observed, engine, seed, checkpoint, chains=engine.chains)
    return made.prepared, replace(
        sampled,
        sample_seconds=sampled.sample_seconds + made.seconds,
        formulation=sampled.formulation + ((made.note,) if made.note else ()),
    )


def _sample(
    spec: ModelSpec,
    prepared: Prepared,
    cohort: Cohort,
    observed: Arrays,
    engine: Engine,
    seed: int,
    folder: Path | None,
    *,
    chains: int,
) -> Sampled:
    if isinstance(engine, Gibbs):
        groups = group_indices(prepared.layout, cohort)
        return sample_trees(
            spec, prepared, observed, cohort.treatment_idx, groups, engine=engine, seed=seed, checkpoint=folder,
            chains=chains,
        )  # fmt: skip
    assert isinstance(engine, ChainEngine)
    rotation = rotate(spec, prepared.design)
    design = prepared.design if rotation is None else rotation.design
    notes = _notes(spec, design, engine)
    sampled = sample_chains(
        compiled(spec, design, engine), design.data, engine=engine, seed=seed, checkpoint=folder, chains=chains
    )  # fmt: skip
    if rotation is None:
        return replace(sampled, formulation=notes + sampled.formulation)
    expanded = []
    for run in sampled.chains:
        rng = stream(seed, "rotation", run.data_idx, run.chain_idx)
        expanded.append(replace(run, posterior=rotation.expand(run.posterior, run.data_idx, rng)))
    return replace(sampled, chains=tuple(expanded), formulation=rotation.notes + notes + sampled.formulation)


def _notes(spec: ModelSpec, design: Design, engine: ChainEngine) -> tuple[str, ...]:
    """Return in words how rows are held and in which coordinates coefficients are sampled, or why as they are."""
    data, family = design.data[0], spec.family
    written = written_out(spec, design) if isinstance(engine, Nuts) else None
    notes = written.notes(data) if isinstance(written, WrittenRows) else ()
    if "triangle" in data:
        notes += ("rows compressed exactly to the triangle of their QR decomposition",)
    elif isinstance(family, Compressing):
        notes += ("rows one a patient, not compressed: no more patients than coefficients",)
    if "estimate" in data:
        notes += (
            "coefficients sampled in coordinates that suit their estimates by least squares or maximum likelihood",
        )
    elif isinstance(family, Compressing) or (isinstance(family, Rowwise) and family.rows(data) is not None):
        notes += ("coefficients sampled as they are: too few patients (two a coefficient) to estimate them",)
    return notes


# Compiled models of this process, oldest first: a refit of the same graph costs its sampling alone.
_COMPILED: dict[str, Startable] = {}
_COMPILED_LIMIT = 8
_INFLUENCE_DRAWS = 1000  # enough for k, and its cost grows with patients x draws
_FEWEST_INFLUENCE_DRAWS = 100  # below, there is no tail to fit k to
_INFLUENTIAL = 0.7
_SUPPORT_DIRECTIONS = 200  # keeps what is saved of thousands of columns small
_SUPPORT_RIDGE = 1e-3


def compiled(spec: ModelSpec, design: Design, engine: ChainEngine) -> Startable:
    """Return the compiled model: from this process if its graph is there already, else from disk, else compiled."""
    if not isinstance(spec.confounding, PropensityScore):
        spec = replace(spec, confounding=None)  # words on what is measured change no graph
    identity = json.dumps([to_plain(spec), _graph_key(design)], sort_keys=True)
    key = f"{type(engine).__name__} {identity}"
    if key not in _COMPILED:
        if len(_COMPILED) >= _COMPILED_LIMIT:
            _COMPILED.pop(next(iter(_COMPILED)))
        make = partial(_model, spec, design)
        _COMPILED[key] = engine.compile(make, identity, written_out(spec, design))
    return _COMPILED[key]


def _model(spec: ModelSpec, design: Design) -> Any:
    """Return the PyMC model, unless PyTensor is told to compute in another precision than that of what is kept."""
    from pytensor import config

    if config.floatX != "float64":
        raise SpecError(
            f"PyTensor is set to floatX={config.floatX}, and posteriors are computed in float64: take it out of PYTENSOR_FLAGS "
            "and .pytensorrc",
            code="environment",
        )
    return build_model(spec, design)


def _graph_key(design: Design) -> list[Any]:
    """Return what the graph depends on besides the spec: numbers of columns, contrasts and groups, not their names."""
    layout = design.layout
    shapes = [(name, np.ndim(value), np.shape(value)[1:]) for name, value in design.data[0].items()]
    groups = [(len(grouping.labels), grouping.slopes) for grouping in layout.groupings]
    bases = [(c.feature, c.basis.size, c.basis.prior_key) for c in design.curves]
    return [
        design.column_blocks,
        design.column_paths,
        bases,
        to_plain(design.levels),
        design.predictors,
        layout.modifiers,
        layout.contrasts,
        groups,
        shapes,
    ]


def _with_influence(fitted: Fit, cohort: Cohort) -> Fit:
    """Add the Pareto k of the training patients to the diagnostics, from the draws of the first imputation that finished."""
    assert fitted.codes is not None
    imputation = fitted.posterior["imputation"].values
    first = int(imputation.min())  # after an interrupt not always 0
    one = fitted.kept(chain=imputation == first).thinned(_INFLUENCE_DRAWS)
    if one.n_draws < _FEWEST_INFLUENCE_DRAWS:
        return fitted
    shapes = pareto_k(pointwise_log_likelihood(one, cohort, imputation=first))
    diagnostics = replace(
        fitted.diagnostics, pareto_k=float(shapes.max()), influential=int((~(shapes <= _INFLUENTIAL)).sum())
    )
    return replace(fitted, diagnostics=diagnostics)


def pointwise_log_likelihood(fitted: Fit, cohort: Cohort, *, imputation: int) -> np.ndarray:
    """Return log-likelihoods of the training patients, shape (patient, draw), on one imputation's features.

    `fitted` must hold the draws of that imputation alone.
    """
    assert fitted.codes is not None
    layout, family = fitted.layout, fitted.spec.family
    columns, groups = fitted.encoding.columns(fitted.codes[imputation]), group_indices(layout, cohort)
    every = [
        layout.linear_predictor(columns, cohort.treatment_idx, groups, coefficients)
        for coefficients in fitted.coefficient_draws()
    ]
    if fitted.forests is not None:
        prognosis, effects = fitted.forest_values(columns)
        contrast = layout.contrast_matrix[cohort.treatment_idx]
        every[0] += prognosis + np.einsum("ir,irs->is", contrast, effects)
    eta = every[0] if len(every) == 1 else np.stack(every)
    outcome = cohort.outcome(fitted.outcome)
    return family.log_likelihood(eta, outcome, cohort.treatment_idx, fitted.family_draws(), fitted.constants)


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
    imputations: int, compile_seconds: float = 0.0, sample_seconds: float = 0.0, formulation: tuple[str, ...] = (),
    kernels: str = "",
) -> Provenance:  # fmt: skip
    """Return the provenance of a fit to `cohort`."""
    return Provenance(
        cohort_name=cohort.schema.name, cohort_source=cohort.schema.source, cohort_fingerprint=cohort.fingerprint,
        synthetic=cohort.schema.synthetic, n_patients=cohort.n, flow=tuple((e.reason, e.n) for e in cohort.flow),
        spec_hash=identity, seed=seed, engine=engine, sampler=sampler, imputations=imputations,
        compile_seconds=round(compile_seconds, 2), sample_seconds=round(sample_seconds, 2), versions=versions(),
        created_utc=utc_now(), formulation=formulation, kernels=kernels,
    )  # fmt: skip


def _assemble(
    spec: ModelSpec, cohort: Cohort, outcome: str, engine: Engine, seed: int, prepared: Prepared, sampled: Sampled,
    limits: Limits | None, identity: str,
) -> Fit:  # fmt: skip
    posterior, stats, forests = to_datasets(sampled.chains, prepared)
    asked = engine.chains * len(prepared.data)
    diagnostics, table = diagnose(posterior, stats, chains_asked=asked, limits=limits)
    stats, prior_k = power_scaled(stats)
    diagnostics = replace(diagnostics, prior_k=prior_k)
    for failure in diagnostics.failures:
        log.warning("diagnostics: %s", failure)
    provenance = make_provenance(
        spec, cohort, identity=identity, seed=seed, engine=to_plain(engine), sampler=sampled.library,
        imputations=len(prepared.data), compile_seconds=sampled.compile_seconds, sample_seconds=sampled.sample_seconds,
        formulation=sampled.formulation, kernels=sampled.kernels,
    )  # fmt: skip
    return Fit(
        spec=spec, outcome=outcome, schema=cohort.schema, encoding=prepared.encoding, layout=prepared.layout,
        constants=prepared.constants, imputer=prepared.imputer, support=make_support(prepared), posterior=posterior,
        sample_stats=stats, diagnostics=diagnostics, diagnostics_table=table, provenance=provenance,
        codes=prepared.codes, forests=forests,
    )  # fmt: skip


def to_datasets(
    chains: Sequence[ChainRun], prepared: Prepared
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset | None]:
    """Stack chains, nodes of trees apart; coefficients are labelled, other dimensions are named after their variable."""
    imputation = ("chain", [run.data_idx for run in chains])
    posterior, stats, forests = {}, {}, {}
    for name in chains[0].posterior:
        if name.startswith(FOREST):
            forest, part = name.removeprefix(FOREST).rsplit("_", 1)
            every = stack_nodes([run.posterior[name] for run in chains], part)
            forests[f"{forest}_{part}"] = (("chain", "draw", f"{forest}_node"), every)
            continue
        stacked = np.stack([run.posterior[name] for run in chains])
        dims = (
            ["coefficient", "predictor"][: stacked.ndim - 2]
            if name == "coefficients"
            else [f"{name}_dim_{i}" for i in range(stacked.ndim - 2)]
        )
        posterior[name] = (("chain", "draw", *dims), stacked)
    for name in chains[0].stats:
        stats[name] = (("chain", "draw"), np.stack([run.stats[name] for run in chains]))
    coords = {"coefficient": list(prepared.layout.coefficient_labels), "imputation": imputation}
    sample_stats = xr.Dataset(stats, {"imputation": imputation})
    return xr.Dataset(posterior, coords), sample_stats, xr.Dataset(forests) if forests else None


def make_support(prepared: Prepared) -> Support:
    """Return where the training patients lie, from the first completed data set."""
    columns = prepared.encoding.columns(prepared.codes[0])[:, : prepared.encoding.n_linear]
    mean = columns.mean(axis=0)
    # Principal directions by the singular values; a little ridge keeps rare or collinear columns from giving
    # infinite distances. Past the first directions, the same small variance is all that is known.
    _, singular, directions = np.linalg.svd(columns - mean, full_matrices=False)
    kept = slice(None, _SUPPORT_DIRECTIONS)
    variances = singular[kept] ** 2 / max(len(columns) - 1, 1) + _SUPPORT_RIDGE
    rest = (singular[_SUPPORT_DIRECTIONS:] ** 2).sum() / max(len(columns) - 1, 1)
    beyond = _SUPPORT_RIDGE + rest / max(columns.shape[1] - len(variances), 1)
    support = Support(mean, directions[kept], 1 / variances, 1 / beyond, np.empty(0))
    distances = np.quantile(support.distance(columns), np.arange(0.50, 0.995, 0.01))
    return replace(support, distances=distances)
