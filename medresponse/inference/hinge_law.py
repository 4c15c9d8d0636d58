"""The prior of products of hinges, and draws from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medresponse.inference.hinge_arrays import DEGREES, SPARSE, LawArrays
from medresponse.inference.hinge_factors import Factors
from medresponse.model.hinges import Hinges

_ORDERS = (
    0.6,
    0.3,
    0.1,
    0.05,
)  # prior shares of products of 1, 2, ... factors, as Dirichlet counts of two in all
_REMEMBERED = 20_000  # products of which it is kept whether they can be used


class Product(NamedTuple):
    """A product of factors, in ascending order, in the prognosis (part 0) or the effect of contrast ``part - 1``."""

    part: int
    factors: tuple[int, ...]


class Column(NamedTuple):
    """A product's values times its contrast, and the mean and standard deviation that it is standardised by."""

    values: np.ndarray
    mean: float
    sd: float


class Choice(NamedTuple):
    """Factors chosen one by one, and the product they make: None if they can make none."""

    part: int
    factors: tuple[int, ...]
    product: Product | None


class Law:
    """Prior of the products of one chain, given quantities that are drawn with them.

    A Poisson number of choices is made for the prognosis, and one for the effects of all contrasts; each choice is of a number
    of factors, of so many factors one by one and, for an effect, of a contrast. The products that are in are those that some
    choice makes. A choice makes none if two of its factors are of one feature, if an effect may not use one of them, or if
    the product rests on too few patients.

    Parameters
    ----------
    prior : Hinges
    factors : Factors
    only_prognostic : numpy.ndarray
        Columns that no effect modification may use (the propensity score).
    contrasts : numpy.ndarray
        What each contrast's function is multiplied by, shape (patient, contrast).
    unit : float
        The family's `latent_sd`.

    Attributes
    ----------
    parts : int
        Prognosis and contrasts whose effects may be modified.
    arrays : LawArrays
        Its numbers. Those that are drawn: ``rate`` and ``scale``, the expected number of choices and the common scale of
        coefficients, of prognosis and of effects; ``weights``, the probability of each feature; ``orders``, that of 1, 2,
        ... factors; and ``log_factors``, the log probability of each factor.
    """

    def __init__(
        self, prior: Hinges, *, factors: Factors, only_prognostic: np.ndarray, contrasts: np.ndarray, unit: float
    ) -> None:  # fmt: skip
        self.prior, self.factors = prior, factors
        sums = [prior.prognostic] + ([prior.predictive] if prior.predictive and contrasts.shape[1] else [])
        self.parts = 1 + (contrasts.shape[1] if len(sums) > 1 else 0)
        times = np.column_stack([np.ones(len(contrasts)), contrasts])[:, : self.parts].T.copy()
        n_features = int(factors.feature.max()) + 1 if len(factors) else 0
        expected = np.array([s.expected for s in sums], dtype=float)  # rates are drawn in place
        typical = np.array([s.scale * unit for s in sums], dtype=float)
        self.arrays = LawArrays(
            times=times, square=(times**2).mean(axis=1), banned=np.isin(factors.column, only_prognostic),
            expected=expected, typical=typical,
            order_counts=order_counts(prior.order), min_patients=prior.min_patients,
            rate=expected.copy(), scale=typical.copy(),
            weights=np.zeros(n_features), orders=np.zeros(prior.order), log_factors=np.zeros(len(factors)),
            shares=np.zeros(len(factors)),
        )  # fmt: skip
        self._usable: dict[Product, bool] = {}
        self._set(
            np.full(n_features, 1 / max(n_features, 1)),
            self.arrays.order_counts / self.arrays.order_counts.sum(),
        )

    def column(self, product: Product) -> Column | None:
        """Return a product's column, None if it may not be used or rests on too few patients.

        How many patients the variation rests on is the square of its sum of squares over the sum of their squares. Of an
        effect that must be enough on either side of its contrast: what one side alone varies in is prognosis.
        """
        factors = list(product.factors)
        if len(set(self.factors.feature[factors].tolist())) < len(factors):
            return None
        if product.part and self.arrays.banned[factors].any():
            return None
        standard = self.factors.standard(product.factors)
        if standard is None:
            return None
        values, mean, sd = standard
        squares, least = values**2, self.prior.min_patients
        if product.part == 0:
            enough = squares.sum() ** 2 >= least / 3 * (squares @ squares)
            return Column(values, mean, sd) if enough else None
        times = self.arrays.times[product.part]
        for side in (times > 0, times < 0):
            own = squares[side]
            if own.sum() ** 2 < least * (own @ own):
                return None
        return Column(values * times, mean, sd)

    def local(self, rng: np.random.Generator) -> float:
        """Return a coefficient's own variance, in units of the common one, from its prior."""
        return DEGREES / 2 / float(rng.standard_gamma(DEGREES / 2))

    def precision(self, part: int, local: float) -> float:
        """Return a coefficient's prior precision."""
        return float(1 / (local * self.arrays.scale[min(part, 1)] ** 2))

    def choices(self, rng: np.random.Generator) -> list[Choice]:
        """Return all choices of one draw of the products from their prior."""
        own = self.arrays
        numbers = rng.poisson(own.rate) if len(self.factors) else np.zeros(1, dtype=int)
        parts = np.zeros(numbers.sum(), dtype=int)
        parts[numbers[0] :] = rng.integers(1, max(self.parts, 2), size=len(parts) - numbers[0])
        sizes = 1 + rng.choice(len(own.orders), size=len(parts), p=own.orders)
        chance = own.shares / own.shares.sum()
        flat = rng.choice(len(chance), size=sizes.sum(), p=chance) if len(parts) else sizes
        found = []
        for part, chosen in zip(parts.tolist(), np.split(flat, np.cumsum(sizes)[:-1]), strict=False):
            product = Product(part, tuple(sorted(chosen.tolist())))
            found.append(Choice(part, product.factors, product if self._makes(product) else None))
        return found

    def draw_from_prior(self, rng: np.random.Generator) -> None:
        """Draw rates, scales, weights and orders knowing nothing."""
        own = self.arrays
        own.scale[:] = own.typical * np.sqrt(DEGREES / 2 / rng.standard_gamma(DEGREES / 2, len(own.scale)))
        own.rate[:] = own.expected * rng.standard_exponential(len(own.rate))
        weights = rng.dirichlet(np.full(len(own.weights), SPARSE)) if len(own.weights) else own.weights
        self._set(weights, rng.dirichlet(own.order_counts))

    def _set(self, weights: np.ndarray, orders: np.ndarray) -> None:
        own, factors = self.arrays, self.factors
        own.weights[:], own.orders[:] = weights, orders
        with np.errstate(divide="ignore"):
            own.log_factors[:] = factors.log_share + np.log(weights)[factors.feature]
        own.shares[:] = np.exp(own.log_factors)

    def _makes(self, product: Product) -> bool:
        if product not in self._usable:
            if len(self._usable) >= _REMEMBERED:
                self._usable.clear()
            self._usable[product] = self.column(product) is not None
        return self._usable[product]


def order_counts(order: int) -> np.ndarray:
    """Return the prior's Dirichlet counts of products with 1, 2, ... factors, two in all."""
    shares = np.array([*_ORDERS, *[_ORDERS[-1]] * order][:order])
    return 2 * shares / shares.sum()
