"""Gaussian process of one feature in its Hilbert-space approximation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medresponse.core.registry import register
from medresponse.features.basis import Basis
from medresponse.priors import HalfNormal, LogNormal, ScalePrior
from medresponse.terms.base import Term
from medresponse.terms.scaled import scaled


@register(Basis, "laplace_eigenfunctions")
@dataclass(frozen=True, kw_only=True)
class LaplaceEigenfunctions:
    """Sines that vanish at the ends of a box around the training values.

    Parameters
    ----------
    middle, low, high : float
        Middle and ends (1st and 99th percentile) of the training values; beyond the ends the function keeps its
        value there.
    half_width : float
        Half the width of the box, L.
    means : tuple of float
        Training means of the functions, which are taken off.
    """

    middle: float
    low: float
    high: float
    half_width: float
    means: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of basis functions."""
        return len(self.means)

    @property
    def prior_key(self) -> tuple[float, ...]:
        """The box's half width: it sets the frequencies."""
        return (self.half_width,)

    @property
    def frequencies(self) -> np.ndarray:
        """Square roots of the eigenvalues, shape (size,)."""
        return np.arange(1, self.size + 1) * np.pi / (2 * self.half_width)

    def columns(self, values: np.ndarray) -> np.ndarray:
        """Return the basis functions at `values`, shape (..., size)."""
        inside = np.clip(values, self.low, self.high) - self.middle
        return _sines(inside, self.half_width, self.frequencies) - np.array(self.means)


@register(Term, "gaussian_process")
@dataclass(frozen=True, kw_only=True)
class GaussianProcess:
    """Gaussian process with squared-exponential covariance, by its Hilbert-space approximation.

    ``f(x) = sum_j sqrt(S(w_j)) phi_j(x) z_j`` with eigenfunctions `phi_j` of the Laplacian on [-L, L] and the
    spectral density `S` of the covariance at their frequencies.

    Parameters
    ----------
    functions : int
        Basis functions; 20 carry length scales down to about a fifth of a standard deviation of the feature.
    boundary : float
        L as a multiple of half the range of the training values.
    scale : ScalePrior
        Prior of the process's standard deviation, on the scale of the linear predictor.
    length : ScalePrior
        Prior of the length scale, in standard deviations of the feature.

    References
    ----------
    Riutort-Mayol, Burkner, Andersen, Solin & Vehtari (2023), Stat Comput 33:17, eqs. 4 to 9.
    """

    functions: int = 20
    boundary: float = 1.5
    scale: ScalePrior = field(default_factory=lambda: HalfNormal(sigma=0.5))
    length: ScalePrior = field(default_factory=lambda: LogNormal(sigma=0.5))

    def __post_init__(self) -> None:
        if self.functions < 1 or self.boundary <= 1:
            raise ValueError(
                "functions must be positive and boundary above 1: at the boundary every function is zero"
            )

    def learn(self, values: np.ndarray) -> LaplaceEigenfunctions:
        """Return the basis.

        Raises
        ------
        ValueError
            If the feature has fewer than three distinct values.
        """
        if len(np.unique(values)) < 3:
            raise ValueError("has fewer than three distinct values; a Gaussian process needs a curve to find")
        low, high = (float(end) for end in np.quantile(values, [0.01, 0.99]))
        middle, half_width = (low + high) / 2, self.boundary * (high - low) / 2
        frequencies = np.arange(1, self.functions + 1) * np.pi / (2 * half_width)
        means = _sines(np.clip(values, low, high) - middle, half_width, frequencies).mean(axis=0)
        return LaplaceEigenfunctions(
            middle=middle, low=low, high=high, half_width=half_width, means=tuple(means.tolist())
        )

    def coefficients(self, name: str, *, basis: Basis, copies: int, dims: str) -> Any:
        """Add the coefficients; see `Term.coefficients`."""
        import pytensor.tensor as pt

        assert isinstance(basis, LaplaceEigenfunctions)
        sd, length = self.scale.sample(f"{name}_scale"), self.length.sample(f"{name}_length")
        # Root of the squared-exponential's spectral density in one dimension (eq. 2).
        root = sd * (2 * np.pi) ** 0.25 * pt.sqrt(length) * pt.exp(-((length * basis.frequencies) ** 2) / 4)
        return scaled(name, pt.tile(root, copies), size=copies * basis.size, dims=dims)


def _sines(centred: np.ndarray, half_width: float, frequencies: np.ndarray) -> np.ndarray:
    return np.sin((centred[..., None] + half_width) * frequencies) / np.sqrt(half_width)
