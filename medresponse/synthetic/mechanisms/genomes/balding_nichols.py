"""Variants in linkage disequilibrium, in populations that drifted apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from medresponse.cohort.feature import Feature
from medresponse.synthetic.mechanisms.column import Column, Values, standardised
from medresponse.synthetic.mechanisms.kinds import Genome
from medresponse.synthetic.mechanisms.knobs import between, each_between, mechanism

_RARE = 0.05  # frequencies lie between this and one less this, in the ancestral population


@mechanism(Genome, "bn_ar1")
@dataclass(frozen=True, kw_only=True)
class BaldingNichols:
    """Allele counts: population frequencies by drift, linkage by an autoregressive latent haplotype.

    Frequencies of a block's variants wander about a common one and drift by the beta law with the given Fst (Balding &
    Nichols 1995, Genetica 96:3). A haplotype is a stationary Gaussian autoregression along its block, cut at each
    variant's frequency; two independent ones make a person.

    Parameters
    ----------
    variants : int
        Columns, 1 to 10,000.
    block : int
        Variants in linkage; blocks are independent.
    linkage : float
        Correlation of neighbours on the latent scale. At 0.91 the r^2 of neighbouring variants within blocks averages
        about 0.35, as in coalescent samples of Europeans (0.33 to 0.38); ``benchmarks/synthetic.py`` prints it.
    fst : float
        Drift of each population from their ancestor.
    shares : tuple of float
        Of the populations, at least one; they appear as the column ``ancestry`` if there are two or more.
    """

    variants: int = 500
    block: int = 25
    linkage: float = 0.91
    fst: float = 0.06
    shares: tuple[float, ...] = (0.6, 0.4)

    def __post_init__(self) -> None:
        between("genome.variants", self.variants, 1, 10_000)
        between("genome.block", self.block, 1, 1_000)
        between("genome.linkage", self.linkage, 0.0, 1.0, open_high=True)
        between("genome.fst", self.fst, 0.0, 0.5, open_low=True)
        each_between("genome.shares", self.shares, 0.0, 1.0, open_low=True)
        between("genome.shares, their sum", round(sum(self.shares), 9), 1.0, 1.0)

    def columns(self, world: Callable[[], np.random.Generator]) -> tuple[Column, ...]:
        """Return the ancestry, if mixed, and the variants."""
        frequency = np.asarray(self.shares) @ self.frequencies(world())
        within = np.asarray(self.shares) @ self.frequencies(world()) ** 2
        # Var(g) in a mixture of populations in Hardy-Weinberg proportions: 2p(1-p) on average plus that of 2p between.
        spread = np.sqrt(2 * (frequency - within) + 4 * (within - frequency**2))
        variants = tuple(
            Column(
                name=f"variant_{j + 1:04d}",
                block="genomic",
                feature=Feature(type="dosage", path=(f"region_{j // self.block + 1:03d}",)),
                centre=float(2 * frequency[j]),
                scale=float(spread[j]),
            )
            for j in range(self.variants)
        )
        return (*ancestry_column(self.shares), *variants)

    def frequencies(self, rng: np.random.Generator) -> np.ndarray:
        """Return each population's allele frequencies, shape (population, variant)."""
        blocks = -(-self.variants // self.block)
        common = np.repeat(rng.uniform(0.15, 0.85, blocks), self.block)[: self.variants]
        ancestral = np.clip(common + rng.normal(0.0, 0.08, self.variants), _RARE, 1 - _RARE)
        drift = (1 - self.fst) / self.fst
        drifted = rng.beta(ancestral * drift, (1 - ancestral) * drift, (len(self.shares), self.variants))
        return np.clip(drifted, 0.01, 0.99)

    def draw(self, n: int, rng: np.random.Generator, world: Callable[[], np.random.Generator]) -> Values:
        """Return allele counts and, if mixed, ancestries."""
        people = draw_ancestry(self.shares, n, rng)
        cuts = ndtri(self.frequencies(world())).astype(np.float32)
        counts = np.zeros((self.variants, n), dtype=np.int8)
        keep, fresh = np.float32(self.linkage), np.float32(np.sqrt(1 - self.linkage**2))
        latent = np.zeros(n, dtype=np.float32)
        for _ in range(2):
            for j in range(self.variants):
                new = rng.standard_normal(n, dtype=np.float32)
                latent = new if j % self.block == 0 else keep * latent + fresh * new
                counts[j] += latent < cuts[people, j]
        values = {f"variant_{j + 1:04d}": counts[j] for j in range(self.variants)}
        return {"ancestry": people, **values} if len(self.shares) > 1 else values


def ancestry_column(shares: tuple[float, ...], names: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Return the ancestry as a column, none if there is one population only."""
    if len(shares) < 2:
        return ()
    levels = names or tuple(f"population_{chr(97 + j)}" for j in range(len(shares)))
    feature = Feature(type="binary" if len(levels) == 2 else "categorical", levels=levels)
    scores = standardised(tuple(float(j) for j in range(len(levels))), shares)
    return (Column(name="ancestry", block="genomic", feature=feature, level_scores=scores),)


def draw_ancestry(shares: tuple[float, ...], n: int, rng: np.random.Generator) -> np.ndarray:
    """Return positions of populations, shape (patient,)."""
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n), side="right")
