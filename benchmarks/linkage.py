"""What tells one made-up genome from another: linkage of neighbouring variants, and drift between populations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def neighbours_r2(counts: np.ndarray, region: Sequence[object]) -> float:
    """Return the mean squared correlation of neighbouring allele counts within regions.

    Parameters
    ----------
    counts : numpy.ndarray
        Alleles, shape (person, variant), of one population.
    region : sequence
        Of each variant; those of one region stand together. A pair with a variant that does not vary counts as 0.
    """
    same = np.array([one == other for one, other in pairwise(region)])
    centred = counts - counts.mean(axis=0)
    spread = counts.std(axis=0)
    product = (centred[:, 1:] * centred[:, :-1]).mean(axis=0)
    scale = spread[1:] * spread[:-1]
    r = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
    return float(np.mean(r[same] ** 2))


def fst(first: np.ndarray, second: np.ndarray) -> float:
    """Return Nei's differentiation of two populations: 1 less mean heterozygosity within over that of both together; Hudson's is ``2 F / (1 + F)``.

    Parameters
    ----------
    first, second : numpy.ndarray
        Allele frequencies, shape (variant,), in many people: no correction for few.
    """
    within = (first * (1 - first) + second * (1 - second)).sum()
    middle = (first + second) / 2
    return float(1 - within / (2 * middle * (1 - middle)).sum())
