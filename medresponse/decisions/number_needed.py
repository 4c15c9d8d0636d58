"""Numbers needed to treat, whose interval passes through infinity where the difference's passes through zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from medresponse.core.errors import SpecError
from medresponse.response import Responses, benefit_of, check_sides, contrast

INFINITY = "\N{INFINITY}"


@dataclass(frozen=True, kw_only=True)
class NumberNeeded:
    """How many patients like this one are treated for one more to have the better outcome, or the worse one.

    Made from the difference in probability: the number is its reciprocal, and says nothing that the difference does not. A
    positive difference gives a number needed to treat for one to benefit (NNTB), a negative one for one to be harmed (NNTH);
    no difference is infinitely many. An interval of the difference that holds zero therefore gives two pieces, joined at
    infinity: "NNTH 20 to ∞ to NNTB 4" (Altman 1998, BMJ 317:1309).

    Parameters
    ----------
    difference, lower, upper : float
        Benefit as a difference in probability, and its interval; positive is better.
    """

    difference: float
    lower: float
    upper: float

    @property
    def number(self) -> float:
        """``1 / |difference|``, infinite where there is none; `benefits` says which way."""
        return _reciprocal(self.difference)

    @property
    def benefits(self) -> bool:
        """Whether `number` is of an NNTB."""
        return self.difference >= 0

    @property
    def benefit_interval(self) -> tuple[float, float] | None:
        """Values of the NNTB within the interval, the end that is infinite included; None if all of it is harm."""
        return None if self.upper <= 0 else (_reciprocal(self.upper), _reciprocal(max(self.lower, 0.0)))

    @property
    def harm_interval(self) -> tuple[float, float] | None:
        """Values of the NNTH within the interval, the end that is infinite included; None if all of it is benefit."""
        return None if self.lower >= 0 else (_reciprocal(self.lower), _reciprocal(min(self.upper, 0.0)))

    @property
    def text(self) -> str:
        """Number and interval in Altman's notation; an NNTB is rounded up, an NNTH down, so that neither flatters."""
        number = _benefit_text(self.number) if self.benefits else _harm_text(self.number)
        return f"{number} ({self.interval_text})"

    @property
    def interval_text(self) -> str:
        """The interval alone."""
        benefit, harm = self.benefit_interval, self.harm_interval
        if harm is None and benefit is not None:
            return f"{_benefit_text(benefit[0])} to {_benefit_text(benefit[1])}"
        if benefit is None and harm is not None:
            return f"{_harm_text(harm[1])} to {_harm_text(harm[0])}"
        if benefit is None or harm is None:
            return INFINITY
        return f"{_harm_text(harm[0])} to {INFINITY} to {_benefit_text(benefit[0])}"


def number_needed(difference: np.ndarray, *, level: float = 0.95) -> NumberNeeded:
    """Return the number needed to treat from draws of a difference in probability.

    Parameters
    ----------
    difference : numpy.ndarray
        Benefit, shape (draw,); positive is better.
    level : float

    Raises
    ------
    SpecError
        If a difference is not one of probabilities.
    """
    if not (np.abs(difference) <= 1).all():
        raise SpecError(
            "numbers needed to treat are of differences in probability, -1 to 1", code="not_probability"
        )
    lower, upper = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2])
    return NumberNeeded(difference=float(difference.mean()), lower=float(lower), upper=float(upper))


def numbers_needed(
    responses: Responses, *, against: str | None = None, level: float = 0.95, average: bool = False
) -> pl.DataFrame:
    """Return the number needed to treat with each treatment against a reference.

    Parameters
    ----------
    responses : Responses
        Probabilities.
    against : str, optional
        Reference treatment; the schema's by default.
    level : float
    average : bool
        Of the average difference over these patients instead of each patient's.

    Returns
    -------
    polars.DataFrame
        ``patient`` (not with `average`), ``treatment, difference, lower, upper, nntb_lower, nntb_upper, nnth_lower,
        nnth_upper, text``: ends of the two pieces of the interval, null where there is no such piece, infinite where it
        reaches no difference.

    Raises
    ------
    SpecError
        If the responses are no probabilities, or have a single treatment or no better side.
    UnknownTreatmentError
        If `against` is no treatment.
    """
    check_sides(responses)
    if responses.kind.unit != "probability":
        raise SpecError(
            f"numbers needed to treat are of probabilities, not of '{responses.estimand.kind}'",
            code="not_probability",
        )
    if not average:
        table = contrast(responses, against=against, level=level)
        labels = table.select("patient", "treatment")
        found = [
            NumberNeeded(difference=b, lower=low, upper=high)
            for b, low, high in table.select("benefit", "lower", "upper").iter_rows()
        ]
    else:
        reference = responses.treatment_position(against or responses.basis.reference)
        others = [k for k in range(len(responses.treatments)) if k != reference]
        means = responses.mean_over_patients()[None]
        labels = pl.DataFrame({"treatment": [responses.treatments[k] for k in others]})
        found = [
            number_needed(draws, level=level)
            for draws in benefit_of(means, reference, others, responses.direction)[0]
        ]
    rows = [
        (f.difference, f.lower, f.upper, *(f.benefit_interval or (None, None)), *(f.harm_interval or (None, None)), f.text)
        for f in found
    ]  # fmt: skip
    numbers = ("difference", "lower", "upper", "nntb_lower", "nntb_upper", "nnth_lower", "nnth_upper")
    schema = {**dict.fromkeys(numbers, pl.Float64), "text": pl.String}
    return pl.concat([labels, pl.DataFrame(rows, schema=schema, orient="row")], how="horizontal")


def _reciprocal(difference: float) -> float:
    return 1.0 / abs(difference) if difference else math.inf


def _benefit_text(number: float) -> str:
    # A reciprocal that is whole but for rounding is that whole number.
    return INFINITY if math.isinf(number) else f"NNTB {math.ceil(number - 1e-9)}"


def _harm_text(number: float) -> str:
    return INFINITY if math.isinf(number) else f"NNTH {math.floor(number + 1e-9)}"
