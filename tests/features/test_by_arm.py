"""Which arms have models of their own: those whose patients tell enough of every feature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.families import Gaussian
from medresponse.features import Encoding, FeatureEncoding, arms_suffice
from medresponse.model import ModelSpec, prepare
from medresponse.priors import Normal
from tests.hand_made import trial_of

AGE = FeatureEncoding(name="age", block="history", type="continuous")
KIND = FeatureEncoding(
    name="kind", block="history", type="categorical", levels=("a", "b", "c"), shares=(0.5, 0.3, 0.2)
)
ARM = np.arange(40) % 2


@pytest.mark.parametrize(
    ("feature", "known", "suffices"),
    [(0, 5, True), (0, 4, False), (0, 0, False), (1, 10, True), (1, 9, False)],
)
def test_each_arm_knows_each_feature_of_five_patients_a_latent(
    feature: int, known: int, suffices: bool
) -> None:
    codes = np.ones((40, 2))
    codes[np.flatnonzero(ARM == 1)[known:], feature] = np.nan
    assert arms_suffice(Encoding(features=(AGE, KIND)), codes, ARM) is suffices


def test_every_arm_has_five_patients_a_latent_and_there_are_two_arms() -> None:
    encoding, codes = Encoding(features=(AGE, KIND)), np.ones((40, 2))
    assert arms_suffice(encoding, codes[:30], ARM[:30]) and not arms_suffice(encoding, codes[:29], ARM[:29])
    assert not arms_suffice(encoding, codes, np.zeros(40, dtype=int))


def test_a_feature_that_one_arm_lacks_is_imputed_from_all_patients() -> None:
    """The arm's own model has no proper posterior, flat as the prior of its mean is."""
    cohort = trial_of(90, missing={"sex": 9})
    unread = pl.Series(cohort.treatment_idx == 1)
    lopsided = replace(
        cohort, table=cohort.table.with_columns(age=pl.when(unread).then(None).otherwise(pl.col("age")))
    )
    spec = ModelSpec(family=Gaussian(), blocks={"history": Normal()})
    before, after = (prepare(spec, one, outcome="score", seed=1) for one in (cohort, lopsided))
    assert len(before.by_arm) == 2 and after.by_arm == () and np.isfinite(after.codes).all()
