from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import yaml

from experiments.metrics import load_metrics
from experiments.simulation import (
    NEW_SITES,
    Cell,
    Fitted,
    Scored,
    _model,
    _recovery,
    error_of_patients_needed,
    needed,
    patients_needed,
    real_cohort,
    record,
    run,
    scenarios_of,
    spec_for,
    tables,
    variants_of,
)
from experiments.simulation_figures import draw
from experiments.study import RESULTS, ROOT, Study
from medresponse.core.codec import to_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import name_of
from medresponse.inference.prior import prior_fit
from medresponse.response import respond
from medresponse.synthetic.mechanisms.assignments import Observational
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.mechanisms.missing import Leaving
from medresponse.synthetic.scenario import Confounding, scenario, scenarios
from medresponse.synthetic.simulation import simulate
from tests.experiments.test_configs import composed

TURNED = {
    "effect": Modifiers(),
    "confounding": Confounding(),
    "assignment": Observational(),
    "dropout": Leaving(),
}


@pytest.fixture(scope="module")
def models():
    return yaml.safe_load((ROOT / "conf" / "models" / "by_outcome.yaml").read_text())


def test_patients_needed_follows_the_root_of_n():
    sizes = [250, 500, 1000]
    widths = [40 / np.sqrt(n) for n in sizes]
    assert patients_needed(sizes, widths, 1.0) == 1600


def test_the_error_of_patients_needed_is_the_spread_over_repeated_studies():
    sizes, rng = [250, 500, 1000], np.random.default_rng(1)
    widths = np.array([40 / np.sqrt(n) for n in sizes])
    again = widths + 0.01 * widths * rng.standard_normal((2000, 3))
    numbers = [patients_needed(sizes, one, 1.0) for one in again]
    error = error_of_patients_needed(sizes, widths, 0.01 * widths, 1.0)
    assert error == pytest.approx(np.std(numbers), rel=0.06)


def test_the_error_of_patients_needed_is_a_number_however_few_the_seeds():
    """Widths of two sizes that differ by less than their errors: redrawn, every other line through them would rise."""
    error = error_of_patients_needed([250, 500], [3.0, 2.4], [1.0, 1.0], 2.0)
    assert 500 < error < 5000


@pytest.mark.parametrize(
    ("sizes", "widths", "words"),
    [
        ([250], [1.0], "one size"),
        ([250, 500], [1.0, 1.1], "do not narrow"),
        ([250, 500], [9.0, 8.9], "more than 5000"),
    ],
)
def test_patients_needed_says_when_it_cannot_tell(sizes, widths, words):
    assert words in patients_needed(sizes, widths, 1.0)


@pytest.mark.parametrize("name", scenarios())
def test_the_spec_fits_the_trial(models, name):
    trial = simulate(scenario(name, n=50), seed=1)
    spec = spec_for(models[name_of(type(trial.truth.scenario.outcome))], trial)
    assert set(spec.blocks) == set(trial.cohort.schema.features)
    assert spec.pooling == trial.cohort.schema.sites
    observational = trial.cohort.schema.treatment.assignment == "observational"
    assert spec.confounding == ("measured" if observational else None)


def test_every_scenario_is_in_the_study_of_all():
    found = scenarios_of(composed("experiment=scenarios", "size=smoke"))
    assert found == dict(scenarios())


def test_knobs_are_turned_one_at_a_time():
    config = composed("experiment=simulation_knobs")
    found = scenarios_of(config)
    assert [found[f"hidden_{k}"].confounding.hidden for k in ("0", "30", "70")] == [0.0, 0.3, 0.7]
    assert [found[f"dropout_{k}"].dropout.rate for k in ("20", "65")] == [0.2, 0.65]
    assert {label for labels in config["groups"].values() for label in labels} == set(found)
    for labels in config["groups"].values():
        assert (
            len(
                {
                    replace(found[label], name="", **TURNED)
                    for label in labels
                    if label != "heterogeneity_none"
                }
            )
            == 1
        )


def scores(benefit, unit="points", worthwhile=2.0, label="", n=100):
    rows = [(score, "b - a", "all", None if score in ("root_pehe", "ate_bias") else 0.95, value, 0.1, 8)
            for score, value in benefit.items()]  # fmt: skip
    rows += [
        (score, "all", "all", None, 0.5, 0.1, 8)
        for score in ("regret", "gain", "policy_value", "oracle_value")
    ]
    names = ["score", "of", "stratum", "level", "value", "mcse", "seeds"]
    return Scored(label, n, 8, unit, worthwhile, pl.DataFrame(rows, schema=names, orient="row"))


BENEFIT = {
    "root_pehe": 1.5,
    "ate_bias": 0.2,
    "coverage": 0.9,
    "width": 8.0,
    "average_width": 4.0,
    "power": 1.0,
}


def test_a_variant_changes_what_it_states_of_the_model_and_nothing_else(tmp_path):
    trial = simulate(scenario("s02_linear_rct", n=50), seed=1)
    study = Study(composed("experiment=simulation_models"), tmp_path)
    trees = {"spec": {"blocks": {}, "modifiers": {}, "trees": {"blocks": ["history", "lifestyle"]}}}
    specs = {
        label: spec_for(_model(study, Cell(label, trial.truth.scenario, changes)), trial)
        for label, changes in {**variants_of(study.config), "trees": trees}.items()
    }
    assert specs["average"] == replace(specs["linear"], modifiers={})
    assert {name_of(type(prior)) for prior in specs["sparse"].modifiers.values()} == {"horseshoe"}
    assert specs["sparse"] == replace(specs["linear"], modifiers=specs["sparse"].modifiers)
    assert specs["trees"].searches and not specs["trees"].blocks
    assert variants_of(composed("experiment=simulation")) == {"": {}}


def test_models_stand_beside_each_other_on_one_page(tmp_path, monkeypatch):
    study = Study(
        composed("experiment=simulation_models", "size=smoke", "patients.smoke=[100,400]"), tmp_path
    )

    def fitted(work, cells, *, workers):
        one = {
            n: scores(BENEFIT | {"width": 80 / n**0.5, "average_width": 40 / n**0.5}, n=n) for n in (100, 400)
        }
        made = [replace(one[cell.scenario.n], label=cell.label) for cell in cells]
        return [Fitted(scored, scored.prefix, "f" * 64, "nutpie", 1) for scored in made]

    monkeypatch.setattr("experiments.simulation.side_by_side", fitted)
    run(study)
    page = (tmp_path / "index.html").read_text()
    assert "scored all the same: 6 of 12" in page and [name for name, *_ in study.figures] == [
        "simulation_models"
    ]
    assert study.tables[0][0]["model"].unique(maintain_order=True).to_list() == [
        "average",
        "linear",
        "sparse",
    ]
    assert study.metrics["sparse.patients_for_average_width.b_minus_a"].value == 400


def test_metrics_have_the_units_of_what_they_measure(tmp_path):
    study = Study(composed("experiment=simulation"), tmp_path)
    record(study, scores(BENEFIT))
    units = {name: metric.unit for name, metric in study.metrics.items()}
    assert {units[f"n100.{score}.b_minus_a"] for score in ("root_pehe", "ate_bias", "width")} == {"points"}
    assert {units[f"n100.{score}.b_minus_a"] for score in ("coverage", "power")} == {"1"}
    assert units["n100.regret.all"] == "points"
    assert study.metrics["n100.power.b_minus_a"].mcse > 0  # eight of eight is not certainty
    together = [scores(BENEFIT), scores(BENEFIT | {"width": 4.0, "average_width": 2.0}, n=400)]
    assert "average benefit of b - a: 400 (" in " ".join(needed(study, together))
    found = study.metrics["patients_for_average_width.b_minus_a"]
    assert found.unit == "patients" and found.value == 400 and found.mcse > 0


def test_patients_at_sites_that_were_left_out_are_scored_apart(models, tmp_path):
    trial = simulate(scenario("s11_sites_shift", n=60), seed=1)
    fitted = prior_fit(spec_for(models["gaussian"], trial), trial.cohort, draws=20, seed=1)
    table, _ = _recovery(models["gaussian"], trial, fitted)
    new = table.filter(pl.col("stratum") == NEW_SITES)
    means = respond(fitted, trial.held_out.cohort).draws().mean("draw").values
    benefits = (means - means[:, :1])[:, 1] - (
        (true := trial.held_out.truth.data["mu_x"].values[..., 0]) - true[:, :1]
    )[:, 1]
    (found,) = new.filter(pl.col("score") == "root_pehe", pl.col("of") == "drug_a - control")["value"]
    assert found == pytest.approx(np.sqrt(np.mean(benefits**2)))
    study = Study(composed("experiment=simulation", "scenario=s11_sites_shift"), tmp_path)
    scored = Scored("", 60, 2, "points", 2.0, table.with_columns(mcse=pl.lit(0.1), seeds=2))
    record(study, scored)
    tables(study, [scored])
    assert study.metrics["n60.new_sites.root_pehe.drug_a_minus_control"].value == found
    assert "sites that were left out" in study.tables[-1][1] and len(study.tables) == 4


@pytest.mark.parametrize("sizes", [(100,), (100, 400)])
def test_figures_and_tables_hold_every_scenario(tmp_path, sizes):
    study = Study(composed("experiment=scenarios", "size=smoke"), tmp_path)
    cells = [scores(BENEFIT, label=label, n=n) for label in ("one", "two") for n in sizes]
    draw(study, "both", cells, ["words"])
    tables(study, cells)
    _, caption, svg, alt = study.figures[0]
    assert "<svg" in svg and ("worthwhile benefit of 2 points" in caption) == (len(sizes) > 1)
    assert all(f"{label} at n = {n}" in alt for label in ("one", "two") for n in sizes)
    assert [frame.height for frame, _ in study.tables] == [len(cells)] * 3
    assert pl.read_csv(tmp_path / "scores.csv").height == sum(one.table.height for one in cells)


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ("seeds.smoke=1", "seeds.smoke: 1 found; legal is a whole number from 2"),
        ("patients.smoke=[]", r"patients.smoke: \[\] found; legal is a list of whole numbers from 1"),
        ("+variants.wide.modifer=null", "variants.wide: no entry 'modifer'; did you mean 'modifier'"),
        ("+variants.wide=1", "variants.wide: 1 found; legal are entries of a model"),
        ("+workers=0", "workers: 0 found; legal are whole numbers from 1"),
        ("seed=null", "seed: missing; legal are whole numbers from 0"),
        ("~seed", "seed: missing; legal are whole numbers from 0"),
        ("seed=-1", "seed: -1 found"),
        ("patients.smoke=[0]", r"patients.smoke: \[0\] found; legal is a list of whole numbers from 1"),
        ("patients.smoke=300", "patients.smoke: 300 found"),
        ("models.gaussian.worthwhile=0", r"models.gaussian.worthwhile: 0 found; legal is \(0, inf\)"),
        (
            "scenario.effect.magnitude=0.3",
            r"scenario.effect.magnitude: 0.3 found; legal is a list of numbers, each in \[-5, 5\]",
        ),
        ("scenario.outcome.sd=-1", r"outcome.sd: -1 found; legal is \(0, inf\)"),
        ("scenario.effect.heterogeneity=huge", "scenario.effect.heterogeneity: .*'huge'"),
    ],
)
def test_bad_input_is_refused_by_name_before_anything_is_fitted(tmp_path, knob, message):
    study = Study(composed("experiment=simulation", "size=smoke", knob), tmp_path)
    with pytest.raises(SpecError, match=message):
        run(study)
    assert not study.samplers and not study.metrics


def test_patients_are_made_after_the_real_ones(tmp_path):
    study = Study(composed("experiment=semi_synthetic"), tmp_path)
    real = real_cohort(study)
    assert real.n == 686 and "GBSG-2, real" in study.cohorts
    for value in scenarios_of(study.config).values():
        trial = simulate(replace(value, n=60), seed=1, cohort=real)
        assert trial.truth.kind == "semi_synthetic"
        assert set(trial.cohort.schema.feature_columns) == set(real.schema.feature_columns)


def test_ones_own_cohort_is_read_from_its_file(tmp_path):
    made = simulate(scenario("s02_linear_rct", n=80), seed=1).cohort
    made.table.write_csv(tmp_path / "mine.csv")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(to_plain(made.schema)))
    config = composed(
        "experiment=semi_synthetic", "source@cohort=file", "cohort.file=mine.csv", "cohort.schema_file=mine.yaml",
        f"data_root={tmp_path}",
    )  # fmt: skip
    assert real_cohort(Study(config, tmp_path)).n == 80


def test_recorded_run_recovers_the_linear_truth_and_its_fits_converge():
    metrics = {name: m.value for name, m in load_metrics(RESULTS / "simulation" / "metrics.json").items()}
    sizes = (250, 500, 1000, 2000)
    for of in ("drug_a_minus_control", "drug_b_minus_control"):
        roots = [metrics[f"n{n}.root_pehe.{of}"] for n in sizes]
        assert roots == sorted(roots, reverse=True)
        assert all(0.85 < metrics[f"n{n}.coverage.{of}"] < 1.0 for n in sizes)


def test_recorded_semi_synthetic_trials_are_covered_and_treatment_by_indication_is_not():
    """A linear model's intervals hold in patients made after real ones, and not where steps decide who is treated."""
    metrics = {name: m.value for name, m in load_metrics(RESULTS / "semi_synthetic" / "metrics.json").items()}
    for of in ("drug_a_minus_control", "drug_b_minus_control"):
        for made in ("resampled", "learned"):
            assert 0.85 < metrics[f"trial_{made}.n686.coverage.{of}"] < 1.0
            assert metrics[f"trial_{made}.n686.average_coverage.{of}"] >= 0.8
        assert metrics[f"indication_resampled.n686.ate_bias.{of}"] < -0.5


def test_recorded_knobs_show_what_a_hidden_cause_does_to_certainty():
    """More patients narrow the intervals around a wrong value; nothing hidden, and they hold."""
    metrics = {
        name: m.value for name, m in load_metrics(RESULTS / "simulation_knobs" / "metrics.json").items()
    }
    for of in ("drug_a_minus_control", "drug_b_minus_control"):
        biases = [abs(metrics[f"hidden_{k}.n1000.ate_bias.{of}"]) for k in ("0", "30", "70")]
        assert biases == sorted(biases) and biases[0] < 0.5 and biases[2] > 4
        few, many = (metrics[f"hidden_70.n{n}.coverage.{of}"] for n in (250, 1000))
        assert many < 0.5 < few < 0.85 < metrics[f"hidden_0.n1000.coverage.{of}"]


def test_recorded_models_show_what_one_effect_for_everybody_costs():
    """Its intervals are of the average and miss patients; those of models whose effects vary hold."""
    found = load_metrics(RESULTS / "simulation_models" / "metrics.json")
    metrics = {name: m.value for name, m in found.items()}
    for of in ("drug_a_minus_control", "drug_b_minus_control"):
        average, linear, sparse = (
            metrics[f"{model}.n1000.coverage.{of}"] for model in ("average", "linear", "sparse")
        )
        assert average < 0.85 < min(linear, sparse)
        assert metrics[f"sparse.n1000.root_pehe.{of}"] < metrics[f"linear.n1000.root_pehe.{of}"]
