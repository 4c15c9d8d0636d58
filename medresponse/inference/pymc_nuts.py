"""PyMC's own NUTS, to check the default engine: another sampler, on a log density that PyMC compiles by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from medresponse.core.registry import register
from medresponse.inference.background import Chain
from medresponse.inference.compiled import JITTER, STATISTICS, Settings, Trace
from medresponse.inference.engines import Engine, require_chains
from medresponse.inference.graphs import log_prior_of, start_of
from medresponse.inference.power_scaling import LOG_PRIOR
from medresponse.model import WrittenOut, WrittenRows

_TRIES = 10  # of a start whose density is finite, as PyMC does
_OWN = {"n_steps": "tree_size"}  # what PyMC calls a statistic, where it is another name
_FORGET = 10  # draws that the first estimate of the metric counts for, as PyMC's "jitter+adapt_diag" has it


@register(Engine, "pymc")
@dataclass(frozen=True, kw_only=True)
class PymcNuts:
    """NUTS as PyMC itself has it, with a diagonal metric.

    Some ten times as slow as `Nuts`, with which it shares the model and nothing else. Chains follow one another, since PyMC
    draws in Python; an interrupt is heeded after the iteration that runs. Machine code is not kept between processes,
    except for the pieces that PyTensor keeps.

    Parameters
    ----------
    draws, tune, chains : int
        Kept and discarded iterations a chain, and chains, for each imputation.
    target_accept : float
    max_depth : int
        Longest trajectory is ``2 ** max_depth`` leapfrog steps.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.95
    max_depth: int = 10
    cores: ClassVar[int] = 1

    def __post_init__(self) -> None:
        require_chains(self, self.chains)

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known of results by this engine."""
        return ("PyMC's own NUTS: chains one after another, machine code not kept",)

    def compile(
        self, make_model: Callable[[], Any], identity: str, written: WrittenOut | WrittenRows | None = None
    ) -> Model:
        """Return the model as PyMC compiles its graph."""
        return Model(make_model)


class Model:
    """A model in PyMC's hands: one chain at a time, since its compiled functions hold the data."""

    policy = "off"
    notes: tuple[str, ...] = ()

    def __init__(self, make_model: Callable[[], Any]) -> None:
        import pymc

        started = time.perf_counter()
        self._model = model = make_model()
        self._start = start_of(model)
        self._density = model.logp_dlogp_function(ravel_inputs=True, initial_point=self._start)
        kept = [*model.free_RVs, *model.deterministics]
        self._names = [str(variable.name) for variable in kept] + [LOG_PRIOR]
        values = model.value_vars
        self._quantities = model.compile_fn(
            [*model.replace_rvs_by_values(kept), log_prior_of(model)], inputs=values, on_unused_input="ignore"
        )
        self.library = f"pymc {pymc.__version__}"
        self.seconds = time.perf_counter() - started

    def start(self, data: Mapping[str, np.ndarray], engine: Settings, seed: int) -> Chain:
        """Start one chain on `data` and return its handle; the one before must have ended."""
        for shared in self._model.data_vars:
            shared.set_value(np.asarray(data[shared.name], dtype=shared.dtype))
        return Chain(lambda look: self._sample(engine, seed, look))

    def _sample(self, engine: Settings, seed: int, look: Callable[[int], None]) -> Trace:
        import pymc
        from pymc.step_methods.hmc.quadpotential import QuadPotentialDiagAdapt

        rng = np.random.default_rng(seed)
        point = self._jittered(rng)
        first = np.concatenate([np.ravel(point[value.name]) for value in self._model.value_vars])
        with self._model:
            step = pymc.NUTS(
                potential=QuadPotentialDiagAdapt(len(first), first, np.ones_like(first), _FORGET, rng=rng.spawn(1)[0]),
                target_accept=engine.target_accept, max_treedepth=engine.max_depth, initial_point=point,
                logp_dlogp_func=self._density, rng=rng,
            )  # fmt: skip
        step.setup_chain(rng, engine.tune, engine.draws)
        points, statistics = [], []
        for iteration in range(engine.tune + engine.draws):
            look(iteration)
            if iteration == engine.tune:
                step.stop_tuning()
            point, (found,) = step.step(point)
            if iteration >= engine.tune:
                points.append(point)
                statistics.append(found)
        rows = [self._quantities(one) for one in points]
        posterior = {
            name: np.stack(column) for name, column in zip(self._names, zip(*rows, strict=True), strict=True)
        }
        stats = {name: np.array([found[_OWN.get(name, name)] for found in statistics]) for name in STATISTICS}
        return Trace(posterior, stats | {LOG_PRIOR: posterior.pop(LOG_PRIOR)})

    def _jittered(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return a start around the model's, where the density is finite."""
        for _ in range(_TRIES):
            point = {
                name: value + rng.uniform(-JITTER, JITTER, np.shape(value))
                for name, value in self._start.items()
            }
            density, gradient = self._density(
                np.concatenate([np.ravel(point[value.name]) for value in self._model.value_vars])
            )
            if np.isfinite(density) and np.isfinite(gradient).all():
                return point
        raise RuntimeError(f"no start with a finite density in {_TRIES} tries")
