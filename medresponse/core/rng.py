"""Named random streams: the same seed and name give the same numbers whatever else is drawn.

Streams are keyed by labels (a patient's id, a site's name, a step's name), never by position, so that row
order, chunking and thread counts cannot change a result.
"""

from __future__ import annotations

import hashlib
from numbers import Integral

import numpy as np

from medresponse.core.errors import SpecError


def checked_seed(seed: object) -> int:
    """Return a seed as it was given; there is no default, since a study states its seeds.

    Raises
    ------
    SpecError
        If it is missing, or no whole number from 0.
    """
    if seed is None:
        raise SpecError("seed: missing; legal are whole numbers from 0", code="no_seed")
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise SpecError(f"seed: {seed!r} found; legal are whole numbers from 0", code="no_seed")
    return int(seed)


def stream(seed: int, *labels: str | int) -> np.random.Generator:
    """Return the generator that belongs to `labels` under `seed`."""
    return np.random.default_rng(np.random.SeedSequence([seed, derive_seed(seed, *labels)]))


def derive_seed(seed: int, *labels: str | int) -> int:
    """Return a 63-bit seed for libraries that take an integer (samplers, forests)."""
    text = "\x1f".join([str(seed), *(str(label) for label in labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
