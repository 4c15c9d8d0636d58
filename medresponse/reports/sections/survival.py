"""Event-free probability over time under each option, with bands."""

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
from medresponse.response import survival_curves

_STEPS = 24
_DRAWS = 1000  # enough for bands that are looked at; the ends of the curves, which are read, are of all draws


@register(Section, "survival")
@dataclass(frozen=True, kw_only=True)
class Survival:
    """Curves from day 0 to the horizon, on an axis from 0 to 100 patients."""

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
        """Return the curves; None unless the responses are of being free of an event over time."""
        responses = context.responses
        if (
            context.verdict.whole
            or responses.estimand.kind not in ("survival", "rmst")
            or responses.horizon is None
        ):
            return None
        schema: Any = responses.outcome_schema  # of an outcome that says what being free of it is called
        times = np.linspace(0.0, responses.horizon, _STEPS + 1)
        own = convert_time(1.0, given=responses.horizon_unit, wanted=schema.time_unit)
        draws = survival_curves(
            replace(responses, fit=responses.fit.thinned(_DRAWS)), times=[float(t) for t in own * times[1:]]
        ).values[0]
        options = option_curves(
            context,
            times,
            draws,
            start=1.0,
            end=context.values if responses.estimand.kind == "survival" else None,
        )
        say, by = context.say, context.wording.by
        scale = Wording(fmt=context.fmt, scale="per_100", what=schema.free_label, unit="", by="", direction=1)
        return cls(
            title=say("survival.title", free=schema.free_label), options=options, axis=axis_of(0.0, 1.0, scale),
            time_axis=time_axis(responses.horizon, context.fmt), time_name=say("curves.time", unit=context.fmt.unit_words(responses.horizon_unit)),
            note=say("survival.note"),
            alt=say("survival.alt", by=capital(by), ends=ends_in_words(context, options)),
        )  # fmt: skip
