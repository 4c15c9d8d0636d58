"""How the estimates were made: provenance, sampler diagnostics and versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports import format as fmt
from medresponse.reports.base import Placement, ReportContext, Section


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
            title="How it was made", facts=_facts(context), diagnostics=_diagnostics(context),
            failures=context.responses.fit.diagnostics.failures,
        )  # fmt: skip


def _facts(context: ReportContext) -> tuple[Fact, ...]:
    fit = context.responses.fit
    p = fit.provenance
    entries = {
        "Data": f"{p.cohort_name}; {p.cohort_source}",
        "Data fingerprint (SHA-256)": p.cohort_fingerprint,
        "Model": f"{type(fit.spec.family).__name__}; specification and engine (SHA-256) {p.spec_hash}",
        "Sampler": f"{p.sampler}, seed {p.seed}, {fmt.count(fit.n_draws)} draws in {fit.posterior.sizes['chain']} chains",
        "Missing inputs": f"{p.imputations} imputations pooled"
        if p.imputations > 1
        else "none in the training data",
        "Inputs adjusted for": fmt.joined(
            [context.feature_label(name) for name in context.responses.basis.adjusted_for]
        )
        or "none",
        "Fitted": p.created_utc,
        "Versions": ", ".join(f"{package} {version}" for package, version in p.versions.items()),
    }
    return tuple(Fact(name=name, value=value) for name, value in entries.items())


def _diagnostics(context: ReportContext) -> tuple[DiagnosticRow, ...]:
    d = context.responses.fit.diagnostics
    limits = d.limits
    energy = []
    if d.bfmi is not None:
        energy = [
            (
                "E-BFMI, smallest",
                fmt.statistic(d.bfmi, 2),
                f"at least {limits.min_bfmi}",
                d.bfmi >= limits.min_bfmi,
            )
        ]
    # Written so that NaN fails.
    entries = [
        ("R-hat, largest", f"{d.rhat:.3f}", f"at most {limits.max_rhat}", d.rhat <= limits.max_rhat),
        ("Effective draws in the bulk, smallest", fmt.statistic(d.ess_bulk), f"at least {limits.min_ess:g}", d.ess_bulk >= limits.min_ess),
        ("Effective draws in the tails, smallest", fmt.statistic(d.ess_tail), f"at least {limits.min_ess:g}", d.ess_tail >= limits.min_ess),
        ("Divergences", str(d.divergences), f"at most {limits.max_divergences}", d.divergences <= limits.max_divergences),
        *energy,
        ("Chains finished", str(d.chains), f"{d.chains_asked}", d.chains == d.chains_asked),
    ]  # fmt: skip
    return tuple(
        DiagnosticRow(name=n, value=v, limit=lim, result="\u2713 passed" if ok else "\u25b2 FAILED")
        for n, v, lim, ok in entries
    )
