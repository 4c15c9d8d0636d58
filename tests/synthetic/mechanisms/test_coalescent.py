"""Genomes by msprime: linkage and drift of coalescent samples, streams of their own, and nothing of it without the extra."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import polars as pl
import pytest

from benchmarks.linkage import fst, neighbours_r2
from benchmarks.synthetic import FILE
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.genomes import Coalescent
from medresponse.synthetic.mechanisms.kinds import Genome
from medresponse.synthetic.scenario import Scenario, scenario
from medresponse.synthetic.simulation import Trial, simulate

needs_msprime = pytest.mark.skipif(
    importlib.util.find_spec("msprime") is None, reason="msprime is not installed"
)
SMALL = Coalescent(variants=60, founders=100)


def _with(**knobs: object) -> Scenario:
    return scenario("s02_linear_rct", **{"n": 400, "genome": SMALL, **knobs})


def _counts(trial: Trial) -> np.ndarray:
    return trial.cohort.table.select(pl.col("^variant_.*$").to_physical()).to_numpy().astype(float)


@needs_msprime
def test_linkage_and_drift_are_those_of_coalescent_samples() -> None:
    """About 30 regions: the standard error of the mean r^2 is 0.02."""
    genome = Coalescent(variants=1_200, block=1_000, shares=(1 / 3, 1 / 3, 1 / 3))

    def world() -> np.random.Generator:
        return np.random.default_rng(1)

    drawn = genome.draw(3_000, np.random.default_rng(2), world)
    variants = [column for column in genome.columns(world) if column.name != "ancestry"]
    counts, people = np.column_stack([drawn[c.name] for c in variants]).astype(float), drawn["ancestry"]
    region = [column.feature.path for column in variants]
    assert 0.30 < neighbours_r2(counts[people == 1], region) < 0.44
    assert neighbours_r2(counts[people == 0], region) < neighbours_r2(counts[people == 1], region)
    means = [counts[people == k].mean(axis=0) / 2 for k in range(3)]
    assert 0.06 < fst(means[0], means[1]) < 0.12
    assert 0.03 < fst(means[1], means[2]) < 0.08


@needs_msprime
def test_scores_are_standardised_and_effects_of_variants_have_their_truth() -> None:
    effect = Modifiers(magnitude=(0.4, 0.2), heterogeneity="high", terms=5, on="genome")
    trial = simulate(_with(n=20_000, effect=effect), seed=1)
    gap = (trial.truth.data["y_po"] - trial.truth.data["mu_x"]).values
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(20_000)
    np.testing.assert_allclose(trial.truth.benefit().values.std(axis=0), [4.0, 2.0], rtol=0.05)
    columns = SMALL.columns(lambda: np.random.default_rng(3))
    drawn = SMALL.draw(20_000, np.random.default_rng(4), lambda: np.random.default_rng(3))
    scores = np.array([column.score(drawn[column.name]) for column in columns])
    np.testing.assert_allclose(scores.mean(axis=1), 0.0, atol=0.04)
    np.testing.assert_allclose(scores.std(axis=1), 1.0, atol=0.04)


@needs_msprime
def test_variants_stay_from_seed_to_seed_and_other_draws_stay_as_they_were() -> None:
    plain = simulate(scenario("s02_linear_rct", n=400), seed=8)
    first, again, other = (simulate(_with(), seed=seed) for seed in (8, 8, 9))
    assert first.cohort.table.equals(again.cohort.table)
    assert first.cohort.schema.features == other.cohort.schema.features
    assert not np.array_equal(_counts(first), _counts(other))
    np.testing.assert_allclose(_counts(first).mean(axis=0), _counts(other).mean(axis=0), atol=0.25)
    covariates = list(plain.cohort.schema.features["history"])
    assert plain.cohort.table.select(covariates).equals(first.cohort.table.select(covariates))
    np.testing.assert_array_equal(plain.truth.data["received"].values, first.truth.data["received"].values)
    elsewhere = simulate(_with(world=2), seed=8)
    assert not np.array_equal(_counts(first), _counts(elsewhere))


@needs_msprime
def test_one_population_has_no_ancestry_column_and_short_regions_are_refused() -> None:
    one = simulate(_with(genome=Coalescent(variants=20, founders=100, shares=(0.0, 1.0, 0.0))), seed=1)
    assert "ancestry" not in one.cohort.table.columns
    levels = simulate(_with(genome=Coalescent(variants=20, founders=100, shares=(0.0, 0.5, 0.5))), seed=1)
    assert levels.cohort.schema.features["genomic"]["ancestry"].level_names == ("european", "east_asian")
    with pytest.raises(SpecError, match=r"genome\.length: 1000 bases are too few"):
        Coalescent(variants=10_000, founders=50, length=1_000).columns(lambda: np.random.default_rng(1))


def test_without_msprime_one_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    value = Coalescent(variants=7)
    assert from_plain(Genome, to_plain(value)) == value  # type: ignore[type-abstract]
    simulate(scenario("s07_polygenic_ld", n=20), seed=1)
    with pytest.raises(SpecError, match=r"genome: msprime is not installed; pip install 'medresponse\[genomics\]'"):  # fmt: skip
        simulate(_with(genome=value), seed=1)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"variants": 0}, r"genome\.variants: 0 found; legal is \[1, 10000\]"),
        ({"length": 10}, r"genome\.length: 10 found; legal is \[1000, 1000000\]"),
        ({"founders": 1}, r"genome\.founders: 1 found"),
        ({"shares": (0.5, 0.6, -0.1)}, r"genome\.shares, each: -0\.1 found"),
        ({"shares": (0.5, 0.6, 0.1)}, r"genome\.shares, their sum: 1\.2 found"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Coalescent(**knobs)  # type: ignore[arg-type]


def test_recorded_genomes_are_like_coalescent_samples() -> None:
    kept = json.loads(FILE.read_text(encoding="utf-8"))["genomes"]
    assert 0.33 <= kept["msprime"]["neighbours_r2"]["european"]["mean"] <= 0.40
    assert 0.06 <= kept["msprime"]["fst"]["african, european"]["mean"] <= 0.10
    assert 0.04 <= kept["msprime"]["fst"]["european, east_asian"]["mean"] <= 0.07
    assert kept["msprime"]["cpu_seconds"] < 10
