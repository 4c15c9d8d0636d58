"""Reversible-jump sampling of sums of products of hinges.

Products are born, die and change with all coefficients integrated out (Denison, Mallick & Smith 1998, Stat Comput 8:337;
Green 1995, Biometrika 82:711). What to propose is chosen by how well it would explain what is left (Zanella 2020, J Am Stat
Assoc 115:852): blind proposals among thousands of factors would hardly ever be accepted.
"""

from __future__ import annotations

import numpy as np

from medresponse.features.hinges import PRODUCT
from medresponse.inference.hinge_factors import Factors
from medresponse.inference.hinge_state import Entry, Gain, Product, State
from medresponse.model.hinges import Hinges

_COPY = 0.2  # share of births that give a product's factors to another part
_NEW = 0.5  # share of the other births that begin a product rather than extend one
_BLIND = 0.1  # share of proposals by prior alone
SPARSE = 0.5  # Dirichlet count of a feature
DEGREES = 3.0  # of the t law of coefficients, and of what is known of their scale beforehand
_MOVES = (0.35, 0.35, 0.15, 0.15)  # birth, death, change within a feature, change to any factor
_ORDERS = (
    0.6,
    0.3,
    0.1,
    0.05,
)  # prior shares of products of 1, 2, ... factors, as Dirichlet counts of two in all

_Way = tuple[tuple[int, ...], int] | int  # (parent, factor added), or the part copied from


class HingeSampler:
    """One chain's sums of products: prognosis and one function a contrast.

    Parameters
    ----------
    prior : Hinges
    factors : Factors
        Shared by chains.
    only_prognostic : numpy.ndarray
        Features that no effect modification may use (the propensity score), indices.
    contrasts : numpy.ndarray
        What each contrast's function is multiplied by, shape (patient, contrast).
    fixed : numpy.ndarray
        Design of the linear part, whose coefficients are integrated out with the products', shape (patient, column).
    fixed_precision : numpy.ndarray
        Their prior precisions.
    unit : float
        The family's `latent_sd`.
    rng : numpy.random.Generator
    """

    def __init__(
        self, prior: Hinges, *, factors: Factors, only_prognostic: np.ndarray, contrasts: np.ndarray, fixed: np.ndarray,
        fixed_precision: np.ndarray, unit: float, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self._prior, self._factors, self._rng = prior, factors, rng
        self._parts = 1 + (contrasts.shape[1] if prior.predictive is not None else 0)
        self._times = np.column_stack([np.ones(len(contrasts)), contrasts])[:, : self._parts].T.copy()
        self._square = (self._times**2).mean(axis=1)
        sums = [prior.prognostic] + ([prior.predictive] if prior.predictive is not None else [])
        self._expected = np.array([s.expected for s in sums])
        self._typical = np.array([s.scale * unit for s in sums])
        self._rate, self._scale = self._expected.copy(), self._typical.copy()
        n_features = int(factors.feature.max()) + 1 if len(factors) else 0
        self._weights = np.full(n_features, 1 / max(n_features, 1))
        self._counts = order_counts(prior.order)
        self._orders = self._counts / self._counts.sum()
        self._banned = np.isin(factors.feature, only_prognostic)
        self._state = State(fixed, fixed_precision)
        self._coefficients = np.zeros(0)
        self._log_priors = np.zeros(0)
        self.fitted = np.zeros(len(contrasts))
        self._refresh()

    @property
    def parts(self) -> int:
        """Prognosis and functions of contrasts."""
        return self._parts

    def function(self, part: int) -> np.ndarray:
        """Return one part's function at the training patients, without the contrast, shape (patient,)."""
        total = np.zeros(self._factors.n)
        for entry, coefficient in zip(self._state.entries, self._coefficients.tolist(), strict=True):
            if entry.product.part == part:
                total += coefficient * (self._factors.product(entry.product.factors) - entry.mean) / entry.sd
        return total

    @property
    def sizes(self) -> np.ndarray:
        """Number of products in each part."""
        return np.bincount([e.product.part for e in self._state.entries], minlength=self._parts)

    def sweep(self, target: np.ndarray, weight: np.ndarray, fixed_precision: np.ndarray, moves: int) -> None:
        """Make some moves given what the linear part and the products are to explain, then draw coefficients and scales.

        Parameters
        ----------
        target : numpy.ndarray
            Latent outcome less all else and less the linear part at its prior mean.
        weight : numpy.ndarray
            Precision of each patient's error.
        fixed_precision : numpy.ndarray
            Prior precisions of the linear part now.
        moves : int
        """
        state = self._state
        state.precision[: state.n_fixed] = fixed_precision
        state.aim(target, weight)
        for kind in self._rng.choice(4, size=moves, p=_MOVES) if len(self._factors) else ():
            (self._birth, self._death, self._change_within, self._change)[kind]()
        state.solve()  # rank-one steps gather rounding errors
        coefficients = state.draw(self._rng)[state.n_fixed :]
        self.fitted = coefficients @ state.rows[state.n_fixed :]
        self._coefficients = coefficients
        self._draw_scales()
        self._draw_structure()
        self._refresh()

    def nodes(self, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return column, value and shape of each node of one part, in the order of `features.HingeSum`."""
        rows: list[tuple[int, float, int]] = []
        constant = 0.0
        for entry, coefficient in zip(self._state.entries, self._coefficients.tolist(), strict=True):
            if entry.product.part != part:
                continue
            rows.append((PRODUCT, coefficient / entry.sd, 0))
            for f in entry.product.factors:
                own = self._factors
                rows.append((int(own.column[f]), float(own.knot[f]), int(own.shape[f])))
            constant -= coefficient * entry.mean / entry.sd
        rows.append((PRODUCT, constant, 0))
        column, value, shape = zip(*rows, strict=True)
        return np.array(column, dtype=np.int32), np.array(value), np.array(shape, dtype=np.int8)

    # Proposals -------------------------------------------------------------------------------------------------------

    def _birth(self) -> None:
        state, rng = self._state, self._rng
        if state.entries and self._parts > 1 and rng.random() < _COPY:
            source = state.entries[rng.integers(len(state.entries))].product
            part = int(rng.integers(self._parts - 1))
            part += part >= source.part
            product, log_q = (
                Product(part, source.factors),
                np.log(_COPY / len(state.entries) / (self._parts - 1)),
            )
        else:
            part = self._pick_part()
            parents = self._parents(state.entries)
            parent: tuple[int, ...] = ()
            if parents and rng.random() > _NEW:
                parent = parents[rng.integers(len(parents))]
            proposal = self._proposal(part, parent, state.residual)
            if proposal is None:
                return
            factor = _pick(proposal, rng)
            product = Product(part, tuple(sorted((*parent, factor))))
            log_q = self._log_extension(part, parent, len(parents), bool(state.entries)) + np.log(
                proposal[factor]
            )
        made = None if product in state.present else self._made(product)
        if made is None:
            return
        entry, gain, prior = made
        inverse, solution = state.grown(gain)
        ways = self._ways(product, state.entries)
        precision = np.append(state.precision, gain.precision)
        own = slice(state.n_fixed, None)
        variance = np.diag(inverse)[own]
        worth = 0.5 * np.log(variance * precision[own]) + 0.5 * solution[own] ** 2 / variance
        death = _death_law(worth + np.append(self._log_priors, prior))[-1]
        if np.log(rng.random()) < gain.log + prior + np.log(death / len(ways)) - log_q:
            state.add(entry, gain)
            self._log_priors = np.append(self._log_priors, prior)

    def _death(self) -> None:
        state, rng = self._state, self._rng
        if not state.entries:
            return
        worth = state.worth()
        law = _death_law(worth + self._log_priors)
        position = _pick(law, rng)
        product = state.entries[position].product
        rest = state.entries[:position] + state.entries[position + 1 :]
        ways = self._ways(product, rest)
        if not ways:
            return
        way = ways[rng.integers(len(ways))]
        bound = np.log(rng.random()) - (
            -worth[position] - self._log_priors[position] - np.log(law[position] / len(ways))
        )
        if bound >= 0:  # a birth's probability is at most one: refused whatever it is
            return
        if isinstance(way, int):
            log_q = np.log(_COPY / len(rest) / (self._parts - 1))
        else:
            parent, factor = way
            kept, _, solution = state.without(position)
            proposal = self._proposal(product.part, parent, state.residual_of(kept, solution))
            if proposal is None or proposal[factor] <= 0:
                return
            log_q = self._log_extension(product.part, parent, len(self._parents(rest)), bool(rest))
            log_q += np.log(proposal[factor])
        if bound < log_q:
            state.remove(position)
            self._log_priors = np.delete(self._log_priors, position)

    def _change_within(self) -> None:
        self._change(within=True)

    def _change(self, *, within: bool = False) -> None:
        """Put another factor in the place of one, of the same feature or of any."""
        state, rng = self._state, self._rng
        if not state.entries:
            return
        position = int(rng.integers(len(state.entries)))
        old = state.entries[position]
        factor = old.product.factors[rng.integers(len(old.product.factors))]
        parent = tuple(f for f in old.product.factors if f != factor)
        kept, inverse, solution = state.without(position)
        proposal = self._proposal(old.product.part, parent, state.residual_of(kept, solution))
        if proposal is None:
            return
        if within:
            proposal = np.where(self._factors.feature == self._factors.feature[factor], proposal, 0.0)
        if proposal[factor] <= 0:
            return
        chosen = _pick(proposal, rng)
        product = Product(old.product.part, tuple(sorted((*parent, chosen))))
        if product in state.present:
            return
        column = self._column(product)
        if column is None:
            return
        precision = float(state.precision[state.n_fixed + position])
        gain = state.gain(column[0], precision, kept=kept, inverse=inverse, solution=solution)
        prior = self._log_prior(product)
        log_ratio = gain.log + prior - state.worth()[position] - self._log_priors[position]
        if np.log(rng.random()) < log_ratio + np.log(proposal[factor] / proposal[chosen]):
            state.remove(position)
            state.add(Entry(product, column[1], column[2], old.local), gain)
            self._log_priors = np.append(np.delete(self._log_priors, position), prior)

    def _made(self, product: Product) -> tuple[Entry, Gain, float] | None:
        """Return a new product with its local variance from the prior, its gain and its log prior."""
        column = self._column(product)
        if column is None:
            return None
        local = DEGREES / 2 / float(self._rng.standard_gamma(DEGREES / 2))
        precision = 1 / (local * self._scale[min(product.part, 1)] ** 2)
        entry = Entry(product, column[1], column[2], local)
        return entry, self._state.gain(column[0], precision), self._log_prior(product)

    def _column(self, product: Product) -> tuple[np.ndarray, float, float] | None:
        """Return a product's column with the mean and standard deviation it is standardised by, None if it rests on few.

        How many patients the variation rests on is the square of its sum of squares over the sum of their squares. Of an
        effect that must be enough on either side of its contrast: what one side alone varies in is prognosis.
        """
        standard = self._factors.standard(product.factors)
        if standard is None:
            return None
        values, mean, sd = standard
        squares, least = values**2, self._prior.min_patients
        if product.part == 0:
            return standard if squares.sum() ** 2 >= least / 3 * (squares @ squares) else None
        times = self._times[product.part]
        for side in (times > 0, times < 0):
            own = squares[side]
            if own.sum() ** 2 < least * (own @ own):
                return None
        return values * times, mean, sd

    def _proposal(self, part: int, parent: tuple[int, ...], residual: np.ndarray) -> np.ndarray | None:
        """Return probabilities of the factors to put beside `parent`: the prior times a root of what each would gain."""
        state = self._state
        target = state.weight * residual
        if part:
            target = target * self._times[part]
        mean, sd, usable = self._factors.moments(parent)
        if part:
            usable = usable & ~self._banned
            if self._banned[list(parent)].any():
                return None
        total = float(target.sum())
        slope = (
            self._factors.dots(target * self._factors.product(parent) if parent else target) - mean * total
        ) / sd
        prior = 1 / self._scale[min(part, 1)] ** 2
        curvature = float(state.weight.mean()) * self._factors.n * self._square[part] + prior
        gain = 0.5 * slope**2 / curvature - 0.5 * np.log(curvature / prior)
        log_p = np.where(usable, self._log_factors + 0.5 * np.clip(gain, -6.0, 60.0), -np.inf)
        top = log_p.max()
        if not np.isfinite(top):
            return None
        informed, blind = np.exp(log_p - top), np.where(usable, np.exp(self._log_factors), 0.0)
        return np.asarray((1 - _BLIND) * informed / informed.sum() + _BLIND * blind / blind.sum())

    def _pick_part(self) -> int:
        if self._parts == 1 or self._rng.random() < 0.5:
            return 0
        return 1 + int(self._rng.integers(self._parts - 1))

    def _log_extension(self, part: int, parent: tuple[int, ...], parents: int, any_in: bool) -> float:
        """Return the log probability of the part and parent of a birth that is no copy."""
        log_q = float(np.log(1 - _COPY)) if any_in and self._parts > 1 else 0.0
        if self._parts > 1:
            log_q += float(np.log(0.5 if part == 0 else 0.5 / (self._parts - 1)))
        if parents:
            log_q += float(np.log((1 - _NEW) / parents if parent else _NEW))
        return log_q

    def _parents(self, entries: list[Entry]) -> list[tuple[int, ...]]:
        """Return the products' factors, each once, where there is room for one more."""
        return sorted({e.product.factors for e in entries if len(e.product.factors) < self._prior.order})

    def _ways(self, product: Product, rest: list[Entry]) -> list[_Way]:
        """Return the ways in which a product could be born beside the others."""
        known = {e.product.factors for e in rest}
        ways: list[_Way] = []
        for factor in product.factors:
            parent = tuple(f for f in product.factors if f != factor)
            if not parent or parent in known:
                ways.append((parent, factor))
        return ways + [e.product.part for e in rest if e.product.factors == product.factors]

    # Prior -----------------------------------------------------------------------------------------------------------

    def _log_prior(self, product: Product) -> float:
        """Return the log intensity of a product."""
        q, kind = len(product.factors), min(product.part, 1)
        rate = self._rate[kind] / (1 if kind == 0 else self._parts - 1)
        ways = np.log(np.arange(1, q + 1)).sum()  # orders in which its factors could have been chosen
        return float(
            np.log(rate * self._orders[q - 1]) + self._log_factors[list(product.factors)].sum() + ways
        )

    def _refresh(self) -> None:
        """Take over new rates, weights and scales."""
        state = self._state
        with np.errstate(divide="ignore"):
            self._log_factors = self._factors.log_share + np.log(self._weights)[self._factors.feature]
        self._log_priors = np.array([self._log_prior(e.product) for e in state.entries])
        kinds = np.array([min(e.product.part, 1) for e in state.entries], dtype=int)
        local = np.array([e.local for e in state.entries])
        state.precision = np.append(state.precision[: state.n_fixed], 1 / (self._scale[kinds] ** 2 * local))

    def _draw_scales(self) -> None:
        """Draw local and common variances of coefficients, both inverse gamma."""
        rng, entries = self._rng, self._state.entries
        kinds = np.array([min(e.product.part, 1) for e in entries], dtype=int)
        squares = self._coefficients**2
        rate = (DEGREES + squares / self._scale[kinds] ** 2) / 2
        local = rate / rng.standard_gamma((DEGREES + 1) / 2, size=len(entries))
        self._state.entries = [
            Entry(e.product, e.mean, e.sd, float(v)) for e, v in zip(entries, local, strict=True)
        ]
        for kind in range(len(self._scale)):
            own = squares[kinds == kind] / local[kinds == kind]
            rate_ = (DEGREES * self._typical[kind] ** 2 + own.sum()) / 2
            self._scale[kind] = np.sqrt(rate_ / rng.standard_gamma((DEGREES + len(own)) / 2))

    def _draw_structure(self) -> None:
        """Draw expected numbers of products, shares of orders and probabilities of features."""
        rng, entries = self._rng, self._state.entries
        kinds = np.array([min(e.product.part, 1) for e in entries], dtype=int)
        mass = _mass(self._orders, self._weights)
        for kind in range(len(self._rate)):
            count = int((kinds == kind).sum())
            self._rate[kind] = rng.standard_gamma(1 + count) / (1 / self._expected[kind] + mass)
        factors = np.array([f for e in entries for f in e.product.factors], dtype=int)
        used = np.bincount(self._factors.feature[factors], minlength=len(self._weights))
        sizes = np.bincount([len(e.product.factors) - 1 for e in entries], minlength=len(self._orders))
        if not len(self._weights):
            return
        weights = rng.dirichlet(SPARSE + used)
        orders = rng.dirichlet(self._counts + sizes)
        # Without the restriction to different features these would be the conditional laws; it thins the intensity.
        log_ratio = -self._rate.sum() * (_mass(orders, weights) - mass)
        if np.log(rng.random()) < log_ratio:
            self._weights, self._orders = weights, orders


def order_counts(order: int) -> np.ndarray:
    """Return the prior's Dirichlet counts of products with 1, 2, ... factors, two in all."""
    shares = np.array([*_ORDERS, *[_ORDERS[-1]] * order][:order])
    return 2 * shares / shares.sum()


def _mass(orders: np.ndarray, weights: np.ndarray) -> float:
    """Return the probability that factors chosen one by one are of different features.

    ``q! e_q(weights)`` for q factors, the elementary symmetric polynomials by Newton's identities.
    """
    powers = [float((weights**k).sum()) for k in range(1, len(orders) + 1)]
    elementary, total, factorial = [1.0], 0.0, 1.0
    for q in range(1, len(orders) + 1):
        signed = sum((-1) ** (k - 1) * elementary[q - k] * powers[k - 1] for k in range(1, q + 1))
        elementary.append(signed / q)
        factorial *= q
        total += float(orders[q - 1]) * factorial * elementary[q]
    return total


def _death_law(log_worth: np.ndarray) -> np.ndarray:
    """Return the probability of each product to be the one that might die: most for those worth least."""
    weight = np.exp(-0.5 * np.clip(log_worth, -10.0, 30.0))
    return np.asarray((1 - _BLIND) * weight / weight.sum() + _BLIND / len(weight))


def _pick(weights: np.ndarray, rng: np.random.Generator) -> int:
    total = np.cumsum(weights)
    return min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), len(weights) - 1)
