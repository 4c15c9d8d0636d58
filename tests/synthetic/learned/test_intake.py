from dataclasses import replace

import polars as pl
import pytest

from medresponse.core.errors import DataError
from medresponse.synthetic.learned import SequentialCart, learn
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
        ("cigarettes", [4_000_000.0 + 7 * i for i in range(120)], "record numbers"),
        ("marker", [1.5] * 40 + [None] * 80, "too few patients have a value; at least 44"),
    ],
)
def test_identifiers_free_text_and_thin_columns_are_refused(real, name, values, what):
    message = refused(with_column(real, name, values))
    assert f"column {name}: " in message and what in message
    assert "clinic" not in message and "nurse" not in message and "4000" not in message


def test_all_reasons_come_in_one_message(real):
    message = refused(
        with_column(with_column(real, "phone", [1.0] * 120), "site", [f"a note {i}" for i in range(120)])
    )
    assert "2 reason(s)" in message and "column phone" in message and "column site" in message


def test_ids_that_are_telephone_numbers_are_refused(real):
    assert "column patient" in refused(with_column(real, "patient", [f"555-123-{i:04d}" for i in range(120)]))


def test_too_few_patients_are_refused(real):
    assert "43, and at least 44" in refused(real.where([True] * 43 + [False] * 77))
