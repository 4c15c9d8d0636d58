"""Shapes of dependence on several scores, under the names of the 2016 data challenge (Dorie et al. 2019, Stat Sci 34:43)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Shape = Literal["linear", "polynomial", "exponential", "step"]


@dataclass(frozen=True)
class Weights:
    """Coefficients of one surface over q scores, drawn once for a world: ``single`` (q,), ``square`` (q,), ``pair`` (q,), ``cut`` (q,)."""

    single: np.ndarray
    square: np.ndarray
    pair: np.ndarray
    cut: np.ndarray


def draw_weights(rng: np.random.Generator, q: int) -> Weights:
    """Return coefficients for `q` scores: signs at random, sizes within a factor of two of each other."""
    sizes = rng.uniform(0.5, 1.0, (3, q)) * rng.choice([-1.0, 1.0], (3, q))
    return Weights(sizes[0], 0.5 * sizes[1], 0.5 * sizes[2], rng.uniform(-0.5, 0.5, q))


def surface(shape: Shape, scores: np.ndarray, weights: Weights) -> np.ndarray:
    """Return the surface at `scores` of shape (patient, q), as (patient,); not standardised."""
    return _SURFACES[shape](scores, weights)


def _linear(s: np.ndarray, w: Weights) -> np.ndarray:
    return s @ w.single


def _polynomial(s: np.ndarray, w: Weights) -> np.ndarray:
    return s @ w.single + (s**2) @ w.square + (s * np.roll(s, 1, axis=1)) @ w.pair


def _exponential(s: np.ndarray, w: Weights) -> np.ndarray:
    """Exponential of a linear surface with standard deviation 0.7, cut at 3: a convex response with a bounded tail."""
    return np.exp(np.minimum(0.7 * (s @ w.single) / np.linalg.norm(w.single), 3.0))


def _step(s: np.ndarray, w: Weights) -> np.ndarray:
    above = (s > w.cut).astype(float)
    return above @ w.single + 2.0 * ((above * np.roll(above, 1, axis=1)) @ w.pair)


_SURFACES: Mapping[Shape, Callable[[np.ndarray, Weights], np.ndarray]] = {
    "linear": _linear,
    "polynomial": _polynomial,
    "exponential": _exponential,
    "step": _step,
}
