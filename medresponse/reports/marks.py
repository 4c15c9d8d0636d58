"""What a page was made from and on whose authority, and the stamps that follow from it.

Stamps are never chosen: they are derived from this provenance when a report is made, when its JSON is read and when it
is rendered, so that no argument, configuration or edited JSON takes one away.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

from medresponse.core.codec import to_plain
from medresponse.core.errors import UnvalidatedError
from medresponse.decisions import AbstentionRules
from medresponse.reports.language import Language
from medresponse.response import Responses
from medresponse.validation import Question, ValidationRecord


@dataclass(frozen=True, kw_only=True)
class ReportProvenance:
    """What a report was made from.

    Parameters
    ----------
    synthetic : bool
        Whether the patients that the model learned from, or this one, are made up.
    converged : bool
        Whether the fit passed its diagnostics.
    data_hash, model_hash : str
        Fingerprint of the training cohort; SHA-256 of spec, engine, data and versions.
    config_hash : str
        SHA-256 of the question and of the validation's limits; empty without a record.
    validation : str
        Checksum of the validation record; empty without one.
    expires : str
        ISO date until which the validation holds; empty without one.
    expired : bool
        Whether it had expired when the report was made.
    override : str
        Why the report was made without a validation that holds; empty where one does.
    produced_utc : str
        ISO 8601.
    inputs_hash : str
        SHA-256 of everything that the report was made from, by which a batch knows it again; empty for one made alone.
    rules_hash : str
        SHA-256 of the rules by which estimates are withheld; empty where nothing is about one patient.
    """

    synthetic: bool
    converged: bool
    data_hash: str
    model_hash: str
    config_hash: str
    validation: str
    expires: str
    expired: bool
    override: str
    produced_utc: str
    inputs_hash: str
    rules_hash: str

    def stamps(self, language: Language) -> tuple[str, ...]:
        """Return the warnings that every page carries, the gravest first."""
        found = {
            "stamp.not_converged": not self.converged, "stamp.not_validated": bool(self.override),
            "stamp.expired": self.expired, "stamp.synthetic": self.synthetic,
        }  # fmt: skip
        return tuple(language.say(stamp) for stamp, so in found.items() if so)


def provenance_of(
    responses: Responses, *, synthetic: bool, worthwhile: float | None, validation: ValidationRecord | None,
    override: str | None, produced_utc: str, inputs_hash: str, rules: AbstentionRules | None,
) -> ReportProvenance:  # fmt: skip
    """Return the provenance of a report, once it may be made.

    Parameters
    ----------
    responses : Responses
    synthetic : bool
        Whether the patient is made up.
    worthwhile : float or None
    validation : ValidationRecord or None
    override : str or None
        Why the report is made although no validation holds.
    produced_utc : str
    inputs_hash : str
    rules : AbstentionRules or None
        None where nothing is about one patient.

    Raises
    ------
    UnvalidatedError
        If there is no passed record of this model, data and question that has not expired, and no reason to do without.
    """
    fit = responses.fit
    # A time of production can be given, and the clock cannot: whichever is later decides.
    day = max(date.fromisoformat(produced_utc[:10]), datetime.now(UTC).date())
    problems = _problems(responses, worthwhile, validation, day)
    if problems and not (override or "").strip():
        raise UnvalidatedError(
            f"no report without a validation that holds: {'; '.join(problems)}. Make one with medresponse.validate (medresponse "
            "validate) and give it as validation= (--validation FILE); to look at the pages anyway, "
            "override='why' (--override 'why') stamps each of them NOT VALIDATED and goes to the audit log"
        )
    record = validation
    return ReportProvenance(
        synthetic=synthetic or fit.provenance.synthetic or fit.schema.synthetic, converged=fit.diagnostics.passed,
        data_hash=fit.provenance.cohort_fingerprint, model_hash=fit.provenance.spec_hash,
        config_hash=record.config_hash if record else "", validation=record.checksum if record else "",
        expires=record.expires if record else "", expired=record is not None and record.expired(day),
        override=(override or "").strip() if problems else "", produced_utc=produced_utc,
        inputs_hash=inputs_hash,
        rules_hash="" if rules is None else _hash(rules),
    )  # fmt: skip


def _hash(rules: AbstentionRules) -> str:
    return hashlib.sha256(json.dumps(to_plain(rules), sort_keys=True).encode()).hexdigest()


def _problems(
    responses: Responses, worthwhile: float | None, record: ValidationRecord | None, day: date
) -> list[str]:
    if record is None:
        return ["none was given"]
    found, fit = [], responses.fit
    if record.model_hash != fit.provenance.spec_hash:
        found.append("the one given is of another model")
    if record.data_hash != fit.provenance.cohort_fingerprint:
        found.append("the one given is of a model of other data")
    if record.question != Question.of(responses, worthwhile):
        found.append(
            "the one given is of another question (outcome, estimand, horizon or smallest worthwhile benefit)"
        )
    if not record.gates:
        found.append("the one given measured nothing")
    if record.failures:
        found.append(
            f"the one given failed {len(record.failures)} of {len(record.every_gate)} gates ({'; '.join(record.failures[:3])})"
        )
    if record.expired(day):
        found.append(f"the one given expired on {record.expires}")
    return found
