"""Reversible-jump sampling of sums of products of hinges.

Products are born, die and change with all coefficients integrated out (Denison, Mallick & Smith 1998, Stat Comput 8:337;
Green 1995, Biometrika 82:711).
"""

from __future__ import annotations

import numpy as np

from medresponse.features.hinges import PRODUCT
from medresponse.inference.hinge_law import Law
from medresponse.inference.hinge_proposals import Proposals, death_law, pick
from medresponse.inference.hinge_state import Entry, Gain, Product, State

_MOVES = (0.35, 0.35, 0.15, 0.15)  # birth, death, change within a feature, change to any factor


class HingeSampler:
    """One chain's sums of products: prognosis (part 0) and one function a contrast.

    Parameters
    ----------
    law : Law
        The products' prior; what is unknown of it is drawn too.
    fixed : numpy.ndarray
        Design of the linear part, whose coefficients are integrated out with the products', shape (patient, column).
    fixed_precision : numpy.ndarray
        Their prior precisions.
    rng : numpy.random.Generator

    Attributes
    ----------
    fitted : numpy.ndarray
        What all products add to the predictor of the training patients, shape (patient,).
    """

    def __init__(
        self, law: Law, *, fixed: np.ndarray, fixed_precision: np.ndarray, rng: np.random.Generator
    ) -> None:
        self.law, self._rng = law, rng
        self._proposals = Proposals(law)
        self._state = State(fixed, fixed_precision)
        self._coefficients = np.zeros(0)
        self._log_priors = np.zeros(0)
        self.fitted = np.zeros(len(fixed))

    @property
    def products(self) -> list[Product]:
        """Products that are in."""
        return [entry.product for entry in self._state.entries]

    def function(self, part: int) -> np.ndarray:
        """Return one part's function at the training patients, without the contrast, shape (patient,)."""
        total, factors = np.zeros(len(self.fitted)), self.law.factors
        for entry, coefficient in zip(self._state.entries, self._coefficients.tolist(), strict=True):
            if entry.product.part == part:
                total += coefficient * (factors.product(entry.product.factors) - entry.mean) / entry.sd
        return total

    def sweep(self, target: np.ndarray, weight: np.ndarray, fixed_precision: np.ndarray, moves: int) -> None:
        """Make some moves given what the linear part and the products are to explain, then draw coefficients and the law.

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
        state, law = self._state, self.law
        state.precision[: state.n_fixed] = fixed_precision
        state.aim(target, weight)
        for kind in self._rng.choice(4, size=moves, p=_MOVES) if len(law.factors) else ():
            (self._birth, self._death, self._change_within, self._change)[kind]()
        self._coefficients = state.draw(self._rng)[state.n_fixed :]
        self.fitted = self._coefficients @ state.rows[state.n_fixed :]
        kinds = np.array([min(e.product.part, 1) for e in state.entries], dtype=int)
        local = np.array([e.local for e in state.entries])
        local = law.draw_scales(self._coefficients, kinds, local, self._rng)
        law.draw_structure(self.products, self._rng)
        entries = zip(state.entries, local.tolist(), strict=True)
        state.entries = [Entry(e.product, e.mean, e.sd, own) for e, own in entries]
        state.precision = np.append(state.precision[: state.n_fixed], 1 / (law.scale[kinds] ** 2 * local))
        self._log_priors = np.array([law.log_prior(product) for product in self.products])

    def nodes(self, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return column, value and shape of each node of one part, in the order of `features.HingeSum`."""
        rows: list[tuple[int, float, int]] = []
        constant, own = 0.0, self.law.factors
        for entry, coefficient in zip(self._state.entries, self._coefficients.tolist(), strict=True):
            if entry.product.part != part:
                continue
            rows.append((PRODUCT, coefficient / entry.sd, 0))
            rows += [
                (int(own.column[f]), float(own.knot[f]), int(own.shape[f])) for f in entry.product.factors
            ]
            constant -= coefficient * entry.mean / entry.sd
        rows.append((PRODUCT, constant, 0))
        column, value, shape = zip(*rows, strict=True)
        return np.array(column, dtype=np.int32), np.array(value), np.array(shape, dtype=np.int8)

    def _birth(self) -> None:
        state, rng = self._state, self._rng
        proposed = self._proposals.birth(state, rng)
        if proposed is None or proposed[0] in state.present:
            return
        product, log_q = proposed
        made = self._made(product)
        if made is None:
            return
        entry, gain, prior = made
        worth = state.worth(gain)
        death = death_law(worth + np.append(self._log_priors, prior))[-1]
        ways = self._proposals.ways(product, state.entries)
        if np.log(rng.random()) < gain.log + prior + np.log(death / len(ways)) - log_q:
            state.add(entry, gain)
            self._log_priors = np.append(self._log_priors, prior)

    def _death(self) -> None:
        state, rng = self._state, self._rng
        if not state.entries:
            return
        worth = state.worth()
        law = death_law(worth + self._log_priors)
        position = pick(law, rng)
        product = state.entries[position].product
        rest = state.entries[:position] + state.entries[position + 1 :]
        ways = self._proposals.ways(product, rest)
        if not ways:
            return
        way = ways[rng.integers(len(ways))]
        log_rest = -worth[position] - self._log_priors[position] - np.log(law[position] / len(ways))
        bound = np.log(rng.random()) - log_rest
        if bound >= 0:  # a birth's probability is at most one: refused whatever it is
            return
        if bound < self._proposals.log_birth(product, way, rest, state, position):
            state.remove(position)
            self._log_priors = np.delete(self._log_priors, position)

    def _change_within(self) -> None:
        self._change(within=True)

    def _change(self, *, within: bool = False) -> None:
        """Put another factor in the place of one, of the same feature or of any."""
        state, rng, factors = self._state, self._rng, self.law.factors
        if not state.entries:
            return
        position = int(rng.integers(len(state.entries)))
        old = state.entries[position]
        factor = old.product.factors[rng.integers(len(old.product.factors))]
        parent = tuple(f for f in old.product.factors if f != factor)
        kept, inverse, solution = state.without(position)
        chances = self._proposals.factor(state, old.product.part, parent, state.residual_of(kept, solution))
        if chances is None:
            return
        if within:
            chances = np.where(factors.feature == factors.feature[factor], chances, 0.0)
        if chances[factor] <= 0:
            return
        chosen = pick(chances, rng)
        product = Product(old.product.part, tuple(sorted((*parent, chosen))))
        column = None if product in state.present else self.law.column(product)
        if column is None:
            return
        precision = float(state.precision[state.n_fixed + position])
        gain = state.gain(column.values, precision, kept=kept, inverse=inverse, solution=solution)
        prior = self.law.log_prior(product)
        log_ratio = gain.log + prior - state.worth()[position] - self._log_priors[position]
        if np.log(rng.random()) < log_ratio + np.log(chances[factor] / chances[chosen]):
            state.remove(position)
            state.add(Entry(product, column.mean, column.sd, old.local), gain)
            self._log_priors = np.append(np.delete(self._log_priors, position), prior)

    def _made(self, product: Product) -> tuple[Entry, Gain, float] | None:
        """Return a new product with its own variance from the prior, its gain and its log prior."""
        column = self.law.column(product)
        if column is None:
            return None
        local = self.law.local(self._rng)
        entry = Entry(product, column.mean, column.sd, local)
        gain = self._state.gain(column.values, self.law.precision(product.part, local))
        return entry, gain, self.law.log_prior(product)
