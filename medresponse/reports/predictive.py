"""The spread of one person's own outcome, kept apart from what is known of the mean."""

from __future__ import annotations

from medresponse.reports.base import ReportContext
from medresponse.reports.format import Formatter, rounded, step_for
from medresponse.reports.wording import Estimate

LEVEL = 0.90


def predictive_of(context: ReportContext) -> tuple[Estimate | None, ...]:
    """Return, a treatment each, the 90% interval of one person's own value; empty unless the outcome is an amount.

    None in the place of an option that is withheld.

    A time to event gets none: its predictive distribution reaches far beyond follow-up.
    """
    if context.responses.estimand.kind != "mean":
        return ()
    rows = context.responses.predictive(level=LEVEL).iter_rows(named=True)
    return tuple(
        _estimate(row["mean"], row["lower"], row["upper"], context.wording.unit, context.fmt)
        if k in context.shown
        else None
        for k, row in enumerate(rows)
    )


def _estimate(mean: float, lower: float, upper: float, unit: str, fmt: Formatter) -> Estimate:
    step = step_for(lower, upper)
    interval = fmt.with_unit(fmt.span(fmt.amount(lower, step), fmt.amount(upper, step)), unit)
    return Estimate(
        mean=mean,
        lower=lower,
        upper=upper,
        text=fmt.with_unit(fmt.amount(mean, step), unit, n=rounded(mean, step)),
        interval=interval,
    )
