"""Permuted blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.mechanisms.kinds import Assignment
from medresponse.synthetic.mechanisms.knobs import (
    between,
    contradicts,
    each_between,
    labels,
    mechanism,
    one_each,
)
from medresponse.synthetic.mechanisms.surfaces import Shape


@mechanism(Assignment, "rct")
@dataclass(frozen=True, kw_only=True)
class Randomised:
    """Randomisation in permuted blocks.

    Parameters
    ----------
    block : int
        Patients in a block, a multiple of the sum of `ratio`.
    strata : tuple of str
        ``("site",)`` or none: blocks run within them.
    ratio : tuple of int
        Of the treatments, the reference first; equal by default.
    """

    block: int = 6
    strata: tuple[str, ...] = ()
    ratio: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        between("assignment.block", self.block, 2, 1000)
        labels("assignment.strata", self.strata)
        each_between("assignment.ratio", self.ratio, 1, 1000)  # every treatment is given to somebody

    @property
    def randomised(self) -> bool:
        """By design."""
        return True

    def check(self, treatments: tuple[str, ...], *, has_sites: bool) -> None:
        """Refuse a ratio or block that does not fit the treatments, and strata that are not there."""
        if self.ratio:
            one_each("assignment.ratio", self.ratio, treatments, active=False)
        whole = sum(self.ratio) or len(treatments)
        if self.block % whole:
            raise contradicts("assignment.block", f"{self.block} found; legal are multiples of {whole}")
        if [s for s in self.strata if s != "site"] or (self.strata and not has_sites):
            raise contradicts(
                "assignment.strata", "legal is [site] where there are sites (sites.n above 0), or none"
            )

    def leanings(self, treatments: tuple[str, ...]) -> Mapping[str, Shape]:
        """Return none: nothing about the patient matters."""
        return {}

    def shares(self, n_treatments: int) -> np.ndarray:
        """Return the ratio as shares."""
        ratio = np.asarray(self.ratio or (1,) * n_treatments, dtype=float)
        return np.asarray(ratio / ratio.sum())

    def propensity(self, leanings: np.ndarray, boxed: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return the shares for every patient."""
        return np.tile(self.shares(len(start) + 1), (len(boxed), 1))

    def draw(
        self, propensity: np.ndarray, strata: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Return treatments in permuted blocks; the last block of a stratum may be incomplete."""
        n, k = propensity.shape
        ratio = np.asarray(self.ratio or (1,) * k)
        labels = np.repeat(np.arange(k), ratio * (self.block // ratio.sum()))
        blocks = -(-n // self.block) + len(np.unique(strata["site"])) if self.strata else -(-n // self.block)
        order = np.argsort(rng.random((blocks, self.block)), axis=1)
        if not self.strata:
            return np.asarray(labels[order].ravel()[:n])
        received, used = np.empty(n, dtype=np.int64), 0
        for site in np.unique(strata["site"]):
            rows = np.flatnonzero(strata["site"] == site)
            own = -(-len(rows) // self.block)
            received[rows] = labels[order[used : used + own]].ravel()[: len(rows)]
            used += own
        return received
