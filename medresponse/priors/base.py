"""What a prior must offer: coefficients of a block, or one positive scale.

PyMC is imported inside the functions that build a graph, so that specs decode, configs validate and saved
fits load without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Column:
    """What one coefficient multiplies.

    Parameters
    ----------
    label : str
        Words for the coefficient, unique within the block.
    path : tuple of str
        Groups it lies in, from fine to coarse (gene, pathway); empty for none.
    """

    label: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scales:
    """What a prior may know of the data: their amount and their units, never a coefficient's size.

    Parameters
    ----------
    unit_information_sd : tensor or float
        Standard error that one coefficient would have if all the data spoke of it alone
        (sigma / sqrt(n), or 1 / sqrt(events)); sets the global scale of sparse priors.
    latent_sd : tensor or float
        Standard deviation of the outcome given the predictor, on the predictor's scale (pi / sqrt(3) for a
        logit); the unit of explained variance.
    column_sd : tensor or numpy.ndarray
        Standard deviation of each column in training, over the patients in whom its features were observed, shape (column,).
    estimate, error : tensor, optional
        Rough estimate of each coefficient from the data alone and its standard error, shape (coefficient,). They only
        choose coordinates to sample in (`scaled_normal`); the posterior is the same without.
    """

    unit_information_sd: Any
    latent_sd: Any
    column_sd: Any
    estimate: Any = None
    error: Any = None


@runtime_checkable
class Prior(Protocol):
    """A prior over the coefficients of one block of features.

    Coefficients are on the scale of the family's linear predictor, for one standard deviation of a continuous
    feature and for the presence of a level. What a standard deviation of 0.5 believes of one coefficient:

    - log odds: an odds ratio between 0.38 and 2.7 with 95% probability; one standard deviation moves a risk of
      20% to 29%, and one of 50% to 62%;
    - log hazard or log rate: a hazard or rate ratio between 0.38 and 2.7; log time: times shorter or longer by
      a factor of up to 2.7;
    - a continuous outcome: in the outcome's own unit as the family's docstring states it; where that is the
      outcome's standard deviation, a difference of half of one, which is called a medium effect (Cohen 1988).
    """

    def coefficients(
        self, name: str, *, columns: tuple[Column, ...], dims: str, scales: Scales, positive: bool = False
    ) -> Any:
        """Add one coefficient a column to the current PyMC model and return them, shape (column,).

        Parameters
        ----------
        name, dims : str
            Variable name and its dimension, whose coordinates are the columns' labels.
        columns : tuple of Column
        scales : Scales
        positive : bool
            If True, the law of the absolute values instead: for effects whose direction is declared.
        """
        ...

    def harder(self) -> Prior:
        """Return the prior that shrinks harder, about twice: the default for effect modification."""
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


def scaled_normal(
    name: str, sd: Any, *, size: int, dims: str | None, scales: Scales, positive: bool = False
) -> Any:
    """Add normal coefficients of standard deviation `sd`, or their absolute values, of shape (size,).

    Sampled as multiples of `sd`; where `scales` holds estimates, in coordinates that suit what the data say of each.
    """
    import pymc as pm

    if scales.estimate is None or positive:
        return pm.Deterministic(
            name, sd * unit_normal(f"{name}_raw", size=size, dims=dims, positive=positive), dims=dims
        )
    from medresponse.priors.informed import informed

    # A mean of zero through which PyMC knows the data that the transform reads.
    mean = 0.0 * (scales.estimate + scales.error)
    return pm.Normal(
        name, mean, sd, shape=size, dims=dims, default_transform=informed(scales.estimate, scales.error)
    )


def unit_normal(name: str, *, size: int, dims: str | None, positive: bool) -> Any:
    """Add standard normal variables, or their absolute values, of shape (size,)."""
    import pymc as pm

    if positive:
        return pm.HalfNormal(name, 1.0, shape=size, dims=dims)
    return pm.Normal(name, 0.0, 1.0, shape=size, dims=dims)
