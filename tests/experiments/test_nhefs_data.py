"""Hernán and Robins, Causal Inference: What If (2020): 2.5 kg (section 12.1), 3.4 kg (12.2) and 3.5 kg (13.3)."""

import numpy as np
import pytest

from experiments.nhefs_data import build_frame, data_file
from experiments.sources import cohort_of, schema_of
from medresponse.core.errors import DataError
from tests.experiments.classical import dummies, logistic_probabilities
from tests.experiments.real_data import needs_package, source


@pytest.fixture(scope="module")
def smokers():
    nhefs = source("nhefs")
    return cohort_of(build_frame(data_file(nhefs)), schema_of(nhefs))


def confounders(cohort):
    """The book's nine, with squares of the four numbers."""
    numbers = cohort.table.select("age", "weight", "cigarettes", "years_smoked").to_numpy()
    names = ("sex", "race", "education", "exercise", "active")
    levels = [dummies(cohort.table[name].cast(str)) for name in names]
    return np.column_stack([numbers, numbers**2, *levels])


def test_an_absent_package_is_one_clear_message():
    with pytest.raises(DataError, match="pip install no_such_package=="):
        data_file(source("nhefs") | {"package": "no_such_package"})


@needs_package("causaldata")
def test_quitters_gained_more_before_any_adjustment(smokers):
    gained, quit_ = smokers.outcome("weight_change")["value"], smokers.treatment_idx == 1
    assert (len(gained), int(quit_.sum())) == (1566, 403)
    assert [f"{gained[group].mean():.1f}" for group in (~quit_, quit_)] == ["2.0", "4.5"]
    assert f"{gained[quit_].mean() - gained[~quit_].mean():.1f}" == "2.5"


@needs_package("causaldata")
def test_inverse_probability_weighting_gives_the_book_s_effect(smokers):
    gained, quit_ = smokers.outcome("weight_change")["value"], smokers.treatment_idx == 1
    p = logistic_probabilities(confounders(smokers), quit_)
    weights = np.where(quit_, 1 / p, 1 / (1 - p))
    assert [f"{w:.2f}" for w in (weights.mean(), weights.min(), weights.max())] == ["2.00", "1.05", "16.70"]
    means = [np.average(gained[group], weights=weights[group]) for group in (quit_, ~quit_)]
    assert f"{means[0] - means[1]:.1f}" == "3.4"


@needs_package("causaldata")
def test_standardisation_gives_the_book_s_effect(smokers):
    gained, cigarettes = smokers.outcome("weight_change")["value"], smokers.table["cigarettes"].to_numpy()

    def design(quit_):
        return np.column_stack([np.ones(len(gained)), quit_, quit_ * cigarettes, confounders(smokers)])

    beta = np.linalg.lstsq(design(smokers.treatment_idx), gained, rcond=None)[0]
    standardised = [(design(np.full(len(gained), a)) @ beta).mean() for a in (1, 0)]
    assert [f"{mean:.1f}" for mean in standardised] == ["5.3", "1.8"]
    assert f"{standardised[0] - standardised[1]:.1f}" == "3.5"
