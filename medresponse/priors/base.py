"""What a prior must offer: coefficients of a block, or one positive scale.

PyMC is imported inside the functions that build a graph, so that specs decode, configs validate and saved
fits load without it.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Prior(Protocol):
    """A prior over the coefficients of one block of features.

    Coefficients are on the scale of the family's linear predictor, for one standard deviation of a continuous
    feature and for the presence of a level.
    """

    def coefficients(self, name: str, *, size: int, dims: str, unit_information_sd: Any) -> Any:
        """Add `size` coefficients named `name` to the current PyMC model and return them.

        Parameters
        ----------
        name, dims : str
            Variable name and its dimension.
        size : int
            Number of coefficients.
        unit_information_sd : tensor or float
            Standard error that one coefficient would have if all the data spoke of it alone
            (sigma / sqrt(n), or 1 / sqrt(events)); sets the global scale of sparse priors.
        """
        ...

    def harder(self) -> Prior:
        """Return the prior that shrinks twice as hard: the default for effect modification."""
        ...


@runtime_checkable
class ScalePrior(Protocol):
    """A prior over one positive parameter."""

    def sample(self, name: str) -> Any:
        """Add the parameter to the current PyMC model and return it."""
        ...


def require_positive(value: float, what: str) -> None:
    """Raise `ValueError` unless `value` is a positive finite number."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{what} must be positive and finite")
