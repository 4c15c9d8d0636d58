"""Formulas against published examples and the figures that the authors' own packages print."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.validation.unmeasured import (
    adjusted,
    benchmark,
    e_value,
    e_value_of_interval,
    ratio_of_difference,
    robustness_value,
)

# Exposure to violence and attitudes to peace in Darfur, Cinelli & Hazlett (2020), section 5: directly harmed.
ESTIMATE, SD, DF = 0.09731582, 0.02325654, 783


@pytest.mark.parametrize(
    ("ratio", "limits", "expected"),
    [
        (3.9, (1.8, 8.7), (7.26, 3.0)),  # VanderWeele & Ding (2017): respiratory deaths and no breastfeeding
        (0.80, (0.71, 0.91), (1.81, 1.43)),  # ibid.: leukaemia and breastfeeding
        (10.73, (8.02, 14.36), (20.95, 15.52)),  # ibid.: lung cancer and smoking (Hammond & Horn)
    ],
)
def test_e_values_of_the_literature(
    ratio: float, limits: tuple[float, float], expected: tuple[float, float]
) -> None:
    found = (e_value(ratio), e_value_of_interval(*limits))
    assert found == pytest.approx(expected, abs=0.005)


def test_an_e_value_solves_its_own_definition() -> None:
    """With both risk ratios at E the bounding factor E^2 / (2 E - 1) is the ratio (Ding & VanderWeele 2016)."""
    for ratio in (1.0, 1.2, 3.9, 50.0):
        e = e_value(ratio)
        assert e**2 / (2 * e - 1) == pytest.approx(ratio)
        assert e_value(1 / ratio) == pytest.approx(e)


def test_an_interval_that_includes_no_effect_needs_no_confounder() -> None:
    assert e_value_of_interval(0.7, 1.3) == 1.0


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan")])
def test_what_is_no_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        e_value(ratio)


def test_the_e_value_of_a_mean_difference_is_that_of_the_evalue_package() -> None:
    """evalues.MD(0.5, se = 0.2) of R's EValue: 2.529142 and 1.443030; its 1.78 se stands for 0.91 x 1.96 se."""
    assert e_value(ratio_of_difference(0.5, 1.0)) == pytest.approx(2.52914198186127, rel=1e-12)
    assert e_value(ratio_of_difference(0.5 - 1.78 / 0.91 * 0.2, 1.0)) == pytest.approx(1.44302956, rel=1e-7)
    assert ratio_of_difference(6.0, 12.0) == ratio_of_difference(0.5, 1.0)


def test_robustness_values_of_darfur() -> None:
    t = ESTIMATE / SD
    assert robustness_value(4.18, DF) == pytest.approx(0.139, abs=5e-4)
    assert robustness_value(t, DF) == pytest.approx(0.13878, abs=5e-6)
    assert robustness_value(t, DF, level=0.95) == pytest.approx(0.07626, abs=5e-6)
    assert robustness_value(-t, DF, level=0.95) == robustness_value(t, DF, level=0.95)


def test_a_robustness_value_solves_its_own_definition() -> None:
    for t in (0.5, 4.2, 40.0):
        rv = robustness_value(t, 100)
        assert adjusted(1.0, 1 / t, 100, with_treatment=rv, with_outcome=rv)[0] == pytest.approx(0, abs=1e-12)


def test_at_the_robustness_value_of_an_interval_its_limit_is_at_no_effect() -> None:
    from scipy.stats import t as student

    rv = robustness_value(6.0, 200, level=0.9)
    left, spread = adjusted(6.0, 1.0, 200, with_treatment=rv, with_outcome=rv)
    assert left - student.ppf(0.95, 199) * spread == pytest.approx(0, abs=1e-9)
    assert robustness_value(1.0, 200, level=0.9) == 0.0
    assert 0 < robustness_value(300.0, 20, level=0.95) < 1  # f beyond 1 / f*


def test_bounds_by_being_female_in_darfur() -> None:
    """sensemakr's table of confounders once, twice and three times as strong as `female`."""
    treatment = [0.00916428667504862, 0.0183285733500972, 0.0274928600251459]
    outcome = [0.12464092303637, 0.249324064199975, 0.374050471038094]
    estimates = [0.0752202712144491, 0.0529151723844518, 0.0303960234641548]
    spreads = [0.0218733277437572, 0.0203500620779637, 0.0186700648170924]
    r2_treatment = treatment[0] / (1 + treatment[0])  # what the first row says of `female` itself
    overlap = r2_treatment**2 / (1 - r2_treatment) ** 2
    odds = outcome[0] * (1 - overlap) / (1 + np.sqrt(overlap)) ** 2
    for i, times in enumerate((1, 2, 3)):
        found = benchmark(r2_treatment, odds / (1 + odds), times=times)
        assert found == pytest.approx((treatment[i], outcome[i]), rel=1e-9)
        left = adjusted(ESTIMATE, SD, DF, with_treatment=found[0], with_outcome=found[1])
        assert left == pytest.approx((estimates[i], spreads[i]), rel=1e-6)


def test_no_confounder_is_stronger_than_all_of_the_treatment() -> None:
    assert benchmark(0.5, 0.1) is None
    assert benchmark(0.1, 0.95, times=2.0)[1] == 1.0
