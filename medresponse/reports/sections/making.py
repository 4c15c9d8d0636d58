"""How the estimates were made: provenance, sampler diagnostics and versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.sampler import sampler_checks, sampler_failures


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name and its value."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class DiagnosticRow:
    """One sampler diagnostic against its limit."""

    name: str
    value: str
    limit: str
    result: str


@register(Section, "making")
@dataclass(frozen=True, kw_only=True)
class Making:
    """Everything needed to make the estimates again."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    facts: tuple[Fact, ...]
    diagnostics: tuple[DiagnosticRow, ...]
    failures: tuple[str, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return facts and diagnostics."""
        return cls(
            title=context.say("making.title"), facts=_facts(context), diagnostics=_diagnostics(context),
            failures=sampler_failures(context),
        )  # fmt: skip


def _facts(context: ReportContext) -> tuple[Fact, ...]:
    fit, say = context.responses.fit, context.say
    p = fit.provenance
    adjusted = [context.feature_label(name) for name in context.responses.basis.adjusted_for]
    draws, chains = say("count.draws", n=fit.n_draws), say("count.chains", n=fit.posterior.sizes["chain"])
    entries = {
        say("making.data"): say("making.data.value", name=p.cohort_name, source=p.cohort_source),
        say("making.fingerprint"): p.cohort_fingerprint,
        say("making.model"): say("making.model.value", family=context.family_label, hash=p.spec_hash),
        say("making.sampler"): say(
            "making.sampler.value", sampler=p.sampler, seed=str(p.seed), draws=draws, chains=chains
        ),
        say("making.missing"): say("making.missing.pooled", imputations=p.imputations)
        if p.imputations > 1
        else say("making.missing.none"),
        say("making.adjusted"): context.fmt.joined(adjusted) or say("making.adjusted.none"),
        say("making.fitted"): p.created_utc,
        say("making.versions"): ", ".join(f"{package} {version}" for package, version in p.versions.items()),
    }
    return tuple(Fact(name=name, value=value) for name, value in entries.items())


def _diagnostics(context: ReportContext) -> tuple[DiagnosticRow, ...]:
    passed, failed = context.say("making.passed"), context.say("making.failed")
    return tuple(
        DiagnosticRow(name=c.name, value=c.value, limit=c.limit, result=passed if c.passed else failed)
        for c in sampler_checks(context)
    )
