from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.core.errors import DataError, OutputExistsError, SpecError
from medresponse.synthetic.learned import SequentialCart
from medresponse.validation.synthetic_data import Bootstrap, Thresholds, assess_generator, splits
from medresponse.validation.synthetic_data.judgement import judge
from tests.validation.observational import smokers
from tests.validation.synthetic_data.halves import OtherPatients

SMOKE = ["exact copies", "distance to closest record", "nearest-neighbour distance ratio", "membership"]


@pytest.fixture(scope="module")
def real():
    return smokers(400, by_age=0.5)


@pytest.fixture(scope="module", autouse=True)
def no_forest():
    """Forests are tested on their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "detection_auc", lambda real, made, seed: 0.5)
        yield


@pytest.fixture(scope="module")
def copies(real):
    return assess_generator(Bootstrap(), real, seed=1, splits=2)


@pytest.fixture(scope="module")
def strangers(real):
    return assess_generator(OtherPatients(), real, seed=1, splits=12)


def test_copies_of_real_patients_are_flagged_by_every_kind_of_check(copies):
    assert copies.verdict == "flagged"
    flagged = set(copies.disclosure.filter("flagged")["check"])
    assert {"exact copies", "membership", "singling out, one column", "inference of sex"} <= flagged
    assert copies.disclosure["risk"].to_list() == copies.disclosure["control"].to_list()


def test_patients_whom_nobody_learned_from_are_flagged_by_no_check(strangers):
    assert strangers.disclosure.filter("flagged").is_empty() and strangers.verdict != "flagged"
    effect = strangers.effects.row(0, named=True)
    assert effect["lower"] < 0 < effect["upper"]
    assert not strangers.fidelity["flagged"].any()


def test_the_positive_control_is_run_in_every_report(strangers):
    assert strangers.disclosure.filter(check="membership")["control"][0] > 0.5
    assert strangers.disclosure.filter(check="membership")["sees"][0]


@pytest.mark.parametrize("blind", ["distances", "attacks"])
def test_a_battery_that_does_not_notice_the_control_clears_nothing(strangers, blind):
    hidden = pl.col("check").is_in(SMOKE) if blind == "distances" else ~pl.col("check").is_in(SMOKE)
    table = strangers.disclosure.with_columns(sees=pl.col("sees") & ~hidden)
    verdict, reasons = judge(table, strangers.effects, strangers.fidelity, 20, Thresholds())
    assert verdict == "invalid" and "does not notice copies" in reasons[0]


def test_limits_decide(strangers):
    flagged = strangers.fidelity.with_columns(flagged=pl.col("measure").str.starts_with("detection"))
    verdict, reasons = judge(strangers.disclosure, strangers.effects, flagged, 20, Thresholds())
    assert verdict == "unfaithful" and "detection by a forest (AUC) is 0.50" in reasons
    assert set(strangers.disclosure["limit"]) == {0.01, 0.09}


def test_few_splits_are_said_to_be_few(copies):
    assert any("2 splits: intervals of effects need 20" in reason for reason in copies.reasons)


def test_the_page_says_which_checks_ran_and_certifies_nothing(copies):
    page = copies._repr_html_()
    assert "Checks that ran: exact copies, distance to closest record" in page and "<svg" in page
    assert "private" not in page.lower() and "compliant" not in page.lower()
    assert repr(copies) == "<SyntheticReport Bootstrap on made-up smokers: flagged>"


def test_a_saved_report_says_what_was_assessed_and_replaces_nothing_unasked(strangers, tmp_path):
    report = replace(strangers, settings={"generator": "dp_copula", "epsilon": "<1.0>", "seed": "7"})
    page = report.save(tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "generator dp_copula, epsilon &lt;1.0&gt;, seed 7" in page
    with pytest.raises(OutputExistsError, match=r"report\.html exists already"):
        report.save(tmp_path / "new" / "report.html")
    assert strangers.settings == {"generator": "OtherPatients", "seed": "1"}


def test_the_same_seed_gives_the_same_report(real, copies):
    again = assess_generator(Bootstrap(), real, seed=1, splits=2)
    assert again.disclosure.equals(copies.disclosure) and again.fidelity.equals(copies.fidelity)


def test_what_cannot_be_assessed_is_refused(real):
    for few in (1, 2.5, True):
        with pytest.raises(SpecError, match=rf"splits: {few} found; legal is .*\[2, "):
            assess_generator(Bootstrap(), real, seed=1, splits=few)
    with pytest.raises(SpecError, match="seed: missing; legal are whole numbers from 0"):
        assess_generator(Bootstrap(), real)
    with pytest.raises(
        DataError, match=r"a random half of the cohort, 40 patients: .*(\n.*)*at least 44 are"
    ):
        assess_generator(Bootstrap(), real.where([True] * 80 + [False] * 320), seed=1, splits=2)
    with pytest.raises(DataError, match=r"^.not_learnable. no generator learns from"):
        assess_generator(Bootstrap(), real.where([True] * 40 + [False] * 360), seed=1, splits=2)
    with pytest.raises(DataError, match="no column 'agee'"):
        assess_generator(Bootstrap(), real, seed=1, splits=2, quasi_identifiers=["agee"])


def test_a_single_arm_has_no_effects(real):
    schema = replace(real.schema, treatment=None)
    alone = replace(real, schema=schema, table=real.table.drop("arm"))
    report = assess_generator(SequentialCart(), alone, seed=1, splits=2)
    assert report.effects.is_empty() and "effect" not in " ".join(report.reasons).split("splits")[0]


def test_sites_that_are_small_in_a_half_are_one_on_both_sides(real):
    sites = replace(real.schema, sites=("site",))
    names = pl.Series("site", [f"s{i % 27:02d}" for i in range(400)])  # 14 or 15 patients each, 7 in a half
    cohort = replace(real, schema=sites, table=real.table.with_columns(names))
    report = assess_generator(Bootstrap(), cohort, seed=1, splits=2)
    assert report.risk("exact copies") == 1
    assert report.margins.filter(column="site")["distance"][0] < 0.2


def test_what_cannot_be_compared_is_said_and_the_rest_is_compared():
    three = smokers(300, arms=("stay", "less", "quit"))
    some = pl.when(pl.int_range(pl.len()) % 4 > 0).then("weight").otherwise(None)
    cohort = replace(three, table=three.table.with_columns(weight=some)).where(pl.col("arm") != "less")
    report = assess_generator(Bootstrap(), cohort, seed=1, splits=2)
    assert report.effects["treatment"].to_list() == ["quit"]
    assert np.isfinite(report.effects["difference"][0])
    assert any(
        reason.endswith("to say whether effects are kept: less on weight") for reason in report.reasons
    )
