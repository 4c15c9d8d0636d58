from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import registered
from medresponse.readers import read_example
from medresponse.synthetic.learned import FEWEST, GaussianCopula, Generator, SequentialCart, learn
from tests.synthetic.learned.patients import trial

GENERATORS = [GaussianCopula(sweeps=30), SequentialCart()]
PARTS = ["time", "first_seen"]  # read as a sum of two columns


@pytest.fixture(scope="module")
def real():
    return trial()


@pytest.fixture(scope="module", params=GENERATORS, ids=lambda g: type(g).__name__)
def made(request, real):
    return learn(request.param, real, seed=1).draw(3000, seed=2)


def test_draws_are_a_cohort_that_says_it_is_made_up(made, real):
    assert made.schema.synthetic and not real.schema.synthetic
    assert made.source["kind"] == "fitted" and made.source.keys() & {"sweeps", "leaf"}
    assert real.fingerprint not in made.source.values()
    assert "made-up patients" in made.schema.source and real.schema.source in made.schema.source
    assert made.table.schema == real.table.schema
    assert not set(made.patients) & set(real.patients)


def test_draws_pass_every_check_of_a_real_table(made):
    spelled = made.table.with_columns(
        pl.col("status").cast(pl.Int64), pl.col("dead").replace_strict({True: "yes", False: "no"}, return_dtype=pl.String)
    )  # fmt: skip
    assert cohort_from_frame(spelled, made.schema).table.equals(made.table)


def test_no_extreme_of_fewer_than_eleven_patients_is_drawn(made, real):
    for name, dtype in real.table.schema.items():
        if dtype != pl.Float64 or name in PARTS:
            continue
        known = real.table[name].drop_nulls().to_numpy()
        drawn = made.table[name].drop_nulls().to_numpy()
        assert (known <= drawn.min()).sum() >= FEWEST and (known >= drawn.max()).sum() >= FEWEST, name
    for name in PARTS:
        assert not np.isin(
            made.table[name].drop_nulls().sort().gather([0, -1]), real.table[name].drop_nulls()
        ).any()


def test_shares_of_levels_missing_values_and_heaps_are_kept(made, real):
    for name in ("arm", "stage", "sex", "snp", "site", "dead", "response"):
        shares = [
            dict(c.table[name].cast(pl.String).value_counts(normalize=True).iter_rows()) for c in (real, made)
        ]
        for level, share in shares[0].items():
            assert shares[1][level] == pytest.approx(share, abs=0.04), (name, level)
    for name in ("marker", "first_seen", "sex"):
        missing = [c.table[name].null_count() / c.n for c in (real, made)]
        assert missing[1] == pytest.approx(missing[0], abs=0.03), name
    at_heaps = [c.table["cigarettes"].is_in([0.0, 10.0, 20.0, 40.0]).mean() for c in (real, made)]
    assert at_heaps[1] == pytest.approx(at_heaps[0], abs=0.03)


def test_effects_of_treatment_and_age_are_kept(made):
    table = made.table
    scores = [table.filter(pl.col("arm") == arm)["score"].mean() for arm in "ABC"]
    assert scores[2] - scores[0] == pytest.approx(5.0, abs=1.2) and abs(scores[1] - scores[0]) < 1.2
    slope = np.polyfit(table["age"].to_numpy(), table["score"].to_numpy(), 1)[0]
    assert slope == pytest.approx(0.3, abs=0.07)
    died = [table.filter(pl.col("arm") == arm)["dead"].mean() for arm in "AC"]
    assert died[1] - died[0] == pytest.approx(0.2, abs=0.09)


def test_order_within_a_patient_is_kept(made):
    table = made.table
    assert (table["time"] > table["enrolled"]).all()
    seen = table.drop_nulls("first_seen")
    assert (seen["first_seen"] >= seen["last_clear"]).all()
    assert table.filter(pl.col("marker").is_null() != pl.col("marker_se").is_null()).is_empty()


def test_names_of_small_sites_stay_out(real):
    rare = pl.int_range(pl.len()) < 10
    small = replace(
        real, table=real.table.with_columns(site=pl.when(rare).then(pl.lit("tiny")).otherwise("site"))
    )
    drawn = learn(SequentialCart(), small, seed=1).draw(3000, seed=1).table["site"].value_counts()
    shares = {name: count / 3000 for name, count in drawn.iter_rows()}
    assert set(shares) == {"north", "south", "west", "other sites"}
    assert shares["other sites"] == pytest.approx(10 / 600, abs=0.01)


def test_made_up_patients_with_sites_learned_together_can_be_learned_again(real):
    i = pl.int_range(pl.len())
    site = pl.when(i < 30).then(pl.lit("other sites")).when(i < 35).then(pl.lit("tiny")).otherwise("site")
    again = replace(real, table=real.table.with_columns(site=site))
    drawn = learn(SequentialCart(), again, seed=1).draw(3000, seed=1).table["site"]
    assert set(drawn) == {"north", "south", "west", "other sites"}
    assert (drawn == "other sites").mean() == pytest.approx(35 / 600, abs=0.02)


def test_the_same_seed_draws_the_same_patients(real):
    one, two = (learn(SequentialCart(), real, seed=3).draw(50, seed=4) for _ in range(2))
    assert one.fingerprint == two.fingerprint
    assert one.fingerprint != learn(SequentialCart(), real, seed=3).draw(50, seed=5).fingerprint


def test_a_trial_with_a_single_arm_and_few_columns_can_be_learned():
    real = read_example("cgvhd")
    made = learn(GaussianCopula(sweeps=20), real, seed=1).draw(500, seed=1)
    causes = [
        c.table["status"].cast(pl.String).value_counts(normalize=True).sort("status")["proportion"]
        for c in (real, made)
    ]
    np.testing.assert_allclose(causes[1], causes[0], atol=0.08)


def test_generators_are_plain_data():
    assert set(registered(Generator)) >= {"gaussian_copula", "sequential_cart"}
    for generator in GENERATORS:
        assert from_plain(Generator, to_plain(generator)) == generator


def test_options_out_of_range_are_refused(real):
    with pytest.raises(SpecError, match=r"generator\.leaf: 5 found; legal is \[11, "):
        from_plain(Generator, {"kind": "sequential_cart", "leaf": 5})
    with pytest.raises(SpecError, match=r"generator\.sweeps: 1 found; legal is \[10, "):
        from_plain(Generator, {"kind": "gaussian_copula", "sweeps": 1})


def test_a_seed_and_a_number_of_patients_must_be_stated(made, real):
    with pytest.raises(SpecError, match="seed: missing; legal are whole numbers from 0"):
        learn(GaussianCopula(), real)
    with pytest.raises(SpecError, match="seed: -1 found; legal are"):
        learn(GaussianCopula(), real, seed=-1)
    learned = learn(GaussianCopula(), real, seed=1)
    for n in (0, 1.5, True):
        with pytest.raises(SpecError, match=rf"n: {n} found; legal is .*\[1, 10000000\]"):
            learned.draw(n, seed=1)
    with pytest.raises(SpecError, match="seed: missing"):
        learned.draw(10)


@pytest.mark.parametrize(
    ("name", "knob"), [(name, f.name) for name, cls in registered(Generator).items() for f in fields(cls)]
)
def test_a_wrong_value_of_a_knob_is_refused_by_its_name_from_python_and_from_plain_data(name, knob):
    needed = {} if knob == "epsilon" or name != "dp_copula" else {"epsilon": 1.0}
    for wrong in ("none of them", -1, [], float("nan"), {"age": [2.0]}):
        with pytest.raises(SpecError, match=rf"\b{knob}\b.* found; legal"):
            registered(Generator)[name](**needed, **{knob: wrong})
        with pytest.raises(SpecError, match=rf"generator\.{knob}\b.* found; legal"):
            from_plain(Generator, {"kind": name, **needed, knob: wrong})


def test_an_unknown_or_missing_knob_is_refused_by_its_name():
    with pytest.raises(SpecError, match="leef: no knob of sequential_cart; did you mean 'leaf'"):
        SequentialCart(leef=20)
    with pytest.raises(SpecError, match="epsilon: missing"):
        registered(Generator)["dp_copula"]()
