"""Reports of many patients: side by side, resumable, and none lost because another failed.

Every report's JSON records a hash of what it was made from. A report that is there, complete, unchanged since it was logged and
made from the same inputs is kept; a format that it lacks is made from its JSON. One that was made from other inputs is
refused unless asked to be replaced. A patient whose report fails is listed in ``batch.json`` with the reason; the others go on.
"""

from __future__ import annotations

import errno
import functools
import gc
import hashlib
import json
import os
import pickle
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from medresponse.cohort import Cohort
from medresponse.core.atomic import sha256_of, write_text
from medresponse.core.audit import append, replay
from medresponse.core.codec import to_plain
from medresponse.core.errors import (
    MedresponseError,
    OutputError,
    OutputExistsError,
    SpecError,
    UnconvergedFitError,
    UnknownPatientError,
    UnknownTreatmentError,
    UnvalidatedError,
)
from medresponse.core.provenance import own_version
from medresponse.reports.document import SCHEMA_VERSION, PatientReport, build_report, training_patients
from medresponse.reports.formats import RECORD, checked_formats
from medresponse.reports.index import PATIENTS, IndexEntry
from medresponse.reports.output import file_stem, files_of, write_files
from medresponse.response import Responses, Studied

SUMMARY = "batch.json"
_WORTH_A_PROCESS = 12  # reports: starting a process takes as long as making a few
_NOT_ABOUT_ONE_PATIENT = (SpecError, UnconvergedFitError, UnvalidatedError, UnknownTreatmentError)
_FOLDER_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one patient's report.

    Parameters
    ----------
    patient : str
        Pseudonym.
    kept : bool
        Whether it was there already.
    entry : IndexEntry
        For the index page; its `problem` says why there is no report.
    code : str
        Code of the error; empty if there is a report.
    """

    patient: str
    kept: bool = False
    entry: IndexEntry
    code: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no report."""
        return bool(self.code)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What became of every report, in the order asked for."""

    folder: Path
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Those without a report."""
        return tuple(outcome for outcome in self.outcomes if outcome.failed)

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        """Of all patients, for `write_index`."""
        return tuple(outcome.entry for outcome in self.outcomes)

    def __repr__(self) -> str:
        kept = sum(outcome.kept for outcome in self.outcomes)
        made = len(self.outcomes) - kept - len(self.failures)
        return f"<Batch: {made} made, {kept} kept, {len(self.failures)} failed>"


@dataclass(frozen=True, kw_only=True)
class _Request:
    """All that the reports of a batch share; sent to each process once."""

    responses: Responses
    cohort: Cohort
    folder: Path
    formats: tuple[str, ...]
    options: Mapping[str, Any]
    shared_hash: str
    overwrite: bool
    who: str | None
    logged: Mapping[str, str]

    @functools.cached_property
    def rows(self) -> dict[str, int]:
        """Row of each patient of the responses who is in the cohort too."""
        ids = enumerate(self.responses.ids)
        return {patient: row for row, patient in ids if patient in self.cohort_rows}

    def inputs_hash(self, patient: str) -> str:
        """Return the SHA-256 of what one patient's report is made from."""
        row, patients = self.rows[patient], self.responses.patients
        groups = {name: labels[row] for name, labels in sorted(patients.groups.items())}
        values = self.cohort.table.row(self.cohort_rows[patient], named=True)
        plain = [
            self.shared_hash,
            patient,
            groups,
            {name: str(value) for name, value in sorted(values.items())},
        ]
        digest = hashlib.sha256(json.dumps(plain).encode())
        for numbers in (patients.codes, patients.errors):
            digest.update(b"-" if numbers is None else numbers[row].astype("<f8").tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def cohort_rows(self) -> dict[str, int]:
        """Row of each patient of the cohort."""
        return {patient: row for row, patient in enumerate(self.cohort.patients)}


def write_reports(
    responses: Responses,
    cohort: Cohort,
    folder: str | Path,
    *,
    patients: Sequence[str] | None = None,
    formats: Sequence[str] = ("html",),
    processes: int | None = None,
    overwrite: bool = False,
    who: str | None = None,
    step: Callable[[Outcome], None] | None = None,
    reference: Cohort | Studied | None = None,
    **options: Any,
) -> Batch:
    """Write reports of many patients to ``folder/patients/``, and what became of them to ``folder/batch.json``.

    Parameters
    ----------
    responses : Responses
        Of `cohort`.
    cohort : Cohort
    folder : path
        Made if absent. With the same request it goes on from what is there.
    patients : sequence of str, optional
        Pseudonymous ids; all of the cohort by default. An id asked for twice is made once.
    formats : sequence of str
        Of `FORMATS`; the JSON is always among them.
    processes : int, optional
        As many as there are processors by default, and none beside this one for a dozen reports. They are started afresh
        (never forked), so that a script that calls this needs ``if __name__ == "__main__":``.
    overwrite : bool
        Make reports again that were made from other inputs or were changed since.
    who : str, optional
        For the audit log; the user of the operating system by default.
    step : callable, optional
        Called in this process with each outcome as it comes.
    reference : Cohort or Studied, optional
    **options
        As `build_report` takes them: ``worthwhile, evidence, harms, validation, override, rules, language, ...``.

    Raises
    ------
    OutputExistsError
        If a report is there that was made from other inputs, or was changed since, and `overwrite` is not set. Nothing is
        written then.
    OutputError
        If the folder cannot be written to, or the disk is full. What is there is whole.
    IntegrityError
        If the folder's audit log is broken.
    SpecError, UnconvergedFitError, UnvalidatedError, UnknownTreatmentError, DataError
        If no report can be made for anybody: see `build_report`.
    """
    place, wanted = Path(folder), tuple(dict.fromkeys(cohort.patients if patients is None else patients))
    options = {"reference": training_patients(responses, cohort, reference), **options}
    names = checked_formats(formats)
    with _writable(place):
        request = _Request(
            responses=responses, cohort=cohort, folder=place, formats=names, options=options, overwrite=overwrite,
            shared_hash=_shared_hash(responses, options), who=who, logged=_logged(place),
        )  # fmt: skip
        if not overwrite:
            _refuse_others(request, wanted)
        found: dict[str, Outcome] = {}
        for outcome in _made(request, wanted, _processes(processes, len(wanted))):
            found[outcome.patient] = outcome
            if step is not None:
                step(outcome)
        batch = Batch(folder=place, outcomes=tuple(found[patient] for patient in wanted))
        _write_summary(batch, names, who)
    return batch


def _write_summary(batch: Batch, formats: Sequence[str], who: str | None) -> None:
    kept = sum(outcome.kept for outcome in batch.outcomes)
    failures = [{"patient": o.patient, "code": o.code, "problem": o.entry.problem} for o in batch.failures]
    counts = {"asked": len(batch.outcomes), "made": len(batch.outcomes) - kept - len(failures), "kept": kept}
    text = json.dumps({"formats": list(formats), **counts, "failed": failures}, indent=1) + "\n"
    append(batch.folder, action="batch", who=who, files={SUMMARY: hashlib.sha256(text.encode()).hexdigest()})
    write_text(batch.folder / SUMMARY, text)


# --- one report ---


def _outcome(request: _Request, patient: str) -> Outcome:
    """Make or keep one patient's report.

    Errors about this patient are part of the outcome; errors about the request or the folder are raised.
    """
    try:
        return _written(request, patient)
    except _NOT_ABOUT_ONE_PATIENT:
        raise
    except OSError as error:
        if error.errno in _FOLDER_TROUBLE:
            raise
        return _failure(request, patient, "unexpected", _where(error))
    except MedresponseError as error:
        return _failure(request, patient, error.code, str(error))
    except Exception as error:  # whatever it is, the others' reports do not hang on it
        return _failure(request, patient, "unexpected", _where(error))


def _written(request: _Request, patient: str) -> Outcome:
    stem = request.folder / PATIENTS / file_stem(patient)
    if patient not in request.rows:
        raise UnknownPatientError(f"patient {patient} is not among the {request.cohort.n} of the data")
    wanted = request.inputs_hash(patient)
    there = _there(request, stem)
    same = there if there is not None and there.provenance.inputs_hash == wanted else None
    if same is not None and all(
        _as_logged(request, file) for file in files_of(stem, request.formats).values()
    ):
        return Outcome(patient=patient, kept=True, entry=_entry(request, same))
    document = same or build_report(
        request.responses.select([patient]), request.cohort.select([patient]), patient=patient, inputs_hash=wanted, previous=there,
        **request.options,
    )  # fmt: skip
    write_files(document, stem, request.formats, log=request.folder, who=request.who)
    return Outcome(patient=patient, entry=_entry(request, document))


def _entry(request: _Request, document: PatientReport) -> IndexEntry:
    """Return the entry of a report, with its page in the format that is read most easily of those made."""
    name = next((n for n in ("html", "pdf") if n in request.formats), request.formats[-1])
    file = files_of(Path(PATIENTS) / file_stem(document.patient), [name])[name]
    return replace(IndexEntry.of(document), href=file.as_posix())


def _there(request: _Request, stem: Path) -> PatientReport | None:
    """Return the report that is there, if it is whole, as it was logged, and of this version of the schema."""
    record = files_of(stem, [RECORD])[RECORD]
    if not _as_logged(request, record):
        return None
    text = record.read_text(encoding="utf-8")
    return PatientReport.from_json(text) if json.loads(text)["schema_version"] == SCHEMA_VERSION else None


def _as_logged(request: _Request, file: Path) -> bool:
    name = file.relative_to(request.folder).as_posix()
    return file.is_file() and request.logged.get(name) == sha256_of(file)


def _refuse_others(request: _Request, patients: Sequence[str]) -> None:
    """Refuse a folder with reports that this request would have to replace."""
    others = [patient for patient in patients if _is_other(request, patient)]
    if others:
        raise OutputExistsError(
            f"{len(others)} report(s) in {request.folder.name} were made from other inputs or changed since, the first of patient "
            f"{others[0]}; give another folder, or say overwrite to make them again"
        )


def _is_other(request: _Request, patient: str) -> bool:
    stem = request.folder / PATIENTS / file_stem(patient)
    files = files_of(stem, request.formats)
    there = [file for file in files.values() if file.exists()]
    if not there:
        return False
    if not all(_as_logged(request, file) for file in there) or patient not in request.rows:
        return True
    if not files[RECORD].is_file():  # logged files without their record: it was lost, and is made again
        return False
    found = json.loads(files[RECORD].read_text(encoding="utf-8"))
    return bool(found["provenance"].get("inputs_hash") != request.inputs_hash(patient))


def _failure(request: _Request, patient: str, code: str, problem: str) -> Outcome:
    language = str(request.options.get("language", "en"))
    return Outcome(patient=patient, code=code, entry=IndexEntry.not_made(patient, problem, language=language))


def _where(error: Exception) -> str:
    """Say what kind of error it was and where; its own words might hold a patient's data."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(last.filename).name}, line {last.lineno}"


# --- what a report was made from ---


def _shared_hash(responses: Responses, options: Mapping[str, Any]) -> str:
    question = {
        "estimand": to_plain(responses.estimand), "unit": responses.unit, "horizon": responses.horizon, "part": responses.part,
        "horizon_unit": responses.horizon_unit, "seed": responses.seed, "draws": responses.fit.n_draws,
    }  # fmt: skip
    software = {"medresponse": own_version(), "schema": SCHEMA_VERSION}
    about = {name: _plain(value) for name, value in sorted(options.items()) if name != "produced_utc"}
    plain = [to_plain(responses.fit.provenance), question, software, about]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    return value.fingerprint if isinstance(value, Cohort | Studied) else to_plain(value)


def _logged(folder: Path) -> dict[str, str]:
    """Return the hash of each file as the folder's log has it; empty for a folder without one."""
    return replay(folder).files if (folder / "audit.jsonl").is_file() else {}


# --- many reports ---


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Make a folder and see that it can be written to; turn trouble with it, now or later, into one clear message."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        yield
    except OSError as error:
        raise OutputError(
            f"{folder.name} cannot be written to: {error.strerror or type(error).__name__}. What is there is whole; "
            "the same request goes on from it once the folder can be written to"
        ) from error


def _processes(asked: int | None, n: int) -> int:
    """Return how many processes to start; 0 to make all reports in this one."""
    if asked is not None and asked < 1:
        raise SpecError(f"processes: at least 1, not {asked}", code="processes")
    if asked is None:
        asked = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = min(asked, -(-n // _WORTH_A_PROCESS))
    return wanted if wanted > 1 else 0


def _made(request: _Request, patients: Sequence[str], processes: int) -> Iterator[Outcome]:
    """Yield outcomes as they come.

    A process that dies takes down those beside it; each patient that was under way is then tried in a process of its own, so that
    the one who brought it down is found.
    """
    if not processes:
        yield from (_outcome(request, patient) for patient in patients)
        return
    with _passed_on(request) as file:
        left = list(patients)
        while left:
            done: set[str] = set()
            try:
                for outcome in _in_processes(file, left, processes):
                    done.add(outcome.patient)
                    yield outcome
            except BrokenProcessPool:
                pass
            left = [patient for patient in left if patient not in done]
            suspects, left = left[:processes], left[processes:]  # patients are begun in order
            yield from (_alone(request, file, patient) for patient in suspects)


@contextmanager
def _passed_on(request: _Request) -> Iterator[Path]:
    """Yield an owner-only file from which processes read the request.

    Given as an argument it would go through a pipe, and each process would be started only when the one before had read it.
    """
    with tempfile.TemporaryDirectory(prefix=".request.", dir=request.folder) as holder:
        file = Path(holder) / "request"
        with file.open("wb") as stream:
            pickle.dump(request, stream, protocol=pickle.HIGHEST_PROTOCOL)
        yield file


def _alone(request: _Request, file: Path, patient: str) -> Outcome:
    try:
        return next(_in_processes(file, [patient], 1))
    except BrokenProcessPool:
        return _failure(request, patient, "process_died", "the process that made it died (out of memory?)")


def _in_processes(file: Path, patients: Sequence[str], processes: int) -> Iterator[Outcome]:
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_start, initargs=(file,)
    )
    try:
        waiting: dict[Future[Outcome], str] = {pool.submit(_next, patient): patient for patient in patients}
        for future in as_completed(waiting):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_request: _Request | None = None  # of this process, set once when it starts


def _start(file: Path) -> None:
    global _request
    # The parent says when to stop, and a report under way is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process has one processor: threads would only wait for each other.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read when the first table is made
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, args=(file,), daemon=True).start()
    with file.open("rb") as stream:
        _request = pickle.load(stream)
    # Pages leave many objects that refer to each other: looked for less often, and not among those that stay.
    gc.set_threshold(50_000, 20, 100)
    gc.freeze()


def _end_with_parent(file: Path) -> None:
    """Wait for the parent's end; one that was killed has told nobody to stop, nor taken the request away."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(file.parent, ignore_errors=True)
    os._exit(1)


def _next(patient: str) -> Outcome:
    assert _request is not None
    return _outcome(_request, patient)
