"""How births, deaths and changes of products of hinges are proposed, and how probable each proposal was.

What to propose is chosen by how well it would explain what is left (Zanella 2020, J Am Stat Assoc 115:852): blind proposals
among thousands of factors would hardly ever be accepted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medresponse.inference.hinge_law import Law
from medresponse.inference.hinge_state import Entry, Product, State

_COPY = 0.2  # share of births that give a product's factors to another part
_NEW = 0.5  # share of the other births that begin a product rather than extend one
_BLIND = 0.1  # share of proposals by prior alone


class Extension(NamedTuple):
    """A birth by putting a factor beside those of a product that is in, or beside none."""

    parent: tuple[int, ...]
    factor: int


class Copy(NamedTuple):
    """A birth by giving the factors of a product that is in to another part."""

    source: int


Way = Extension | Copy


class Proposals:
    """Proposals under one law of products.

    A product may be born in several ways; its death picks one of them at random as the birth to be undone, so that
    births and deaths balance way by way (Green 1995, Biometrika 82:711, with the way as the auxiliary variable).
    """

    def __init__(self, law: Law) -> None:
        self._law = law
        self._square = (law.times**2).mean(axis=1)

    def birth(self, state: State, rng: np.random.Generator) -> tuple[Product, float] | None:
        """Return a product and the log probability to have proposed it in the way it was, None if nothing can be."""
        law, entries = self._law, state.entries
        if entries and law.parts > 1 and rng.random() < _COPY:
            source = entries[rng.integers(len(entries))].product
            part = int(rng.integers(law.parts - 1))
            part += part >= source.part
            return Product(part, source.factors), self._log_copy(len(entries))
        part = 0
        if law.parts > 1 and rng.random() >= 0.5:
            part = 1 + int(rng.integers(law.parts - 1))
        parents = self._parents(entries)
        parent: tuple[int, ...] = ()
        if parents and rng.random() > _NEW:
            parent = parents[rng.integers(len(parents))]
        chances = self.factor(state, part, parent, state.residual)
        if chances is None:
            return None
        factor = pick(chances, rng)
        log_q = self._log_extension(part, parent, entries) + float(np.log(chances[factor]))
        return Product(part, tuple(sorted((*parent, factor)))), log_q

    def ways(self, product: Product, rest: list[Entry]) -> list[Way]:
        """Return the ways in which a product could be born beside the others."""
        known = {e.product.factors for e in rest}
        ways: list[Way] = []
        for factor in product.factors:
            parent = tuple(f for f in product.factors if f != factor)
            if not parent or parent in known:
                ways.append(Extension(parent, factor))
        return ways + [Copy(e.product.part) for e in rest if e.product.factors == product.factors]

    def log_birth(self, product: Product, way: Way, rest: list[Entry], state: State, position: int) -> float:
        """Return the log probability of a product's birth in one way beside the others, -inf if it has none.

        `position` is the product's in the state, which still holds it.
        """
        if isinstance(way, Copy):
            return self._log_copy(len(rest))
        kept, _, solution = state.without(position)
        chances = self.factor(state, product.part, way.parent, state.residual_of(kept, solution))
        if chances is None or chances[way.factor] <= 0:
            return -np.inf
        return self._log_extension(product.part, way.parent, rest) + float(np.log(chances[way.factor]))

    def factor(
        self, state: State, part: int, parent: tuple[int, ...], residual: np.ndarray
    ) -> np.ndarray | None:
        """Return probabilities of the factors to put beside `parent`: the prior times a root of what each would gain."""
        law, factors = self._law, self._law.factors
        target = state.weight * residual
        if part:
            target = target * law.times[part]
        mean, sd, usable = factors.moments(parent)
        if part:
            usable = usable & ~law.banned
            if law.banned[list(parent)].any():
                return None
        total = float(target.sum())
        slope = (factors.dots(target * factors.product(parent) if parent else target) - mean * total) / sd
        prior = 1 / law.scale[min(part, 1)] ** 2
        curvature = float(state.weight.mean()) * factors.n * self._square[part] + prior
        gain = 0.5 * slope**2 / curvature - 0.5 * np.log(curvature / prior)
        log_p = np.where(usable, law.log_factors + 0.5 * np.clip(gain, -6.0, 60.0), -np.inf)
        top = log_p.max()
        if not np.isfinite(top):
            return None
        informed, blind = np.exp(log_p - top), np.where(usable, np.exp(law.log_factors), 0.0)
        return np.asarray((1 - _BLIND) * informed / informed.sum() + _BLIND * blind / blind.sum())

    def _log_copy(self, entries: int) -> float:
        return float(np.log(_COPY / entries / (self._law.parts - 1)))

    def _log_extension(self, part: int, parent: tuple[int, ...], entries: list[Entry]) -> float:
        """Return the log probability of the part and parent of a birth that is no copy."""
        parts, parents = self._law.parts, len(self._parents(entries))
        log_q = float(np.log(1 - _COPY)) if entries and parts > 1 else 0.0
        if parts > 1:
            log_q += float(np.log(0.5 if part == 0 else 0.5 / (parts - 1)))
        if parents:
            log_q += float(np.log((1 - _NEW) / parents if parent else _NEW))
        return log_q

    def _parents(self, entries: list[Entry]) -> list[tuple[int, ...]]:
        """Return the products' factors, each once, where there is room for one more."""
        return sorted({e.product.factors for e in entries if len(e.product.factors) < self._law.prior.order})


def death_law(log_worth: np.ndarray) -> np.ndarray:
    """Return the probability of each product to be the one that might die: most for those worth least."""
    weight = np.exp(-0.5 * np.clip(log_worth, -10.0, 30.0))
    return np.asarray((1 - _BLIND) * weight / weight.sum() + _BLIND / len(weight))


def pick(weights: np.ndarray, rng: np.random.Generator) -> int:
    """Return a position with probability proportional to its weight."""
    total = np.cumsum(weights)
    return min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), len(weights) - 1)
