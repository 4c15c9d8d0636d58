"""The report's answer for machines: the question in codes, each option's posterior in numbers, each input with its unit.

What the page says in words stands here once more without them, so that a rendering for other systems (FHIR) reads no
sentence and computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medresponse.reports.base import ReportContext
from medresponse.reports.withheld import reason_in_full

PROBABILITIES = (0.025, 0.10, 0.25, 0.75, 0.90, 0.975)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """A posterior in numbers, in the answer's unit.

    Parameters
    ----------
    mean, median : float
    quantiles : tuple of float
        At `PROBABILITIES`: the bounds of the 95, 80 and 50% intervals.
    """

    mean: float
    median: float
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, draws: np.ndarray) -> Posterior:
        """Return the posterior of some draws."""
        quantiles = tuple(float(q) for q in np.quantile(draws, PROBABILITIES))
        return cls(mean=float(draws.mean()), median=float(np.median(draws)), quantiles=quantiles)


@dataclass(frozen=True, kw_only=True)
class Benefit:
    """One option against the reference; positive is better, or higher where nothing is.

    Parameters
    ----------
    posterior : Posterior
    above_zero, below_zero : float
        Posterior probability of a difference above and below zero.
    worthwhile : float or None
        That of more than the smallest worthwhile benefit; None where there is none.
    """

    posterior: Posterior
    above_zero: float
    below_zero: float
    worthwhile: float | None


@dataclass(frozen=True, kw_only=True)
class OptionAnswer:
    """One option.

    Parameters
    ----------
    treatment, label : str
        As the schema names it, and in words.
    response : Posterior or None
        None where it is withheld.
    benefit : Benefit or None
        None for the reference, and where either option is withheld.
    withheld : tuple of str
        Reasons, in words; empty where it is not.
    """

    treatment: str
    label: str
    response: Posterior | None
    benefit: Benefit | None
    withheld: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input as it was recorded.

    Parameters
    ----------
    name, label : str
        Column, and words.
    number : float or None
        Value of a measured input, in `unit`; None where it is missing or a level.
    level, text : str
        Level of any other input, as recorded and in words; empty where it is missing or a number.
    unit : str
        As the schema has it.
    """

    name: str
    label: str
    number: float | None
    level: str
    text: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The question, and what the model answers.

    Parameters
    ----------
    outcome, estimand, part : str
        Names as in schema and `ESTIMANDS`.
    what : str
        What is counted or measured, in words.
    horizon : float or None
        In `horizon_unit`, from day 0.
    horizon_unit, unit : str
        `unit` is that of the responses: ``probability``, a unit of time, the outcome's own.
    direction : int
        +1 if more is better, -1 if less is, 0 if neither.
    reference : str
        Treatment that the others are compared with.
    worthwhile : float or None
    options : tuple of OptionAnswer
        In fixed order.
    inputs : tuple of Input
    """

    outcome: str
    estimand: str
    part: str
    what: str
    horizon: float | None
    horizon_unit: str
    unit: str
    direction: int
    reference: str
    worthwhile: float | None
    options: tuple[OptionAnswer, ...]
    inputs: tuple[Input, ...]


def answer_of(context: ReportContext) -> Answer:
    """Return the answer for one patient."""
    r, worthwhile = context.responses, context.worthwhile
    return Answer(
        outcome=r.fit.outcome, estimand=r.estimand.kind, part=r.part, what=context.wording.what,
        horizon=None if r.horizon is None else float(r.horizon), horizon_unit=r.horizon_unit, unit=r.unit,
        direction=r.direction, reference=r.basis.reference,
        worthwhile=None if worthwhile is None else float(worthwhile),
        options=tuple(_option(context, k) for k in range(len(r.treatments))),
        inputs=tuple(_input(context, feature.name) for feature in r.fit.encoding.features),
    )  # fmt: skip


def _option(context: ReportContext, k: int) -> OptionAnswer:
    benefit = None
    if k in context.compared:
        draws = context.difference(k)
        worthwhile = None if context.worthwhile is None else float((draws > context.worthwhile).mean())
        benefit = Benefit(
            posterior=Posterior.of(draws), above_zero=float((draws > 0).mean()), below_zero=float((draws < 0).mean()),
            worthwhile=worthwhile,
        )  # fmt: skip
    reasons = context.verdict.reasons(k)
    return OptionAnswer(
        treatment=context.responses.treatments[k], label=context.option_labels[k],
        response=Posterior.of(context.values[k]) if k in context.shown else None, benefit=benefit,
        withheld=tuple(reason_in_full(context, reason) for reason in reasons),
    )  # fmt: skip


def _input(context: ReportContext, name: str) -> Input:
    value, feature = context.cohort.table[name][0], context.responses.fit.schema.feature_columns[name]
    words = {"name": name, "label": context.feature_label(name), "unit": feature.unit or ""}
    if value is None:
        return Input(number=None, level="", text="", **words)
    if feature.is_discrete:
        return Input(number=None, level=str(value), text=context.feature_value(name), **words)
    return Input(number=float(value), level="", text="", **words)
