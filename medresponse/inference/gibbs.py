"""Gibbs sampling of models with sums of trees or hinges: these, the linear part, latent outcomes and scales in turn.

Bayesian backfitting (Hastie & Tibshirani 2000, Stat Sci 15:196): each tree is drawn given the residual of all else. One
sweep draws the family's free parameters given the predictor alone, then the latent outcomes given both (together one
draw of the two from their joint law), then every tree some times, products of hinges with the linear part integrated out, the linear
part in one block, and the scales of groups.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medresponse.core.errors import FitError, SpecError
from medresponse.core.registry import register, registered
from medresponse.core.rng import stream
from medresponse.families import Arrays, Augmented, Family
from medresponse.features import PROPENSITY, Encoding
from medresponse.inference.engines import ChainRun, Engine, Sampled, load_chain, save_chain
from medresponse.inference.ensembles import Ensemble
from medresponse.inference.hinge_factors import Factors
from medresponse.inference.hinge_law import Law
from medresponse.inference.hinges import HingeSampler
from medresponse.inference.linear import LinearPart
from medresponse.inference.slices import ScaleStep
from medresponse.model import Hinges, ModelSpec, Prepared, SumOfTrees, Trees

log = logging.getLogger("medresponse.inference")

FOREST = "forest_"  # start of the names of node arrays in a chain
HINGES = "hinge_"  # and, after it, of those that are not of trees
_PROBES = 10  # patients whose prognosis and effects the diagnostics look at


@register(Engine, "gibbs")
@dataclass(frozen=True, kw_only=True)
class Gibbs:
    """Settings of the Gibbs sampler, for specs with trees or hinges.

    Parameters
    ----------
    draws : int
        Kept draws a chain; each holds all its trees (about 10 kB for 250 trees) or products of hinges (about 2 kB for
        50), so they are few and far apart.
    tune : int
        Sweeps before the first, discarded.
    thin : int
        Sweeps from one kept draw to the next.
    chains : int
        For each imputation. They run one after another.
    moves : int
        Births, deaths and changes of products of hinges a sweep: most of its time with thousands of patients.
    passes : int
        Times that every tree is drawn in a sweep, by one proposed birth, death or change of a split each. With few patients
        this is the cheap part of a sweep; where the residual is small, chains need many.
    """

    draws: int = 500
    tune: int = 1000
    thin: int = 4
    chains: int = 4
    moves: int = 60
    passes: int = 3

    def __post_init__(self) -> None:
        if min(self.draws, self.tune, self.thin, self.moves, self.passes) < 1 or self.chains < 2:
            raise ValueError(
                "draws, tune, thin, moves and passes must be positive and chains at least 2: R-hat needs two"
            )


def sample_trees(
    spec: ModelSpec, prepared: Prepared, outcome: Arrays, treatment_idx: np.ndarray, groups: dict[str, np.ndarray], *,
    engine: Gibbs, seed: int, checkpoint: Path | None = None, chains: int | None = None,
) -> Sampled:  # fmt: skip
    """Sample every chain of every completed data set.

    Parameters
    ----------
    spec : ModelSpec
        With trees or hinges.
    prepared : Prepared
    outcome : mapping
        As `Cohort.outcome` gives it.
    treatment_idx : numpy.ndarray
        Shape (patient,).
    groups : dict
        Grouping column -> index of each patient's group.
    engine : Gibbs
    seed : int
        Chain c of data set m always gets the same stream.
    checkpoint : Path, optional
        Folder where each finished chain is kept; chains found there are not sampled again.
    chains : int, optional
        Of each data set, in the place of the engine's.

    Raises
    ------
    SpecError
        If the family or a prior has no Gibbs step; the message names what has.
    FitError
        If a draw is not finite, or no chain finished.
    """
    require_augmented(spec.family)
    started = time.perf_counter()
    jobs = [(m, c) for m in range(len(prepared.codes)) for c in range(chains or engine.chains)]
    finished: list[ChainRun] = []
    interrupted = False
    try:
        for m, c in jobs:
            run = load_chain(checkpoint, m, c)
            if run is None:
                columns = prepared.encoding.columns(prepared.codes[m])
                chain = _Chain(spec, prepared, columns, outcome, treatment_idx, groups, seed=seed, job=(m, c))
                run = chain.run(engine, (m, c))
                save_chain(checkpoint, run)
            finished.append(run)
            log.info(
                "chain %d of %d finished, %.1f s", len(finished), len(jobs), time.perf_counter() - started
            )
    except KeyboardInterrupt:
        interrupted = True
        log.warning("interrupted: %d of %d chains had finished and are kept", len(finished), len(jobs))
    if not finished:
        raise FitError("interrupted before any chain had finished; nothing to keep", code="interrupted")
    seconds = time.perf_counter() - started
    sampler = "trees" if spec.trees is not None else "hinges"
    return Sampled(tuple(finished), interrupted, 0.0, seconds, sampler)


class _Chain:
    """One chain's state: what is fitted adds up to `mean`, and `residual` is the latent outcome less it."""

    def __init__(
        self, spec: ModelSpec, prepared: Prepared, columns: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray,
        groups: dict[str, np.ndarray], *, seed: int, job: tuple[int, int],
    ) -> None:  # fmt: skip
        layout, constants = prepared.layout, prepared.constants
        family = require_augmented(spec.family)
        self._spec, self._family, self._layout = spec, family, layout
        self._constants, self._outcome = constants, outcome
        self._treatment_idx = treatment_idx
        self._rng = stream(seed, "gibbs", *job)
        self._free = {name: ScaleStep(prior) for name, prior in family.free.items()}
        self._parameters = self._from_free()
        mean, sd = family.intercept_prior(prepared.data[job[0]], constants)
        self._linear = LinearPart(spec, prepared, columns, treatment_idx, groups, intercept=(mean, sd))
        self._mean = self._linear.fitted
        latent, self._precision = self._augment()
        self._residual = latent - self._mean
        unit = float(prepared.data[job[0]]["latent_sd"])
        contrast = layout.contrast_matrix[treatment_idx]
        self._ensembles: list[Ensemble] = []
        self._hinges: HingeSampler | None = None
        if spec.trees is not None:
            self._plant(spec.trees, prepared, columns, contrast, unit=unit, seed=seed, job=job)
        if spec.hinges is not None:
            fixed, precision, _ = self._linear.block
            law = hinge_law(spec.hinges, prepared.encoding, columns, contrast, unit=unit)
            rng = stream(seed, "hinges", *job)
            self._hinges = HingeSampler(law, fixed=fixed, fixed_precision=precision, rng=rng)
        parts = [part for part in (spec.trees, spec.hinges) if part is not None]
        blocks = tuple(block for part in parts for block in part.blocks)
        self._probes = spread_out(columns[:, splittable(prepared.encoding, blocks, with_score=False)[0]])

    def _plant(
        self, trees: Trees, prepared: Prepared, columns: np.ndarray, contrast: np.ndarray, *, unit: float, seed: int,
        job: tuple[int, int],
    ) -> None:  # fmt: skip
        plan: list[tuple[SumOfTrees, np.ndarray | None, bool]] = [(trees.prognostic, None, True)]
        if trees.predictive is not None:
            plan += [(trees.predictive, contrast[:, j], False) for j in range(contrast.shape[1])]
        for number, (prior, basis, with_score) in enumerate(plan):
            positions, weights = splittable(prepared.encoding, trees.blocks, with_score=with_score)
            ensemble = Ensemble(
                prior, leaf_sd=prior.scale * unit / np.sqrt(prior.trees), columns=columns, positions=positions,
                weights=weights, basis=basis, rng=stream(seed, "trees", *job, number),
            )  # fmt: skip
            self._ensembles.append(ensemble)

    def run(self, engine: Gibbs, job: tuple[int, int]) -> ChainRun:
        kept: list[dict[str, np.ndarray]] = []
        for sweep in range(1, engine.tune + engine.draws * engine.thin + 1):
            keep = sweep > engine.tune and (sweep - engine.tune) % engine.thin == 0
            self._sweep(engine.moves, engine.passes)
            if keep:
                kept.append(self._draw())
        posterior = {}
        for name in kept[0]:
            draws = [draw[name] for draw in kept]
            posterior[name] = stack_nodes(draws, name) if name.startswith(FOREST) else np.stack(draws)
        broken = [name for name, values in posterior.items() if not np.isfinite(values).all()]
        if broken:
            raise FitError(
                f"chain {job[1]} of data set {job[0]} has non-finite draws of {', '.join(broken[:3])}"
            )
        stats = {"diverging": np.zeros(engine.draws, dtype=bool)}
        return ChainRun(*job, posterior, stats)

    def _sweep(self, moves: int, passes: int) -> None:
        for step in self._free.values():
            step.draw(lambda value, step=step: self._log_likelihood(step, value), self._rng)  # type: ignore[misc]
        self._parameters = self._from_free()
        latent, self._precision = self._augment()
        self._residual = latent - self._mean
        for _ in range(passes):
            for ensemble in self._ensembles:
                ensemble.sweep(self._residual, self._precision)
        if self._hinges is not None:
            fixed, precision, prior_mean = self._linear.block
            target = self._residual + self._linear.fitted + self._hinges.fitted
            self._hinges.sweep(target - fixed @ prior_mean, self._precision, precision, moves)
            self._residual = target - self._linear.fitted - self._hinges.fitted
        self._residual = self._linear.draw(self._residual, self._precision, self._rng)
        self._mean = latent - self._residual

    def _draw(self) -> dict[str, np.ndarray]:
        """Return the state with the means of functions moved into the linear part, where they are identified."""
        linear, coefficients = self._linear, self._linear.coefficients.copy()
        intercept, start = linear.intercept, self._layout.slices["treatment"].start
        draw: dict[str, np.ndarray] = {}
        probes: dict[str, np.ndarray] = {}
        for j, ensemble in enumerate(self._ensembles):
            function = ensemble.function()
            mean = float(function.mean())
            if j == 0:
                intercept += mean
            else:
                coefficients[start + j - 1] += mean
            column, value = ensemble.nodes(shift=-mean)
            draw[f"{FOREST}{_name(j)}_column"], draw[f"{FOREST}{_name(j)}_value"] = column, value
            probes[_name(j)] = function[self._probes] - mean
        for part in range(0 if self._hinges is None else self._hinges.law.parts):
            assert self._hinges is not None
            column, value, shape = self._hinges.nodes(part)  # averages zero as it is
            name = f"{HINGES}{_name(part)}"
            draw |= {
                f"{FOREST}{name}_column": column,
                f"{FOREST}{name}_value": value,
                f"{FOREST}{name}_shape": shape,
            }
            probes[_name(part)] = probes.get(_name(part), 0.0) + self._hinges.function(part)[self._probes]
        draw |= {"coefficients": coefficients, self._family.intercept_name: np.asarray(intercept)}
        draw |= {name: np.asarray(value) for name, value in self._parameters.items()}
        return draw | linear.scales | {f"probe_{name}": values for name, values in probes.items()}

    def _from_free(self) -> dict[str, float]:
        return self._family.from_free(
            {name: step.value for name, step in self._free.items()}, self._constants
        )

    def _augment(self) -> tuple[np.ndarray, np.ndarray]:
        return self._family.augment(self._mean, self._outcome, self._parameters, self._constants, self._rng)

    def _log_likelihood(self, step: ScaleStep, value: float) -> float:
        """Return the likelihood of one free quantity, without the latent outcomes."""
        family = self._family
        free = {name: value if other is step else other.value for name, other in self._free.items()}
        parameters = {name: np.array([v]) for name, v in family.from_free(free, self._constants).items()}
        parameters[family.intercept_name] = np.zeros(1)
        pointwise = self._spec.family.log_likelihood(
            self._mean[:, None], self._outcome, self._treatment_idx, parameters, self._constants
        )
        return float(pointwise.sum())


def _name(part: int) -> str:
    """Return the name of the prognosis (0) or of a contrast's function."""
    return "prognostic" if part == 0 else f"predictive_{part - 1}"


def hinge_law(
    prior: Hinges, encoding: Encoding, columns: np.ndarray, contrasts: np.ndarray, *, unit: float
) -> Law:
    """Return the prior of products over some feature columns; the propensity score is for the prognosis only."""
    positions, _ = splittable(encoding, prior.blocks, with_score=True)
    owners = [encoding.column_features[i] for i in positions]
    order = {owner: i for i, owner in enumerate(dict.fromkeys(owners))}
    features = np.array([order[owner] for owner in owners], dtype=int)
    score = np.array([i for i in positions if encoding.column_blocks[i] == PROPENSITY], dtype=int)
    factors = Factors(columns, positions, features, knots=prior.knots, min_patients=prior.min_patients)
    return Law(prior, factors=factors, only_prognostic=score, contrasts=contrasts, unit=unit)


def require_augmented(family: Family) -> Augmented:
    """Return the family if trees can be drawn for it.

    Raises
    ------
    SpecError
        If not; the message names the families that they can be drawn for.
    """
    if isinstance(family, Augmented):
        return family
    able = sorted(name for name, part in registered(Family).items() if hasattr(part, "augment"))
    raise SpecError(
        f"spec.trees, spec.hinges: {type(family).__name__} has no latent normal outcome to draw them by; "
        f"families that have one: {', '.join(able)}"
    )


def splittable(
    encoding: Encoding, blocks: tuple[str, ...], *, with_score: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of the columns that trees may split on and their prior probabilities.

    Each feature is as likely as any other; a categorical one's columns share its probability.
    """
    allowed = set(blocks) | ({PROPENSITY} if with_score else set())
    owners = encoding.column_features
    positions = [i for i, b in enumerate(encoding.column_blocks) if b in allowed and len(owners[i]) < 2]
    counts = [sum(owners[j] == owners[i] for j in positions) for i in positions]
    weights = 1.0 / np.array(counts, dtype=float)
    return np.array(positions, dtype=int), weights / weights.sum()


def spread_out(columns: np.ndarray) -> np.ndarray:
    """Return rows that lie far from each other, the first nearest to the middle (Gonzalez 1985, farthest-first)."""
    distance = ((columns - columns.mean(axis=0)) ** 2).sum(axis=1)
    chosen = [int(distance.argmin())]
    nearest = ((columns - columns[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(_PROBES, len(columns)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((columns - columns[chosen[-1]]) ** 2).sum(axis=1))
    return np.array(chosen)


def stack_nodes(parts: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Stack node arrays, each filled up along its last axis with what `features.Forest` says stands after the last node."""
    width = max(part.shape[-1] for part in parts)
    blank = -1 if name.endswith("column") else 0
    return np.stack(
        [
            np.pad(p, [(0, 0)] * (p.ndim - 1) + [(0, width - p.shape[-1])], constant_values=blank)
            for p in parts
        ]
    )
