"""Loops as machine code, by numba, which is imported only where one is needed.

Sums may be reordered, always in the same way: the same input gives the same result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from medresponse.core.machine import check_numba

log = logging.getLogger("medresponse.core")

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
        ``rng`` a numpy generator; a named tuple of these is such a tuple.
    """
    try:
        return _compile(function, kinds, keep=True)
    except (OSError, RuntimeError) as error:  # no folder can be written, or it is full or damaged
        log.info("machine code is not kept (%s): it is made again in every process", type(error).__name__)
        return _compile(function, kinds, keep=False)


def _compile(function: FUNCTION, kinds: tuple[Kind, ...], *, keep: bool) -> FUNCTION:
    check_numba()
    import numba

    # Sums may be reordered (to be vectorised) and products fused; infinities and NaN keep their meaning.
    fast = {"reassoc", "contract", "nsz"}
    made: Any = numba.njit(nogil=True, cache=keep, fastmath=fast, error_model="numpy")(function)
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
