"""The grouped horseshoe: its formula, what groups share, and the horseshoe that is left without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.core.errors import SpecError
from medresponse.priors import Column, Grouped, Horseshoe
from tests.priors.graph import block_model, joint_draws, scales_of

PATHS = [("A", "P"), ("A", "P"), ("B", "P"), ("C", "Q"), ("D",), ()]
GENE, PATHWAY = [0, 0, 1, 2, 3, None], [0, 0, 0, 1, None, None]


def columns_of(paths: list[tuple[str, ...]]) -> tuple[Column, ...]:
    return tuple(Column(f"v{i}", path) for i, path in enumerate(paths))


def test_a_local_scale_is_the_product_along_the_columns_path() -> None:
    prior, unit_sd = Grouped(expected_nonzero=2, slab_scale=0.8, group_df=3), 0.07
    mean = 2 * np.sqrt(3) / np.pi  # of a half-t with 3 degrees of freedom
    p = joint_draws(block_model(prior, columns_of(PATHS), scales=scales_of(6, unit_sd=unit_sd)), draws=20)
    gene, pathway = p["b_group_1"] / mean, p["b_group_2"] / mean
    assert gene.shape == (20, 4) and pathway.shape == (20, 2)
    tau = 2 / 4 * unit_sd * p["b_global"]
    for j in range(6):
        own = p["b_local"][:, j]
        local = own * (1 if GENE[j] is None else gene[:, GENE[j]])
        local = local * (1 if PATHWAY[j] is None else pathway[:, PATHWAY[j]])
        c2 = 0.8**2 * p["b_slab"]
        regularised = np.sqrt(c2 * local**2 / (c2 + tau**2 * local**2))
        np.testing.assert_allclose(p["b"][:, j], p["b_raw"][:, j] * tau * regularised, rtol=1e-10)


@pytest.mark.parametrize("df", [1.5, 4.0, 400.0])
def test_a_groups_scale_has_mean_one(df: float) -> None:
    paths: list[tuple[str, ...]] = [(f"g{i}",) for i in range(3)]
    prior = Grouped(expected_nonzero=2, group_df=df)
    p = joint_draws(block_model(prior, columns_of(paths)), draws=2000)
    # The scale that the coefficients have beyond own, global and slab, undone by hand.
    tau, c2 = 2 / 1 * 0.05 * p["b_global"], 0.25 * p["b_slab"]
    shrunk = (p["b"] / p["b_raw"]) ** 2
    local2 = shrunk / (tau**2 * (1 - shrunk / c2[:, None]).T).T
    scale = np.sqrt(local2) / p["b_local"]
    law = stats.t(df)
    mean = 2 * law.expect(lambda x: x, lb=0)  # numerically, not by the formula under test
    assert stats.kstest((scale * mean).ravel(), lambda x: 2 * law.cdf(x) - 1).pvalue > 1e-3


def test_sizes_go_together_within_a_gene_more_than_within_a_pathway_more_than_across() -> None:
    paths = [("A", "P"), ("A", "P"), ("B", "P"), ("C", "Q")]
    prior = Grouped(expected_nonzero=1, group_df=2, local_df=30, global_df=30)
    size = np.abs(joint_draws(block_model(prior, columns_of(paths)), draws=3000)["b"])
    gene, pathway, across = (stats.spearmanr(size[:, 0], size[:, j]).statistic for j in (1, 2, 3))
    error = 1 / np.sqrt(3000)
    assert gene > pathway + 4 * error and pathway > across + 4 * error


def test_without_paths_it_is_the_horseshoe() -> None:
    grouped = joint_draws(block_model(Grouped(expected_nonzero=2), 5), draws=10)
    horseshoe = joint_draws(block_model(Horseshoe(expected_nonzero=2), 5), draws=10)
    np.testing.assert_array_equal(grouped["b"], horseshoe["b"])


def test_groups_move_the_expected_number_without_changing_it() -> None:
    """Given tau = tau0 and the groups, sum(1 - shrinkage) has mean sum(a / (1 + a)), a = tau0 * group / unit_sd
    (Piironen & Vehtari 2017, eq. 3.10): p0 to first order in a, and below it by no more than E[a^2] a column."""
    size, expected, unit_sd, draws = 200, 5.0, 0.05, 500
    columns = columns_of([(f"g{i // 4}", f"P{i // 40}") for i in range(size)])
    prior = Grouped(expected_nonzero=expected, global_df=1e6)
    p = joint_draws(block_model(prior, columns, scales=scales_of(size, unit_sd=unit_sd)), draws=draws)
    mean = stats.t(4).expect(lambda x: x, lb=0) * 2
    gene, pathway = p["b_group_1"] / mean, p["b_group_2"] / mean
    tau0 = expected / (size - expected) * unit_sd
    local = p["b_local"] * np.repeat(gene, 4, axis=1) * np.repeat(pathway, 40, axis=1)
    effective = (1 - 1 / (1 + (tau0 * local / unit_sd) ** 2)).sum(axis=1)
    error = effective.std() / np.sqrt(draws)
    a2 = (tau0 / unit_sd) ** 2 * 4.0 / mean**4  # E[t^2] = 2 for four degrees of freedom, at both levels
    assert (
        expected - size * a2 - 4 * error < effective.mean() < expected * size / (size - expected) + 4 * error
    )


def test_a_group_in_two_places_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match=r"v1: group 'A' lies in 'P' and 'Q'.*same path"):
        block_model(Grouped(expected_nonzero=1), columns_of([("A", "P"), ("A", "Q")]))


def test_harder_halves_the_expected_number_and_the_slab() -> None:
    prior = Grouped(expected_nonzero=6, slab_scale=0.5, slab_df=3, group_df=5, local_df=2, global_df=3)
    halved = Grouped(expected_nonzero=3, slab_scale=0.25, slab_df=3, group_df=5, local_df=2, global_df=3)
    assert prior.harder() == halved


@pytest.mark.parametrize(
    "what", ["expected_nonzero", "slab_scale", "slab_df", "group_df", "local_df", "global_df"]
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_settings_must_be_positive_and_finite(what: str, value: float) -> None:
    settings: dict[str, Any] = {"expected_nonzero": 2.0} | {what: value}
    with pytest.raises(ValueError, match=what):
        Grouped(**settings)


def test_a_groups_scale_without_a_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="group_df"):
        Grouped(expected_nonzero=2, group_df=1)
