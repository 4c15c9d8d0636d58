"""The log density of a model as machine code: compiled once, kept on disk, and loaded without PyMC.

PyTensor writes the log density, its gradient and the quantities to keep as one graph; numba compiles it to one C function, the
kernel. Its arguments are addresses alone, so numba can keep its machine code in a file, and a later process with the same
model skips PyMC, PyTensor's rewriting and numba's compilation altogether (`kernel_cache`).
"""

from __future__ import annotations

import ctypes
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from medresponse.inference.graphs import flatten

log = logging.getLogger("medresponse.inference")

# What a kernel is asked for, and what it answers.
DENSITY, _QUANTITIES = 0, 1
_LINE = 64  # bytes
NOT_FINITE = 3  # nutpie's code for a point that the trajectory must not pass


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What must be known of a kernel besides its machine code.

    Parameters
    ----------
    n_parameters : int
        Unconstrained parameters.
    quantities : tuple of (str, tuple of int)
        Names and shapes of what is kept of each draw: parameters on their own scale, deterministic quantities, and last
        the log density of the priors.
    inputs : tuple of (str, int, str)
        Name, number of dimensions and dtype of each array of data.
    start : tuple of float
        Where chains begin, before jitter, on the unconstrained scale.
    """

    n_parameters: int
    quantities: tuple[tuple[str, tuple[int, ...]], ...]
    inputs: tuple[tuple[str, int, str], ...]
    start: tuple[float, ...]

    @property
    def n_quantities(self) -> int:
        """Numbers kept of each draw."""
        return sum(int(np.prod(shape)) for _, shape in self.quantities)


@dataclass(frozen=True)
class Parts:
    """What a kernel is compiled from.

    Parameters
    ----------
    facts : Facts
    body : tuple of str
        Lines that use the arrays ``data_0``, ``data_1``, ... of `facts` and call `graph`.
    graph : object
        numba function.
    """

    facts: Facts
    body: tuple[str, ...]
    graph: Any


@dataclass(frozen=True)
class Kernel:
    """A model's machine code.

    Parameters
    ----------
    facts : Facts
    function : object
        numba's C function, which owns the memory at `address`.
    arrange : callable, optional
        Returns the kernel's inputs from a data set, where they are not the arrays of the data set themselves.
    """

    facts: Facts
    function: Any
    arrange: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]] | None = None

    @property
    def address(self) -> int:
        """Of the C function ``(what, x, value, out, data) -> status``."""
        return int(self.function.address)

    def pack(self, data: Mapping[str, np.ndarray]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return what the kernel reads its data by, and the arrays that must live as long.

        The first is the address of the kernel itself, and then the address and the shape of each array.
        """
        words, arrays = [self.address], []
        if self.arrange is not None:
            data = self.arrange(data)
        for name, ndim, dtype in self.facts.inputs:
            array = _aligned(np.asarray(data[name], dtype=dtype))
            if array.ndim != ndim:
                raise ValueError(f"{name} has {array.ndim} dimensions; the compiled model needs {ndim}")
            words += [array.ctypes.data, *array.shape]
            arrays.append(array)
        return np.array(words, dtype=np.uint64), tuple(arrays)

    def log_density(self, data: Mapping[str, np.ndarray], x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the log density and its gradient at a point of the unconstrained scale; NaN where not finite."""
        words, arrays = self.pack(data)
        value, gradient = np.full(1, np.nan), np.full(self.facts.n_parameters, np.nan)
        self._call(DENSITY, np.ascontiguousarray(x, dtype=float), value, gradient, words)
        del arrays
        return float(value[0]), gradient

    def quantities(self, data: Mapping[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is kept of a draw at a point of the unconstrained scale."""
        words, arrays = self.pack(data)
        out = np.full(self.facts.n_quantities, np.nan)
        self._call(_QUANTITIES, np.ascontiguousarray(x, dtype=float), out, out, words)
        del arrays
        names, shapes = zip(*self.facts.quantities, strict=True)
        parts = np.split(out, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
        return {name: part.reshape(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}

    def _call(self, what: int, x: np.ndarray, value: np.ndarray, out: np.ndarray, words: np.ndarray) -> int:
        pointers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (x, value, out)]
        return int(
            self.function.ctypes(what, *pointers, words.ctypes.data_as(ctypes.POINTER(ctypes.c_uint64)))
        )


def _aligned(values: np.ndarray) -> np.ndarray:
    """Return a copy that begins where a line of the processor's memory does, so that runs of eight numbers lie in one."""
    room = np.empty(values.nbytes + _LINE, dtype=np.uint8)
    first = -room.ctypes.data % _LINE
    copy = room[first : first + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def compiled_kernel(model: Any, place: Path | None) -> Kernel:
    """Compile a model; with its source, facts and machine code in the folder `place`, where one is given."""
    started = time.perf_counter()
    parts = model if isinstance(model, Parts) else _graph(model)
    facts, graph, source = parts.facts, parts.graph, _source(parts)
    if place is None:
        with tempfile.TemporaryDirectory() as own:
            file = Path(own) / "kernel.py"
            file.write_text(source, encoding="utf-8")
            function = _native(file, graph, keep=False)
    else:
        place.mkdir(parents=True)
        file = place / "kernel.py"
        file.write_text(source, encoding="utf-8")
        function = _native(file, graph)
        if any(place.glob("__pycache__/*.nbc")):
            (place / "kernel.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")
        else:
            log.info("numba cannot keep the machine code of this model")
    log.info("model compiled in %.1f s", time.perf_counter() - started)
    return Kernel(facts, function)


def kernel_from(place: Path) -> Kernel | None:
    """Return the kernel that `compiled_kernel` left at `place`, None if its machine code is of other circumstances.

    Raises
    ------
    Exception
        Whatever a damaged file makes numba, json or pickle say.
    """
    plain = json.loads((place / "kernel.json").read_text(encoding="utf-8"))
    facts = Facts(
        n_parameters=plain["n_parameters"],
        quantities=tuple((name, tuple(shape)) for name, shape in plain["quantities"]),
        inputs=tuple((name, ndim, dtype) for name, ndim, dtype in plain["inputs"]),
        start=tuple(plain["start"]),
    )
    function = _native(place / "kernel.py", None)
    return Kernel(facts, function) if function.cache_hits else None


def _graph(model: Any) -> Parts:
    """Return the parts of a PyMC model's kernel: the graph of log density, gradient and quantities in its parameters."""
    from pymc.pytensorf import compile as compile_graph

    flat = flatten(model)
    with model:
        compiled = compile_graph((flat.x,), (flat.density, flat.gradient, flat.everything), mode="NUMBA")
    facts = Facts(
        n_parameters=len(flat.start),
        quantities=flat.quantities,
        inputs=tuple((str(shared.name), shared.ndim, str(shared.dtype)) for shared in compiled.get_shared()),
        start=flat.start,
    )
    names = ", ".join(["x", *(f"data_{i}" for i in range(len(facts.inputs)))])
    n = facts.n_parameters
    body = (
        f"    x = carray(x_, ({n},))",
        f"    density, gradient, quantities = graph({names})",
        f"    if what == {DENSITY}:",
        "        value_[0] = density[()]",
        "        finite = isfinite(density[()])",
        f"        for i in range({n}):",
        "            out_[i] = gradient[i]",
        "            finite &= isfinite(gradient[i])",
        f"        return 0 if finite else {NOT_FINITE}",
        f"    for i in range({facts.n_quantities}):",
        "        out_[i] = quantities[i]",
        "    return 0",
    )
    return Parts(facts, body, compiled.vm.jit_fn)


def _source(parts: Parts) -> str:
    """Return the kernel in Python: data from addresses, then the body, in plain loops, which compile quickly."""
    inputs = parts.facts.inputs
    words = 1 + sum(1 + ndim for _, ndim, _ in inputs)
    lines = [
        "def kernel(what, x_, value_, out_, data_):",
        f"    words = carray(data_, ({words},))",
    ]
    at = 1
    for i, (_, ndim, dtype) in enumerate(inputs):
        shape = "".join(f"words[{at + 1 + axis}], " for axis in range(ndim))
        lines.append(f"    data_{i} = carray(as_pointer(words[{at}]), ({shape}), {dtype})")
        at += 1 + ndim
    lines += parts.body
    return "\n".join(lines) + "\n"


def _native(file: Path, graph: Any, *, keep: bool = True) -> Any:
    """Return the C function of a kernel's source, kept beside the file or loaded from there."""
    import numba
    from numba import types

    doubles = types.CPointer(types.double)
    signature = types.int64(types.int64, doubles, doubles, doubles, types.CPointer(types.uint64))
    # numba looks up the module of what it loads by this name.
    names: dict[str, Any] = {
        "__name__": __name__, "carray": numba.carray, "as_pointer": _intrinsics()[0],
        "isfinite": np.isfinite, "graph": graph, "float64": np.float64, "int64": np.int64, "int32": np.int32, "int8": np.int8, "uint64": np.uint64,
    }  # fmt: skip
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, ""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Cannot cache compiled function")
            return numba.cfunc(signature, cache=keep)(names["kernel"])
    finally:
        numba.config.CACHE_DIR = elsewhere


@cache
def _intrinsics() -> tuple[Any, Any]:
    """Return numba functions that make an address a pointer, and that call a kernel by its address."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[untyped-decorator]
    def as_pointer(typing: Any, address: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], cgutils.voidptr_t)

        return types.voidptr(address), code

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typing: Any, address: Any, what: Any, x: Any, value: Any, out: Any, data: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            form = ir.FunctionType(ir.IntType(64), [argument.type for argument in arguments[1:]])
            return builder.call(builder.inttoptr(arguments[0], form.as_pointer()), arguments[1:])

        return types.int64(address, what, x, value, out, data), code

    return as_pointer, call


@cache
def callbacks() -> tuple[Any, Any]:
    """Return the two C functions by which nutpie asks for a log density and for quantities, whatever the kernel.

    They find the kernel by its address, the first word of its data, so that no model needs callbacks of its own.
    """
    import numba
    from numba import types

    _, call = _intrinsics()
    doubles, words = types.CPointer(types.double), types.CPointer(types.uint64)

    def density(n: Any, x: Any, gradient: Any, value: Any, data: Any) -> Any:
        return call(data[0], types.int64(DENSITY), x, value, gradient, data)

    def quantities(n: Any, size: Any, x: Any, out: Any, data: Any) -> Any:
        return call(data[0], types.int64(_QUANTITIES), x, x, out, data)

    return (
        numba.cfunc(types.int64(types.uint64, doubles, doubles, doubles, words))(density),
        numba.cfunc(types.int64(types.uint64, types.uint64, doubles, doubles, words))(quantities),
    )
