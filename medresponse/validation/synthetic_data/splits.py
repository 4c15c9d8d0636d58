"""One split of a cohort: what is learned from one half, against the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medresponse.cohort import Cohort, random_folds
from medresponse.core.errors import DataError
from medresponse.core.rng import derive_seed, stream
from medresponse.synthetic.learned import Generator, learn
from medresponse.validation.synthetic_data.cells import Known
from medresponse.validation.synthetic_data.controls import Bootstrap
from medresponse.validation.synthetic_data.disclosure import disclosure_tallies
from medresponse.validation.synthetic_data.effects import concordance, regress
from medresponse.validation.synthetic_data.fidelity import (
    correlation_distance,
    detection_auc,
    marginal_distances,
)
from medresponse.validation.synthetic_data.risk import Tally
from medresponse.validation.synthetic_data.space import Space


@dataclass(frozen=True, kw_only=True)
class Split:
    """What one split showed.

    Parameters
    ----------
    margins, real_margins : mapping
        Column -> distance from the other half, of made-up patients and of those learned from.
    correlation, real_correlation : float
        Mean distance of correlations from the other half.
    detection : float
        Area under the curve of a forest that tells made-up patients from the other half.
    concordance, real_concordance : mapping
        Outcome -> concordance in the other half of a model trained on made-up patients, and on those learned from.
    effects, real_effects : mapping
        Outcome -> effect of each treatment but the reference.
    tallies, control : list of Tally
        The checks on the generator, and on copies of real patients.
    """

    margins: Mapping[str, float]
    real_margins: Mapping[str, float]
    correlation: float
    real_correlation: float
    detection: float
    concordance: Mapping[str, float]
    real_concordance: Mapping[str, float]
    effects: Mapping[str, np.ndarray]
    real_effects: Mapping[str, np.ndarray]
    tallies: Sequence[Tally]
    control: Sequence[Tally]


def split_of(
    generator: Generator, cohort: Cohort, *, space: Space, outcomes: Sequence[str], known: Known, seed: int,
) -> Split:  # fmt: skip
    """Learn from a random half, draw as many patients, and hold them against both halves."""
    fold = random_folds(cohort, folds=2, seed=derive_seed(seed, "halves"))
    train, holdout = cohort.where(fold == 0), cohort.where(fold == 1)
    space = space.seen_by(train)
    made, copied = (_drawn(one, train, seed) for one in (generator, Bootstrap()))
    blocks = {name: space.blocks(c) for name, c in (("train", train), ("holdout", holdout), ("made", made))}
    tallies, control = (
        disclosure_tallies(
            train,
            holdout,
            drawn,
            space=space,
            known=known,
            rng=stream(seed, "attacks"),
        )
        for drawn in (made, copied)
    )
    fits = {(who, o): regress(c, o, space) for who, c in (("real", train), ("made", made)) for o in outcomes}
    both = [o for o in outcomes if fits["real", o] is not None and fits["made", o] is not None]
    scores = {key: concordance(fit, holdout, key[1], space) for key, fit in fits.items() if fit is not None}
    effects = {key: fit.effects for key, fit in fits.items() if fit is not None}
    return Split(
        margins=marginal_distances(blocks["holdout"], blocks["made"]),
        real_margins=marginal_distances(blocks["holdout"], blocks["train"]),
        correlation=correlation_distance(blocks["holdout"], blocks["made"]),
        real_correlation=correlation_distance(blocks["holdout"], blocks["train"]),
        detection=detection_auc(
            space.matrix(holdout), space.matrix(made), seed=derive_seed(seed, "forest") % 2**32
        ),
        concordance={o: scores["made", o] for o in both},
        real_concordance={o: scores["real", o] for o in both},
        effects={o: effects["made", o] for o in both},
        real_effects={o: effects["real", o] for o in both},
        tallies=tallies,
        control=control,
    )


def _drawn(generator: Generator, train: Cohort, seed: int) -> Cohort:
    try:
        learned = learn(generator, train, seed=derive_seed(seed, "learn"))
    except DataError as error:
        if error.code != "not_learnable":
            raise
        raise DataError(
            f"a random half of the cohort, {train.n} patients: {error.args[0]}", code=error.code
        ) from error
    return learned.draw(train.n, seed=derive_seed(seed, "draw"))
