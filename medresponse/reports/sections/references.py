"""Where the methods of a page are published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section

# Methods that only pages on one kind of estimand use.
_OF_KIND = {
    "survival": ("references.mean_time", "Royston & Parmar 2013, BMC Med Res Methodol 13:152"),
    "rmst": ("references.mean_time", "Royston & Parmar 2013, BMC Med Res Methodol 13:152"),
    "cumulative_incidence": ("references.first_event", "Putter, Fiocco & Geskus 2007, Stat Med 26:2389"),
    "time_lost": ("references.time_lost", "Andersen 2013, Stat Med 32:5278"),
}
_OF_GATE = {
    "calibration_curve": ("references.calibration", "Austin & Steyerberg 2019, Stat Med 38:4051"),
    "benefit_in_the_large": ("references.benefit", "Xu & Yadlowsky 2022, AISTATS (PMLR 151)"),
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What on the page it is for, and the work."""

    what: str
    work: str


@register(Section, "references")
@dataclass(frozen=True, kw_only=True)
class References:
    """Only methods that this page uses."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    works: tuple[Reference, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the works."""
        works = tuple(Reference(what=context.say(key), work=work) for key, work in _works(context))
        return cls(title=context.say("references.title"), works=works)


def _works(context: ReportContext) -> Iterator[tuple[str, str]]:
    """Yield the key of what a work is for, and the work."""
    responses, record = context.responses, context.validation
    estimated = not context.verdict.whole
    if context.others and estimated:
        yield "references.assumptions", "Hernán & Robins 2020, Causal Inference: What If"
        yield "references.heterogeneity", "Kent et al. 2020 (PATH), Ann Intern Med 172:35"
    if estimated:
        yield "references.moved", "Shapley 1953, Contributions to the Theory of Games II:307"
        if responses.estimand.kind in _OF_KIND:
            yield _OF_KIND[responses.estimand.kind]
        if "log_weight_weaker_priors" in responses.fit.sample_stats:
            yield "references.priors", "Kallioinen et al. 2024, Stat Comput 34:57"
    if responses.basis.assignment == "observational" and context.compared and responses.kind.unit != "time":
        yield "references.confounding", "VanderWeele & Ding 2017, Ann Intern Med 167:268"
    if responses.fit.provenance.imputations > 1:
        yield "references.missing", "Carpenter & Kenward 2013, Multiple Imputation and its Application"
    if record is not None:
        measured = {gate.name for gate in record.gates}
        yield from (entry for name, entry in _OF_GATE.items() if name in measured)
    yield "references.sampler", "Vehtari et al. 2021, Bayesian Anal 16:667"
