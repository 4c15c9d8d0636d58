"""What each command takes on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from medresponse.cli import commands
from medresponse.core.estimand import ESTIMANDS


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run`, of `commands`."""
    whole = argparse.ArgumentParser(
        prog="medresponse", description="Per-patient treatment-response distributions."
    )
    whole.add_argument("--quiet", action="store_true", help="print results and errors only")
    verbs = whole.add_subparsers(required=True, metavar="command")

    check = verbs.add_parser("check", help="check a data file against a schema and print the findings")
    _data(check)
    check.set_defaults(run=commands.check)

    fit = verbs.add_parser("fit", help="fit a model and save it")
    _data(fit)
    _sampled(fit)
    fit.add_argument("--seed", type=int, required=True)
    _out(fit, "folder for the fit")
    fit.set_defaults(run=commands.fit)

    plan = verbs.add_parser("plan", help="predict time and memory of a fit, and of scoring, before it is run")
    _data(plan)
    _sampled(plan)
    plan.add_argument(
        "--for-patients", type=int, metavar="N", help="predict for so many instead of the file's"
    )
    plan.set_defaults(run=commands.plan)

    respond = verbs.add_parser("respond", help="write every patient's response under every treatment")
    _scored(respond)
    _out(respond, "Parquet or CSV file")
    respond.set_defaults(run=commands.respond)

    score = verbs.add_parser(
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
    _out(score, "folder for the scores; a Parquet file or Zarr group of patients is read part by part")
    score.set_defaults(run=commands.score_population)

    validate = verbs.add_parser("validate", help="hold refits against patients left out and write the record")
    _scored(validate, data="CSV or Parquet file of patients with their outcomes")
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
    validate.set_defaults(run=commands.validate)

    report = verbs.add_parser(
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
    report.set_defaults(run=commands.report)

    document = verbs.add_parser(
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
    document.set_defaults(run=commands.document)

    verify = verbs.add_parser("verify", help="replay a result folder's audit log and check its files")
    verify.add_argument("folder", type=Path)
    verify.add_argument("--head", help="hash of a log entry that was noted down elsewhere: it must be there")
    verify.set_defaults(run=commands.verify)
    return whole


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


def _scored(
    parser: argparse.ArgumentParser, data: str = "CSV or Parquet file of patients; no outcome is needed"
) -> None:
    parser.add_argument("fit", type=Path, help="folder of a saved fit")
    parser.add_argument("data", type=Path, help=data)
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
