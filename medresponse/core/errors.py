"""The errors a user can meet; each carries a short stable code and says what to do.

No message may hold a patient's value: columns, counts, codes and pseudonymous ids only.
"""

from __future__ import annotations


class MedresponseError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    message : str
        What was found, what was expected and what to do, in one sentence or two.
    code : str, optional
        Stable short code, for example ``"file_not_as_named"``.
    """

    default_code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"[{self.code}] {super().__str__()}"


class SchemaError(MedresponseError):
    """The schema itself is wrong or incomplete."""

    default_code = "schema"


class SpecError(MedresponseError):
    """A model specification or configuration does not decode."""

    default_code = "spec"


class DataError(MedresponseError):
    """The data break the schema; `findings` (if any) lists every breach."""

    default_code = "data"

    def __init__(self, message: str, *, code: str | None = None, findings: object = None) -> None:
        super().__init__(message, code=code)
        self.findings = findings


class UnknownTreatmentError(MedresponseError):
    """A treatment label that the fit or cohort does not know."""

    default_code = "unknown_treatment"


class UnknownPatientError(MedresponseError):
    """A patient id that the responses do not hold."""

    default_code = "unknown_patient"


class FitError(MedresponseError):
    """Sampling did not give a usable posterior."""

    default_code = "fit"


class UnconvergedFitError(MedresponseError):
    """A fit that fails its diagnostics was asked for a clinician report."""

    default_code = "unconverged"


class UnvalidatedError(MedresponseError):
    """A clinician report was asked for without a validation that holds."""

    default_code = "not_validated"


class OutputExistsError(MedresponseError):
    """The output is already there and nobody said to continue or replace it."""

    default_code = "output_exists"


class OutputError(MedresponseError):
    """The place for the output cannot be written to."""

    default_code = "output"


class IntegrityError(MedresponseError):
    """A stored result does not match its manifest."""

    default_code = "integrity"


class StorageError(MedresponseError):
    """A result could not be written; what was finished before is kept."""

    default_code = "storage"


class MemoryLimitError(MedresponseError):
    """What was asked for cannot fit in memory; the message says what would."""

    default_code = "memory"


class ClusterError(MedresponseError):
    """A Ray cluster does not answer, or its workers die; what was finished before is kept."""

    default_code = "cluster"
