"""How far to trust it: design, size, calibration, priors, hidden confounding, sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.sampler import sampler_failures
from medresponse.response import prior_part
from medresponse.validation.unmeasured import e_value, e_value_of_interval, ratio_of_difference

_ON_PAGE = 3


@dataclass(frozen=True, kw_only=True)
class Point:
    """A name and a sentence, with the numbers that stand in it as they were before rounding."""

    name: str
    text: str
    raw: tuple[float, ...] = ()


@register(Section, "trust")
@dataclass(frozen=True, kw_only=True)
class Trust:
    """A short list; the whole of the evidence stands in the appendix."""

    placement: ClassVar[Placement] = "half"

    title: str
    points: tuple[Point, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the points."""
        points = [
            _design(context), _size(context), *_evidence(context), *_priors(context), *_confounding(context), _sampler(context),
        ]  # fmt: skip
        return cls(title=context.say("trust.title"), points=tuple(points))


_DESIGN = {"randomised": "trust.design.randomised", "observational": "trust.design.observational"}


def _design(context: ReportContext) -> Point:
    key = _DESIGN.get(context.responses.basis.assignment, "trust.design.single")
    return Point(name=context.say("trust.design"), text=context.say(key))


def _size(context: ReportContext) -> Point:
    say, provenance = context.say, context.responses.fit.provenance
    patients = context.fmt.patients(provenance.n_patients)
    inputs = say("count.inputs", n=len(context.responses.basis.adjusted_for))
    excluded = ", ".join(context.fmt.cells([n for _, n in provenance.flow], totals="unknown"))
    if excluded:
        text = say("trust.size.excluded", patients=patients, excluded=excluded, inputs=inputs)
    else:
        text = say("trust.size.all", patients=patients, inputs=inputs)
    return Point(name=say("trust.size"), text=text)


def _evidence(context: ReportContext) -> list[Point]:
    say = context.say
    if not context.evidence:
        return [_calibration(context)]
    return [
        Point(
            name=e.name,
            text=say("trust.evidence.detail", value=e.value, detail=e.detail)
            if e.detail
            else say("trust.evidence", value=e.value),
        )
        for e in context.evidence[:_ON_PAGE]
    ]


def _calibration(context: ReportContext) -> Point:
    """Say what the validation that the report rests on found of each option's mean response."""
    say, wording, record = context.say, context.wording, context.validation
    name = say("trust.calibration")
    if record is None:
        return Point(name=name, text=say("trust.calibration.none"))
    if context.provenance.override:
        return Point(name=name, text=say("trust.calibration.fails"))
    texts, raw = [], []
    for gate in record.gates:
        if gate.name != "calibration_in_the_large":
            continue
        if gate.measured is None or gate.lower is None or gate.upper is None:
            continue  # such a record is not passed
        step = wording.difference_step(gate.lower, gate.upper)
        text = wording.bare_difference(gate.measured, gate.lower, gate.upper, step=step)
        texts.append(say("trust.calibration.option", option=gate.of, gap=text) if gate.of else text)
        raw += [gate.measured, gate.lower, gate.upper]
    parts = {"patients": context.fmt.patients(record.n_patients), "day": record.validated_utc[:10]}
    if not texts:
        return Point(name=name, text=say("trust.calibration.elsewhere", **parts))
    level = say("number.percent", value=context.fmt.statistic(100 * record.limits.level, 4))
    text = say(
        "trust.calibration.gaps", gaps="; ".join(texts), unit=wording.difference_unit, level=level, **parts
    )
    return Point(name=name, text=text, raw=tuple(raw))


def _priors(context: ReportContext) -> list[Point]:
    """Say what the estimates that are shown would be under weaker and stronger priors."""
    say, wording, rows = context.say, context.wording, []
    raw: list[float] = []
    for k in context.compared if context.others else context.shown:
        draws = context.difference(k) if context.others else context.values[k]
        part = prior_part(context.responses.fit, draws)
        if part is None:
            return [Point(name=say("trust.priors"), text=say("trust.priors.unknown"))]
        values = (part.weaker, part.fitted, part.stronger)
        raw += values
        if context.others:
            lower, upper = np.quantile(draws, [0.025, 0.975])
            step = wording.difference_step(float(lower), float(upper))
            texts = [wording.bare_signed(value, step) for value in values]
        else:
            texts = [wording.bare(value) for value in values]
        rows.append(
            say(
                "trust.priors.option",
                option=context.option_labels[k],
                weaker=texts[0],
                fitted=texts[1],
                stronger=texts[2],
            )
        )
    if not rows:
        return []
    unit = wording.difference_unit if context.others else wording.absolute_unit
    text = say("trust.priors.text", options="; ".join(rows), unit=unit)
    return [Point(name=say("trust.priors"), text=text, raw=tuple(raw))]


def _confounding(context: ReportContext) -> list[Point]:
    """Say how strong an unmeasured confounder would have to be (VanderWeele & Ding 2017); where nobody was randomised."""
    if context.responses.basis.assignment != "observational" or context.responses.kind.unit == "time":
        return []
    say, rows = context.say, []
    raw: list[float] = []
    for k in context.compared:
        lower, ratio, upper = _ratio(context, k)
        values = (e_value(ratio), e_value_of_interval(lower, upper))
        raw += values
        estimate, interval = (context.fmt.fixed(value, 1) for value in values)
        rows.append(
            say(
                "trust.confounding.option",
                option=context.option_labels[k],
                estimate=estimate,
                interval=interval,
            )
        )
    if not rows:
        return []
    text = say("trust.confounding.text", options="; ".join(rows))
    return [Point(name=say("trust.confounding"), text=text, raw=tuple(raw))]


def _ratio(context: ReportContext, k: int) -> tuple[float, float, float]:
    """Return the ratio to the reference that E-values are of, at the draws' 2.5, 50 and 97.5%."""
    responses, values, reference = context.responses, context.values, context.reference_idx
    if responses.kind.unit == "outcome":
        sd = float(responses.predictive()["sd"][reference])
        ratios = np.array([ratio_of_difference(d, sd) for d in values[k] - values[reference]])
    else:
        # Of the event, where the response is having none: it is the rarer, so that the ratio is not near 1 by itself.
        risks = 1 - values if responses.estimand.kind in ("survival", "cured") else values
        ratios = risks[k] / risks[reference]
    lower, middle, upper = np.quantile(ratios, [0.025, 0.5, 0.975])
    return float(lower), float(middle), float(upper)


def _sampler(context: ReportContext) -> Point:
    say, diagnostics = context.say, context.responses.fit.diagnostics
    failures = sampler_failures(context)
    if failures:
        text = say("trust.computation.failed", failures="; ".join(failures))
    else:
        divergences = say("count.divergences", n=diagnostics.divergences)
        rhat = context.fmt.fixed(diagnostics.rhat, 3)
        text = say("trust.computation.passed", rhat=rhat, divergences=divergences)
    return Point(name=say("trust.computation"), text=text)
