"""Machine code of models kept on disk, and loaded from there without PyMC.

The cache lies in the user's cache folder, or where ``MEDRESPONSE_CACHE_DIR`` says. ``MEDRESPONSE_KERNELS`` is the policy:

``kept`` (the default)
    A model is compiled in the process that needs it, from whatever pieces PyTensor has compiled before.
``reproducible``
    A model is compiled in a process of its own, without such pieces, and the machine code is loaded from the file also the
    first time (from a temporary one where the cache cannot be used). Log densities then have the same last bits whatever
    was compiled before; otherwise a process that compiles may bind to pieces that differ in them from those of a process
    that loads, and so in every draw.
``off``
    Nothing is kept.
"""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from medresponse.core.errors import FitError, SpecError
from medresponse.core.locking import locked
from medresponse.core.machine import check_numba, numba_settings
from medresponse.inference.kernels import Kernel, compiled_kernel, kernel_from

log = logging.getLogger("medresponse.inference")

POLICIES = ("kept", "reproducible", "off")
_KEPT = 100  # kernels of one to five megabytes each
_BUILDING = ".building-"
_STALE_SECONDS = 86_400.0  # after which what a killed process was building is swept up
_FULL = 3  # exit code of a process that compiled and could not keep
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
        return compiled_kernel(make_model(), None)
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
        return compiled_kernel(make_model(), None)
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
    found = [metadata.version(package) for package in _PACKAGES]
    return [platform.python_version(), platform.machine(), get_host_cpu_name(), found, numba_settings(), sources.hexdigest()]  # fmt: skip


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold a lock, so that of several processes that need one kernel the first compiles it and the others load it."""
    with file.open("ab") as stream, locked(stream.fileno()):
        yield


def _loaded(place: Path) -> Kernel | None:
    """Return the kernel kept at `place`, None if there is none that works."""
    if not (place / "kernel.json").is_file():
        return None
    try:
        kernel = kernel_from(place)
    except Exception as error:  # whatever a damaged file makes numba or pickle say
        log.info("a kept kernel cannot be used (%s); compiling anew", type(error).__name__)
        return None
    if kernel is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(place)  # the oldest go first
    return kernel


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
            kernel = compiled_kernel(make_model(), Path(own) / place.name)
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
        [sys.executable, "-c", "from medresponse.inference.kernel_cache import keep_in_this_process as keep; keep()"],
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
