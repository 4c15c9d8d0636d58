"""The one formatter: every number that a reader meets is written here, in the language of the page.

Never 0% or 100%, never a decimal on a patient's probability, a true minus sign, and no more digits than the
interval supports.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from medresponse.core.errors import MedresponseError
from medresponse.core.small_cells import FLOOR, SMALL, WITHHELD, Totals, is_small, suppress
from medresponse.reports.language import ISOLATE, POP, Language, turns

_COUNTED = ("day", "week", "month", "year", "decade")  # units that are spelled out, with a plural
_DIMENSIONLESS = ("1", "count")
_SUM_ERROR = 1e-6  # of probabilities that add up to 1
_EXACT = 2.0**53  # the whole numbers below are exact in floating point
_LARGEST_WRITTEN_OUT, _SMALLEST_WRITTEN_OUT = 1e15, 1e-6
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_ISOLATED = re.compile(f"({ISOLATE}[^{ISOLATE}{POP}]*{POP})")
_SUPERSCRIPTS = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)


def per_hundred(probability: float) -> int:
    """Return the whole number of 100 nearest to a probability, halves upwards; also the number of filled icons."""
    if not 0.0 <= probability <= 1.0:
        raise MedresponseError("a probability outside 0 to 1 cannot be printed", code="not_a_probability")
    return math.floor(100.0 * probability + 0.5)


def parts_of_100(probabilities: Sequence[float], *, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """Return whole numbers of 100 that add up to 100, each within 1 of its probability (largest remainders, Hamilton's method).

    Parameters
    ----------
    probabilities : sequence of float
        Of all things that can happen, of which one does.
    asked : sequence of int
        Positions of those whose sum is printed elsewhere: here they add up to the same number.

    Raises
    ------
    MedresponseError
        If the probabilities do not add up to 1.
    """
    if abs(sum(probabilities) - 1.0) > _SUM_ERROR:
        raise MedresponseError("probabilities of all outcomes must add up to 1", code="not_a_probability")
    groups = [list(asked), [i for i in range(len(probabilities)) if i not in asked]]
    total = per_hundred(min(sum(probabilities[i] for i in asked), 1.0)) if asked else 0
    counts = [0] * len(probabilities)
    for group, whole in zip(groups, (total, 100 - total), strict=True):
        exact = {i: 100.0 * probabilities[i] for i in group}
        for i in group:
            counts[i] = math.floor(exact[i] + _SUM_ERROR)
        left = whole - sum(counts[i] for i in group)
        for i in sorted(group, key=lambda i: (counts[i] - exact[i], i))[:left]:
            counts[i] += 1
    return tuple(counts)


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


def rounded(value: float, step: float) -> Decimal:
    """Return `value` rounded to `step` (a power of ten) as it is printed; 0 has no sign.

    Halves are rounded away from zero, as readers do.
    """
    exponent, size = round(math.log10(step)), abs(_finite(value))
    if size < step * _EXACT:
        # The nudge absorbs binary representation.
        whole = math.floor(size / step * (1 + 1e-15) + 0.5)
    else:
        whole = math.floor(Fraction(size) / Fraction(10) ** exponent + Fraction(1, 2))
    # From text, since arithmetic on decimals rounds to 28 digits.
    exact = Decimal(whole * 10**exponent if exponent > 0 else f"{whole}e{exponent}")
    return exact.copy_negate() if value < 0 and whole else exact


@dataclass(frozen=True)
class Formatter:
    """Numbers, units and lists as one language writes them."""

    language: Language

    def count_of_100(self, probability: float) -> str:
        """Return ``83``, or ``<1`` and ``>99`` where rounding would claim never or always."""
        return self.whole_of_100(per_hundred(probability))

    def whole_of_100(self, whole: int) -> str:
        """Return a whole number of 100, but ``<1`` for 0 and ``>99`` for 100."""
        return "<1" if whole == 0 else ">99" if whole == 100 else str(whole)

    def of_100(self, probability: float) -> str:
        """Return ``83 of 100``."""
        return self.language.say("number.of_100", value=self.count_of_100(probability))

    def percent(self, probability: float) -> str:
        """Return ``83%``, ``<1%`` or ``>99%``."""
        return self.language.say("number.percent", value=self.count_of_100(probability))

    def amount(self, value: float, step: float) -> str:
        """Return a value rounded to `step` (a power of ten)."""
        return self.language.number(rounded(value, step))

    def positive(self, value: float, step: float) -> str:
        """Return an amount that is above zero; ``<0.1`` where rounding would claim zero."""
        return self.amount(value, step) if rounded(value, step) else f"<{self.amount(step, step)}"

    def signed(self, value: float, step: float) -> str:
        """Return an amount with its sign; ``0`` has none."""
        return f"+{self.amount(value, step)}" if rounded(value, step) > 0 else self.amount(value, step)

    def span(self, lower: str, upper: str) -> str:
        """Return ``4 to 25``."""
        return self.language.say("number.span", lower=lower, upper=upper)

    def fixed(self, value: float, decimals: int) -> str:
        """Return a statistic with a fixed number of decimals; "not known" if it is no number."""
        return self.amount(value, 10.0**-decimals) if math.isfinite(value) else self.not_known

    def plain_number(self, value: float) -> str:
        """Return a recorded value as it was recorded, up to six significant digits."""
        if value == math.floor(_finite(value)) and abs(value) < 1e9:
            return self.language.number(int(value))
        return self._significant(value, 6)

    def statistic(self, value: float, digits: int = 3) -> str:
        """Return a diagnostic or metric to `digits` significant digits; "not known" if it is no number."""
        if not math.isfinite(value):
            return self.not_known
        if value == 0 or 10 ** (digits - 1) <= abs(value) < _LARGEST_WRITTEN_OUT:
            return self.amount(value, 1.0)
        return self._significant(value, digits)

    def count(self, n: int) -> str:
        """Return a count, thousands separated."""
        return self.language.number(n)

    def quantity(self, value: float, unit: str) -> str:
        """Return a recorded value with its unit: ``300 days``, ``1 day``, ``24.5 kg/m²``."""
        n = Decimal(str(value)) if value % 1 else int(value)
        return self.with_unit(self.plain_number(value), unit, n=n)

    def with_unit(self, text: str, unit: str, *, n: int | Decimal | None = None) -> str:
        """Return a number with its unit as people write it: ``24 cells/mm³``, ``12 days``, ``5%``.

        Parameters
        ----------
        text : str
            The number or interval, printed.
        unit : str
            UCUM unit.
        n : int or Decimal, optional
            The number as it is printed, which chooses the plural; leave it out for an interval.
        """
        if unit == "%":
            return self.language.say("number.percent", value=text)
        words = self.unit_words(unit, n=n)
        return self.language.say("number.quantity", value=text, unit=words) if words else text

    def unit_words(self, unit: str, *, n: int | Decimal | None = None) -> str:
        """Return a unit alone, as a heading names it, or as it stands after the number `n`."""
        if unit in _DIMENSIONLESS:
            return ""
        key = f"unit.{unit}"
        if unit in _COUNTED:
            # The form of an indefinite number of them; an interval takes it too.
            return self.language.say(key, n=Decimal("0.5") if n is None else n)
        return self.language.say(key) if key in self.language.entries else unit

    def patients(self, n: int) -> str:
        """Return ``1,151 patients``, or ``fewer than 11 patients``: a number of patients that stands alone."""
        if is_small(n):
            return self.language.say("count.few_patients", floor=FLOOR)
        return self.language.say("count.patients", n=n)

    def cells(self, counts: Sequence[int], *, totals: Totals = "known") -> tuple[str, ...]:
        """Return numbers of patients of which none is small and none reveals a small one; see `core.small_cells.suppress`."""
        codes = suppress(np.array(counts, dtype=np.int64), totals=totals)
        values = [*counts, sum(counts)] if totals == "printed" else counts
        words = {SMALL: self.suppressed, WITHHELD: self.withheld}
        return tuple(words.get(int(c)) or self.count(n) for n, c in zip(values, codes, strict=True))

    def grid(self, counts: np.ndarray) -> list[list[str]]:
        """Return a table of numbers of patients, shape (row, column), whose totals the reader knows; as `cells` does."""
        if counts.shape[1] == 1:  # a total of one cell is the cell itself
            return [[text] for text in self.cells(counts[:, 0].tolist())]
        words = {SMALL: self.suppressed, WITHHELD: self.withheld}
        codes = suppress(counts, totals="known")
        return [
            [words.get(int(c)) or self.count(int(n)) for n, c in zip(row, code, strict=True)]
            for row, code in zip(counts, codes, strict=True)
        ]

    @property
    def suppressed(self) -> str:
        """What stands for a count of 1 to 10."""
        return f"<{FLOOR}"

    @property
    def withheld(self) -> str:
        """What stands for a count that would reveal a suppressed one."""
        return self.language.say("number.withheld")

    @property
    def not_known(self) -> str:
        """What stands for a statistic that is no number."""
        return self.language.say("number.not_known")

    def joined(self, items: Sequence[str]) -> str:
        """Return ``a``, ``a and b`` or ``a, b and c``."""
        if len(items) < 2:
            return "".join(items)
        return self.language.say("list.last", start=", ".join(items[:-1]), end=items[-1])

    def _significant(self, value: float, digits: int) -> str:
        """Return `digits` significant digits without trailing zeros, as a power of ten if very large or small."""
        plain = f"{_finite(value):.{digits}g}"
        if value == 0 or _SMALLEST_WRITTEN_OUT <= abs(value) < _LARGEST_WRITTEN_OUT:
            exact = Decimal(plain)
            return self.language.number(exact if exact % 1 else int(exact))
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        exact = Decimal(mantissa).normalize()
        return f"{self.language.number(exact)} \u00d7 10{str(int(power)).translate(_SUPERSCRIPTS)}"


def clean(text: str) -> str:
    """Return text in which control and direction-changing characters are visible as U+FFFD.

    Text from data can otherwise reorder or hide what stands next to it. Isolates stay where they do the opposite: in pairs, around
    letters that run from right to left (`language.isolated`).
    """
    if text.isprintable():  # then it has none of them; nearly all texts, in a hundredth of the time
        return text
    return "".join(
        f"{ISOLATE}{_visible(part[1:-1])}{POP}"
        if _ISOLATED.fullmatch(part) and turns(part)
        else _visible(part)
        for part in _ISOLATED.split(text)
    )


def _visible(text: str) -> str:
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _HIDDEN else c for c in text)


def capital(text: str) -> str:
    """Return text with a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise MedresponseError("a value that is no finite number cannot be printed", code="not_finite")
    return value
