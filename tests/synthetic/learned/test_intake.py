from dataclasses import replace

import polars as pl
import pytest

from medresponse.core.errors import DataError
from medresponse.synthetic.learned import SequentialCart, learn
from medresponse.synthetic.learned.intake import refuse_unlearnable
from tests.synthetic.learned.patients import trial


@pytest.fixture(scope="module")
def real():
    return trial(120)


def refused(cohort):
    with pytest.raises(DataError) as caught:
        learn(SequentialCart(), cohort, seed=1)
    assert caught.value.code == "not_learnable"
    return str(caught.value)


def with_column(cohort, name, values):
    return replace(cohort, table=cohort.table.with_columns(pl.Series(name, values)))


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        (
            "site",
            [f"someone{i % 3}@clinic.org" for i in range(120)],
            "120 value(s) look like e-mail addresses",
        ),
        ("site", [f"seen by the nurse on ward {i}" for i in range(120)], "free text"),
        ("site", ["the patient was transferred from another hospital after a long stay"] * 120, "free text"),
        ("mrn", [1.0] * 120, "its name says that it identifies people"),
        ("site", [f"201{i % 10}-0{1 + i % 6}-11" for i in range(120)], "dates; give days"),
        ("site", [f"{1 + i % 9:02d}MAR2011" for i in range(120)], "dates; give days"),
        ("site", [f"{1 + i % 9} June 2011" for i in range(120)], "dates; give days"),
        (
            "stage",
            [f"family {i % 40}" for i in range(120)],
            "40 levels, most patients in levels of fewer than 11",
        ),
        ("cigarettes", [4_000_000.0 + 7 * i for i in range(120)], "record numbers"),
        (
            "cigarettes",
            [4_000_000.0 + 7 * (i % 115) for i in range(120)],
            "different in nearly every patient",
        ),
        ("cigarettes", [20_100_101.0 + i % 28 for i in range(120)], "read as dates"),
        ("cigarettes", [17.0 + i for i in reversed(range(120))], "whole numbers in a row"),
        ("marker", [1.5] * 40 + [None] * 80, "too few patients have a value; at least 44"),
    ],
)
def test_identifiers_free_text_and_thin_columns_are_refused(real, name, values, what):
    message = refused(with_column(real, name, values))
    assert f"column {name}: " in message and what in message
    assert "clinic" not in message and "nurse" not in message and "4000" not in message


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("stage", [f"{i % 12}" for i in range(120)]),  # twelve levels of ten
        ("stage", [f"{min(i, 40)}" for i in range(120)]),  # rare ones beside a common one
        ("site", [f"s{i % 40}" for i in range(120)]),
        ("site", [f"{i % 9} March Road" for i in range(120)]),
        ("cigarettes", [float(i % 60) for i in range(120)]),
        ("cigarettes", [7.0 * i for i in range(120)]),
        ("cigarettes", [100_000.0 + i % 50 for i in range(120)]),
        ("cigarettes", [10_000_000.0 * (i % 9) for i in range(120)]),
    ],
)
def test_categories_small_sites_and_measurements_are_not_taken_for_identifiers(real, name, values):
    refuse_unlearnable(with_column(real, name, values))


def test_all_reasons_come_in_one_message(real):
    message = refused(
        with_column(with_column(real, "phone", [1.0] * 120), "site", [f"a note {i}" for i in range(120)])
    )
    assert "2 reason(s)" in message and "column phone" in message and "column site" in message


def test_ids_that_are_telephone_numbers_are_refused(real):
    assert "column patient" in refused(with_column(real, "patient", [f"555-123-{i:04d}" for i in range(120)]))


def test_too_few_patients_are_refused(real):
    assert "43, and at least 44" in refused(real.where([True] * 43 + [False] * 77))
