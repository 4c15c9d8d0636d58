"""MCMC engines behind one function: `sample_chains`.

Whatever the engine, the model is compiled once, each data set (an imputation, a fold) is swapped in, and each chain
is a run of its own, so that an interrupt or a kill loses at most the chains that are running. nutpie is the default; PyMC's
own NUTS (`pymc_nuts`) and NumPyro's (`numpyro_nuts`) share neither its sampler nor its compiled gradient, and check it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from zipfile import BadZipFile

import numpy as np

from medresponse.core.atomic import atomic_path, said_if_full
from medresponse.core.errors import FitError
from medresponse.core.machine import available_cores
from medresponse.core.registry import register
from medresponse.core.rng import derive_seed
from medresponse.inference.compiled import Compiled, Settings, Trace
from medresponse.model import WrittenOut, WrittenRows

log = logging.getLogger("medresponse.inference")

# Between looks at running chains: a fiftieth of the time since something changed, so that waiting adds little to a fit however short.
_LOOK = 0.02
_LOOK_SECONDS = (0.0005, 0.05)  # never less, never more
_SILENCE = 20.0  # seconds without a word, after which it is said how far running chains are


@runtime_checkable
class Engine(Protocol):
    """A sampler and its settings."""

    @property
    def draws(self) -> int:
        """Kept draws a chain."""
        ...

    @property
    def tune(self) -> int:
        """Discarded iterations before the first."""
        ...

    @property
    def chains(self) -> int:
        """Chains for each imputation."""
        ...


class Running(Protocol):
    """A chain in the background."""

    @property
    def is_finished(self) -> bool:
        """Whether `wait` returns at once."""
        ...

    @property
    def done(self) -> int:
        """Iterations so far, as of a few seconds ago."""
        ...

    def wait(self) -> Trace:
        """Return the chain when it is finished; RuntimeError if it failed."""
        ...

    def cancel(self) -> None:
        """Stop it, and forget what it has drawn."""
        ...


class Startable(Protocol):
    """A model that an engine has compiled."""

    seconds: float  # of compilation
    library: str
    policy: str  # by which machine code is kept, as in `kernel_cache`
    notes: tuple[str, ...]  # what must be known of the compiled model besides

    def start(self, data: Mapping[str, np.ndarray], engine: Any, seed: int) -> Running:
        """Start one chain on `data` and return its handle."""
        ...


@runtime_checkable
class ChainEngine(Engine, Settings, Protocol):
    """An engine whose chains `sample_chains` runs.

    `cores` is how many run at once, all available cores where None; `notes` is what must be known of results by this engine.
    """

    @property
    def cores(self) -> int | None: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102

    def compile(
        self, make_model: Callable[[], Any], identity: str, written: WrittenOut | WrittenRows | None = None
    ) -> Startable:
        """Return a model compiled for this engine, which may use the written-out model, if any, instead of the graph."""
        ...


def require_chains(engine: Settings, chains: int) -> None:
    """Refuse settings that cannot work."""
    if min(engine.draws, engine.tune) < 1 or chains < 2:
        raise ValueError("draws and tune must be positive and chains at least 2: R-hat needs two")
    if not 0.5 < engine.target_accept < 1:
        raise ValueError("target_accept must lie between 0.5 and 1")


@register(Engine, "nuts")
@dataclass(frozen=True, kw_only=True)
class Nuts:
    """nutpie's NUTS with the numba backend and a diagonal metric.

    Parameters
    ----------
    draws, tune, chains : int
        Kept and discarded iterations a chain, and chains, for each imputation.
    target_accept : float
    max_depth : int
        Longest trajectory is ``2 ** max_depth`` leapfrog steps.
    cores : int, optional
        Chains run at once; all available cores by default. Never changes a result.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.95
    max_depth: int = 10
    cores: int | None = None

    def __post_init__(self) -> None:
        require_chains(self, self.chains)

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing: this is the engine that all else is described by."""
        return ()

    def compile(
        self, make_model: Callable[[], Any], identity: str, written: WrittenOut | WrittenRows | None = None
    ) -> Startable:
        """Return the model's machine code, from disk where it is kept."""
        return Compiled(make_model, identity, written)


@dataclass(frozen=True)
class ChainRun:
    """One finished chain: arrays of shape (draw, ...) by variable name, and which data set it saw."""

    data_idx: int
    chain_idx: int
    posterior: Mapping[str, np.ndarray]
    stats: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Sampled:
    """What came out of the sampler: finished chains, and how it went.

    `kernels` is the policy by which machine code was kept, `formulation` says in words in which other, equivalent
    coordinates it was sampled, and what must be known of the engine.
    """

    chains: tuple[ChainRun, ...]
    interrupted: bool
    compile_seconds: float
    sample_seconds: float
    library: str
    kernels: str = ""
    formulation: tuple[str, ...] = ()


def sample_chains(
    compiled: Startable,
    data_sets: Sequence[Mapping[str, np.ndarray]],
    *,
    engine: ChainEngine,
    seed: int,
    checkpoint: Path | None = None,
    chains: int | None = None,
) -> Sampled:
    """Sample every chain of every data set.

    The one place in the package that runs MCMC.

    Parameters
    ----------
    compiled : Startable
        By `engine`.
    data_sets : sequence of mappings
        Arrays that the model reads, one mapping an imputation.
    engine : ChainEngine
    seed : int
        Chain c of data set m always gets the same stream, whatever else runs.
    checkpoint : Path, optional
        Folder where each finished chain is kept; chains found there are not sampled again.
    chains : int, optional
        Of each data set, in the place of the engine's.

    Returns
    -------
    Sampled
        `interrupted` if the user stopped it: finished chains are there, running ones are lost.

    Raises
    ------
    FitError
        If the sampler fails, a chain comes back short or non-finite, or none finished.
    StorageError
        If there is no room for a finished chain; those before it are kept.
    """
    started = time.perf_counter()
    waiting = [(m, c) for m in range(len(data_sets)) for c in range(chains or engine.chains)]
    finished = {job: run for job in waiting if (run := load_chain(checkpoint, *job)) is not None}
    waiting = [job for job in waiting if job not in finished]
    total, cores = len(waiting) + len(finished), engine.cores or available_cores()
    running: dict[tuple[int, int], Running] = {}
    interrupted, changed, said = False, time.perf_counter(), time.perf_counter()
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                m, c = waiting.pop(0)
                running[m, c] = compiled.start(data_sets[m], engine, derive_seed(seed, "chain", m, c))
            for job in [job for job, handle in running.items() if handle.is_finished]:
                run = _collect(running.pop(job), job, engine)
                save_chain(checkpoint, run)
                finished[job] = run
                divergences = int(run.stats["diverging"].sum())
                changed = said = time.perf_counter()
                log.info(
                    "chain %d of %d finished, %d divergences, %.1f s",
                    len(finished),
                    total,
                    divergences,
                    changed - started,
                )
            if running:
                if time.perf_counter() - said > _SILENCE:
                    said = time.perf_counter()
                    log.info("%s, %.0f s", _progress(running, len(finished), total, engine), said - started)
                least, most = _LOOK_SECONDS
                time.sleep(min(max(_LOOK * (time.perf_counter() - changed), least), most))
    except KeyboardInterrupt:
        interrupted = True
        log.warning("interrupted: %d of %d chains had finished and are kept", len(finished), total)
    finally:
        for handle in running.values():  # empty unless stopped or failed: nothing goes on in the background
            handle.cancel()
    if not finished:
        raise FitError("interrupted before any chain had finished; nothing to keep", code="interrupted")
    runs = tuple(finished[job] for job in sorted(finished))
    seconds = time.perf_counter() - started
    return Sampled(
        runs,
        interrupted,
        compiled.seconds,
        seconds,
        compiled.library,
        compiled.policy,
        compiled.notes + engine.notes,
    )


def _progress(
    running: Mapping[tuple[int, int], Running], finished: int, total: int, engine: ChainEngine
) -> str:
    """Return how far chains are, in words."""
    each = engine.tune + engine.draws
    parts = ", ".join(f"{handle.done / each:.0%}" for handle in running.values())
    return f"{finished} of {total} chains finished, {len(running)} running: {parts} of {each} iterations"


def _collect(handle: Running, job: tuple[int, int], engine: ChainEngine) -> ChainRun:
    try:
        trace = handle.wait()
    except RuntimeError as error:
        raise FitError(
            f"the sampler failed ({error}); check the priors and the data's scale with check_prior",
            code="sampler",
        ) from error
    posterior, stats = trace.posterior, trace.sample_stats
    # Samplers return short or NaN-padded traces silently: look before anything is believed.
    short = [name for name, values in posterior.items() if len(values) != engine.draws]
    broken = [name for name, values in posterior.items() if not np.isfinite(values).all()]
    if short or broken:
        what = "fewer draws than asked for" if short else f"non-finite draws of {', '.join(broken[:3])}"
        raise FitError(f"chain {job[1]} of data set {job[0]} came back with {what}", code="sampler")
    return ChainRun(*job, posterior, stats)


def _chain_file(folder: Path, data_idx: int, chain_idx: int) -> Path:
    return folder / f"imputation-{data_idx:02d}-chain-{chain_idx:02d}.npz"


def save_chain(folder: Path | None, run: ChainRun) -> None:
    """Keep a finished chain in the checkpoint folder, where there is one.

    Raises
    ------
    StorageError
        If there is no room for it.
    """
    if folder is None:
        return
    n = len(list(folder.glob("*.npz"))) if folder.is_dir() else 0
    arrays = {f"posterior.{k}": v for k, v in run.posterior.items()} | {
        f"stats.{k}": v for k, v in run.stats.items()
    }
    with (
        said_if_full(
            f"a finished chain: {n} finished before it are kept, and the same fit goes on from them"
        ),
        atomic_path(_chain_file(folder, run.data_idx, run.chain_idx)) as temporary,
        temporary.open("wb") as stream,
    ):
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def load_chain(folder: Path | None, data_idx: int, chain_idx: int) -> ChainRun | None:
    """Return a chain that the checkpoint folder holds, or None; one that a crash of the machine damaged is sampled again."""
    if folder is None or not (file := _chain_file(folder, data_idx, chain_idx)).is_file():
        return None
    parts: dict[str, dict[str, np.ndarray]] = {"posterior": {}, "stats": {}}
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            for key in stored.files:
                group, name = key.split(".", 1)
                parts[group][name] = stored[key]
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        log.warning("%s cannot be read (%s): the chain is sampled again", file.name, type(error).__name__)
        return None
    return ChainRun(data_idx, chain_idx, parts["posterior"], parts["stats"])
