"""The rules by which an estimate is withheld: each limit, and what was measured of this patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.core.small_cells import FLOOR
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.withheld import effective, worthwhile_words


@dataclass(frozen=True, kw_only=True)
class RuleRow:
    """One rule: what is looked at, its limit, what was found, and a mark with a result."""

    rule: str
    limit: str
    found: str
    result: str


@register(Section, "rules")
@dataclass(frozen=True, kw_only=True)
class Rules:
    """Every rule in force, whether or not it withholds anything."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    caption: str
    rows: tuple[RuleRow, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the rules."""
        rows = [_computation(context), _farthest(context), _jointly(context), _missing(context)]
        rows += _required(context) + _similar(context) + _chance(context) + _width(context)
        rows += _contraindications(context)
        caption = context.say("rules.caption", name=context.rules.name)
        return cls(title=context.say("rules.title"), caption=caption, rows=tuple(rows))


def _row(
    context: ReportContext, key: str, limit: str, found: str, *codes: str, looked_at: bool = True
) -> RuleRow:
    """Return a row whose result follows from the verdict: the reasons named are among it or not.

    A rule that was `looked_at` for no option is not said to be met.
    """
    reasons = {r.code for k in range(len(context.option_labels)) for r in context.verdict.reasons(k)}
    passed = "rules.passed" if looked_at else "rules.not_looked_at"
    result = context.say("rules.withheld" if reasons & set(codes) else passed)
    return RuleRow(rule=context.say(key), limit=limit, found=found, result=result)


def _computation(context: ReportContext) -> RuleRow:
    passed = context.responses.fit.diagnostics.passed
    found = context.say("rules.computation.passed" if passed else "rules.computation.failed")
    return _row(
        context,
        "rules.computation",
        context.say("rules.computation.passed"),
        found,
        "diagnostics_failed",
    )


def _farthest(context: ReportContext) -> RuleRow:
    beyond, fmt = context.applicability.beyond, context.fmt
    limit = context.say("rules.at_most", limit=fmt.statistic(context.rules.most_beyond))
    known = len(context.applicability.missing) < context.applicability.n_inputs
    found = fmt.fixed(max(beyond.values(), default=0.0), 1) if known else "\N{EN DASH}"
    if unseen := context.applicability.unseen_levels:
        inputs = fmt.joined([context.feature_label(name) for name in unseen])
        found = context.say("rules.beyond.unseen", found=found, inputs=inputs)
    return _row(context, "rules.beyond", limit, found, "input_outside", "level_unseen", looked_at=known)


def _jointly(context: ReportContext) -> RuleRow:
    limit = context.say("rules.at_most", limit=context.fmt.statistic(context.rules.most_distance))
    found = context.fmt.fixed(context.applicability.distance_ratio, 2)
    return _row(context, "rules.distance", limit, found, "jointly_outside")


def _missing(context: ReportContext) -> RuleRow:
    found = context.applicability
    limit = context.say("rules.at_most", limit=context.fmt.percent(context.rules.most_missing))
    share = context.say("rules.missing.found", missing=len(found.missing), total=found.n_inputs)
    return _row(context, "rules.missing", limit, share, "mostly_missing")


def _required(context: ReportContext) -> list[RuleRow]:
    if not context.rules.required:
        return []
    names = context.fmt.joined([context.feature_label(name) for name in context.rules.required])
    absent = [name for name in context.rules.required if context.cohort.table[name][0] is None]
    found = context.fmt.joined([context.feature_label(name) for name in absent])
    found = (
        context.say("rules.required.missing", inputs=found) if absent else context.say("rules.required.all")
    )
    return [_row(context, "rules.required", names, found, "required_missing")]


def _similar(context: ReportContext) -> list[RuleRow]:
    limit = context.say("rules.at_least", limit=context.fmt.statistic(context.rules.fewest_similar))
    similar = context.applicability.similar
    found = context.say("rules.not_counted")
    if similar is not None:
        found = _each(context, [effective(context, n) for n in similar])
    limit_of_share = context.say("rules.at_least", limit=context.fmt.percent(context.rules.least_alike))
    counted = similar is not None
    # The share is asked of options that have enough similar patients.
    enough = similar is not None and any(n >= context.rules.fewest_similar for n in similar)
    return [
        _row(context, "rules.similar", limit, found, "few_similar", "nobody_studied", looked_at=counted),
        _row(context, "rules.alike", limit_of_share, _shares(context), "few_alike", looked_at=enough),
    ]


def _shares(context: ReportContext) -> str:
    """Return which share of those on each option are alike; nothing where the share would tell a small number."""
    similar, training = context.applicability.similar, context.training
    if similar is None or training is None:
        return context.say("rules.not_counted")
    pairs = zip(similar, training.counts.tolist(), strict=True)
    return _each(
        context,
        [
            context.fmt.percent(number / n) if number >= FLOOR and n else context.fmt.withheld
            for number, n in pairs
        ],
    )


def _chance(context: ReportContext) -> list[RuleRow]:
    if context.responses.basis.assignment != "observational":
        return []
    limit = context.say("rules.at_least", limit=context.fmt.percent(context.rules.least_propensity))
    chances, found = context.applicability.propensity, context.say("rules.not_counted")
    if chances is not None:
        found = _each(context, [context.fmt.percent(chance) for chance in chances])
    return [_row(context, "rules.propensity", limit, found, "rarely_given", "overlap_unknown")]


def _width(context: ReportContext) -> list[RuleRow]:
    if context.worthwhile is None:
        return []
    wide = {k for k, reasons in enumerate(context.verdict.own) if any(r.code == "too_wide" for r in reasons)}
    found = "; ".join(f"{context.option_labels[k]}: {_wide(context, k, k in wide)}" for k in context.others)
    limit = context.say("rules.width.limit", worthwhile=worthwhile_words(context))
    looked_at = any(k in context.shown for k in context.others)
    return [_row(context, "rules.width", limit, found, "too_wide", looked_at=looked_at)]


def _wide(context: ReportContext, k: int, both: bool) -> str:
    if both:
        return context.say("rules.width.both")
    # Of an estimate that is withheld for another reason nothing is said.
    return context.say("rules.width.one") if k in context.shown else "\N{EN DASH}"


def _contraindications(context: ReportContext) -> list[RuleRow]:
    """Return one row for each declared rule, as it is declared."""
    rows, treatments = [], context.responses.treatments
    for rule in context.rules.contraindications:
        options = context.fmt.joined([context.option_labels[treatments.index(t)] for t in rule.treatments])
        k = treatments.index(rule.treatments[0])
        holds = [
            r
            for r in context.verdict.own[k]
            if r.inputs == (rule.feature,) and (r.words, r.source) == (rule.reason, rule.source)
        ]
        values = ", ".join(v if isinstance(v, str) else context.fmt.plain_number(v) for v in rule.values)
        limit = context.say(
            _COMPARISON[rule.comparison], input=context.feature_label(rule.feature), values=values
        )
        rows.append(
            RuleRow(
                rule=context.say(
                    "rules.contraindication", options=options, words=rule.reason, source=rule.source
                ),
                limit=limit, found=context.feature_value(rule.feature),
                result=context.say("rules.withheld" if holds else "rules.passed"),
            )
        )  # fmt: skip
    return rows


def _each(context: ReportContext, texts: list[str]) -> str:
    return "; ".join(f"{label}: {text}" for label, text in zip(context.option_labels, texts, strict=True))


_COMPARISON = {
    "below": "rules.below", "at_most": "rules.values_at_most", "at_least": "rules.values_at_least", "above": "rules.above",
    "one_of": "rules.one_of", "none_of": "rules.none_of",
}  # fmt: skip
