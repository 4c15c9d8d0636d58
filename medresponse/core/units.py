"""Units of measurement: a small table of UCUM codes and the conversions that time needs.

Units are checked, not guessed: a schema names the unit of each continuous column, and a value in another
unit is a finding for a person to mend. Only time is converted, because horizons are asked for in months
of data recorded in days.

References
----------
Unified Code for Units of Measure, https://ucum.org/ucum
"""

from __future__ import annotations

from medresponse.core.errors import SchemaError
from medresponse.core.registry import did_you_mean

# The Julian year of UCUM ("a"): 365.25 days, a month a twelfth of it.
_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12.0, "year": 365.25}

_KNOWN = frozenset(
    {
        "1", "%", "kg", "g", "mg", "ug", "cm", "mm", "m", "kg/m2", "m2", "mmHg", "Cel", "10*9/L", "10*6/mL",
        "cells/mm3", "mg/week", "mg/day", "mmol/L", "umol/L", "mg/dL", "g/dL", "U/L", "copies/mL", "points",
        "mutations", "mm3", "mL/min", "count", "decade", "score", "mm/h", "ng/mL", "fmol/mg", "h",
    }
)  # fmt: skip


def check_unit(unit: str, *, where: str) -> str:
    """Return `unit` if it is known, else raise `SchemaError` naming the nearest one."""
    if unit in _KNOWN or unit in _DAYS:
        return unit
    valid = sorted(_KNOWN | set(_DAYS))
    raise SchemaError(f"{where}: unknown unit {unit!r}; {did_you_mean(unit, valid)}", code="unknown_unit")


def is_time_unit(unit: str) -> bool:
    """Say whether `unit` measures time."""
    return unit in _DAYS


def convert_time(value: float, *, given: str, wanted: str) -> float:
    """Convert a time between day, week, month (30.4375 days) and year (365.25 days)."""
    for unit in (given, wanted):
        if unit not in _DAYS:
            raise SchemaError(
                f"{unit!r} is no unit of time; {did_you_mean(unit, list(_DAYS))}", code="unknown_unit"
            )
    return value * _DAYS[given] / _DAYS[wanted]
