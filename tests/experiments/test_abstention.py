from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import yaml

from experiments.abstention import _with_gaps, scenario_of
from experiments.abstention_doc import DECIDES, recorded_coverage, tables
from experiments.abstention_tables import (
    COVERED,
    FIELDS,
    HIGH_IS_FAR,
    by_width,
    pooled,
    range_label,
    threshold,
)
from experiments.metrics import load_metrics
from experiments.study import RESULTS, ROOT
from medresponse.core.codec import from_plain
from medresponse.core.strict_yaml import read_yaml
from medresponse.decisions import AbstentionRules
from medresponse.synthetic.simulation import simulate

CONFIG = yaml.safe_load((ROOT / "conf" / "experiment" / "abstention.yaml").read_text())
RULES = from_plain(
    AbstentionRules, read_yaml(ROOT / "conf" / "abstention" / "default.yaml", what="rules"), path="rules"
)


def test_a_pooled_share_and_its_error_are_the_jackknifes_over_worlds():
    frame = pl.DataFrame(
        {"world": [1, 1, 2, 3], "lower": [0.0, 0, 0, 0], "upper": [1.0] * 4, "true": [0.5, 2.0, 0.5, 2.0]}
    )
    found = pooled(frame, COVERED)
    left_out = np.array([1 / 2, 1 / 3, 2 / 3])  # without world 1, 2, 3
    assert found.value == 0.5
    assert found.mcse == pytest.approx(np.sqrt(2 / 3 * ((left_out - left_out.mean()) ** 2).sum()))


def test_ranges_are_named_by_their_edges():
    assert [range_label([1, 2], at, above=True) for at in range(3)] == ["to 1", "1 to 2", "above 2"]
    assert [range_label([1, 2], at, above=False) for at in range(3)] == ["below 1", "1 to 2", "from 2"]


@pytest.mark.parametrize(
    ("coverage", "above", "edge"),
    [
        ({"to 1": 0.95, "1 to 2": 0.92, "above 2": 0.80}, True, 2),
        ({"to 1": 0.95, "1 to 2": 0.89, "above 2": 0.95}, True, 1),
        ({"to 1": 0.95, "1 to 2": 0.92, "above 2": 0.91}, True, None),  # nothing to withhold
        ({"to 1": 0.95, "above 2": 0.50}, True, None),  # nobody to see it in
        ({"from 2": 0.95, "1 to 2": 0.92, "below 1": 0.80}, False, 1),
        ({"from 2": 0.95, "1 to 2": 0.80, "below 1": 0.80}, False, 2),
        ({"1 to 2": 0.80, "below 1": 0.80}, False, None),
    ],
)
def test_the_threshold_is_the_edge_up_to_which_coverage_holds(coverage, above, edge):
    assert threshold(coverage, [1, 2], 0.05, above=above) == edge


def test_a_shift_moves_the_new_patients_and_leaves_the_studied_ones():
    near, far = (simulate(scenario_of("s04_exp_poor_overlap", 60, 2, s), seed=4) for s in (0.0, 2.0))
    assert near.cohort.fingerprint == far.cohort.fingerprint
    moved = far.held_out.cohort.table["age"].mean() - near.held_out.cohort.table["age"].mean()
    assert moved == pytest.approx(20.0, abs=0.5)  # two standard deviations of ten years


def test_gaps_take_the_same_share_of_inputs_from_everybody():
    cohort = simulate(scenario_of("s04_exp_poor_overlap", 60, 2, 0.0), seed=4).cohort
    names = list(cohort.schema.feature_columns)
    gone = _with_gaps(cohort, 0.25, 1).table.select(pl.sum_horizontal(pl.col(names).is_null()))
    assert set(gone.to_series()) == {round(0.25 * len(names))}


def test_an_interval_is_too_wide_if_it_holds_both_limits():
    rows = [(-3.0, 3.0, 1.0, 1.0), (-1.0, 5.0, 1.0, -1.0), (-3.0, 3.0, 1.0, -1.0), (1.0, 9.0, 5.0, 5.0)]
    frame = pl.DataFrame(rows, schema=["lower", "upper", "estimate", "true"], orient="row").with_columns(
        scenario=pl.lit("s"), shift=pl.lit(0.0), world=pl.Series([1, 1, 2, 2])
    )
    config = {"shifts": [0.0], "widest": [1.0], "worthwhile": 2.0}
    found = by_width(SimpleNamespace(config=config, record=lambda *a: None), frame).row(0, named=True)
    assert found["withheld"] == 0.5 and found["side right, withheld"] == 0.5 == found["side right, others"]


def recorded():
    return load_metrics(RESULTS / "abstention" / "metrics.json")


@pytest.mark.parametrize("measured", FIELDS)
def test_the_default_threshold_is_the_recorded_one_by_the_criterion(measured):
    edges, above = CONFIG["edges"][measured], measured in HIGH_IS_FAR
    found = {
        which: threshold(
            recorded_coverage(recorded(), edges, f"{DECIDES}_n1000", measured, which), edges, CONFIG["most_lost"], above=above
        )
        for which in ("coverage_others_met", "coverage")
    }  # fmt: skip
    default = getattr(RULES, FIELDS[measured])
    if measured in ("beyond", "alike", "propensity"):
        assert default == found["coverage_others_met"]
    else:  # nothing shows that they are needed beside the others; alone they are
        assert found["coverage_others_met"] is None and found["coverage"] is not None


def test_what_the_default_rules_let_through_holds_the_truth_more_often_than_what_they_withhold():
    metrics = {name: m.value for name, m in recorded().items()}
    for shift in CONFIG["shifts"]:
        start = f"s04_exp_poor_overlap_n1000.shift_{shift:g}"
        assert metrics[f"{start}.shown.coverage"] > metrics[f"{start}.withheld.coverage"]
        assert metrics[f"{start}.shown.rmse"] < metrics[f"{start}.withheld.rmse"]


def test_rules_other_than_the_recorded_ones_are_another_experiment():
    recorded = yaml.safe_load((RESULTS / "abstention" / "config.yaml").read_text())["abstention"]
    assert replace(from_plain(AbstentionRules, recorded), name=RULES.name) == RULES


@pytest.mark.parametrize("name", tables() if (RESULTS / "abstention").is_dir() else [])
def test_the_page_prints_the_recorded_tables(name):
    page = (ROOT / "docs" / "abstention.md").read_text(encoding="utf-8")
    assert tables()[name] in page
