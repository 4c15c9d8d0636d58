"""What each command does with its arguments; heavy imports wait until it is run."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medresponse.core.errors import IntegrityError, MedresponseError, SpecError

if TYPE_CHECKING:
    from medresponse.cohort import Cohort
    from medresponse.inference import Engine, Fit
    from medresponse.model import ModelSpec
    from medresponse.response import Responses

PART_11 = (
    "The log supports an audit trail as 21 CFR Part 11 asks for; it does not confer compliance with it, which takes "
    "controlled access, validated procedures and people."
)


def check(options: argparse.Namespace) -> None:
    """Print what a data file's checks find."""
    from medresponse.readers import read

    cohort = read(options.data, options.schema)
    print(repr(cohort))
    for exclusion in cohort.flow:
        print(f"excluded {exclusion.n}: {exclusion.reason}")
    for row in cohort.findings.iter_rows(named=True):
        print(f"{row['severity']}: {row['code']}: column {row['column']}, {row['n']} row(s): {row['action']}")


def fit(options: argparse.Namespace) -> int:
    """Fit a model and save it."""
    from medresponse.core.atomic import require_absent
    from medresponse.core.codec import from_plain
    from medresponse.core.strict_yaml import read_yaml
    from medresponse.inference import fit, save_fit
    from medresponse.model import ModelSpec
    from medresponse.readers import read

    require_absent(options.out, overwrite=options.overwrite)
    spec = from_plain(ModelSpec, read_yaml(options.spec, what="spec"), path="spec")
    cohort = read(options.data, options.schema)
    engine = _engine(options, spec)
    checkpoint = options.out.with_name(f".{options.out.name}.chains")
    fitted = fit(
        spec, cohort, outcome=options.outcome, engine=engine, seed=options.seed, checkpoint=checkpoint
    )
    save_fit(fitted, options.out, overwrite=options.overwrite)
    print(repr(fitted))
    if fitted.diagnostics.chains < fitted.diagnostics.chains_asked:
        print(
            "interrupted: the finished chains were saved; --overwrite with the same settings goes on",
            file=sys.stderr,
        )
        return 130
    shutil.rmtree(checkpoint, ignore_errors=True)
    return 0


def plan(options: argparse.Namespace) -> int:
    """Print what a fit and its scores would take; 1 if they do not fit in memory."""
    from medresponse.core.codec import from_plain
    from medresponse.core.strict_yaml import read_yaml
    from medresponse.inference import plan
    from medresponse.model import ModelSpec
    from medresponse.readers import read

    spec = from_plain(ModelSpec, read_yaml(options.spec, what="spec"), path="spec")
    found = plan(
        spec, read(options.data, options.schema), outcome=options.outcome, engine=_engine(options, spec),
        patients=options.for_patients,
    )  # fmt: skip
    print(repr(found))
    return 0 if found.fits else 1


def _engine(options: argparse.Namespace, spec: ModelSpec) -> Engine:
    """Return the engine that samples the spec, with what was asked for and its own defaults elsewhere."""
    from medresponse.core.registry import registered
    from medresponse.inference import Engine, engine_for

    default = engine_for(spec) if options.engine is None else registered(Engine)[options.engine]()
    asked = {"draws", "tune", "chains", "target_accept", "thin"}
    given = {name: getattr(options, name) for name in sorted(asked) if getattr(options, name) is not None}
    for name in given:
        if not hasattr(default, name):
            raise SpecError(
                f"--{name.replace('_', '-')} is not for a spec {'with' if spec.searches else 'without'} trees or "
                "hinges; leave it out"
            )
    try:
        return replace(default, **given)  # type: ignore[type-var]
    except ValueError as error:
        raise SpecError(str(error)) from error


def respond(options: argparse.Namespace) -> None:
    """Write every patient's responses as a table."""
    from medresponse.core.atomic import atomic_path, require_absent
    from medresponse.core.plain_csv import write_csv

    require_absent(options.out, overwrite=options.overwrite)
    _, _, responses = _score(options)
    table = responses.summary()
    with atomic_path(options.out) as temporary:
        write_csv(table, temporary) if options.out.suffix == ".csv" else table.write_parquet(temporary)
    print(f"{len(responses.ids)} patients x {len(responses.treatments)} treatments: {options.out}")


def score_population(options: argparse.Namespace) -> None:
    """Score a population into a folder."""
    from medresponse.inference.store import load_fit
    from medresponse.response import score

    losses = {}
    for given in options.loss:
        treatment, _, number = given.rpartition("=")
        try:
            losses[treatment] = float(number)
        except ValueError:
            raise SpecError(f"--loss {given}: write TREATMENT=NUMBER", code="losses") from None
    found = score(
        load_fit(options.fit), options.data, options.out, horizon=options.horizon, unit=options.unit,
        estimand=options.estimand, part=options.part, against=options.against, worthwhile=options.worthwhile,
        losses=losses, level=None if options.no_quantiles else options.level, draws=options.draws,
        layout=options.layout, cores=options.cores, cluster=options.cluster, overwrite=options.overwrite,
    )  # fmt: skip
    print(
        f"{found.n_patients} patients x {len(found.treatments)} treatments, {found.n_excluded} excluded: {found.path}"
    )


def validate(options: argparse.Namespace) -> int:
    """Write a validation record; 1 if it fails its gates."""
    from medresponse.core.atomic import require_absent
    from medresponse.cross_validation import validate
    from medresponse.inference.store import load_fit
    from medresponse.readers import read
    from medresponse.validation import GateLimits

    require_absent(options.out, overwrite=options.overwrite)
    checkpoint = options.out.with_name(f".{options.out.name}.chains")
    fit = load_fit(options.fit)
    limits = None if options.limits is None else _declared(GateLimits, options.limits, "limits")
    record = validate(
        fit, read(options.data, fit.schema), horizon=options.horizon, unit=options.unit, estimand=options.estimand,
        part=options.part, worthwhile=options.worthwhile, folds=options.folds, groups=options.groups,
        new_patients=options.new_patients, limits=limits, seed=options.seed, days=options.days,
        checkpoint=checkpoint,
    )  # fmt: skip
    record.save(options.out, overwrite=options.overwrite)
    shutil.rmtree(checkpoint, ignore_errors=True)
    for gate in record.every_gate:
        numbers = (
            "not measured"
            if gate.measured is None
            else f"{gate.measured:.3g} ({gate.lower:.3g} to {gate.upper:.3g})"
        )
        print(f"{'passed' if gate.passed else 'FAILED'}  {gate.words}: {numbers}")
    print(f"{options.out}: {record!r}")
    return 0 if record.passed else 1


def report(options: argparse.Namespace) -> int:
    """Write reports of patients and their index; 3 if some could not be made."""
    from medresponse.core.progress import Progress
    from medresponse.decisions import AbstentionRules, Harm
    from medresponse.readers import read
    from medresponse.reports import Evidence, write_index
    from medresponse.reports.batch import Outcome, write_reports
    from medresponse.reports.cohort_documents import links_in
    from medresponse.reports.language import language
    from medresponse.validation import ValidationRecord

    record = None if options.validation is None else ValidationRecord.load(options.validation)
    fit, cohort, responses = _score(options)
    responses = _relabelled(responses, options)
    rules = None if options.rules is None else _declared(AbstentionRules, options.rules, "rules")
    harms = () if options.harms is None else _declared(tuple[Harm, ...], options.harms, "harms")
    evidence = (
        () if options.evidence is None else _declared(tuple[Evidence, ...], options.evidence, "evidence")
    )
    training = None if options.training is None else read(options.training, fit.schema)
    wanted = options.patient or (None if options.all else _lines(options.patients))
    progress = None if options.quiet else Progress(total=len(wanted or cohort.patients), what="reports")

    def step(outcome: Outcome) -> None:
        if progress is not None:
            progress.step(failed=outcome.failed)

    try:
        batch = write_reports(
            responses, cohort, options.out, patients=wanted, formats=options.format or ("html",), processes=options.processes,
            overwrite=options.overwrite, step=step, worthwhile=options.worthwhile, validation=record, override=options.override,
            allow_unconverged=options.allow_unconverged, language=options.language, rules=rules, reference=training,
            harms=harms, evidence=evidence,
        )  # fmt: skip
    finally:
        if progress is not None:
            progress.close()
    for failure in batch.failures:
        print(f"failed: {failure.patient}: {failure.entry.problem}", file=sys.stderr)
    if len(batch.failures) == len(batch.outcomes):
        raise MedresponseError("no report could be made", code=batch.failures[0].code)
    index = write_index(
        batch.entries, options.out, title=responses.fit.provenance.cohort_name, overwrite=True, language=options.language, documents=links_in(options.out),
        intro=language(options.language).say("index.intro", n=len(batch.outcomes), data=responses.fit.provenance.cohort_name),
    )  # fmt: skip
    print(f"{batch!r}: {index}")
    return 3 if batch.failures else 0


def _declared[T](kind: type[T], file: Path, what: str) -> T:
    """Return what a YAML file declares; errors name the file's entry as `what`."""
    from medresponse.core.codec import from_plain
    from medresponse.core.strict_yaml import read_yaml

    return from_plain(kind, read_yaml(file, what=what), path=what)


def _lines(file: Path) -> list[str]:
    """Return the ids of a file, one a line; blank lines are left out."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{file.name} is not UTF-8 text", code="encoding") from error
    ids = [line.strip() for line in text.splitlines() if line.strip()]
    if not ids:
        raise SpecError(f"{file.name} names no patient", code="no_patients")
    return ids


def document(options: argparse.Namespace) -> None:
    """Write the validation report and the model card."""
    from medresponse.reports import build_cohort_document, load_facts, save_cohort_document
    from medresponse.reports.cohort_documents import KINDS
    from medresponse.validation import ValidationRecord

    facts = None if options.facts is None else load_facts(options.facts)
    record = None if options.validation is None else ValidationRecord.load(options.validation)
    _, cohort, responses = _score(options)
    responses = _relabelled(responses, options)
    documents = [
        build_cohort_document(
            kind, responses, cohort, facts=facts, validation=record, worthwhile=options.worthwhile, language=options.language
        )
        for kind in KINDS
    ]  # fmt: skip
    for document in documents:
        link = save_cohort_document(document, options.out, overwrite=options.overwrite)
        for warning in (*document.stamps, *document.warnings):
            print(f"{document.title}: {warning}", file=sys.stderr)
        print(options.out / link.href)


def _score(options: argparse.Namespace) -> tuple[Fit, Cohort, Responses]:
    from medresponse.inference.store import load_fit
    from medresponse.readers import read
    from medresponse.response import respond

    fit = load_fit(options.fit)
    cohort = read(options.data, fit.schema, for_prediction=True)
    responses = respond(
        fit, cohort, horizon=options.horizon, unit=options.unit, estimand=options.estimand, part=options.part
    )
    return fit, cohort, responses


def _relabelled(responses: Responses, options: argparse.Namespace) -> Responses:
    from medresponse.core.strict_yaml import read_yaml
    from medresponse.response import relabelled

    if options.labels is None:
        return responses
    words = read_yaml(options.labels, what="labels")
    if not isinstance(words, dict):
        raise SpecError(
            "--labels: the file holds labels and what they are called, as in `Age: Edad`", code="labels"
        )
    return relabelled(responses, words)


def verify(options: argparse.Namespace) -> None:
    """Replay a folder's audit log and check its files."""
    from medresponse.core.results import verify_results

    found = verify_results(options.folder, head=options.head)
    for line in found.breaks:
        print(line)
    if found.breaks:
        raise IntegrityError(f"{options.folder}: {len(found.breaks)} thing(s) are not as they were written")
    print(f"{options.folder}: {found.n_files} file(s) as they were written")
    if found.log is not None:
        print(
            f"audit log: {len(found.log.entries)} entries, unbroken; its last has the hash {found.log.head}: note it down where "
            f"nobody who writes here can, and --head checks it later\n{PART_11}"
        )
