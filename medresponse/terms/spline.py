"""Natural cubic spline, shrunk towards a straight line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medresponse.core.registry import register
from medresponse.features.basis import Basis
from medresponse.priors import HalfNormal, ScalePrior
from medresponse.terms.base import Term
from medresponse.terms.scaled import scaled


@register(Basis, "natural_spline")
@dataclass(frozen=True, kw_only=True)
class NaturalSpline:
    """Deviations from a straight line, linear beyond the outer knots.

    Parameters
    ----------
    knots : tuple of float
    rotation : tuple of tuple of float
        Values at the knots -> basis functions, shape (knot, function).
    line : tuple of tuple of float
        Intercept and slope that are taken off each function, shape (2, function): on the training values every
        function is orthogonal to the constant and to the line.
    """

    knots: tuple[float, ...]
    rotation: tuple[tuple[float, ...], ...]
    line: tuple[tuple[float, ...], ...]

    @property
    def size(self) -> int:
        """Number of basis functions."""
        return len(self.line[0])

    @property
    def prior_key(self) -> tuple[float, ...]:
        """Nothing: the functions are scaled so that the prior does not depend on them."""
        return ()

    def columns(self, values: np.ndarray) -> np.ndarray:
        """Return the basis functions at `values`, shape (..., size)."""
        intercept, slope = (np.array(part) for part in self.line)
        raw = _cardinal(np.array(self.knots), values) @ np.array(self.rotation)
        return raw - intercept - slope * values[..., None]


@register(Term, "spline")
@dataclass(frozen=True, kw_only=True)
class Spline:
    """Natural cubic spline whose wiggliness, the integral of its squared second derivative, is shrunk.

    The spline's null space is the straight line, which is the block's own linear coefficient; the rest is rotated
    so that its coefficients are independent normal with one common scale (Wood 2017, Generalized Additive Models,
    2nd ed., sections 5.3.1 and 5.4.2: the mixed-model form of a penalised natural spline).

    Parameters
    ----------
    knots : int
        At evenly spaced quantiles of the distinct training values, from the 1st to the 99th percentile (the extremes
        belong to real patients and are not kept).
    scale : ScalePrior
        Prior of the term's typical size: the root mean square of the function over the training patients, on the
        scale of the linear predictor.
    """

    knots: int = 12
    scale: ScalePrior = field(default_factory=lambda: HalfNormal(sigma=0.5))

    def __post_init__(self) -> None:
        if self.knots < 3:
            raise ValueError("knots must be at least 3: two give a straight line")

    def learn(self, values: np.ndarray) -> NaturalSpline:
        """Return the basis; fewer knots where the feature has fewer distinct values.

        Raises
        ------
        ValueError
            If the feature has fewer than three distinct values.
        """
        distinct = np.unique(values)
        knots = np.unique(np.quantile(distinct, np.linspace(0.01, 0.99, min(self.knots, len(distinct)))))
        if len(knots) < 3:
            raise ValueError("has fewer than three distinct values; a spline needs a curve to find")
        penalty = _penalty(knots)
        eigenvalues, vectors = np.linalg.eigh(penalty)
        # Two directions (constant and line) have no curvature; the rest is scaled to unit curvature.
        rotation = vectors[:, 2:] / np.sqrt(eigenvalues[2:])
        rotation *= np.sign(rotation[np.abs(rotation).argmax(axis=0), np.arange(rotation.shape[1])])
        raw = _cardinal(knots, values) @ rotation
        straight = np.column_stack([np.ones_like(values), values])
        line = np.linalg.lstsq(straight, raw, rcond=None)[0]
        size = np.sqrt(((raw - straight @ line) ** 2).sum(axis=1).mean())
        return NaturalSpline(
            knots=tuple(knots.tolist()),
            rotation=tuple(map(tuple, (rotation / size).tolist())),
            line=tuple(map(tuple, (line / size).tolist())),
        )

    def coefficients(self, name: str, *, basis: Basis, copies: int, dims: str) -> Any:
        """Add the coefficients; see `Term.coefficients`."""
        return scaled(name, self.scale.sample(f"{name}_scale"), size=copies * basis.size, dims=dims)


def _cardinal(knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the natural cubic splines that are 1 at one knot and 0 at the others, shape (..., knot)."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    inside = np.clip(values, knots[0], knots[-1])
    beyond = (values - inside)[..., None]
    return spline(inside) + np.where(beyond < 0, spline(knots[0], 1), spline(knots[-1], 1)) * beyond


def _penalty(knots: np.ndarray) -> np.ndarray:
    """Return the matrix of a natural spline's integrated squared second derivative, from its values at the knots.

    Second derivatives are linear between knots, so that their products integrate by the hat functions' masses.
    """
    from scipy.interpolate import CubicSpline

    second = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(knots, 2)
    second[[0, -1]] = 0.0
    width = np.diff(knots)
    mass = np.zeros((len(knots), len(knots)))
    i = np.arange(len(width))
    mass[i, i] += width / 3
    mass[i + 1, i + 1] += width / 3
    mass[i, i + 1] += width / 6
    mass[i + 1, i] += width / 6
    return second.T @ mass @ second
