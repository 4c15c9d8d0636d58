"""What the machine has for this process, and how much of it one chain or thread of ours takes."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from medresponse.core.errors import SpecError

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

log = logging.getLogger("medresponse.core")

_NO_MATTER = (
    "NUMBA_CACHE_DIR",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
)  # machine code is of one thread
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread, whatever the environment says: chains and threads of ours run side by side, one core each.

    More of them only compete, and how a product is shared among threads could change its last bits.
    """
    asked = [
        name for name in _BLAS_THREADS if (value := os.environ.get(name, "")).isdigit() and int(value) > 1
    ]
    if asked:
        _warn(", ".join(asked))
    with _blas().limit(limits=1):
        yield


@cache
def _blas() -> ThreadpoolController:
    """Return numpy's and scipy's BLAS; to look for them takes milliseconds."""
    import scipy.linalg  # noqa: F401 - its BLAS is another than numpy's, and only what is loaded is found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@cache
def _warn(names: str) -> None:
    """Say once that variables are not followed."""
    log.warning(
        "%s: set aside while chains or scores are computed, for which BLAS takes one thread each", names
    )


def numba_settings() -> dict[str, str]:
    """Return the variables of the environment that numba's machine code may depend on (bounds checked, optimisation, processor)."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("NUMBA_") and name not in _NO_MATTER
    }


def check_numba() -> None:
    """Refuse settings of the environment under which numba compiles nothing, before it is imported.

    Raises
    ------
    SpecError
        Naming the variable.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0").strip() not in ("", "0"):
        raise SpecError(
            "NUMBA_DISABLE_JIT is set, and models need machine code: unset it", code="environment"
        )
    threads = os.environ.get("NUMBA_NUM_THREADS", "1").strip()
    if not threads.isdigit() or int(threads) < 1:
        raise SpecError(
            f"NUMBA_NUM_THREADS={threads}: a whole number from 1 on is meant, or nothing; unset it",
            code="environment",
        )


def described() -> str:
    """Return in words what a measurement depends on: ``x86_64 with AVX-512, 2 cores, 25 GB``; neither model nor host is named."""
    vectors, memory = _vectors(), _memory()
    kind = platform.machine() + (f" with {vectors}" if vectors else "")
    size = f", {memory / 1e9:.0f} GB" if memory else ""
    return f"{kind}, {os.cpu_count()} cores{size}"


def _vectors() -> str:
    """Return the widest vector instructions of the processor, nothing where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    flags = {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.split()}
    known = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "asimd": "NEON"}
    return next((name for flag, name in known.items() if flag in flags), "")


def _memory() -> int:
    """Return the bytes of the machine's memory, 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Return how many bytes this process may still take, None where the system does not say.

    On Linux what the kernel calls available, or what is left of the control group's limit where that is less.
    """
    left = [value for value in (_kernel_memory(), _group_memory()) if value is not None]
    return min(left, default=None)


def _kernel_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    own = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(own[0]) * 1024 if own else None


def _group_memory() -> int | None:
    try:
        limit, used = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current")
        )
    except OSError:
        return None
    return None if limit.strip() == "max" else max(0, int(limit) - int(used))
