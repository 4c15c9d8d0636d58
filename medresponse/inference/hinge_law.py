"""The prior of products of hinges, and draws of what of it is unknown: numbers, shares of features and orders, scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from medresponse.inference.hinge_factors import Factors
from medresponse.inference.hinge_state import Product
from medresponse.model.hinges import Hinges

SPARSE = 0.5  # Dirichlet count of a feature
DEGREES = 3.0  # of the t law of coefficients, and of what is known of their scale beforehand
_ORDERS = (
    0.6,
    0.3,
    0.1,
    0.05,
)  # prior shares of products of 1, 2, ... factors, as Dirichlet counts of two in all
_REMEMBERED = 20_000  # products of which it is kept whether they can be used


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
    rate, scale : numpy.ndarray
        Expected number of choices and common scale of coefficients, of prognosis and of effects.
    weights : numpy.ndarray
        Probability of each feature.
    orders : numpy.ndarray
        Probability of 1, 2, ... factors.
    log_factors : numpy.ndarray
        Log probability of each factor.
    """

    def __init__(
        self, prior: Hinges, *, factors: Factors, only_prognostic: np.ndarray, contrasts: np.ndarray, unit: float
    ) -> None:  # fmt: skip
        self.prior, self.factors = prior, factors
        sums = [prior.prognostic] + ([prior.predictive] if prior.predictive and contrasts.shape[1] else [])
        self.parts = 1 + (contrasts.shape[1] if len(sums) > 1 else 0)
        self.times = np.column_stack([np.ones(len(contrasts)), contrasts])[:, : self.parts].T.copy()
        self.banned = np.isin(factors.column, only_prognostic)
        self._expected = np.array([s.expected for s in sums])
        self._typical = np.array([s.scale * unit for s in sums])
        self.rate, self.scale = self._expected.copy(), self._typical.copy()
        n_features = int(factors.feature.max()) + 1 if len(factors) else 0
        self._counts = order_counts(prior.order)
        self._usable: dict[Product, bool] = {}
        self._set(np.full(n_features, 1 / max(n_features, 1)), self._counts / self._counts.sum())

    def column(self, product: Product) -> Column | None:
        """Return a product's column, None if it may not be used or rests on too few patients.

        How many patients the variation rests on is the square of its sum of squares over the sum of their squares. Of an
        effect that must be enough on either side of its contrast: what one side alone varies in is prognosis.
        """
        factors = list(product.factors)
        if len(set(self.factors.feature[factors].tolist())) < len(factors):
            return None
        if product.part and self.banned[factors].any():
            return None
        standard = self.factors.standard(product.factors)
        if standard is None:
            return None
        values, mean, sd = standard
        squares, least = values**2, self.prior.min_patients
        if product.part == 0:
            enough = squares.sum() ** 2 >= least / 3 * (squares @ squares)
            return Column(values, mean, sd) if enough else None
        times = self.times[product.part]
        for side in (times > 0, times < 0):
            own = squares[side]
            if own.sum() ** 2 < least * (own @ own):
                return None
        return Column(values * times, mean, sd)

    def log_prior(self, product: Product) -> float:
        """Return the log odds of a product to be made by some choice."""
        log_rate = self._log_rate(product)
        rate = np.exp(log_rate)
        return float(np.log(np.expm1(rate))) if rate > 1e-8 else log_rate

    def local(self, rng: np.random.Generator) -> float:
        """Return a coefficient's own variance, in units of the common one, from its prior."""
        return DEGREES / 2 / float(rng.standard_gamma(DEGREES / 2))

    def precision(self, part: int, local: float) -> float:
        """Return a coefficient's prior precision."""
        return float(1 / (local * self.scale[min(part, 1)] ** 2))

    def choices(self, rng: np.random.Generator) -> list[Choice]:
        """Return all choices of one draw of the products from their prior."""
        numbers = rng.poisson(self.rate) if len(self.factors) else np.zeros(1, dtype=int)
        parts = np.zeros(numbers.sum(), dtype=int)
        parts[numbers[0] :] = rng.integers(1, max(self.parts, 2), size=len(parts) - numbers[0])
        sizes = 1 + rng.choice(len(self.orders), size=len(parts), p=self.orders)
        chance = np.exp(self.log_factors)
        flat = rng.choice(len(chance), size=sizes.sum(), p=chance / chance.sum()) if len(parts) else sizes
        found = []
        for part, chosen in zip(parts.tolist(), np.split(flat, np.cumsum(sizes)[:-1]), strict=False):
            product = Product(part, tuple(sorted(chosen.tolist())))
            found.append(Choice(part, product.factors, product if self._makes(product) else None))
        return found

    def draw_from_prior(self, rng: np.random.Generator) -> None:
        """Draw rates, scales, weights and orders knowing nothing."""
        self.draw_scales(np.zeros(0), np.zeros(0, dtype=int), np.zeros(0), rng)
        self.rate = self._expected * rng.standard_exponential(len(self._expected))
        weights = rng.dirichlet(np.full(len(self.weights), SPARSE)) if len(self.weights) else self.weights
        self._set(weights, rng.dirichlet(self._counts))

    def draw_scales(
        self, coefficients: np.ndarray, kinds: np.ndarray, local: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw the coefficients' own variances and return them, then the common ones, all inverse gamma.

        Parameters
        ----------
        coefficients, kinds : numpy.ndarray
            Each product's coefficient, and 0 for prognosis or 1 for an effect; shape (product,).
        local : numpy.ndarray
            Own variances now.
        rng : numpy.random.Generator
        """
        squares = coefficients**2
        rate = (DEGREES + squares / self.scale[kinds] ** 2) / 2
        local = rate / rng.standard_gamma((DEGREES + 1) / 2, size=len(rate))
        for kind in range(len(self.scale)):
            own = squares[kinds == kind] / local[kinds == kind]
            common = (DEGREES * self._typical[kind] ** 2 + own.sum()) / 2
            self.scale[kind] = np.sqrt(common / rng.standard_gamma((DEGREES + len(own)) / 2))
        return local

    def draw_structure(self, products: Sequence[Product], rng: np.random.Generator) -> None:
        """Draw expected numbers of choices, shares of orders and probabilities of features given the products that are in.

        Given all choices these laws are conjugate. So choices are drawn first: those that made the products that are in, one
        or more each, and those that made none, which any draw of choices shows (Rao, Lin & Dunson 2016, Biometrika
        103:319).
        """
        made = []
        for product in products:
            rate = float(np.exp(self._log_rate(product)))
            first = -np.log1p(
                rng.random() * np.expm1(-rate)
            )  # when the first of them came, which by the end it had
            made += [product] * (1 + int(rng.poisson(max(rate - first, 0.0))))
        made += [Product(c.part, c.factors) for c in self.choices(rng) if c.product is None]
        kinds = np.array([min(p.part, 1) for p in made], dtype=int)
        numbers = np.bincount(kinds, minlength=len(self.rate))
        self.rate = rng.standard_gamma(1.0 + numbers) / (1 / self._expected + 1)
        factors = np.array([f for p in made for f in p.factors], dtype=int)
        used = np.bincount(self.factors.feature[factors], minlength=len(self.weights))
        sizes = np.bincount([len(p.factors) - 1 for p in made], minlength=len(self.orders))
        weights = rng.dirichlet(SPARSE + used) if len(self.weights) else self.weights
        self._set(weights, rng.dirichlet(self._counts + sizes))

    def _set(self, weights: np.ndarray, orders: np.ndarray) -> None:
        self.weights, self.orders = weights, orders
        with np.errstate(divide="ignore"):
            self.log_factors = self.factors.log_share + np.log(weights)[self.factors.feature]

    def _log_rate(self, product: Product) -> float:
        """Return the log of the expected number of choices that make a product."""
        q, kind = len(product.factors), min(product.part, 1)
        rate = self.rate[kind] / (1 if kind == 0 else self.parts - 1)
        ways = np.log(np.arange(1, q + 1)).sum()  # orders in which its factors could have been chosen
        return float(np.log(rate * self.orders[q - 1]) + self.log_factors[list(product.factors)].sum() + ways)

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
