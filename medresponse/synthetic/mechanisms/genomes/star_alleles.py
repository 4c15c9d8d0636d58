"""Pharmacogenetic phenotypes of CYP2C19 and CYP2D6 by ancestry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from medresponse.cohort.feature import Feature
from medresponse.synthetic.mechanisms.column import Column, Values, standardised
from medresponse.synthetic.mechanisms.genomes.balding_nichols import ancestry_column, draw_ancestry
from medresponse.synthetic.mechanisms.kinds import Genome
from medresponse.synthetic.mechanisms.knobs import between, each_between, mechanism

ANCESTRIES = ("european", "east_asian")
CYP2C19 = ("poor", "intermediate", "normal", "rapid", "ultrarapid")
CYP2D6 = ("poor", "intermediate", "normal")
LOST = MappingProxyType({"poor": 2, "intermediate": 1, "normal": 0, "rapid": 0, "ultrarapid": 0})
"""CYP2C19 phenotype -> alleles without function, a copy for each."""

# Frequencies of alleles other than *1, (european, east_asian). CYP2C19: PMC9318053, Europeans 15, 0.02, 21.7 %, Asian and
# Pacific groups 25-36, 2.5-10, 1-6 % (middles taken). CYP2D6: PMC9957841 table 2; its *10 for East Asians (15.2 %) is
# lower than the 43-51 % of ejhg200849 table 1, which may count tandem alleles: the lower one is used. *41 as given there.

_2C19: Mapping[str, tuple[float, float]] = {
    "*2": (0.150, 0.305), "*3": (0.0002, 0.0625), "*17": (0.217, 0.035),
}  # fmt: skip
_2D6: Mapping[str, tuple[float, float]] = {
    "*4": (0.118, 0.002), "*5": (0.024, 0.035), "*10": (0.012, 0.152), "*41": (0.085, 0.034),
}  # fmt: skip
# Activity values of CYP2D6 alleles, *1 first (CPIC: none 0, *10 0.25, *41 0.5, normal 1).
_ACTIVITY = np.array([1.0, 0.0, 0.0, 0.25, 0.5])


@mechanism(Genome, "star_alleles")
@dataclass(frozen=True, kw_only=True)
class StarAlleles:
    """Metaboliser phenotypes from two alleles each, drawn at the frequencies of the patient's ancestry.

    Parameters
    ----------
    shares : (float, float)
        Of Europeans and East Asians.
    """

    shares: tuple[float, float] = (0.6, 0.4)

    def __post_init__(self) -> None:
        each_between("genome.shares", self.shares, 0.0, 1.0, n=2, open_low=True)
        between("genome.shares, their sum", round(sum(self.shares), 9), 1.0, 1.0)

    def columns(self, world: Callable[[], np.random.Generator]) -> tuple[Column, ...]:
        """Return ancestry and the two phenotypes."""
        shares = np.asarray(self.shares)
        return (
            *ancestry_column(self.shares, ANCESTRIES),
            _phenotype("cyp2c19", CYP2C19, shares @ _law(_2C19, _phenotype_2c19, len(CYP2C19))),
            _phenotype("cyp2d6", CYP2D6, shares @ _law(_2D6, _phenotype_2d6, len(CYP2D6))),
        )

    def draw(self, n: int, rng: np.random.Generator, world: Callable[[], np.random.Generator]) -> Values:
        """Return ancestries and phenotypes."""
        people = draw_ancestry(self.shares, n, rng)
        first, second = (_alleles(_2C19, people, rng) for _ in range(2))
        third, fourth = (_alleles(_2D6, people, rng) for _ in range(2))
        return {
            "ancestry": people,
            "cyp2c19": _phenotype_2c19(first, second),
            "cyp2d6": _phenotype_2d6(third, fourth),
        }


def _phenotype(name: str, levels: tuple[str, ...], shares: np.ndarray) -> Column:
    feature = Feature(type="ordinal", levels=levels, path=(name.upper(),))
    scores = standardised(tuple(float(j) for j in range(len(levels))), tuple(shares.tolist()))
    return Column(name=name, block="genomic", feature=feature, level_scores=scores)


def _frequencies(alleles: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Return shape (ancestry, allele), *1 first."""
    others = np.array(list(alleles.values())).T
    return np.column_stack([1 - others.sum(axis=1), others])


def _alleles(
    alleles: Mapping[str, tuple[float, float]], people: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    steps = np.cumsum(_frequencies(alleles), axis=1)[:, :-1]
    return np.asarray((rng.random(len(people))[:, None] >= steps[people]).sum(axis=1))


def _law(
    alleles: Mapping[str, tuple[float, float]],
    phenotype: Callable[[np.ndarray, np.ndarray], np.ndarray], levels: int,
) -> np.ndarray:  # fmt: skip
    """Return the share of each phenotype, shape (ancestry, phenotype), in Hardy-Weinberg proportions."""
    frequency = _frequencies(alleles)
    k = frequency.shape[1]
    first, second = (index.ravel() for index in np.meshgrid(range(k), range(k)))
    found = phenotype(first, second)
    joint = frequency[:, first] * frequency[:, second]
    return np.stack([joint[:, found == level].sum(axis=1) for level in range(levels)], axis=1)


def _phenotype_2c19(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Positions in `CYP2C19`; *2 and *3 (1, 2) have no function, *17 (3) more than normal; *2/*17 is intermediate."""
    lost = np.isin(first, (1, 2)).astype(int) + np.isin(second, (1, 2))
    gained = (first == 3).astype(int) + (second == 3)
    return np.where(lost == 2, 0, np.where(lost == 1, 1, 2 + gained))


def _phenotype_2d6(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Positions in `CYP2D6` by activity score: 0 poor, below 1.25 intermediate, else normal (CPIC)."""
    score = _ACTIVITY[first] + _ACTIVITY[second]
    return np.where(score == 0, 0, np.where(score < 1.25, 1, 2))
