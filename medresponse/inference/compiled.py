"""A compiled model in nutpie's hands: chains are started in the background, and come back as plain arrays."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from medresponse.inference.kernel_cache import kernel_of, policy
from medresponse.inference.kernels import callbacks
from medresponse.inference.power_scaling import LOG_PRIOR
from medresponse.inference.written_kernel import written_kernel
from medresponse.model import WrittenOut, WrittenRows

STATISTICS = ("diverging", "energy", "n_steps", "step_size", "depth")
_TELL_MILLISECONDS = 5000  # between words of how far a chain is
JITTER = 1.0  # around the start, on the unconstrained scale


class Settings(Protocol):
    """What a chain needs to know of its engine."""

    @property
    def draws(self) -> int: ...  # noqa: D102
    @property
    def tune(self) -> int: ...  # noqa: D102
    @property
    def target_accept(self) -> float: ...  # noqa: D102
    @property
    def max_depth(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Trace:
    """Kept draws of one chain by variable, and statistics of the sampler, draws first."""

    posterior: Mapping[str, np.ndarray]
    sample_stats: Mapping[str, np.ndarray]


class Running:
    """A chain in the background.

    Parameters
    ----------
    sample : callable
        Starts nutpie's sampler; of what it is to tell how far it is.
    names : tuple of str
        What is kept of a draw.
    """

    def __init__(self, sample: Callable[[Callable[[list[Any]], None]], Any], names: tuple[str, ...]) -> None:
        self._names, self.done = names, 0
        self._sampler = sample(self._hear)

    def _hear(self, chains: list[Any]) -> None:
        self.done = int(chains[0].finished_draws)

    @property
    def is_finished(self) -> bool:
        """Whether `wait` returns at once."""
        try:
            return bool(self._sampler.is_finished)
        except TimeoutError:  # nutpie's own way of saying "not yet"
            return False

    def wait(self) -> Trace:
        """Return the chain when it is finished; RuntimeError if it failed."""
        (draws,), (statistics,) = self._sampler.wait().get_arrow_trace()
        kept = ~_array(statistics, "tuning")
        posterior = {name: _array(draws, name)[kept] for name in self._names}
        found = {name: _array(statistics, name)[kept] for name in STATISTICS}
        return Trace(posterior, found | {LOG_PRIOR: posterior.pop(LOG_PRIOR)})

    def cancel(self) -> None:
        """Stop it, and forget what it has drawn."""
        self._sampler.cancel()


class Compiled:
    """A model compiled once, to be sampled with any data of the same layout.

    Parameters
    ----------
    make_model : callable
        Returns the PyMC model; called only where its machine code is not kept already.
    identity : str, optional
        What tells its graph from any other; None to keep nothing on disk.
    written : WrittenOut, optional
        The model written out, whose kernel then takes the place of the graph's.
    """

    def __init__(
        self,
        make_model: Callable[[], Any],
        identity: str | None = None,
        written: WrittenOut | WrittenRows | None = None,
    ) -> None:
        started = time.perf_counter()
        self._kernel = kernel_of(make_model, identity) if written is None else written_kernel(written)
        self.seconds = time.perf_counter() - started
        self.policy = policy()
        self.notes: tuple[str, ...] = (
            "density compiled from PyMC's graph: nothing is written out by hand for such a spec"
            if written is None
            else "density written out by hand, not compiled from PyMC's graph",
        )
        self.library = f"nutpie {_nutpie().__version__}"

    def start(self, data: Mapping[str, np.ndarray], engine: Settings, seed: int) -> Running:
        """Start one chain on `data` and return its handle."""
        sample = partial(
            _nutpie().sample, self._with_data(data), draws=engine.draws, tune=engine.tune, chains=1, cores=1, seed=seed,
            target_accept=engine.target_accept, maxdepth=engine.max_depth, progress_bar=False, blocking=False,
            return_raw_trace=True, progress_rate=_TELL_MILLISECONDS,
        )  # fmt: skip
        names = tuple(name for name, _ in self._kernel.facts.quantities)
        return Running(lambda hear: sample(progress_callback=hear), names)

    def _with_data(self, data: Mapping[str, np.ndarray]) -> Any:
        """Return the model in nutpie's terms; it keeps the arrays alive."""
        from nutpie.compile_pymc import CompiledPyMCModel

        kernel, facts = self._kernel, self._kernel.facts
        density, quantities = callbacks()
        words, arrays = kernel.pack(data)
        names, shapes = zip(*facts.quantities, strict=True)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()
        start = np.array(facts.start)

        def initial(seed: Any) -> np.ndarray:
            return start + np.random.default_rng(seed).uniform(-JITTER, JITTER, len(start))

        return CompiledPyMCModel(
            dims={}, compiled_logp_func=density, compiled_expand_func=quantities, initial_point_func=initial,
            shared_data={"arrays": (kernel, arrays)}, shared_var_keys={}, user_data=words, n_expanded=facts.n_quantities,
            shape_info=(list(names), [slice(0, end) for end in ends], [list(shape) for shape in shapes]),
            logp_func=None, expand_func=None, _n_dim=facts.n_parameters, _shapes=dict(facts.quantities), _coords={},
        )  # fmt: skip


def _array(batch: Any, name: str) -> np.ndarray:
    """Return one column of an Arrow batch, draws first, in the shape that its field's metadata tell."""
    import pyarrow

    column = batch.column(name)
    shape = (column.field.metadata or {}).get(b"shape", b"").decode()
    values = pyarrow.array(column)
    flat = values.flatten() if hasattr(values, "flatten") else values
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(
        len(values), *(int(size) for size in shape.split(",") if size)
    )


class _Later(ModuleType):
    """Stands for a module until something is asked of it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def _nutpie() -> Any:
    """Import nutpie without ArviZ: nutpie needs it only to convert results, and it takes longer than all the rest."""
    if "nutpie" in sys.modules or "arviz" in sys.modules:
        return importlib.import_module("nutpie")
    sys.modules["arviz"] = _Later("arviz")
    try:
        return importlib.import_module("nutpie")
    finally:
        del sys.modules["arviz"]
