"""Probability over time of the asked cause as first event under each option, with bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from medresponse.core.registry import register
from medresponse.core.units import convert_time
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import capital
from medresponse.reports.plotdata import Axis, OptionCurve, axis_of, ends_in_words, option_curves, time_axis
from medresponse.reports.withheld import WithheldOption
from medresponse.reports.wording import Wording
from medresponse.response import incidence_curves

_STEPS = 24
_DRAWS = 1000  # enough for bands that are looked at; the ends of the curves, which are read, are of all draws


@register(Section, "incidence")
@dataclass(frozen=True, kw_only=True)
class Incidence:
    """Cumulative incidence of one of several competing causes, from day 0 to the horizon, of 100 patients."""

    title: str
    options: tuple[OptionCurve | WithheldOption, ...]
    time_axis: Axis
    axis: Axis
    time_name: str
    note: str
    alt: str

    @property
    def placement(self) -> Placement:
        """Beside the differences while there is room for both."""
        return "half" if len(self.options) <= 2 else "appendix"

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the curves; None unless the responses are of one of several competing causes up to a horizon."""
        responses = context.responses
        if (
            context.verdict.whole
            or responses.estimand.kind not in ("cumulative_incidence", "time_lost")
            or responses.horizon is None
        ):
            return None
        schema: Any = responses.outcome_schema  # of an outcome that says what its causes are called
        times = np.linspace(0.0, responses.horizon, _STEPS + 1)
        own = convert_time(1.0, given=responses.horizon_unit, wanted=schema.time_unit)
        curves = incidence_curves(
            replace(responses, fit=responses.fit.thinned(_DRAWS)), times=[float(t) for t in own * times[1:]]
        )
        draws = curves.sel(cause=responses.part).values[0]
        options = option_curves(
            context,
            times,
            draws,
            start=0.0,
            end=context.values if responses.estimand.kind == "cumulative_incidence" else None,
        )
        say, by, cause = context.say, context.wording.by, schema.part_label(responses.part)
        scale = Wording(fmt=context.fmt, scale="per_100", what=cause, unit="", by="", direction=-1)
        return cls(
            title=say("incidence.title", event=cause), options=options, axis=axis_of(0.0, 1.0, scale),
            time_axis=time_axis(responses.horizon, context.fmt), time_name=say("curves.time", unit=context.fmt.unit_words(responses.horizon_unit)),
            note=say("incidence.note"), alt=say("incidence.alt", by=capital(by), ends=ends_in_words(context, options)),
        )  # fmt: skip
