"""The validation record: what was validated, against which limits, with which result, until when."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from medresponse.core.atomic import require_absent, write_text
from medresponse.core.audit import append
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import IntegrityError, SpecError
from medresponse.core.small_cells import one_count
from medresponse.validation.calibration_groups import GroupedCalibration, calibration_groups
from medresponse.validation.gates import GATES, REASONS, Gate, GateLimits
from medresponse.validation.held_out import HeldOut
from medresponse.validation.measuring import measure
from medresponse.validation.question import Question
from medresponse.validation.subgroups import Subgroup, in_words, measure_subgroups

SCHEMA_VERSION = 3


@dataclass(frozen=True, kw_only=True)
class ValidationRecord:
    """One validation of one model for one question.

    Parameters
    ----------
    schema_version : int
    model_hash : str
        SHA-256 of spec, schema, engine, seed, data and versions (`Provenance.spec_hash`).
    data_hash : str
        Fingerprint of the cohort that the model learned from.
    validated_in : str
        Fingerprint of the cohort whose outcomes were held against the predictions.
    population, method : str
        Who they are and how the predictions were kept apart from them, in words.
    n_patients : int
    question : Question
    limits : GateLimits
    gates : tuple of Gate
        Of all patients.
    subgroups : tuple of Subgroup
        Of the groups that the schema declares.
    calibration : tuple of GroupedCalibration
        Predicted and observed in groups of patients by what was predicted, for the figure.
    validated_utc : str
        ISO 8601.
    expires : str
        ISO date; from the day after on no report is made on it.
    """

    schema_version: int = SCHEMA_VERSION
    model_hash: str
    data_hash: str
    validated_in: str
    population: str
    method: str
    n_patients: int
    question: Question
    limits: GateLimits
    gates: tuple[Gate, ...]
    validated_utc: str
    expires: str
    subgroups: tuple[Subgroup, ...] = ()
    calibration: tuple[GroupedCalibration, ...] = ()

    def __post_init__(self) -> None:
        date.fromisoformat(self.expires)  # ValueError says what is wrong with it

    @property
    def passed(self) -> bool:
        """Whether there are gates and all are passed, in every group too."""
        return bool(self.gates) and all(gate.passed for gate in self.every_gate)

    @property
    def every_gate(self) -> tuple[Gate, ...]:
        """The gates of all patients, then those of groups, which are named in `of`."""
        own = (replace(gate, of=in_words(group, gate)) for group in self.subgroups for gate in group.gates)
        return (*self.gates, *own)

    @property
    def failures(self) -> tuple[str, ...]:
        """Names of the gates that are not passed, with reasons."""
        return tuple(gate.words for gate in self.every_gate if not gate.passed)

    @property
    def config_hash(self) -> str:
        """SHA-256 of question and limits."""
        return _sha256([to_plain(self.question), to_plain(self.limits)])

    @property
    def checksum(self) -> str:
        """SHA-256 of the whole record."""
        return _sha256(to_plain(self))

    def expired(self, day: date) -> bool:
        """Say whether the record is past its date on `day`."""
        return day > date.fromisoformat(self.expires)

    def to_json(self) -> str:
        """Return the record as JSON, with its verdict, hash of the question and checksum beside it."""
        plain = to_plain(self) | {
            "passed": self.passed, "config_hash": self.config_hash, "checksum": self.checksum,
        }  # fmt: skip
        return json.dumps(plain, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ValidationRecord:
        """Read what `to_json` wrote.

        Raises
        ------
        IntegrityError
            If it is no record, or not as it was written.
        """
        try:
            plain = json.loads(text)
            stated = {name: plain.pop(name) for name in ("passed", "config_hash", "checksum")}
            record = from_plain(cls, plain, path="validation")
        except (ValueError, KeyError, TypeError, AttributeError, SpecError) as error:
            raise IntegrityError(
                "this is no validation record of medresponse validate", code="validation"
            ) from error
        if stated != {
            "passed": record.passed,
            "config_hash": record.config_hash,
            "checksum": record.checksum,
        }:
            raise IntegrityError(
                "the validation record is not as it was written (its checksum differs); validate again",
                code="validation",
            )
        return record

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        who: str | None = None,
        log: str | Path | None = None,
    ) -> Path:
        """Write the record as JSON, atomically, after its entry in the audit log.

        Parameters
        ----------
        path : path
        overwrite : bool
        who : str, optional
            Who validated, for the log; the user of the operating system by default.
        log : path, optional
            Folder of the audit log, above the file; the file's own folder by default.

        Raises
        ------
        OutputExistsError
            If the file is there and `overwrite` is not set.
        IntegrityError
            If the audit log is broken; nothing is written then.
        """
        file, text = Path(path), self.to_json()
        require_absent(file, overwrite=overwrite)
        place = Path(log) if log is not None else file.parent
        hashes = {file.relative_to(place).as_posix(): hashlib.sha256(text.encode("utf-8")).hexdigest()}
        append(
            place, action="validate", who=who, data_hash=self.data_hash, model_hash=self.model_hash,
            config_hash=self.config_hash, validation_hash=self.checksum, files=hashes,
        )  # fmt: skip
        write_text(file, text)
        return file

    @classmethod
    def load(cls, path: str | Path) -> ValidationRecord:
        """Read a record that `save` wrote.

        Raises
        ------
        IntegrityError
            If there is none, or it is not as it was written.
        """
        if not Path(path).is_file():
            raise IntegrityError(f"no validation record at {Path(path).name}", code="validation")
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def table(self) -> pl.DataFrame:
        """Return ``gate, of, measured, lower, upper, from, to, passed, reason``, one row a gate."""
        rows = [
            (GATES[g.name], g.of, g.measured, g.lower, g.upper, *g.limit, g.passed, REASONS[g.reason])
            for g in self.every_gate
        ]
        names = ["gate", "of", "measured", "lower", "upper", "from", "to", "passed", "reason"]
        kinds = [pl.String, pl.String, *[pl.Float64] * 5, pl.Boolean, pl.String]
        return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")

    def __repr__(self) -> str:
        failed = len(self.failures)
        verdict = "passed" if self.passed else f"{failed} of {len(self.every_gate)} gates FAILED"
        return f"<ValidationRecord of {self.question.outcome}: {one_count(self.n_patients)} patients, {verdict}, until {self.expires}>"


def make_record(
    held: HeldOut,
    *,
    worthwhile: float | None = None,
    limits: GateLimits | None = None,
    population: str | None = None,
    days: int = 365,
) -> ValidationRecord:
    """Measure held-out predictions and return the record of it.

    Parameters
    ----------
    held : HeldOut
    worthwhile : float, optional
        Smallest worthwhile benefit in the responses' unit, the one that reports will be made with; ignored where they
        have none (one option, or no better side).
    limits : GateLimits, optional
    population : str, optional
        Who the patients are, in words; the cohort's name by default.
    days : int
        How long the record holds.

    Raises
    ------
    SpecError
        If reports on this question need a worthwhile benefit and none is given, or the record would hold for no day.
    """
    responses, cohort = held.responses, held.cohort
    if days < 1:
        raise SpecError(f"days={days}: a record holds for one day at least")
    if len(responses.treatments) < 2 or responses.direction == 0:
        worthwhile = None
    elif worthwhile is None or not worthwhile > 0:
        raise SpecError(
            f"a validation of benefits needs worthwhile=, the smallest worthwhile benefit in unit {responses.unit!r}",
            code="worthwhile",
        )
    question, chosen = Question.of(responses, worthwhile), limits or GateLimits()
    now = datetime.now(UTC)
    return ValidationRecord(
        model_hash=responses.fit.provenance.spec_hash, data_hash=responses.fit.provenance.cohort_fingerprint,
        validated_in=cohort.fingerprint, population=population or cohort.schema.name, method=held.method,
        n_patients=cohort.n, question=question, limits=chosen, gates=measure(held, question, chosen),
        subgroups=measure_subgroups(held, question, chosen), calibration=calibration_groups(held),
        validated_utc=now.isoformat(timespec="seconds"), expires=(now.date() + timedelta(days=days)).isoformat(),
    )  # fmt: skip


def _sha256(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
