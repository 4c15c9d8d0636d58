from __future__ import annotations

import pytest

from medresponse.core.errors import SchemaError
from medresponse.core.units import check_unit, convert_time, is_time_unit


def test_known_units_pass_unchanged() -> None:
    for unit in ("kg", "10*9/L", "mg/week", "month", "1", "%", "fmol/mg", "h"):
        assert check_unit(unit, where="x") == unit


def test_an_unknown_unit_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SchemaError, match=r"\[unknown_unit\] weight: unknown unit 'Kg'; did you mean 'kg'"):
        check_unit("Kg", where="weight")


def test_time_units_are_told_from_others() -> None:
    assert [is_time_unit(unit) for unit in ("day", "week", "month", "year", "kg", "days")] == [True] * 4 + [
        False
    ] * 2


@pytest.mark.parametrize(
    ("value", "given", "wanted", "expected"),
    [
        (1, "year", "day", 365.25),
        (12, "month", "year", 1),
        (2, "week", "day", 14),
        (30.4375, "day", "month", 1),
    ],
)
def test_times_convert_by_the_julian_year(value: float, given: str, wanted: str, expected: float) -> None:
    assert convert_time(value, given=given, wanted=wanted) == pytest.approx(expected, rel=1e-15)
    assert convert_time(expected, given=wanted, wanted=given) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(("given", "wanted"), [("kg", "day"), ("day", "months")])
def test_only_times_convert(given: str, wanted: str) -> None:
    with pytest.raises(SchemaError, match="no unit of time"):
        convert_time(1.0, given=given, wanted=wanted)
