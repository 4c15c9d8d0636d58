"""What stands in the place of an estimate that is withheld: the mark, the reason in words, what would lift it, the group."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medresponse.core.small_cells import FLOOR, is_small
from medresponse.decisions import Reason, Verdict
from medresponse.reports.base import ReportContext
from medresponse.reports.wording import wording_of


@dataclass(frozen=True, kw_only=True)
class WithheldOption:
    """An option without an estimate, in its place among the others: a mark (shape and text) and the reason."""

    label: str
    mark: str
    reason: str


def withheld_option(context: ReportContext, k: int) -> WithheldOption:
    """Return what stands in the place of option `k`."""
    return WithheldOption(
        label=context.option_labels[k], mark=context.say("withheld.mark"), reason=short_reason(context, k)
    )


def short_reason(context: ReportContext, k: int) -> str:
    """Return the first reason to withhold option `k`, as a clause."""
    return context.say(_SHORT[context.verdict.reasons(k)[0].code])


def reason_in_full(context: ReportContext, reason: Reason) -> str:
    """Return a reason as a sentence: which input, what was measured, and the limit."""
    say, fmt = context.say, context.fmt
    inputs = fmt.joined([context.feature_label(name) for name in reason.inputs])
    key = _FULL[reason.code]
    if reason.code == "diagnostics_failed":
        return say(key)
    if reason.code in ("required_missing", "level_unseen"):
        return say(key, inputs=inputs)
    if reason.code == "mostly_missing":
        found = context.applicability
        return say(
            key, missing=len(found.missing), total=found.n_inputs, limit=fmt.percent(_known(reason.threshold))
        )
    if reason.code in ("input_outside", "jointly_outside"):
        value, limit = fmt.fixed(_known(reason.value), 1), fmt.statistic(_known(reason.threshold))
        return say(key, value=value, limit=limit, **({"input": inputs} if inputs else {}))
    if reason.code == "contraindicated":
        value = context.feature_value(reason.inputs[0])
        return say(key, words=reason.words, input=inputs, value=value, source=reason.source)
    if reason.code == "contraindication_unchecked":
        return say(key, words=reason.words, input=inputs, source=reason.source)
    if reason.code == "few_similar":
        return say(key, value=effective(context, reason.value), limit=fmt.statistic(_known(reason.threshold)))
    if reason.code == "few_alike":
        return say(key, limit=fmt.percent(_known(reason.threshold)))
    if reason.code == "rarely_given":
        return say(key, value=fmt.percent(_known(reason.value)), limit=fmt.percent(_known(reason.threshold)))
    if reason.code == "too_wide":
        return say(key, worthwhile=worthwhile_words(context))
    return say(key)


def worthwhile_words(context: ReportContext) -> str:
    """Return the benefit, and the harm of the same size, that an interval may not hold both of."""
    wording = context.wording
    size = context.rules.widest * _known(context.worthwhile)
    value = context.fmt.plain_number(wording.factor * size)
    if wording.scale == "amount":
        return context.fmt.quantity(size, wording.unit)
    return context.say("number.quantity", value=value, unit=wording.difference_unit)


def lift_in_full(context: ReportContext, reason: Reason) -> str:
    """Return what would lift a reason."""
    return context.say(_LIFT[reason.lift])


def effective(context: ReportContext, number: float | None) -> str:
    """Return an effective number of patients, suppressed like a count: 1 to 10 are shown as fewer than 11."""
    if number is None:
        return context.fmt.suppressed
    # Downwards, so that a number just short of a limit is not printed as the limit; some weight is never nobody.
    whole = max(int(number), 1) if number > 0 else 0
    return context.fmt.suppressed if is_small(whole) else context.fmt.count(whole)


def published(verdict: Verdict) -> Verdict:
    """Return a verdict that may leave the house: effective numbers of 1 to 10 patients, and shares of patients, are taken out."""

    def hidden(reason: Reason) -> Reason:
        small = reason.code == "few_similar" and reason.value is not None and 0 < reason.value < FLOOR
        return replace(reason, value=None) if small or reason.code == "few_alike" else reason

    return replace(
        verdict,
        shared=tuple(map(hidden, verdict.shared)),
        own=tuple(tuple(map(hidden, reasons)) for reasons in verdict.own),
    )


def group_result(context: ReportContext, k: int) -> str:
    """Return what happened on average under option `k` in the training patients, or why it is not shown."""
    say, training = context.say, context.training
    if not context.responses.fit.diagnostics.passed:
        return say("withheld.group.failed")
    if training is None:
        return say("withheld.group.no_training")
    counts = training.counts
    if counts[k] < FLOOR:
        return say("withheld.group.nobody") if counts[k] == 0 else say("withheld.group.few", n=FLOOR)
    values = training.average(context.responses)
    wording = wording_of(context.responses, values, context.language)
    own = wording.absolute(values[k])
    parts = {"average": own.text, "interval": own.interval}
    reference = context.reference_idx
    if k == reference or counts[reference] < FLOOR:
        return say("withheld.group", **parts)
    gain = wording.difference(values[k] - values[reference])
    label = context.option_labels[reference]
    return say(
        "withheld.group.compared", reference=label, difference=gain.text, interval_of_difference=gain.interval, **parts
    )  # fmt: skip


def _known(value: float | None) -> float:
    assert value is not None
    return value


_SHORT = {
    "diagnostics_failed": "reason.diagnostics_failed", "required_missing": "reason.required_missing",
    "mostly_missing": "reason.mostly_missing", "input_outside": "reason.input_outside", "level_unseen": "reason.level_unseen",
    "jointly_outside": "reason.jointly_outside", "contraindicated": "reason.contraindicated",
    "contraindication_unchecked": "reason.contraindication_unchecked", "nobody_studied": "reason.nobody_studied",
    "few_similar": "reason.few_similar", "few_alike": "reason.few_alike", "rarely_given": "reason.rarely_given", "overlap_unknown": "reason.overlap_unknown",
    "too_wide": "reason.too_wide",
}  # fmt: skip
_FULL = {
    "diagnostics_failed": "reason.diagnostics_failed.full", "required_missing": "reason.required_missing.full",
    "mostly_missing": "reason.mostly_missing.full", "input_outside": "reason.input_outside.full",
    "level_unseen": "reason.level_unseen.full", "jointly_outside": "reason.jointly_outside.full",
    "contraindicated": "reason.contraindicated.full", "contraindication_unchecked": "reason.contraindication_unchecked.full",
    "nobody_studied": "reason.nobody_studied.full", "few_similar": "reason.few_similar.full", "few_alike": "reason.few_alike.full",
    "rarely_given": "reason.rarely_given.full", "overlap_unknown": "reason.overlap_unknown.full",
    "too_wide": "reason.too_wide.full",
}  # fmt: skip
_LIFT = {
    "computation": "lift.computation", "inputs": "lift.inputs", "studied_patients": "lift.studied_patients",
    "studied_on_option": "lift.studied_on_option", "overlap": "lift.overlap", "clinical": "lift.clinical",
    "larger_study": "lift.larger_study",
}  # fmt: skip
