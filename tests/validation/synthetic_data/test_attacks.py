"""Each attack where the answer is known: copies of real patients, strangers, and tables that leak in one way only."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.validation.synthetic_data import distances, space
from medresponse.validation.synthetic_data.cells import cell_check, cell_table, known_to_outsiders
from medresponse.validation.synthetic_data.distances import (
    CLOSEST,
    COPIES,
    MEMBERSHIP,
    RATIO,
    distance_checks,
)
from medresponse.validation.synthetic_data.inference import attribute_inference
from medresponse.validation.synthetic_data.risk import risk_of
from medresponse.validation.synthetic_data.singling_out import singling_out
from medresponse.validation.synthetic_data.thresholds import Thresholds
from tests.validation.synthetic_data.halves import halves, strangers

LIMIT = Thresholds().risk


@pytest.fixture(scope="module")
def real():
    return halves()


def risks(tallies, n=1200):
    return {t.check: risk_of([t], most=n) for t in tallies}


def largest(attack, n=1200):
    """The largest excess that an attack shows over eight tables of strangers."""
    found = [list(attack(strangers(seed=100 + i))) for i in range(8)]
    return max(risk_of(own, most=n).value for own in zip(*found, strict=True))


def matrices(real, made):
    return [real.space.matrix(cohort) for cohort in (real.train, real.holdout, made)]


def test_distances_notice_copies_and_clear_strangers(real):
    copied = risks(distance_checks(*matrices(real, real.copies())))
    assert copied[COPIES].value == copied[CLOSEST].value == copied[RATIO].value == 1
    # 1 - 1/e of the patients are drawn; the others are as near as strangers: AUC 0.5 + 0.632 / 2.
    assert copied[MEMBERSHIP].value == pytest.approx(1 - np.exp(-1), abs=0.06)
    assert all(
        risk.lower <= 0 <= risk.upper
        for risk in risks(distance_checks(*matrices(real, strangers()))).values()
    )


def test_copies_that_rounding_has_moved_are_still_copies(real):
    made = real.copies()
    moved = replace(made, table=made.table.with_columns(pl.col("weight") * (1 + 1e-9)))
    assert risks(distance_checks(*matrices(real, moved)))[COPIES].value == 1
    moved = replace(made, table=made.table.with_columns(pl.col("weight") + 0.01))
    assert risks(distance_checks(*matrices(real, moved)))[COPIES].value == 0


def test_copies_are_singled_out_and_strangers_single_out_nobody(real):
    rng = np.random.default_rng(1)
    copied = risks(singling_out(*real.blocks(real.train, real.holdout, real.copies()), rng))
    assert all(risk.lower > 0.3 for risk in copied.values())
    assert largest(lambda made: singling_out(*real.blocks(real.train, real.holdout, made), rng)) < LIMIT


def test_single_columns_of_real_values_are_singled_out_where_distances_see_nothing(real):
    rng = np.random.default_rng(2)
    made = replace(
        real.train, table=real.train.table.select(pl.col(c).shuffle(seed=i) for i, c in enumerate(real.train.table.columns))
    )  # fmt: skip
    found = risks(singling_out(*real.blocks(real.train, real.holdout, made), rng))
    assert found["singling out, one column"].lower > 0.3 and found["singling out, four columns"].lower < 0.1
    assert risks(distance_checks(*matrices(real, made)))[MEMBERSHIP].value < LIMIT


def test_a_column_is_inferred_from_copies_and_not_from_strangers(real):
    copied = risks(attribute_inference(*real.blocks(real.train, real.holdout, real.copies())))
    assert min(risk.lower for risk in copied.values()) > 0.4
    assert largest(lambda made: attribute_inference(*real.blocks(real.train, real.holdout, made))) < LIMIT


def with_codes(cohort: Cohort, ages: np.ndarray) -> Cohort:
    return replace(cohort, table=cohort.table.with_columns(pl.Series("age", ages.astype(float))))


def test_small_cells_are_counted_where_a_lonely_made_up_patient_meets_a_lonely_real_one(real):
    n = 100
    train = with_codes(real.train.where(np.arange(600) < n), 10.0 * np.arange(n))
    holdout = with_codes(real.holdout.where(np.arange(600) < n), 10.0 * np.arange(n) + 5000)
    half = np.where(np.arange(n) < 50, 10.0 * np.arange(n), 9000.0)
    tally = cell_check(train, holdout, with_codes(train, half), {"age": 5.0})
    assert (tally.hits, tally.control_hits, tally.tries) == (50, 0, n)
    crowd = with_codes(train, np.repeat([0.0, 10.0], n // 2))
    assert cell_check(crowd, holdout, with_codes(train, half), {"age": 5.0}).hits == 0


def test_cells_of_fewer_than_eleven_patients_are_not_told(real):
    ages = np.repeat([20.0, 30.0, 40.0], [300, 297, 3])
    table = cell_table(with_codes(real.train, ages), {"age": 5.0, "sex": None})
    one, sex, both = table.iter_rows(named=True)
    assert one["columns"] == "age" and one["smallest"] is None and one["share_below_11"] is None
    assert sex["smallest"] >= 11 and sex["share_below_11"] == 0 and both["columns"] == "age, sex"


def test_outsiders_know_groups_sites_and_age_unless_told_otherwise(real):
    assert known_to_outsiders(real.train, None) == {"age": 5.0}
    assert known_to_outsiders(real.train, ["sex"]) == {"sex": None}
    with pytest.raises(Exception, match="quasi_identifiers: no column 'sexx'; did you mean 'sex'"):
        known_to_outsiders(real.train, ["sexx"])


def test_numbers_that_are_no_years_are_told_in_bands_of_half_a_standard_deviation(real):
    weight = real.train.table["weight"].to_numpy()
    assert known_to_outsiders(real.train, ["weight"]) == {"weight": pytest.approx(weight.std() / 2)}
    # Heights in metres are not all in one cell.
    small = replace(real.train, table=real.train.table.with_columns(pl.col("weight") / 1000))
    tables = [cell_table(c, known_to_outsiders(c, ["weight"])) for c in (real.train, small)]
    assert tables[0].equals(tables[1]) and tables[1]["cells"][0] > 5


def test_what_the_distances_say_does_not_depend_on_how_many_are_held_at_a_time(real, monkeypatch):
    made = real.copies()
    blocks = real.blocks(real.train, real.holdout, made)
    whole = [*distance_checks(*matrices(real, made)), *attribute_inference(*blocks)]
    monkeypatch.setattr(space, "_AT_ONCE", 7000)
    assert [*distance_checks(*matrices(real, made)), *attribute_inference(*blocks)] == whole


def test_no_more_distances_are_held_than_memory_has_room_for(monkeypatch):
    held = []
    monkeypatch.setattr(distances, "cdist", lambda a, b, _: held.append(len(a) * len(b)) or np.abs(a - b.T))
    values = np.arange(6000.0)[:, None]
    list(distance_checks(values[::2], values[1::2], values[:3000] + 0.3))
    assert max(held) <= space._AT_ONCE < 3000 * 3000
