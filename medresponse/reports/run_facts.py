"""What a run tells of itself, by the names that checklists use; what it does not know is left out."""

from __future__ import annotations

from importlib import metadata

from medresponse.reports.base import ReportContext
from medresponse.reports.sections.flow import Flow
from medresponse.reports.sections.question import Question
from medresponse.reports.sections.validation import GATE_NAMES

_DESIGN = {"randomised": "design.randomised", "observational": "design.observational"}


def run_facts(context: ReportContext) -> dict[str, str]:
    """Return name -> sentence for everything that fit, cohort, validation record and declarations tell."""
    found = _data(context) | _model(context) | _evaluation(context) | _declared(context)
    return {name: text for name, text in found.items() if text}


def _data(context: ReportContext) -> dict[str, str]:
    fit, say, fmt = context.responses.fit, context.say, context.fmt
    provenance = fit.provenance
    inputs = [context.feature_label(name) for name in context.responses.basis.adjusted_for]
    reasons = fmt.joined([reason for reason, _ in provenance.flow])
    groups = [context.feature_label(g) if g in fit.schema.feature_columns else g for g in fit.schema.groups]
    return {
        "source": say(
            "run.source", name=provenance.cohort_name, source=provenance.cohort_source,
            design=say(_DESIGN.get(context.responses.basis.assignment, "design.single")),
        ),
        "eligibility": say("run.eligibility", reasons=reasons) if reasons else say("run.eligibility.none"),
        "treatments": say("question.options", options=fmt.joined(context.option_labels)) if context.others else say("run.treatments.none"),
        "preparation": say("run.preparation"),
        "outcome": context.wording.what,
        "predictors": fmt.joined(inputs),
        "size": fmt.patients(provenance.n_patients),
        "missing": say("run.missing", imputations=provenance.imputations) if provenance.imputations > 1 else say("making.missing.none"),
        "groups": say("run.groups", groups=fmt.joined(groups)) if groups else "",
        "flow": "; ".join(f"{row.step}: {row.n}" for row in Flow.build(context).rows),
        "characteristics": say("run.characteristics") if context.reference is not None else "",
    }  # fmt: skip


def _model(context: ReportContext) -> dict[str, str]:
    fit, say, fmt = context.responses.fit, context.say, context.fmt
    family, provenance = context.family_label, fit.provenance
    priors = {block: context.kind_label("prior", type(prior)) for block, prior in fit.spec.blocks.items()}
    blocks = [f"{say(f'block.{block}')} ({prior})" for block, prior in priors.items()]
    what, pooled = context.wording.what, fit.spec.pooling
    return {
        "title": say("run.title", family=family, what=what, population=provenance.cohort_name),
        "objective": say("run.objective", question=Question.build(context).question),
        "model": say("run.model", family=family, blocks=fmt.joined(blocks) or fmt.not_known),
        "clusters": say("run.clusters", columns=fmt.joined(pooled)) if pooled else say("run.clusters.none"),
        "calculation": say("run.calculation", draws=say("count.draws", n=fit.n_draws)),
        "imbalance": say("run.imbalance"),
        "output": say("run.output", what=what),
        "code": say("run.code", version=metadata.version("medresponse")),
        "specification": say("run.specification", hash=provenance.spec_hash[:12]),
    }  # fmt: skip


def _evaluation(context: ReportContext) -> dict[str, str]:
    record, say, fit, fmt = context.validation, context.say, context.responses.fit, context.fmt
    if record is None:
        return {}
    measures = list(dict.fromkeys(say(GATE_NAMES[gate.name]) for gate in record.gates))
    learned, evaluated = (context.fmt.patients(n) for n in (fit.provenance.n_patients, record.n_patients))
    passed = sum(gate.passed for gate in record.gates)
    groups = [gate for group in record.subgroups for gate in group.gates]
    same = record.validated_in == fit.provenance.cohort_fingerprint
    return {
        "split": record.method,
        "measures": "; ".join(measures),
        "evaluation": say("run.evaluation.same" if same else "run.evaluation.other", population=record.population),
        "counts": say("run.counts", learned=learned, evaluated=evaluated),
        "performance": say("run.performance", passed=passed, gates=len(record.gates)),
        "subgroups": say("run.subgroups", passed=sum(gate.passed for gate in groups), gates=len(groups)) if groups else "",
        "sites": say("run.sites", sites=fmt.joined(_measured_sites(context))) if _measured_sites(context) else "",
    }  # fmt: skip


def _measured_sites(context: ReportContext) -> list[str]:
    sites, record = context.responses.fit.schema.sites, context.validation
    measured = {group.column for group in record.subgroups if group.gates} if record else set()
    return [site for site in sites if site in measured]


def _declared(context: ReportContext) -> dict[str, str]:
    facts = context.facts
    return {
        "intended_use": " ".join(part for part in (facts.intended_use, facts.intended_users) if part)
        if facts.intended_use and facts.intended_users
        else "",
        "limits": "; ".join(facts.limits),
    }
