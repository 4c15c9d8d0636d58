"""Variants as common ancestors left them: founders' haplotypes by msprime under the out-of-Africa model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp
from typing import Any

import numpy as np

from medresponse.cohort.feature import Feature
from medresponse.core.errors import SpecError
from medresponse.synthetic.mechanisms.column import Column, Values
from medresponse.synthetic.mechanisms.genomes.balding_nichols import ancestry_column, draw_ancestry
from medresponse.synthetic.mechanisms.kinds import Genome
from medresponse.synthetic.mechanisms.knobs import between, contradicts, each_between, mechanism

POPULATIONS = ("african", "european", "east_asian")
"""Whom the model's three populations stand for: Yoruba, Utah residents of European ancestry, Han Chinese."""

_RARE = 0.05  # rarer variants of the mixture are left out
_RECOMBINATION, _MUTATION = 1.2e-8, 1.29e-8  # for each base and generation, averages over the human genome
_TRIES = 100  # regions without a common variant before giving up


@mechanism(Genome, "msprime")
@dataclass(frozen=True, kw_only=True)
class Coalescent:
    """Allele counts from haplotypes simulated by their ancestry. Needs the extra ``genomics`` (msprime, GPL-3 or later).

    Once for all patients, msprime simulates independent regions in founders of three populations that split and grew as
    Gutenkunst et al. (2009, PLoS Genet 5:e1000695) estimated. A patient's two haplotypes of each region are those of
    founders of the patient's ancestry, drawn with replacement: linkage within a region and frequencies are the founders',
    regions are independent, and patients of one ancestry are no more related than founders are, but for sharing them.

    Parameters
    ----------
    variants : int
        Columns, 1 to 10,000: biallelic, with a minor allele of at least 5% in the mixture of ancestries.
    block : int
        Neighbouring variants kept of a region, at most; 1 to 1,000.
    length : int
        Bases of a region, 1,000 to 1,000,000.
    founders : int
        People of each population, 50 to 10,000.
    shares : (float, float, float)
        Of Africans, Europeans and East Asians; who has none is left out. The column ``ancestry`` is there if two or more
        have one.
    """

    variants: int = 500
    block: int = 25
    length: int = 40_000
    founders: int = 500
    shares: tuple[float, float, float] = (0.2, 0.5, 0.3)

    def __post_init__(self) -> None:
        between("genome.variants", self.variants, 1, 10_000)
        between("genome.block", self.block, 1, 1_000)
        between("genome.length", self.length, 1_000, 1_000_000)
        between("genome.founders", self.founders, 50, 10_000)
        each_between("genome.shares", self.shares, 0.0, 1.0, n=3)
        between("genome.shares, their sum", round(sum(self.shares), 9), 1.0, 1.0)

    @property
    def present(self) -> tuple[int, ...]:
        """Positions of the populations that have a share."""
        return tuple(k for k, share in enumerate(self.shares) if share > 0)

    def columns(self, world: Callable[[], np.random.Generator]) -> tuple[Column, ...]:
        """Return the ancestry, if mixed, and the variants."""
        panel = _panel(self, _seed(world))
        shares = np.asarray(self.shares)[list(self.present)]
        within = panel.haplotypes.mean(axis=1)
        frequency = shares @ within
        # Var(g) in a mixture of populations in Hardy-Weinberg proportions: 2p(1-p) on average plus that of 2p between.
        spread = np.sqrt(2 * shares @ (within * (1 - within)) + 4 * (shares @ within**2 - frequency**2))
        variants = tuple(
            Column(
                name=f"variant_{j + 1:04d}",
                block="genomic",
                feature=Feature(type="dosage", path=(f"region_{panel.region[j] + 1:03d}",)),
                centre=float(2 * frequency[j]),
                scale=float(spread[j]),
            )
            for j in range(self.variants)
        )
        return (*ancestry_column(*self._ancestries()), *variants)

    def draw(self, n: int, rng: np.random.Generator, world: Callable[[], np.random.Generator]) -> Values:
        """Return allele counts and, if mixed, ancestries."""
        panel, (shares, _) = _panel(self, _seed(world)), self._ancestries()
        people = draw_ancestry(shares, n, rng)
        counts = np.zeros((self.variants, n), dtype=np.int8)
        edges = np.flatnonzero(np.diff(panel.region, prepend=-1, append=-1))
        for _ in range(2):
            for start, stop in pairwise(edges):
                founder = rng.integers(2 * self.founders, size=n)
                counts[start:stop] += panel.haplotypes[people, founder, start:stop].T
        values = {f"variant_{j + 1:04d}": counts[j] for j in range(self.variants)}
        return {"ancestry": people, **values} if len(shares) > 1 else values

    def _ancestries(self) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """Return shares and names of the populations that have a share."""
        return tuple(self.shares[k] for k in self.present), tuple(POPULATIONS[k] for k in self.present)


@dataclass(frozen=True)
class Panel:
    """Haplotypes of founders.

    Parameters
    ----------
    haplotypes : numpy.ndarray
        0 or 1, shape (population, haplotype, variant).
    region : numpy.ndarray
        Of each variant, rising, shape (variant,).
    """

    haplotypes: np.ndarray
    region: np.ndarray


def require_msprime() -> Any:
    """Return the module msprime.

    Raises
    ------
    SpecError
        If it is not installed.
    """
    try:
        import msprime
    except ImportError as error:
        raise SpecError(
            "genome: msprime is not installed; pip install 'medresponse[genomics]', or take genome bn_ar1, "
            "which needs nothing",
            code="missing_extra",
        ) from error
    return msprime


def _seed(world: Callable[[], np.random.Generator]) -> int:
    return int(world().integers(1, 2**31))


@lru_cache(maxsize=4)
def _panel(genome: Coalescent, seed: int) -> Panel:
    """Simulate regions until there are as many variants as wanted."""
    msprime = require_msprime()
    populations = [POPULATIONS[k] for k in genome.present]
    shares, history = np.asarray(genome.shares)[list(genome.present)], _out_of_africa(msprime)
    found: list[np.ndarray] = []
    regions: list[int] = []
    empty = 0
    trees = msprime.sim_ancestry(
        {name: genome.founders for name in populations}, demography=history, sequence_length=genome.length,
        recombination_rate=_RECOMBINATION, random_seed=seed, num_replicates=genome.variants + _TRIES,
    )  # fmt: skip
    for region, tree in enumerate(trees):
        table = msprime.sim_mutations(tree, rate=_MUTATION, random_seed=seed + region + 1).genotype_matrix()
        split = table.reshape(len(table), len(populations), 2 * genome.founders)
        mixture = split.mean(axis=2) @ shares
        common = (split.max(axis=(1, 2)) == 1) & (np.minimum(mixture, 1 - mixture) >= _RARE)
        kept = split[common][: min(genome.block, genome.variants - len(regions))]
        found.append(kept)
        regions += [region] * len(kept)
        empty += not len(kept)
        if len(regions) == genome.variants:
            haplotypes = np.concatenate(found).transpose(1, 2, 0)
            return Panel(np.ascontiguousarray(haplotypes, dtype=np.int8), np.asarray(regions))
        if empty == _TRIES:
            break
    raise contradicts(
        "genome.length", f"{genome.length} bases are too few for common variants; legal is more"
    )


def _out_of_africa(msprime: Any) -> Any:
    """Return the demography of Gutenkunst et al. (2009), table 1, at 25 years a generation."""
    split, exodus, rise = (years / 25 for years in (21_200, 140_000, 220_000))
    african, european, asian = POPULATIONS
    history = msprime.Demography()
    history.add_population(name=african, initial_size=12_300)
    history.add_population(name=european, initial_size=1_000 * exp(0.004 * split), growth_rate=0.004)
    history.add_population(name=asian, initial_size=510 * exp(0.0055 * split), growth_rate=0.0055)
    for name, size in (("out_of_africa", 2_100), ("modern", 12_300), ("ancestral", 7_300)):
        history.add_population(name=name, initial_size=size)
    history.set_symmetric_migration_rate([european, asian], 9.6e-5)
    history.set_symmetric_migration_rate([african, asian], 1.9e-5)
    history.set_symmetric_migration_rate([african, european], 3e-5)
    history.add_population_split(time=split, derived=[european, asian], ancestral="out_of_africa")
    history.add_symmetric_migration_rate_change(
        time=split, populations=[african, "out_of_africa"], rate=25e-5
    )
    history.add_population_split(time=exodus, derived=[african, "out_of_africa"], ancestral="modern")
    history.add_population_split(time=rise, derived=["modern"], ancestral="ancestral")
    return history
