"""The log density of a model as machine code: compiled once, kept on disk, and loaded without PyMC.

PyTensor writes the log density, its gradient and the quantities to keep as one graph; numba compiles it to one C function, the
kernel. Its arguments are addresses alone, so numba can keep its machine code in a file, and a later process with the same
model skips PyMC, PyTensor's rewriting and numba's compilation altogether.

The cache lies in the user's cache folder, or where ``MEDRESPONSE_CACHE_DIR`` says. ``MEDRESPONSE_KERNELS`` is the policy:

``kept`` (the default)
    A model is compiled in the process that needs it, from whatever pieces PyTensor has compiled before.
``reproducible``
    A model is compiled in a process of its own, without such pieces, and the machine code is loaded from the file also the
    first time (from a temporary one where the cache cannot be used). Log densities then have the same last bits whatever was compiled before; otherwise a process that compiles
    may bind to pieces that differ in them from those of a process that loads, and so in every draw.
``off``
    Nothing is kept.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import logging
import os
import pickle
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from medresponse.core.errors import FitError, SpecError
from medresponse.core.locking import locked
from medresponse.core.machine import check_numba
from medresponse.inference.graphs import flatten

log = logging.getLogger("medresponse.inference")

POLICIES = ("kept", "reproducible", "off")
_KEPT = 100  # kernels of one to five megabytes each
_BUILDING = ".building-"
_STALE_SECONDS = 86_400.0  # after which what a killed process was building is swept up
_FULL = 3  # exit code of a process that compiled and could not keep
_NO_MATTER = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER")  # kernels are of one thread
_PACKAGES = ("numba", "llvmlite", "pytensor", "pymc", "numpy", "scipy")
_GRAPH_SOURCES = (
    "core/links.py",
    "families",
    "features",
    "model",
    "priors",
    "terms",
    "inference/graphs.py",
    "inference/kernels.py",
    "inference/row_kernels.py",
    "inference/written_density.py",
    "inference/written_kernel.py",
    "inference/written_ordinal.py",
    "inference/written_piecewise.py",
    "inference/written_rows.py",
    "inference/written_weibull.py",
)
# What a kernel is asked for, and what it answers.
DENSITY, _QUANTITIES = 0, 1
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
            array = np.array(data[name], dtype=dtype, order="C", copy=True)
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


def policy() -> str:
    """Return the policy in force, from ``MEDRESPONSE_KERNELS``."""
    chosen = os.environ.get("MEDRESPONSE_KERNELS", POLICIES[0])
    if chosen not in POLICIES:
        raise SpecError(f"MEDRESPONSE_KERNELS: {chosen!r} is no policy; valid are {', '.join(POLICIES)}")
    return chosen


def kernel_of(make_model: Callable[[], Any], identity: str | None) -> Kernel:
    """Return the kernel of a model, loaded where it is kept, else compiled and kept.

    Parameters
    ----------
    make_model : callable
        Returns the PyMC model, or `Parts`; called only if it has to be compiled. Pickled under the policy ``reproducible``.
    identity : str, optional
        What tells this model's graph from any other; None to keep nothing.

    Raises
    ------
    FitError
        If compiling in another process fails.
    SpecError
        If the environment has numba compile nothing.
    """
    check_numba()
    chosen = policy()
    if identity is None or chosen == "off":
        return _compiled(make_model(), None)
    folder = _folder()
    if folder is None:
        return _unkept(make_model, chosen)
    digest = hashlib.sha256(json.dumps([identity, chosen, _circumstances()]).encode()).hexdigest()
    place = folder / digest[:40]
    if not os.access(folder, os.W_OK):
        kernel = _loaded_from_copy(place)
        if kernel is None:
            log.warning("the kernel cache cannot be written; the compiled model is not kept")
        return kernel or _unkept(make_model, chosen)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(_alone(folder / f"{place.name}.lock"))
        except OSError as error:  # no room for as much as a name, or a file system without locks
            log.warning(
                "the kernel cache cannot be used (%s); the compiled model is not kept", error.strerror
            )
            return _unkept(make_model, chosen)
        kernel = _loaded(place)
        if kernel is None:
            shutil.rmtree(place, ignore_errors=True)  # broken, or of other circumstances
            kernel = _apart(make_model, place) if chosen == "reproducible" else _kept(make_model, place)
            kernel = kernel or _unkept(make_model, chosen)
    return kernel


def _unkept(make_model: Callable[[], Any], chosen: str) -> Kernel:
    """Compile a model where the cache cannot be used, with the digits that the policy promises."""
    if chosen != "reproducible":
        return _compiled(make_model(), None)
    with tempfile.TemporaryDirectory(prefix="medresponse-") as own:
        kernel = _apart(make_model, Path(own) / "kernel")
    if kernel is None:
        raise FitError(
            "neither the kernel cache nor the folder for temporary files can be written, which the policy 'reproducible' needs: "
            "make room, or set MEDRESPONSE_CACHE_DIR or TMPDIR to a folder with some",
            code="compile",
        )
    return kernel


def _folder() -> Path | None:
    """Return the folder of kernels, None where it cannot be used: machine code is loaded only from trusted hands."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("MEDRESPONSE_CACHE_DIR")
    folder = (Path(chosen) if chosen else user_cache_path("medresponse")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = folder.stat()
    except OSError as error:
        log.warning("no kernel cache: %s cannot be made (%s)", folder, error.strerror)
        return None
    if hasattr(os, "getuid") and (
        facts.st_uid not in (os.getuid(), 0) or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ):
        log.warning(
            "no kernel cache: others can write to %s; make it yours alone or set MEDRESPONSE_CACHE_DIR",
            folder,
        )
        return None
    return folder


@cache
def _circumstances() -> list[Any]:
    """Return what machine code depends on besides the model: versions, processor, settings, and our own sources."""
    from llvmlite.binding import get_host_cpu_name

    package = Path(__file__).resolve().parents[1]
    sources = hashlib.sha256()
    for part in _GRAPH_SOURCES:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            sources.update(file.read_bytes())
    settings = {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("NUMBA_") and name not in _NO_MATTER
    }
    found = [metadata.version(package) for package in _PACKAGES]
    return [platform.python_version(), platform.machine(), get_host_cpu_name(), found, settings, sources.hexdigest()]  # fmt: skip


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold a lock, so that of several processes that need one kernel the first compiles it and the others load it."""
    with file.open("ab") as stream, locked(stream.fileno()):
        yield


def _loaded(place: Path) -> Kernel | None:
    """Return the kernel kept at `place`, None if there is none that works."""
    file = place / "kernel.json"
    if not file.is_file():
        return None
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        facts = Facts(
            n_parameters=plain["n_parameters"],
            quantities=tuple((name, tuple(shape)) for name, shape in plain["quantities"]),
            inputs=tuple((name, ndim, dtype) for name, ndim, dtype in plain["inputs"]),
            start=tuple(plain["start"]),
        )
        function = _native(place / "kernel.py", None)
    except Exception as error:  # whatever a damaged file makes numba or pickle say
        log.info("a kept kernel cannot be used (%s); compiling anew", type(error).__name__)
        return None
    if not function.cache_hits:
        return None
    with contextlib.suppress(OSError):
        os.utime(place)  # the oldest go first
    return Kernel(facts, function)


def _loaded_from_copy(place: Path) -> Kernel | None:
    """Return a kernel from a folder that cannot be written, where numba would not look."""
    if not place.is_dir():
        return None
    with tempfile.TemporaryDirectory() as own:
        return _loaded(
            Path(shutil.copytree(place, Path(own) / place.name))
        )  # with times, which numba compares


def _kept(make_model: Callable[[], Any], place: Path) -> Kernel | None:
    """Compile a model and keep its kernel at `place`, whole or not at all; None if there is no room."""
    try:
        with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=place.parent) as own:
            kernel = _compiled(make_model(), Path(own) / place.name)
            if (Path(own) / place.name / "kernel.json").is_file():
                os.rename(Path(own) / place.name, place)
                _prune(place.parent)
    except OSError as error:
        log.warning("the compiled model is not kept: %s", error.strerror)
        return None
    return kernel


def _prune(folder: Path) -> None:
    """Remove the kernels that have gone unused longest, and what killed processes left half built."""
    every = sorted(folder.glob("*/kernel.json"), key=lambda file: file.parent.stat().st_mtime)
    for file in every[:-_KEPT]:
        shutil.rmtree(file.parent, ignore_errors=True)
        file.parent.with_suffix(".lock").unlink(missing_ok=True)
    for left in folder.glob(f"{_BUILDING}*"):
        with contextlib.suppress(OSError):  # another process ends with it just now
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left)


def _apart(make_model: Callable[[], Any], place: Path) -> Kernel | None:
    """Compile in a process of its own, without pieces compiled before, and load what it kept; None if it had no room."""
    flags = [os.environ.get("PYTENSOR_FLAGS", ""), "numba__cache=False"]
    done = subprocess.run(
        [sys.executable, "-c", "from medresponse.inference.kernels import keep_in_this_process as keep; keep()"],
        input=pickle.dumps((make_model, str(place))), capture_output=True, check=False,
        env=os.environ | {"PYTENSOR_FLAGS": ",".join(filter(None, flags))},
    )  # fmt: skip
    said = done.stderr.decode(errors="replace").strip().splitlines()
    kernel = _loaded(place)
    if kernel is None and done.returncode == _FULL:
        log.warning("%s", said[-1])
    elif kernel is None:
        raise FitError(
            f"the model could not be compiled in a process of its own ({said[-1] if said else 'no message'}); "
            "set MEDRESPONSE_KERNELS=kept to compile it in this one",
            code="compile",
        )
    return kernel


def keep_in_this_process() -> None:
    """Read a pickled pair of model maker and place from standard input, compile and keep: the other end of `_apart`."""
    make_model, place = pickle.load(sys.stdin.buffer)
    if _kept(make_model, Path(place)) is None:
        sys.exit(_FULL)


def _compiled(model: Any, place: Path | None) -> Kernel:
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
        "isfinite": np.isfinite, "graph": graph, "float64": np.float64, "int64": np.int64, "int32": np.int32, "int8": np.int8,
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
