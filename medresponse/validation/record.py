"""The validation record: what was validated, against which limits, with which result, until when."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medresponse.core.atomic import require_absent, write_text
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import IntegrityError, SpecError
from medresponse.validation.gates import Gate, GateLimits

if TYPE_CHECKING:
    from medresponse.response import Responses

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of the model, and what counts as worthwhile.

    Parameters
    ----------
    outcome, estimand, part : str
    horizon : float or None
        In the outcome's unit of time, whatever unit it was stated in.
    unit : str
        Of the responses.
    worthwhile : float or None
        Smallest worthwhile benefit in `unit`; None where benefits have no meaning.
    """

    outcome: str
    estimand: str
    part: str
    horizon: float | None
    unit: str
    worthwhile: float | None

    @classmethod
    def of(cls, responses: Responses, worthwhile: float | None) -> Question:
        """Return the question that `responses` answer."""
        return cls(
            outcome=responses.fit.outcome, estimand=responses.estimand.kind, part=responses.part,
            horizon=responses.estimand.horizon, unit=responses.unit,
            worthwhile=None if worthwhile is None else float(worthwhile),
        )  # fmt: skip


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

    def __post_init__(self) -> None:
        date.fromisoformat(self.expires)  # ValueError says what is wrong with it

    @property
    def passed(self) -> bool:
        """Whether there are gates and all are passed."""
        return bool(self.gates) and all(gate.passed for gate in self.gates)

    @property
    def failures(self) -> tuple[str, ...]:
        """Names of the gates that are not passed, with reasons."""
        return tuple(gate.words for gate in self.gates if not gate.passed)

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

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the record as JSON, atomically."""
        require_absent(path, overwrite=overwrite)
        write_text(path, self.to_json())
        return Path(path)

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

    def __repr__(self) -> str:
        failed = len(self.failures)
        verdict = "passed" if self.passed else f"{failed} of {len(self.gates)} gates FAILED"
        return f"<ValidationRecord of {self.question.outcome}: {self.n_patients} patients, {verdict}, until {self.expires}>"


def _sha256(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
