"""Loops as machine code, by numba, which is imported only where one is needed.

Sums may be reordered, always in the same way: the same input gives the same result.
"""

from __future__ import annotations

import ast
import hashlib
import logging
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from medresponse.core.machine import check_numba, numba_settings

log = logging.getLogger("medresponse.core")

_PACKAGE = __name__.partition(".")[0]
# Sums may be reordered (to be vectorised) and products fused; infinities and NaN keep their meaning.
_FAST = ("contract", "nsz", "reassoc")
_DIVISION = "numpy"  # by zero makes infinities and NaN
FUNCTION = Callable[..., None]
Kind = str | tuple[Any, ...]


@cache
def compiled(function: FUNCTION, *kinds: Kind) -> FUNCTION:
    """Return a function of arrays and numbers as machine code, kept in numba's folder where that can be written.

    Parameters
    ----------
    function : callable
        In the part of Python that numba knows; it releases the interpreter's lock.
    kinds : str
        Of each argument: ``f4[3]`` is an array of three dimensions in float32, ``f8`` a number, ``i8`` a whole one,
        ``rng`` a numpy generator; a named tuple of these is such a tuple. Arrays are contiguous and can be written. For other
        arguments the function is compiled once more, in seconds and perhaps with other last digits; the tests allow none.

    Raises
    ------
    SpecError
        If the environment has numba compile nothing.
    """
    try:
        return _compile(function, kinds, keep=True)
    except Exception as error:  # no folder can be written, it is full, or damaged files are no pickles
        log.info("machine code is not kept (%s): it is made again in every process", type(error).__name__)
        return _compile(function, kinds, keep=False)


def _named_by_sources(function: FUNCTION) -> FUNCTION:
    """Return the function under a name that differs once options do, numba's settings, or modules that its own takes from.

    Numba looks at the function's own file to tell whether the machine code that it keeps is of this source, and at no options.
    """
    digest = hashlib.sha256(repr((_FAST, _DIVISION, numba_settings())).encode())
    for path in _sources(function.__module__):
        digest.update(path.read_bytes())
    own: Any = function
    named = FunctionType(own.__code__, own.__globals__, own.__name__, own.__defaults__, own.__closure__)
    named.__qualname__ = f"{own.__qualname__}_{digest.hexdigest()[:12]}"
    return named


@cache
def _sources(module: str) -> tuple[Path, ...]:
    """Return files of the package's modules that a module imports from by name, and of theirs where they are for numba."""
    found: dict[Path, None] = {}
    waiting = [module]
    while waiting:
        tree = ast.parse(Path(str(sys.modules[waiting.pop()].__file__)).read_text(encoding="utf-8"))
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
        if found and not any(str(node.module).startswith("numba") for node in imports):
            continue
        for node in imports:
            name = str(node.module)
            path = Path(str(getattr(sys.modules.get(name), "__file__", "")))
            if name.startswith(f"{_PACKAGE}.") and path not in found:
                found[path] = None
                waiting.append(name)
    return tuple(found)


def _compile(function: FUNCTION, kinds: tuple[Kind, ...], *, keep: bool) -> FUNCTION:
    check_numba()
    import numba

    named = _named_by_sources(function) if keep else function
    made: Any = numba.njit(nogil=True, cache=keep, fastmath=set(_FAST), error_model=_DIVISION)(named)
    made.compile(tuple(numba.typeof(_example(kind)) for kind in kinds))
    return made


def _example(kind: Kind) -> Any:
    if isinstance(kind, tuple):
        return type(kind)(*map(_example, kind))
    if kind == "rng":
        return np.random.default_rng(0)
    dtype, _, rest = kind.partition("[")
    if rest:
        return np.empty((1,) * int(rest[0]), dtype=dtype)
    return np.dtype(dtype).type(1).item()
