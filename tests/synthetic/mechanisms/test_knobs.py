"""One knob changes its own component only; knobs out of range or at odds are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import polars as pl
import pytest

from benchmarks.linkage import neighbours_r2
from medresponse.cohort import cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import DataError, SpecError
from medresponse.core.registry import registered
from medresponse.synthetic.mechanisms.assignments import Observational, Randomised
from medresponse.synthetic.mechanisms.censoring import Administrative, Informative
from medresponse.synthetic.mechanisms.covariates import FittedCopula, GaussianCopula, RealResample
from medresponse.synthetic.mechanisms.effects import LossOfFunction, Modifiers
from medresponse.synthetic.mechanisms.genomes import BaldingNichols, StarAlleles
from medresponse.synthetic.mechanisms.missing import AtRandom, Leaving
from medresponse.synthetic.mechanisms.outcomes import (
    BinaryOutcome,
    GaussianOutcome,
    TumourGrowthOutcome,
    WeibullOutcome,
)
from medresponse.synthetic.scenario import PARTS, Confounding, Scenario, Sites, scenario
from medresponse.synthetic.simulation import simulate

BASE = Scenario(name="base", n=500)
LATER = {
    "assignment": Observational(),
    "missing": AtRandom(),
    "dropout": Leaving(),
    "effect": Modifiers(magnitude=(0.1, 0.9), heterogeneity="high"),
}


def _with(**knobs: object) -> Scenario:
    return scenario("s02_linear_rct", **{"n": 500, **knobs})


@pytest.mark.parametrize("knob", LATER)
def test_a_knob_leaves_other_draws_as_they_were(knob: str) -> None:
    plain, turned = simulate(_with(), seed=8), simulate(_with(**{knob: LATER[knob]}), seed=8)
    features = list(plain.cohort.schema.feature_columns)
    known = turned.cohort.table.select(features)
    for name in features:
        rows = known[name].is_not_null()
        assert plain.cohort.table[name].filter(rows).equals(known[name].filter(rows)), name
    noise = [t.truth.data["y_po"] - t.truth.data["mu_x"] for t in (plain, turned)]
    np.testing.assert_allclose(noise[0].values, noise[1].values, atol=1e-9)
    same = np.array_equal(plain.truth.data["received"].values, turned.truth.data["received"].values)
    assert same == (knob != "assignment")


def test_censoring_leaves_event_times_as_they_were() -> None:
    def times(censoring: object) -> tuple[pl.DataFrame, np.ndarray]:
        trial = simulate(_with(outcome=WeibullOutcome(), censoring=censoring), seed=8)
        return trial.cohort.table, trial.truth.data["y_po"].values

    (first, truth), (second, again) = times(Administrative()), times(Informative())
    np.testing.assert_array_equal(truth, again)
    both = first["event"] & second["event"]
    assert first["time"].filter(both).equals(second["time"].filter(both))


def test_informative_censoring_has_the_rate_asked_for() -> None:
    trial = simulate(
        _with(n=40_000, outcome=WeibullOutcome(frailty=0.3), censoring=Informative(rate=0.35)), seed=8
    )
    assert abs((~trial.cohort.table["event"]).mean() - 0.35) < 0.01


def test_leaving_has_the_rate_asked_for_and_depends_on_the_response() -> None:
    trial = simulate(_with(n=40_000, dropout=Leaving(rate=0.65)), seed=8)
    gone = trial.cohort.table["score"].is_null().to_numpy()
    own = trial.truth.data["y_po"].values[np.arange(40_000), trial.truth.data["received"].values, 0]
    assert abs(gone.mean() - 0.65) < 0.01
    assert own[gone].mean() < own[~gone].mean() - 3.0


def test_missing_values_have_the_rate_asked_for() -> None:
    table = simulate(_with(n=40_000, missing=AtRandom(rate=0.2)), seed=8).cohort.table
    shares = [table[name].is_null().mean() for name in ("bmi", "creatinine", "haemoglobin")]
    np.testing.assert_allclose(shares, 0.2, atol=0.01)
    age = table["age"].to_numpy()
    gone = table["bmi"].is_null().to_numpy()
    assert age[gone].mean() > age[~gone].mean() + 3.0


def test_coupling_changes_individual_effects_and_nothing_that_is_scored() -> None:
    shared, independent = (simulate(_with(n=20_000, coupling=c), seed=8).truth.data for c in (1.0, 0.0))
    np.testing.assert_array_equal(shared["mu_x"].values, independent["mu_x"].values)
    spread = [np.diff(d["y_po"].values[:, :2, 0]).std() for d in (shared, independent)]
    assert spread[1] > 3 * spread[0]


def test_a_hidden_cause_moves_treated_and_outcome_and_is_not_in_the_cohort() -> None:
    data = simulate(
        scenario("s05_hidden_confounder", n=40_000, confounding=Confounding(hidden=0.7)), seed=8
    ).truth.data
    treated = data["received"].values > 0
    hidden = data["hidden"].values
    assert hidden[treated].mean() < hidden[~treated].mean() - 0.3
    gap = (data["mu_full"] - data["mu_x"]).values[:, 0, 0]
    np.testing.assert_allclose(gap, 7.0 * hidden, atol=1e-9)


def test_what_is_unseen_is_integrated_out_of_a_risk() -> None:
    trial = simulate(
        _with(
            n=60_000, outcome=BinaryOutcome(), confounding=Confounding(hidden=1.0), assignment=Observational()
        ),
        seed=8,
    )
    gap = (trial.truth.data["y_po"] - trial.truth.data["mu_x"]).values[:, :, 0]
    assert np.abs(gap.mean(axis=0)).max() < 4 * gap.std() / np.sqrt(60_000)


def test_confounding_by_indication_biases_the_crude_difference() -> None:
    trial = simulate(
        _with(n=40_000, assignment=Observational(), confounding=Confounding(alignment=1.0)), seed=8
    )
    score, received = trial.cohort.table["score"].to_numpy(), trial.truth.data["received"].values
    crude = score[received == 1].mean() - score[received == 0].mean()
    assert crude < trial.truth.benefit().values[:, 0].mean() - 1.0


def test_overlap_in_one_term_leaves_a_box_untreated() -> None:
    propensity = simulate(scenario("s04_exp_poor_overlap", n=5_000), seed=8).truth.data["propensity"].values
    never = propensity[:, 0] == 1.0
    assert 0.05 < never.mean() < 0.4
    assert abs(propensity[:, 1:].sum(axis=1).mean() - 0.35) < 0.03


@pytest.mark.parametrize("root", [0.001, 0.8, 0.82])
def test_shares_near_the_ends_of_their_range_are_met(root: float) -> None:
    """Where a fifth can get nothing but the reference."""
    assignment = Observational(overlap="one_term", root=root, strength=3.0)
    propensity = simulate(_with(n=40_000, assignment=assignment), seed=8).truth.data["propensity"].values
    assert abs(propensity[:, 1:].sum(axis=1).mean() - root) < 0.1 * min(root, 1 - root)


@pytest.mark.parametrize(
    "knob",
    [
        {"dropout": Leaving(rate=1e-13, strength=3.0)},
        {"dropout": Leaving(rate=1 - 1e-13)},
        {"missing": AtRandom(rate=1e-14)},
        {"outcome": BinaryOutcome(base=1e-12), "dropout": Leaving(rate=0.2)},  # an event that nobody had
    ],
)
def test_whatever_rate_is_legal_is_met(knob: dict[str, object]) -> None:
    data = simulate(_with(n=20_000, **knob), seed=8).truth.data
    found = float(data["p_missing" if "missing" in knob else "p_dropout"].mean())
    wanted = getattr(knob.get("missing", knob.get("dropout")), "rate")  # noqa: B009  either has it
    assert found == pytest.approx(wanted, rel=0.1)


def test_patients_of_held_out_sites_are_new_and_shifted() -> None:
    trial = simulate(scenario("s11_sites_shift", n=9_000), seed=8)
    assert trial.held_out is not None
    sites = [set(t.cohort.table["site"].unique()) for t in (trial, trial.held_out)]
    assert len(sites[0]) == 9 and len(sites[1]) == 3 and not sites[0] & sites[1]
    age = [t.cohort.table["age"].mean() for t in (trial, trial.held_out)]
    assert age[1] - age[0] == pytest.approx(5.0, abs=1.0)
    # A new site's effects are nobody's to know: they are in mu_full alone.
    data = trial.held_out.truth.data
    assert float(np.abs(data["mu_full"] - data["mu_x"]).max()) > 0.5


def test_blocks_balance_treatments_within_each_site() -> None:
    trial = simulate(scenario("s01_null_rct", n=600), seed=8)
    counts = trial.cohort.table.group_by("site", "treatment").len()
    spread = counts.group_by("site").agg(pl.col("len").max() - pl.col("len").min())
    assert spread["len"].max() <= 2


def test_neighbouring_variants_are_linked_as_in_coalescent_samples() -> None:
    """Mean adjacent r^2 within blocks, in one population: 0.33 to 0.38 there."""
    genome = BaldingNichols(variants=250, shares=(1.0,))
    drawn = genome.draw(4_000, np.random.default_rng(8), lambda: np.random.default_rng(1))
    counts = np.column_stack(list(drawn.values())).astype(float)
    assert 0.30 < neighbours_r2(counts, [j // 25 for j in range(250)]) < 0.41


def test_those_who_left_have_fewer_visits_and_no_last_one() -> None:
    trial = simulate(scenario("s12_tgi_dose", n=2_000), seed=8)
    assert trial.visits is not None
    gone = set(trial.cohort.table.filter(pl.col("log_ratio").is_null())["patient"])
    last = set(trial.visits.filter(pl.col("week") == 16.0)["patient"])
    assert 0.15 < len(gone) / 2_000 < 0.25
    assert not gone & last and len(gone) + len(last) == 2_000
    own = trial.cohort.table.join(trial.visits.filter(pl.col("week") == 16.0), on="patient")
    assert own["log_size"].equals(own["log_ratio"].alias("log_size"))


def test_higher_doses_shrink_more_and_harm_more() -> None:
    mean = simulate(scenario("s12_tgi_dose", n=2_000), seed=8).truth.data["mu_x"].mean("patient")
    assert (np.diff(mean.sel(endpoint="log_ratio")) < 0).all()
    assert (np.diff(mean.sel(endpoint="adverse")) > 0).all()


def test_the_censored_of_competing_risks_are_there_and_nobody_is_lost() -> None:
    cohort = simulate(scenario("s09_competing_informative", n=20_000), seed=8).cohort
    outcome = cohort.outcome("time")
    assert abs((~outcome["event"]).mean() - 0.35) < 0.02
    assert set(np.unique(outcome["cause"])) == {-1, 0, 1}
    assert cohort_from_frame(cohort.table, cohort.schema).n == cohort.n == 20_000


def test_incidences_and_event_free_share_sum_to_one() -> None:
    """At one horizon; the share is that of a cohort followed for ever."""
    trial = simulate(scenario("s09_competing_informative", n=2_000), seed=8)
    free = (trial.truth.data["y_po"].sel(endpoint="rmst", horizon=24.0) >= 24.0).mean("patient")
    both = (
        trial.truth.data["mu_x"].sel(endpoint=["cif_progression", "cif_death"], horizon=24.0).sum("endpoint")
    )
    np.testing.assert_allclose(both.mean("patient") + free, 1.0, atol=0.04)


# One variant, of which some worlds have few carriers: a step below them all, or between nobody and them.
ONE_STEP = {
    "genome": BaldingNichols(variants=1, fst=0.5, shares=(1.0,)),
    "effect": Modifiers(heterogeneity="high", terms=1, on="genome"),
    "outcome": GaussianOutcome(surface="step"),
}

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "n": (lambda: _with(n=0), r"n: 0 found; legal is \[1, 10000000\]"),
    "n not whole": (lambda: _with(n=10.5), r"n: 10\.5 found; legal is whole numbers in \[1, 10000000\]"),
    "n no number": (lambda: _with(n="10"), "n: '10' found; legal is"),
    "world": (lambda: _with(world=-1), "world: -1 found; legal is"),
    "blank": (lambda: _with(treatments=("", "b", "c")), "treatments: .* found; legal is a list of 2 or more different names, none blank"),
    "mean": (lambda: GaussianOutcome(mean=float("inf")), r"outcome\.mean: inf found; legal is \(-inf, inf\)"),
    "word": (lambda: _with(effect=Modifiers(heterogeneity="huge")), r"effect\.heterogeneity: 'huge' found; legal are none, med, high"),
    "surface": (lambda: _with(outcome=GaussianOutcome(surface="cubic")), r"outcome\.surface: 'cubic' found; legal are linear, polynomial"),
    "overlap": (lambda: _with(assignment=Observational(overlap="some")), r"assignment\.overlap: 'some' found; legal are full, one_term"),
    "another part": (lambda: _with(assignment=GaussianOutcome()), "assignment: GaussianOutcome found; legal are observational, rct"),
    "seed not whole": (lambda: simulate(_with(), seed=1.5), r"seed: 1\.5 found; legal are whole numbers from 0"),
    "seed negative": (lambda: simulate(_with(), seed=-1), "seed: -1 found"),
    "root": (lambda: Observational(root=1.0), r"assignment.root: 1 found; legal is \(0, 1\)"),
    "arm never given": (lambda: Randomised(ratio=(1, 0, 1)), r"assignment.ratio, each: 0 found; legal is \[1, 1000\]"),
    "block": (lambda: _with(assignment=Randomised(block=4)), "assignment.block: 4 found; legal are multiples of 3"),
    "strata": (lambda: _with(assignment=Randomised(strata=("site",))), "assignment.strata"),
    "censored all": (lambda: Informative(rate=1.0), r"censoring.rate: 1 found; legal is \(0, 1\)"),
    "censored": (lambda: _with(censoring=Administrative()), "censoring: legal is none"),
    "variance": (lambda: WeibullOutcome(frailty=-0.1), r"outcome.frailty: -0.1 found; legal is \[0, 3\]"),
    "explained": (lambda: GaussianOutcome(explained=float("nan")), "outcome.explained: nan found"),
    "horizons": (lambda: WeibullOutcome(horizons=(12.0, 6.0)), r"outcome.horizons: \(12.0, 6.0\) found; legal are"),
    "doses": (lambda: _with(outcome=TumourGrowthOutcome(doses=(5.0, 10.0, 20.0))), "outcome.doses: legal are 0 for"),
    "delay": (lambda: WeibullOutcome(delay=3.0, shapes=(1.0, 2.0)), "outcome.delay"),
    "magnitude": (lambda: simulate(_with(effect=Modifiers(magnitude=(0.1,))), seed=1), r"effect.magnitude: 1 value\(s\) found, 2 needed"),
    "no list": (lambda: Modifiers(magnitude=0.3), r"effect.magnitude: 0.3 found; legal is a list of numbers, each in \[-5, 5\]"),
    "no times": (lambda: WeibullOutcome(horizons=12.0), "outcome.horizons: 12.0 found; legal are one or more rising"),
    "shares": (lambda: StarAlleles(shares=(1.0,)), r"genome.shares: \(1.0,\) found; legal is a list of 2 numbers"),
    "no shares": (lambda: BaldingNichols(shares=1.0), "genome.shares: 1.0 found"),
    "no ratio": (lambda: Randomised(ratio=2), "assignment.ratio: 2 found"),
    "treatments": (lambda: _with(treatments=("a",)), "treatments: .* legal is a list of 2 or more"),
    "seed": (lambda: simulate(_with()), "seed: missing"),
    "no gene": (lambda: simulate(_with(effect=LossOfFunction()), seed=1), "needs the genome star_alleles"),
    "no ancestry": (lambda: simulate(_with(confounding=Confounding(ancestry=1.0)), seed=1), "confounding.ancestry"),
    "missing": (lambda: simulate(_with(missing=AtRandom(of=("weight",))), seed=1), "missing.of: no column 'weight'"),
    "known": (lambda: simulate(_with(missing=AtRandom(of=("age",))), seed=1), "missing.of: age decides"),
    "held out": (lambda: Sites(n=3, held_out=3), r"sites.held_out: 3 found; legal is \[0, 2\]"),
    "real": (lambda: simulate(_with(covariates=RealResample()), seed=1), "real_resample needs a real cohort"),
    "name": (lambda: scenario("s02_linear"), "did you mean 's02_linear_rct'"),
    "knob": (lambda: scenario("s02_linear_rct", arms=2), "arms: no knob; valid are: assignment, "),
    "knob of another kind": (
        lambda: Observational(block=4), r"assignment\.block: no knob of observational but of rct; valid are: model, overlap, root, strength",
    ),
    "misspelt": (lambda: Sites(icd=0.1), r"sites\.icd: no knob; did you mean 'icc'\?"),
    "no name": (lambda: Scenario(), "name: missing"),
    "sites": (lambda: _with(sites=3), "sites: int found; legal is Sites"),
    "never": (lambda: Informative(end=0.0), r"censoring\.end: 0 found; legal is \(0, inf\)"),
    "no scenario": (lambda: simulate("s02_linear_rct", seed=1), "scenario: str found; legal is a Scenario"),
    "few reasons": (
        lambda: simulate(_with(covariates=GaussianCopula(p=6), assignment=Observational()), seed=1),
        r"confounding\.alignment: 0 found; legal is \[0\.34, 1\] where all but 0 of the covariates are prognostic",
    ),
    "one other reason": (
        lambda: simulate(_with(covariates=GaussianCopula(p=7), assignment=Observational()), seed=1),
        r"confounding\.alignment: 0 found; legal is \[0\.17, 1\]",
    ),
    "terms": (
        lambda: simulate(_with(covariates=GaussianCopula(p=3), effect=Modifiers(heterogeneity="med", terms=4)), seed=1),
        r"effect\.terms: 4 found; legal is at most 3",
    ),
    "no genome": (
        lambda: simulate(_with(effect=Modifiers(heterogeneity="med", on="genome")), seed=1),
        r"effect\.terms: 3 found; legal is at most 0, as many as there are columns of the genome",
    ),
    "root and overlap": (
        lambda: simulate(scenario("s04_exp_poor_overlap", assignment=Observational(overlap="one_term", root=0.95)), seed=1),
        r"assignment\.root: 0\.95 found; legal is \(0, 0\.8\d\d\)",
    ),
    "noise": (
        lambda: GaussianOutcome(noise="heteroskedastic", explained=0.0),
        r"outcome\.noise: heteroskedastic found; legal is iid where outcome\.explained is 0",
    ),
    "one value": (
        lambda: [simulate(_with(n=1, world=world, **ONE_STEP), seed=1) for world in range(40)],
        r"world: \d+ found; in it a step surface has one value for all patients",
    ),
    "end": (
        lambda: simulate(_with(outcome=WeibullOutcome(), censoring=Informative(rate=0.1, end=6.0)), seed=1),
        "censoring.rate: 0.1 found; legal is",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_knob_and_its_range(case: str) -> None:
    ask, message = REFUSED[case]
    with pytest.raises(SpecError, match=message):
        ask()


def test_knobs_of_another_kind_are_refused_by_name() -> None:
    plain = to_plain(_with(assignment=Observational()))
    plain["assignment"]["block"] = 6
    with pytest.raises(SpecError, match=r"scenario\.assignment\.block: no knob of observational but of rct"):
        from_plain(Scenario, plain)


WRONG = (None, True, "none of them", float("nan"), {}, ("",), (None,), (float("nan"),), -1e9)
KNOBS = [
    (part, name, field.name)
    for part, kind in PARTS.items()
    for name, cls in registered(kind).items()
    for field in fields(cls)
]


@pytest.mark.parametrize(("part", "name", "knob"), KNOBS)
def test_a_wrong_value_is_refused_by_the_knobs_name_from_python_and_from_plain_data(part, name, knob) -> None:
    """Whatever its type; means of outcomes alone may be any number."""
    cls = registered(PARTS[part])[name]
    time = {"outcome": WeibullOutcome()} if part == "censoring" else {}
    for wrong in WRONG[: -1 if knob == "mean" else None]:
        plain = to_plain(_with(**time)) | {part: {"kind": name, knob: wrong}}
        message = rf"{part}\.{knob}\b.* (found|allowed)"
        with pytest.raises(SpecError, match=message):
            _with(**time, **{part: cls(**{knob: wrong})})
        with pytest.raises(SpecError, match=message):
            from_plain(Scenario, plain)


def test_average_effects_of_groups_are_those_of_their_patients() -> None:
    trial = simulate(_with(effect=Modifiers(heterogeneity="med")), seed=8)
    sex, benefit = trial.cohort.table["sex"].to_list(), trial.truth.benefit().values[:, 1]
    found = trial.truth.estimands({"sex": sex}).filter(pl.col("estimand") == "gate")
    value = found.filter(pl.col("of") == "drug_b - control, sex = female")["value"].item()
    assert value == pytest.approx(np.mean([b for b, s in zip(benefit, sex, strict=True) if s == "female"]))
    assert found.height == 4
    with pytest.raises(DataError, match=r"groups\.sex: 3 labels found, 500 patients"):
        trial.truth.estimands({"sex": sex[:3]})


def test_a_list_is_as_good_as_a_tuple() -> None:
    given = Modifiers(magnitude=[0.3, 0.15])
    assert given == Modifiers(magnitude=(0.3, 0.15))
    assert simulate(_with(effect=given), seed=1).truth.data.sizes["treatment"] == 3


def test_plain_data_are_refused_with_the_whole_path_and_the_range() -> None:
    plain = to_plain(_with())
    for part, knob, value, legal in (
        ("effect", "magnitude", 0.3, r"a list of numbers, each in \[-5, 5\]"),
        ("outcome", "explained", "high", r"\[0, 1\)"),
        ("sites", "n", 1.5, r"whole numbers in \[0, 500\]"),
    ):
        changed = plain | {part: plain[part] | {knob: value}}
        with pytest.raises(
            SpecError, match=rf"^\[knob_out_of_range\] study\.{part}\.{knob}: .* found; legal is {legal}"
        ):
            from_plain(Scenario, changed, path="study")


def test_new_patients_are_a_table_or_a_cohort_and_must_be_complete() -> None:
    trial, new = simulate(_with(), seed=1), simulate(_with(), seed=2)
    np.testing.assert_array_equal(trial.truth.cate(new.cohort), trial.truth.cate(new.cohort.table))
    with pytest.raises(DataError, match="column age: absent"):
        trial.truth.cate(trial.cohort.table.drop("age"))
    with pytest.raises(DataError, match=r"column age: 500 null\(s\)"):
        trial.truth.cate(trial.cohort.table.with_columns(age=pl.lit(None, dtype=pl.Float64)))
    for column, value, message in (
        ("age", float("nan"), r"column age: 500 value\(s\) that are not finite"),
        ("bmi", -1.0, r"column bmi: 500 value\(s\) of which the log is not finite"),
        ("sex", "none", "column sex: holds values that are no binary"),
        ("sex", 1.5, "column sex: holds values that are no binary"),
    ):
        with pytest.raises(DataError, match=message):
            trial.truth.cate(trial.cohort.table.with_columns(pl.lit(value).alias(column)))


def test_counts_of_alleles_may_be_numbers_and_there_may_be_no_patients() -> None:
    genome, effect = BaldingNichols(variants=5), Modifiers(heterogeneity="med", on="genome")
    trial = simulate(_with(n=50, genome=genome, effect=effect, sites=Sites(n=3)), seed=1)
    numbers = pl.col("^variant_.*$").cast(pl.String).cast(pl.Int64)
    found = trial.truth.cate(trial.cohort.table.with_columns(numbers))
    np.testing.assert_array_equal(found, trial.truth.data["mu_x"])
    assert trial.truth.cate(trial.cohort.table[:0]).sizes["patient"] == 0
    with pytest.raises(DataError, match="column variant_0001: holds values that are no dosage"):
        trial.truth.cate(trial.cohort.table.with_columns(variant_0001=pl.lit(3)))


@pytest.mark.parametrize("covariates", [RealResample(), FittedCopula()])
def test_semi_synthetic_patients_have_the_columns_of_the_real_ones(covariates: object) -> None:
    real = simulate(_with(n=300, covariates=GaussianCopula(p=5)), seed=2).cohort
    trial = simulate(_with(n=2_000, covariates=covariates), seed=1, cohort=real)
    assert trial.truth.kind == "semi_synthetic"
    assert list(trial.cohort.schema.feature_columns) == list(real.schema.feature_columns)
    assert trial.cohort.table["age"].mean() == pytest.approx(real.table["age"].mean(), abs=1.5)
    gap = (trial.truth.data["y_po"] - trial.truth.data["mu_x"]).values
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(2_000)
    found = trial.truth.cate(trial.cohort.table)
    np.testing.assert_allclose(found.values, trial.truth.data["mu_x"].values)
