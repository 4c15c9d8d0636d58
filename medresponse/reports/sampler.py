"""The sampler's diagnostics against their limits, in the words of the page's language."""

from __future__ import annotations

from dataclasses import dataclass

from medresponse.reports.base import ReportContext


@dataclass(frozen=True, kw_only=True)
class SamplerCheck:
    """One diagnostic, the worst over all parameters, and whether it is within its limit."""

    name: str
    value: str
    limit: str
    passed: bool


def sampler_checks(context: ReportContext) -> tuple[SamplerCheck, ...]:
    """Return every diagnostic that the fit has; one that is no number fails."""
    d, fmt, say = context.responses.fit.diagnostics, context.fmt, context.say
    limits = d.limits
    rhat = say("making.at_most", limit=fmt.plain_number(limits.max_rhat))
    draws = say("making.at_least", limit=fmt.plain_number(limits.min_ess))
    divergences = say("making.at_most", limit=fmt.count(limits.max_divergences))
    checks = [
        _check(say("making.rhat"), fmt.fixed(d.rhat, 3), rhat, d.rhat <= limits.max_rhat),
        _check(say("making.ess_bulk"), fmt.statistic(d.ess_bulk), draws, d.ess_bulk >= limits.min_ess),
        _check(say("making.ess_tail"), fmt.statistic(d.ess_tail), draws, d.ess_tail >= limits.min_ess),
        _check(say("making.divergences"), fmt.count(d.divergences), divergences, d.divergences <= limits.max_divergences),
    ]  # fmt: skip
    if d.bfmi is not None:
        energy = say("making.at_least", limit=fmt.plain_number(limits.min_bfmi))
        checks.append(_check(say("making.bfmi"), fmt.statistic(d.bfmi, 2), energy, d.bfmi >= limits.min_bfmi))
    asked = fmt.count(d.chains_asked)
    return (*checks, _check(say("making.chains"), fmt.count(d.chains), asked, d.chains == d.chains_asked))


def sampler_failures(context: ReportContext) -> tuple[str, ...]:
    """Return what fails its limit, in words; empty if the fit passes."""
    return tuple(
        context.say("making.failure", name=c.name, value=c.value, limit=c.limit)
        for c in sampler_checks(context)
        if not c.passed
    )


def _check(name: str, value: str, limit: str, passed: bool) -> SamplerCheck:
    return SamplerCheck(name=name, value=value, limit=limit, passed=passed)
