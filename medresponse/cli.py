r"""The command line: the same verbs as the public page.

    medresponse check trial.csv --schema schema.yaml
    medresponse fit trial.csv --schema schema.yaml --spec spec.yaml --seed 7 --out trial.fit
    medresponse respond trial.fit new.csv --horizon 300 --out responses.parquet
    medresponse score trial.fit population.parquet --horizon 300 --worthwhile 0.02 --out scores
    medresponse validate trial.fit trial.csv --horizon 300 --worthwhile 0.02 --out trial.validation.json
    medresponse report trial.fit trial.csv --horizon 300 --worthwhile 0.02 --validation trial.validation.json \
        --all --format html --format pdf --out reports
    medresponse document trial.fit trial.csv --horizon 300 --facts facts.yaml --validation trial.validation.json --out reports
    medresponse verify trial.fit

Exit codes: 0 done, 1 a validation that fails its gates, 2 bad input or a refused request (one message on stderr), 3 reports
were made but not for every patient (each failure on stderr and in batch.json), 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medresponse.core.errors import IntegrityError, MedresponseError, SpecError
from medresponse.core.estimand import ESTIMANDS

if TYPE_CHECKING:
    from medresponse.cohort import Cohort
    from medresponse.inference import Engine, Fit
    from medresponse.model import ModelSpec
    from medresponse.response import Responses


PART_11 = (
    "The log supports an audit trail as 21 CFR Part 11 asks for; it does not confer compliance with it, which takes "
    "controlled access, validated procedures and people."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # One core a chain: BLAS threads below it only compete. Set before numpy loads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("medresponse").setLevel(logging.WARNING if options.quiet else logging.INFO)
    try:
        return int(options.run(options) or 0)
    except MedresponseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: [{error.errno}] {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medresponse", description="Per-patient treatment-response distributions."
    )
    parser.add_argument("--quiet", action="store_true", help="print results and errors only")
    commands = parser.add_subparsers(required=True, metavar="command")

    check = commands.add_parser("check", help="check a data file against a schema and print the findings")
    _data(check)
    check.set_defaults(run=_check)

    fit = commands.add_parser("fit", help="fit a model and save it")
    _data(fit)
    _sampled(fit)
    fit.add_argument("--seed", type=int, required=True)
    _out(fit, "folder for the fit")
    fit.set_defaults(run=_fit)

    plan = commands.add_parser(
        "plan", help="predict time and memory of a fit, and of scoring, before it is run"
    )
    _data(plan)
    _sampled(plan)
    plan.add_argument(
        "--for-patients", type=int, metavar="N", help="predict for so many instead of the file's"
    )
    plan.set_defaults(run=_plan)

    respond = commands.add_parser("respond", help="write every patient's response under every treatment")
    _scored(respond)
    _out(respond, "Parquet or CSV file")
    respond.set_defaults(run=_respond)

    score = commands.add_parser(
        "score", help="compare treatments for every patient of a population, of any size, part by part"
    )
    _scored(score)
    _worthwhile(score)
    score.add_argument(
        "--against", help="treatment that benefits are measured against; the schema's by default"
    )
    score.add_argument(
        "--loss", action="append", default=[], metavar="TREATMENT=NUMBER",
        help="what a treatment costs the patient whatever the response, in its unit; may be repeated",
    )  # fmt: skip
    score.add_argument("--level", type=float, default=0.95, help="probability of the intervals, default 0.95")
    score.add_argument("--no-quantiles", action="store_true", help="no intervals, in a third of the time")
    score.add_argument(
        "--draws", type=int, default=4000, help="at most so many posterior draws, default 4000"
    )
    score.add_argument("--layout", choices=("parquet", "zarr"), default="parquet")
    score.add_argument("--cores", type=int, help="threads; never changes a number")
    score.add_argument(
        "--cluster", metavar="ADDRESS",
        help="score on a Ray cluster: host:port of its head, auto, or local for processes on this machine",
    )  # fmt: skip
    _out(score, "folder for the scores; a Parquet file of patients is read part by part")
    score.set_defaults(run=_score_population)

    validate = commands.add_parser(
        "validate", help="hold refits against patients left out and write the record"
    )
    _scored(validate)
    validate.add_argument("--worthwhile", type=float, help="smallest worthwhile benefit, as for report")
    validate.add_argument("--folds", type=int, default=5, help="default 5")
    validate.add_argument(
        "--groups", help="column whose groups are left out one at a time, in place of folds"
    )
    validate.add_argument(
        "--new-patients", action="store_true", help="the model learned from none of these patients: no refits"
    )
    validate.add_argument(
        "--limits", type=Path, help="YAML file of limits, fixed before anything is measured"
    )
    validate.add_argument("--seed", type=int, help="of folds and refits; the fit's by default")
    validate.add_argument("--days", type=int, default=365, help="how long the record holds, default 365")
    _out(validate, "JSON file of the record")
    validate.set_defaults(run=_validate)

    report = commands.add_parser(
        "report", help="write reports of patients; the same command goes on from what is there"
    )
    _scored(report)
    _worthwhile(report)
    whom = report.add_mutually_exclusive_group(required=True)
    whom.add_argument("--patient", action="append", help="pseudonymous id; may be repeated")
    whom.add_argument(
        "--patients", type=Path, metavar="FILE", help="text file with one pseudonymous id a line"
    )
    whom.add_argument("--all", action="store_true", help="every patient of the data")
    report.add_argument(
        "--format", action="append", help="html (default) or pdf; may be repeated; JSON is always written",
    )  # fmt: skip
    report.add_argument("--language", default="en", help="of the pages; en by default")
    report.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="YAML file of when an estimate is withheld; conf/abstention/ has the default ones",
    )
    report.add_argument(
        "--harms", type=Path, metavar="FILE", help="YAML file of harms by option, printed beside the benefit"
    )
    report.add_argument(
        "--evidence",
        type=Path,
        metavar="FILE",
        help="YAML file of calibration and validation results to print",
    )
    report.add_argument(
        "--training",
        type=Path,
        metavar="FILE",
        help="data the fit was made from, to count who is like each patient",
    )
    _labels(report)
    report.add_argument("--processes", type=int, help="how many at once; by default as many as processors")
    report.add_argument("--validation", type=Path, help="validation record of this model, data and question")
    report.add_argument(
        "--override", metavar="REASON", help="report without one: stamps every page and goes to the audit log"
    )
    report.add_argument(
        "--allow-unconverged", action="store_true", help="stamp every page instead of refusing"
    )
    _out(report, "folder for the pages")
    report.set_defaults(run=_report)

    document = commands.add_parser(
        "document", help="write the validation report and the model card of a fit; gaps are shown as gaps"
    )
    _scored(document)
    _worthwhile(document)
    document.add_argument(
        "--facts", type=Path, help="YAML file of what people declare: use, limits, contact, expiry, answers"
    )
    document.add_argument(
        "--validation", type=Path, help="validation record of this model, data and question"
    )
    document.add_argument("--language", default="en", help="of the pages; en by default")
    _labels(document)
    _out(document, "folder for the two documents, beside the index of the reports")
    document.set_defaults(run=_document)

    verify = commands.add_parser("verify", help="replay a result folder's audit log and check its files")
    verify.add_argument("folder", type=Path)
    verify.add_argument("--head", help="hash of a log entry that was noted down elsewhere: it must be there")
    verify.set_defaults(run=_verify)
    return parser


def _sampled(parser: argparse.ArgumentParser) -> None:
    """Add what a fit is asked by, apart from its data and its seed."""
    parser.add_argument("--spec", type=Path, required=True, help="YAML file of a ModelSpec")
    parser.add_argument("--outcome", help="which outcome of the schema, if it has several")
    parser.add_argument(
        "--engine", choices=("nuts", "pymc", "numpyro"), help="default nuts; the others are slower, and check it"
    )  # fmt: skip
    for name, default in (("draws", "1000, or 500 with trees or hinges"), ("tune", "1000"), ("chains", "4")):
        parser.add_argument(f"--{name}", type=int, help=f"default {default}")
    parser.add_argument("--target-accept", type=float, help="default 0.95; not with trees or hinges")
    parser.add_argument(
        "--thin", type=int, help="sweeps per kept draw, default 4; with trees or hinges alone"
    )


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="CSV or Parquet file, one row a patient")
    parser.add_argument("--schema", type=Path, required=True, help="YAML file that declares every column")


def _scored(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fit", type=Path, help="folder of a saved fit")
    parser.add_argument("data", type=Path, help="CSV or Parquet file of patients; no outcome is needed")
    needing = ", ".join(kind for kind, meaning in ESTIMANDS.items() if meaning.horizon)
    parts = ", ".join(kind for kind, meaning in ESTIMANDS.items() if meaning.part)
    parser.add_argument("--horizon", type=float, help=f"up to when; needed for {needing}")
    parser.add_argument("--unit", help="unit of the horizon; the outcome's by default")
    parser.add_argument(
        "--estimand",
        help=f"what is asked of the outcome: {', '.join(ESTIMANDS)}; by default the first that the fit's family offers",
    )
    parser.add_argument("--part", help=f"which category or cause, as the schema names it; needed for {parts}")


def _worthwhile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--worthwhile", type=float, default=0.0,
        help="smallest worthwhile benefit, declared beforehand, in the unit of the responses (0.05 is 5 of 100 patients)",
    )  # fmt: skip


def _out(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--out", type=Path, required=True, help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def _labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--labels",
        type=Path,
        help="YAML file of the schema's labels in the language of the pages, as in `Age: Edad`",
    )


def _check(options: argparse.Namespace) -> None:
    from medresponse.readers import read

    cohort = read(options.data, options.schema)
    print(repr(cohort))
    for exclusion in cohort.flow:
        print(f"excluded {exclusion.n}: {exclusion.reason}")
    for row in cohort.findings.iter_rows(named=True):
        print(f"{row['severity']}: {row['code']}: column {row['column']}, {row['n']} row(s): {row['action']}")


def _fit(options: argparse.Namespace) -> int:
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


def _plan(options: argparse.Namespace) -> int:
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


def _respond(options: argparse.Namespace) -> None:
    from medresponse.core.atomic import atomic_path, require_absent
    from medresponse.core.plain_csv import write_csv

    require_absent(options.out, overwrite=options.overwrite)
    _, _, responses = _score(options)
    table = responses.summary()
    with atomic_path(options.out) as temporary:
        write_csv(table, temporary) if options.out.suffix == ".csv" else table.write_parquet(temporary)
    print(f"{len(responses.ids)} patients x {len(responses.treatments)} treatments: {options.out}")


def _score_population(options: argparse.Namespace) -> None:
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


def _validate(options: argparse.Namespace) -> int:
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


def _report(options: argparse.Namespace) -> int:
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


def _document(options: argparse.Namespace) -> None:
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


def _verify(options: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
