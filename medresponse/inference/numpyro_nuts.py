"""NumPyro's NUTS, to check the default engine: another sampler, on a gradient by another compiler (extra ``numpyro``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medresponse.core.errors import FitError
from medresponse.core.registry import register
from medresponse.inference.background import Chain
from medresponse.inference.compiled import JITTER, STATISTICS, Settings, Trace
from medresponse.inference.engines import Engine, require_chains
from medresponse.inference.graphs import flatten
from medresponse.inference.power_scaling import LOG_PRIOR
from medresponse.model import WrittenOut, WrittenRows

_BLOCK = 50  # iterations between looks at whether to stop
_TRIES = 10


@register(Engine, "numpyro")
@dataclass(frozen=True, kw_only=True)
class Numpyro:
    """NumPyro's NUTS on the processor, in double precision, with a diagonal metric.

    It shares the model with `Nuts`, and neither the sampler nor the gradient, which JAX derives. An interrupt is heeded after
    the block of 50 iterations that runs. Machine code is not kept: a model is compiled in every process, and again for data of
    another shape.

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
        """What must be known of results by this engine."""
        return ("NumPyro's NUTS: machine code not kept, compiled again for data of another shape",)

    def compile(
        self, make_model: Callable[[], Any], identity: str, written: WrittenOut | WrittenRows | None = None
    ) -> Model:
        """Return the model as JAX compiles its graph.

        Raises
        ------
        FitError
            If NumPyro is not installed, or JAX lacks something that the model needs.
        """
        return Model(make_model)


class Model:
    """A model in JAX's hands, as functions of the vector of parameters and of the data."""

    policy = "off"
    notes: tuple[str, ...] = ()

    def __init__(self, make_model: Callable[[], Any]) -> None:
        started = time.perf_counter()
        try:
            import jax
            import numpyro
        except ImportError as error:
            raise FitError(
                "the engine needs NumPyro: pip install 'medresponse[numpyro]'", code="missing_extra"
            ) from error
        flat = flatten(make_model())
        self._names, self._shapes = zip(*flat.quantities, strict=True)
        self._start, self._inputs = np.array(flat.start), _data_of(flat)
        with jax.enable_x64(True):
            density, everything = (
                _by_jax(flat.x, self._inputs, output) for output in (flat.density, flat.everything)
            )

        def potential(*data: Any) -> Callable[[Any], Any]:
            return lambda x: -density(x, *data)

        self._potential = potential
        self._value_and_gradient = jax.jit(jax.value_and_grad(density))
        self._everything = jax.jit(jax.vmap(everything, in_axes=(0, *(None for _ in self._inputs))))
        self._blocks: dict[tuple[int, float, int], tuple[Any, Any]] = {}
        self.library = f"numpyro {numpyro.__version__}, jax {jax.__version__}"
        self.seconds = time.perf_counter() - started  # JAX compiles when the first chain asks

    def start(self, data: Mapping[str, np.ndarray], engine: Settings, seed: int) -> Chain:
        """Start one chain on `data` and return its handle."""
        return Chain(lambda look: self._sample(data, engine, seed, look))

    def _sample(
        self, data: Mapping[str, np.ndarray], engine: Settings, seed: int, look: Callable[[int], None]
    ) -> Trace:
        import jax

        with jax.enable_x64(True):  # of this thread
            arrays = tuple(
                jax.numpy.asarray(np.asarray(data[shared.name], dtype=shared.dtype))
                for shared in self._inputs
            )
            begin, advance = self._block(engine)
            look(0)
            rng = np.random.default_rng(seed)
            state = begin(self._jittered(arrays, rng), jax.random.key(int(rng.integers(2**63))), arrays)
            kept: list[Any] = []
            total = engine.tune + engine.draws
            for done in range(0, total, _BLOCK):
                look(done)
                state, found = advance(state, arrays)
                inside = slice(max(engine.tune - done, 0), min(_BLOCK, total - done))
                kept.append({name: np.asarray(values)[inside] for name, values in found.items()})
            joined = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
            rows = np.asarray(self._everything(joined.pop("x"), *arrays))
        joined["depth"] = np.log2(joined["n_steps"] + 1).astype(np.int64)
        parts = np.split(rows, np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1], axis=1)
        posterior = {
            name: part.reshape(len(rows), *shape)
            for name, part, shape in zip(self._names, parts, self._shapes, strict=True)
        }
        stats = {name: joined[name] for name in STATISTICS}
        return Trace(posterior, stats | {LOG_PRIOR: posterior.pop(LOG_PRIOR)})

    def _block(self, engine: Settings) -> tuple[Any, Any]:
        """Return compiled functions that begin a chain, and that advance it by a block."""
        key = (engine.tune, engine.target_accept, engine.max_depth)
        if key in self._blocks:
            return self._blocks[key]
        import jax
        from numpyro.infer.hmc import hmc

        initialise, iterate = hmc(potential_fn_gen=self._potential, algo="NUTS")

        def begin(x: Any, random: Any, data: Any) -> Any:
            return initialise(
                x, engine.tune, target_accept_prob=engine.target_accept, max_tree_depth=engine.max_depth,
                model_args=data, rng_key=random,
            )  # fmt: skip

        def one(state: Any, data: Any) -> tuple[Any, dict[str, Any]]:
            step_size = state.adapt_state.step_size
            state = iterate(state, data)
            return state, {
                "x": state.z, "diverging": state.diverging, "energy": state.energy, "n_steps": state.num_steps,
                "step_size": step_size,
            }  # fmt: skip

        def advance(state: Any, data: Any) -> Any:
            return jax.lax.scan(lambda carry, _: one(carry, data), state, None, length=_BLOCK)

        self._blocks[key] = begin, jax.jit(advance)
        return self._blocks[key]

    def _jittered(self, data: tuple[Any, ...], rng: np.random.Generator) -> Any:
        """Return a start around the model's, where the density is finite."""
        for _ in range(_TRIES):
            x = self._start + rng.uniform(-JITTER, JITTER, len(self._start))
            density, gradient = self._value_and_gradient(x, *data)
            if np.isfinite(density) and np.isfinite(gradient).all():
                return x
        raise RuntimeError(f"no start with a finite density in {_TRIES} tries")


def _data_of(flat: Any) -> tuple[Any, ...]:
    """Return the shared variables that a model reads."""
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import graph_inputs

    found = graph_inputs([flat.density, flat.everything])
    return tuple(variable for variable in found if isinstance(variable, SharedVariable))


def _by_jax(x: Any, shared: tuple[Any, ...], output: Any) -> Callable[..., Any]:
    """Return a graph as a JAX function of the parameters and of the data."""
    from pytensor.compile import mode
    from pytensor.graph.fg import FunctionGraph
    from pytensor.graph.replace import clone_replace
    from pytensor.link.jax.dispatch import jax_funcify

    data = [variable.type() for variable in shared]
    (graph,) = clone_replace([output], dict(zip(shared, data, strict=True)))
    function_graph = FunctionGraph(inputs=[x, *data], outputs=[graph], clone=True)
    try:
        mode.JAX.optimizer.rewrite(function_graph)
        function = jax_funcify(function_graph)
    except NotImplementedError as error:
        raise FitError(
            f"this spec has a part that JAX cannot compute ({error}); check it with the engine PymcNuts",
            code="compile",
        ) from error
    return lambda *inputs: function(*inputs)[0]
