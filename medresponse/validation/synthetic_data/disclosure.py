"""The battery of disclosure checks on one split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medresponse.cohort import Cohort
from medresponse.validation.synthetic_data.cells import Known, cell_check
from medresponse.validation.synthetic_data.distances import distance_checks
from medresponse.validation.synthetic_data.inference import attribute_inference
from medresponse.validation.synthetic_data.risk import Tally
from medresponse.validation.synthetic_data.singling_out import singling_out
from medresponse.validation.synthetic_data.space import Block, Space


def disclosure_tallies(
    train: Cohort,
    holdout: Cohort,
    made: Cohort,
    *,
    space: Space,
    known: Known,
    rng: np.random.Generator,
) -> list[Tally]:
    """Return the tallies of every check, in a fixed order.

    Parameters
    ----------
    train, holdout : Cohort
        Real patients that the generator learned from, and as many that it did not.
    made : Cohort
    space : Space
        Scales of the real cohort.
    known : mapping
        What an outsider may know.
    rng : numpy.random.Generator
        Chooses the attacks.
    """
    learned, others, drawn = (space.blocks(cohort) for cohort in (train, holdout, made))
    return [
        *distance_checks(_matrix(learned), _matrix(others), _matrix(drawn)),
        *singling_out(learned, others, drawn, rng),
        cell_check(train, holdout, made, known),
        *attribute_inference(learned, others, drawn),
    ]


def _matrix(blocks: Sequence[Block]) -> np.ndarray:
    return np.column_stack([block.coordinates for block in blocks])
