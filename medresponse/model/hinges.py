"""Sums of products of hinges as terms of a model: plain data, no sampler."""

from __future__ import annotations

from dataclasses import dataclass, field

from medresponse.cohort import BLOCKS


@dataclass(frozen=True, kw_only=True)
class SumOfHinges:
    """Prior of one sum of products of hinges (Denison, Mallick & Smith 1998, Stat Comput 8:337).

    Parameters
    ----------
    expected : float
        Prior mean of the number of products. The number is Poisson given its mean and the mean exponential, so that none
        at all has prior probability ``1 / (1 + expected)``.
    scale : float
        Typical contribution of a product: the standard deviation over patients, in units of the family's `latent_sd`,
        around which the common scale of coefficients is learned. Single ones may be much larger (Student t, 3 degrees
        of freedom).
    """

    expected: float = 20.0
    scale: float = 0.1

    def __post_init__(self) -> None:
        if not all(0 < v < float("inf") for v in (self.expected, self.scale)):
            raise ValueError("expected and scale must be positive and finite")


@dataclass(frozen=True, kw_only=True)
class Hinges:
    """Prognosis and effect modification as sums of products of hinges over whole blocks of features.

    ``eta_ik = linear part + mu(x_i) + sum_j c_kj tau_j(x_i)`` as with `Trees`, each function continuous but for its steps and
    smooth on average over draws. Both functions average zero over the training patients. Closer than trees where
    responses bend smoothly with few features at a time; trees need no low order.

    Parameters
    ----------
    blocks : tuple of str
        Blocks whose features the products may use, none of them among the spec's linear `blocks` or in `trees`.
    prognostic : SumOfHinges
    predictive : SumOfHinges, optional
        Of all contrasts together: few products, more likely of features that matter elsewhere. None for no effect
        modification by these blocks.
    order : int
        Most factors of a product, one a feature: a line, a hinge ``max(x - t, 0)`` or ``max(t - x, 0)``, or a step ``x > t``.
        Features, shapes and knots are all unknown.
    knots : int
        Most knots of a feature, at training quantiles and spread over its range.
    min_patients : int
        Fewest training patients on either side of a knot, and for whom a product is not zero.

    Notes
    -----
    Which features matter is learned by both sums together: the probabilities of features are Dirichlet with half a
    count each (Linero 2018, J Am Stat Assoc 113:626, for trees).
    """

    blocks: tuple[str, ...]
    prognostic: SumOfHinges = field(default_factory=SumOfHinges)
    predictive: SumOfHinges | None = field(default_factory=lambda: SumOfHinges(expected=4.0, scale=0.05))
    order: int = 3
    knots: int = 40
    min_patients: int = 10

    def __post_init__(self) -> None:
        if min(self.order, self.knots, self.min_patients) < 1:
            raise ValueError("order, knots and min_patients must be at least 1")
        if not self.blocks:
            raise ValueError("blocks names no block; hinges need features")
        for block in self.blocks:
            if block not in BLOCKS:
                raise ValueError(f"no block {block!r}; valid are {', '.join(BLOCKS)}")
        if len(set(self.blocks)) < len(self.blocks):
            raise ValueError("blocks names a block twice")
