"""The gate: what fails it, and that the numbers behind it are the known ones."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from medresponse.inference import Diagnostics, Limits, diagnose
from medresponse.inference.diagnostics import pareto_k

GOOD = Diagnostics(
    rhat=1.005, rhat_parameter="a", ess_bulk=900.0, ess_bulk_parameter="b", ess_tail=800.0, ess_tail_parameter="c",
    ess_p5=950.0, divergences=0, bfmi=0.8, chains=4, chains_asked=4,
)  # fmt: skip


def datasets(
    values: np.ndarray, *, imputation: list[int] | None = None, **stats: np.ndarray
) -> tuple[xr.Dataset, xr.Dataset]:
    """Posterior with one vector `x` of shape (chain, draw, element), and sampler statistics."""
    chains, draws = values.shape[:2]
    coords = {"imputation": ("chain", imputation or [0] * chains)}
    rng = np.random.default_rng(99)
    arrays = {
        "diverging": np.zeros((chains, draws), bool),
        "energy": rng.standard_normal((chains, draws)),
    } | stats
    posterior = xr.Dataset({"x": (("chain", "draw", "element"), values)}, coords)
    return posterior, xr.Dataset({n: (("chain", "draw"), v) for n, v in arrays.items()}, coords)


def independent(chains: int = 4, draws: int = 1000, elements: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((chains, draws, elements))


# --- the gate ------------------------------------------------------------------------------------------------------


def test_good_diagnostics_pass() -> None:
    assert GOOD.passed and GOOD.failures == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rhat": 1.02}, "R-hat 1.020 of a"),
        ({"rhat": math.nan}, "R-hat of a cannot be computed"),
        ({"rhat": math.inf}, "R-hat inf"),
        ({"ess_bulk": 399.0}, "bulk ESS 399 of b"),
        ({"ess_bulk": math.nan}, "bulk ESS of b cannot be computed"),
        ({"ess_tail": 12.0}, "tail ESS 12 of c"),
        ({"ess_tail": math.nan}, "tail ESS of c cannot be computed"),
        ({"divergences": 1}, "1 divergent"),
        ({"bfmi": 0.2}, "E-BFMI 0.20"),
        ({"bfmi": math.nan}, "E-BFMI nan"),
        ({"chains": 3}, "only 3 of 4 chains"),
    ],
)
def test_each_shortfall_fails_alone_and_is_said(change: dict[str, Any], said: str) -> None:
    worse = replace(GOOD, **change)
    assert not worse.passed
    assert len(worse.failures) == 1 and said in worse.failures[0]


def test_limits_are_inclusive_and_can_be_set() -> None:
    assert replace(GOOD, rhat=1.01, ess_bulk=400.0, ess_tail=400.0, bfmi=0.3).passed
    assert replace(GOOD, rhat=1.04, limits=Limits(max_rhat=1.05)).passed
    assert replace(GOOD, divergences=2, limits=Limits(max_divergences=2)).passed


# --- the numbers ---------------------------------------------------------------------------------------------------


def test_independent_draws_pass_with_about_as_many_effective_draws_as_there_are() -> None:
    found, table = diagnose(*datasets(independent()), chains_asked=4)
    assert found.passed
    assert found.rhat < 1.01
    assert found.ess_bulk == pytest.approx(4000, rel=0.15) and found.ess_p5 >= found.ess_bulk
    assert table["parameter"].to_list() == ["x[0]", "x[1]", "x[2]"]
    assert (found.rhat, found.ess_bulk) == (table["rhat"].max(), table["ess_bulk"].min())
    assert found.rhat_parameter == table["parameter"][int(np.argmax(table["rhat"].to_numpy()))]


def test_autocorrelated_draws_have_the_effective_sample_size_of_theory() -> None:
    """AR(1): n (1 - phi) / (1 + phi)."""
    phi, noise = 0.8, independent(4, 20_000, 1)
    chain = np.empty_like(noise)
    chain[:, 0] = noise[:, 0] / np.sqrt(1 - phi**2)
    for t in range(1, noise.shape[1]):
        chain[:, t] = phi * chain[:, t - 1] + noise[:, t]
    found, _ = diagnose(*datasets(chain), chains_asked=4)
    assert found.ess_bulk == pytest.approx(80_000 * 0.2 / 1.8, rel=0.1)


def test_a_chain_elsewhere_gives_a_large_rhat_and_says_where() -> None:
    draws = independent()
    draws[2, :, 1] += 3.0
    found, _ = diagnose(*datasets(draws), chains_asked=4)
    assert found.rhat > 1.3 and found.rhat_parameter == "x[1]" and not found.passed


def test_a_chain_that_does_not_move_fails() -> None:
    draws = independent()
    draws[0] = draws[0, 0]
    found, _ = diagnose(*datasets(draws), chains_asked=4)
    assert found.rhat > 1.1 and any("R-hat" in failure for failure in found.failures)


def test_chains_that_are_all_stuck_apart_fail() -> None:
    draws = np.repeat(np.arange(4.0)[:, None, None], 500, axis=1)
    found, _ = diagnose(*datasets(draws), chains_asked=4)
    assert not found.rhat <= 1.01 and not found.passed


def test_a_drift_within_chains_shows_in_the_halves() -> None:
    draws = independent() + np.linspace(-1.5, 1.5, 1000)[:, None]
    found, _ = diagnose(*datasets(draws), chains_asked=4)
    assert found.rhat > 1.1


def test_imputations_that_differ_rightly_do_not_count_as_disagreement() -> None:
    draws = independent()
    draws[2:] += 5.0
    found, _ = diagnose(*datasets(draws, imputation=[0, 0, 1, 1]), chains_asked=4)
    assert found.rhat < 1.02
    together, _ = diagnose(*datasets(draws), chains_asked=4)
    assert together.rhat > 1.5


def test_the_worst_imputation_is_the_one_that_counts_whatever_the_order_of_chains() -> None:
    draws = independent()
    draws[3, :, 2] += 4.0
    found, _ = diagnose(*datasets(draws, imputation=[0, 1, 0, 1]), chains_asked=4)
    assert found.rhat > 1.3 and found.rhat_parameter == "x[2]"
    _, alone = diagnose(*datasets(draws[[1, 3]]), chains_asked=2)
    assert found.rhat == alone["rhat"].max()


def test_an_imputation_with_a_single_chain_fails() -> None:
    """After an interrupt: R-hat needs two chains, and NaN fails."""
    found, _ = diagnose(*datasets(independent(3), imputation=[0, 0, 1]), chains_asked=4)
    assert math.isnan(found.rhat) and math.isnan(found.ess_bulk)
    assert len(found.failures) == 4  # R-hat, both effective sample sizes, chains


def test_a_nan_among_the_draws_fails_and_is_named() -> None:
    draws = independent()
    draws[1, 17, 2] = np.nan
    found, _ = diagnose(*datasets(draws), chains_asked=4)
    assert math.isnan(found.rhat) and found.rhat_parameter == "x[2]" and not found.passed


def test_divergences_are_counted_over_all_chains() -> None:
    diverging = np.zeros((4, 1000), bool)
    diverging[1, 3] = diverging[2, 5] = diverging[2, 6] = True
    found, _ = diagnose(*datasets(independent(), diverging=diverging), chains_asked=4)
    assert found.divergences == 3 and not found.passed


def test_the_energy_criterion_is_betancourts_and_the_worst_chain_counts() -> None:
    """E-BFMI: sum of squared energy steps over the sum of squares (Betancourt 2017, eq. 61)."""
    energy = np.random.default_rng(1).standard_normal((4, 1000))
    energy[2] = np.cumsum(energy[2])
    e = energy[2]
    expected = np.sum(np.diff(e) ** 2) / np.sum((e - e.mean()) ** 2)
    found, _ = diagnose(*datasets(independent(), energy=energy), chains_asked=4)
    assert found.bfmi == pytest.approx(expected, rel=5e-3)  # implementations divide by n or by n - 1
    assert expected < 0.3 and not found.passed


def test_what_never_moves_is_left_out() -> None:
    draws = independent()
    draws[..., 1] = 0.0
    found, table = diagnose(*datasets(draws), chains_asked=4)
    assert found.passed and table["parameter"].to_list() == ["x[0]", "x[2]"]


def test_missing_chains_fail_even_if_the_others_are_perfect() -> None:
    found, _ = diagnose(*datasets(independent()), chains_asked=20)
    assert found.failures == ("only 4 of 20 chains finished",)


@pytest.mark.parametrize("shape", [0.3, 0.7, 1.2])
def test_the_pareto_k_of_pareto_weights_is_their_shape(shape: float) -> None:
    """Weights u^-k of uniform u are Pareto with shape k; arviz draws estimates slightly towards 0.5."""
    uniform = np.random.default_rng(8).random((60, 4000))
    found = pareto_k(shape * np.log(uniform))
    assert found.shape == (60,)
    assert found.mean() == pytest.approx(shape, abs=0.1)


def test_a_patient_on_whom_the_posterior_leans_has_the_largest_pareto_k() -> None:
    """Normal mean with known variance: 30 outcomes, one of them eight standard deviations away."""
    rng = np.random.default_rng(9)
    y = np.append(rng.standard_normal(29), 8.0)
    mean = rng.normal(y.mean(), 1 / np.sqrt(30), 2000)
    found = pareto_k(-0.5 * (y[:, None] - mean) ** 2)
    assert found.argmax() == 29 and found[29] > np.delete(found, 29).max() + 0.1


def test_rhat_is_the_split_rank_normalised_one() -> None:
    """A second implementation of Vehtari et al. (2021): the larger of bulk and folded split R-hat of normal scores."""
    from scipy import stats

    draws = independent(4, 200, 1, seed=5)
    draws[0] *= 1.4
    x = draws[..., 0]

    def split_rhat(values: np.ndarray) -> float:
        halves = values.reshape(-1, values.shape[1] // 2)
        scores = stats.norm.ppf(
            (stats.rankdata(halves).reshape(halves.shape) - 3 / 8) / (halves.size + 1 / 4)
        )
        n = scores.shape[1]
        within = scores.var(axis=1, ddof=1).mean()
        between = n * scores.mean(axis=1).var(ddof=1)
        return float(np.sqrt(((n - 1) / n * within + between / n) / within))

    expected = max(split_rhat(x), split_rhat(np.abs(x - np.median(x))))
    found, _ = diagnose(*datasets(draws), chains_asked=4)
    assert found.rhat == pytest.approx(expected, rel=1e-6)
