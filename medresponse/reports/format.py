"""The one formatter: every number that a reader meets is written here.

Never 0% or 100%, never a decimal on a patient's probability, a true minus sign, and no more digits than the
interval supports.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from medresponse.core.errors import MedresponseError

MINUS = "\N{MINUS SIGN}"
FLOOR = 11
SUPPRESSED = f"<{FLOOR}"
WITHHELD = "not shown"

_UNITS = {
    "1": "", "count": "", "kg/m2": "kg/m²", "m2": "m²", "mm3": "mm³", "Cel": "°C", "ug": "µg", "umol/L": "µmol/L", "10*9/L": "×10⁹/L",
    "10*6/mL": "×10⁶/mL", "cells/mm3": "cells/mm³",
}  # fmt: skip
_COUNTED = ("day", "week", "month", "year", "decade")


def per_hundred(probability: float) -> int:
    """Return the whole number of 100 nearest to a probability, halves upwards; also the number of filled icons."""
    if not 0.0 <= probability <= 1.0:
        raise MedresponseError("a probability outside 0 to 1 cannot be printed", code="not_a_probability")
    return math.floor(100.0 * probability + 0.5)


def count_of_100(probability: float) -> str:
    """Return ``83``, or ``<1`` and ``>99`` where rounding would claim never or always."""
    whole = per_hundred(probability)
    return "<1" if whole == 0 else ">99" if whole == 100 else str(whole)


def of_100(probability: float) -> str:
    """Return ``83 of 100``."""
    return f"{count_of_100(probability)} of 100"


def percent(probability: float) -> str:
    """Return ``83%``, ``<1%`` or ``>99%``."""
    return f"{count_of_100(probability)}%"


def signed_per_100(difference: float) -> str:
    """Return a difference between two probabilities as signed whole patients of 100: ``+9``, ``−3``, ``0``."""
    return signed(100.0 * difference, 1.0)


# No clinical unit has a ninth decimal; what is narrower is rounding error.
_NARROWEST = 1e-8


def step_for(lower: float, upper: float) -> float:
    """Return the power of ten to round to, between 1% and 10% of the interval's width.

    A narrower step would print digits that the interval says are unknown.
    """
    width = abs(_finite(upper) - _finite(lower))
    if width == 0.0:
        largest = max(abs(lower), abs(upper))
        width = largest / 10 if largest else 10.0
    width = max(width, _NARROWEST)
    return float(10.0 ** math.floor(math.log10(width / 10.0) + 1e-12))


def amount(value: float, step: float) -> str:
    """Return a value rounded to `step` (a power of ten), with thousands separated and a true minus sign."""
    decimals = max(0, -round(math.log10(step)))
    # Round half away from zero, as readers do; the nudge absorbs binary representation.
    whole = math.floor(abs(_finite(value)) / step * (1 + 1e-15) + 0.5)
    text = f"{whole * step:,.{decimals}f}"
    return f"{MINUS}{text}" if value < 0 and whole else text


def positive(value: float, step: float) -> str:
    """Return an amount that is above zero; ``<0.1`` where rounding would claim zero."""
    text = amount(value, step)
    return text if text.strip("0.,") else f"<{amount(step, step)}"


def signed(value: float, step: float) -> str:
    """Return an amount with its sign; ``0`` has none."""
    text = amount(value, step)
    return text if text.startswith(MINUS) or not text.strip("0.,") else f"+{text}"


def span(lower: str, upper: str) -> str:
    """Return ``4 to 25``."""
    return f"{lower} to {upper}"


def plain_number(value: float) -> str:
    """Return a recorded value as it was recorded, up to six significant digits."""
    if value == math.floor(value) and abs(value) < 1e9:
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{_finite(value):.6g}".replace("-", MINUS)


def statistic(value: float, digits: int = 3) -> str:
    """Return a diagnostic or metric to `digits` significant digits; ``not known`` if it is no number."""
    if not math.isfinite(value):
        return "not known"
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.{digits}g}".replace("-", MINUS)


def count(n: int) -> str:
    """Return a count of patients, thousands separated."""
    return f"{n:,}"


def counted(n: float, noun: str) -> str:
    """Return ``300 days`` or ``1 day``."""
    return f"{plain_number(n)} {noun}" if n == 1 else f"{plain_number(n)} {noun}s"


def with_unit(text: str, unit: str) -> str:
    """Return a number with its unit as people write it: ``24 cells/mm³``, ``12 days``, ``5%``."""
    if unit == "%":
        return f"{text}%"
    if unit in _COUNTED:
        return f"{text} {unit}" if text in ("1", "+1", f"{MINUS}1") else f"{text} {unit}s"
    words = _UNITS.get(unit, unit)
    return f"{text} {words}" if words else text


def unit_words(unit: str) -> str:
    """Return a unit alone, as a heading names it."""
    return f"{unit}s" if unit in _COUNTED else _UNITS.get(unit, unit)


def suppress(counts: Sequence[int], *, total_known: bool = True) -> tuple[str, ...]:
    """Return counts with cells of 1 to 10 shown as ``<11``.

    Where the total is known too, a single suppressed cell could be had by subtraction; then the smallest
    other cell is withheld with it (complementary suppression).
    """
    small = [i for i, n in enumerate(counts) if 0 < n < FLOOR]
    texts = [SUPPRESSED if i in small else count(n) for i, n in enumerate(counts)]
    others = [i for i, n in enumerate(counts) if n >= FLOOR]
    if total_known and len(small) == 1 and others:
        texts[min(others, key=lambda i: counts[i])] = WITHHELD
    return tuple(texts)


def clean(text: str) -> str:
    """Return text in which control and direction-changing characters are visible as U+FFFD.

    Text from data can otherwise reorder or hide what stands next to it.
    """
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in hidden else c for c in text)


def joined(items: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise MedresponseError("a value that is no finite number cannot be printed", code="not_finite")
    return value
