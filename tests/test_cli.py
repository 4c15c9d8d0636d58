import errno
import json
import os

import polars as pl
import pytest

import medresponse.readers
from medresponse import cli
from medresponse.core.errors import FitError
from medresponse.core.estimand import ESTIMANDS
from medresponse.inference import Gibbs, Numpyro, Nuts, PymcNuts
from tests.hand_made import trial_of
from tests.response_kinds import responses_of

SCHEMA = """
name: made-up trial
source: written for a test
id: patient
synthetic: true
treatment:
  column: arm
  reference: a
  assignment: randomised
  levels: {a: {label: Old}, b: {label: New}}
outcomes:
  survival:
    {kind: time_to_event, time: days, event: died, event_value: 1, censored_value: 0, unit: day,
     event_label: death, free_label: alive}
features:
  history:
    age: {type: continuous, unit: year, range: [0, 120]}
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    frame = pl.DataFrame(
        {
            "patient": [f"P{i}" for i in range(6)],
            "arm": list("ababab"),
            "days": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
            "died": [1, 1, 0, 1, 0, 0],
            "age": [51.0, 62.0, 73.0, 44.0, 55.0, 66.0],
        }
    )
    frame.write_csv(tmp_path / "trial.csv")
    return tmp_path


def run(folder, *arguments):
    return cli.main(["--quiet", *(a.replace("@", f"{folder}/") for a in arguments)])


def test_check_counts_patients_and_shows_none(files, capsys):
    assert run(files, "check", "@trial.csv", "--schema", "@schema.yaml") == 0
    out = capsys.readouterr().out
    assert "<11 patients" in out
    assert "73" not in out


def test_bad_data_are_one_message_and_a_non_zero_exit(files, capsys):
    text = (files / "trial.csv").read_text().replace("P1,b,20.0", "P1,b,-20.0")
    (files / "trial.csv").write_text(text)
    assert run(files, "check", "@trial.csv", "--schema", "@schema.yaml") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: [time_not_positive]")
    assert "P1" in err and "-20" not in err


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "family: {kind: weibul}\nblocks: {}\n",
            "spec.family.kind: no Family called 'weibul'; did you mean 'weibull'?",
        ),
        ("family: {kind: weibull}\n", "spec.blocks: missing"),
        ("family: [\n", "not readable as YAML"),
    ],
)
def test_a_wrong_spec_is_refused_before_anything_is_fitted(files, capsys, spec, message):
    (files / "spec.yaml").write_text(spec)
    code = run(
        files,
        "fit",
        "@trial.csv",
        "--schema",
        "@schema.yaml",
        "--spec",
        "@spec.yaml",
        "--seed",
        "1",
        "--out",
        "@fit",
    )
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (files / "fit").exists()


def test_a_fit_is_not_started_where_its_output_is_there_already(files, capsys):
    (files / "fit").mkdir()
    (files / "spec.yaml").write_text("family: {kind: weibull}\nblocks: {}\n")
    code = run(
        files,
        "fit",
        "@trial.csv",
        "--schema",
        "@schema.yaml",
        "--spec",
        "@spec.yaml",
        "--seed",
        "1",
        "--out",
        "@fit",
    )
    assert code == 2
    assert "[output_exists]" in capsys.readouterr().err


def test_a_folder_that_is_no_result_does_not_verify(files, capsys):
    assert run(files, "verify", "@") == 2
    assert "[no_manifest]" in capsys.readouterr().err


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(
        verb in out for verb in ("check", "plan", "fit", "respond", "score", "report", "document", "verify")
    )


@pytest.mark.parametrize("verb", ["respond", "score", "report", "document"])
def test_help_names_every_estimand_and_what_each_needs(capsys, verb):
    with pytest.raises(SystemExit):
        cli.main([verb, "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert all(kind in out for kind in ESTIMANDS)
    assert "needed for at_least, category" in out.replace("cumulative_incidence, time_lost, ", "")


def test_the_estimand_and_part_asked_for_reach_the_responses(files, capsys, monkeypatch):
    responses, cohort = responses_of("ordinal", estimand="at_least", part="SD")
    monkeypatch.setattr("medresponse.inference.store.load_fit", lambda folder: responses.fit)
    monkeypatch.setattr("medresponse.readers.read", lambda *args, **options: cohort)
    ask = ("respond", "@fit", "@new.csv", "--estimand", "at_least", "--out", "@out.csv")
    assert run(files, *ask, "--part", "CR") == 0
    written = pl.read_csv(files / "out.csv")
    assert written["mean"].to_list() == pytest.approx(responses.of("CR").summary()["mean"].to_list())
    assert run(files, *ask, "--overwrite") == 2
    assert "say which category: part= one of SD, CR" in capsys.readouterr().err


def test_a_population_is_scored_from_a_parquet_file(files, capsys, monkeypatch):
    responses, cohort = responses_of("binary")
    monkeypatch.setattr("medresponse.inference.store.load_fit", lambda folder: responses.fit)
    cohort.table.drop("arm", "dead").write_parquet(files / "new.parquet")
    ask = ("score", "@fit", "@new.parquet", "--out", "@scores", "--worthwhile", "0.05", "--loss", "B=0.5")
    assert run(files, *ask) == 0
    assert "40 patients x 2 treatments, 0 excluded" in capsys.readouterr().out
    table = pl.read_parquet(files / "scores" / "part-00000.parquet")
    assert table.filter(treatment="A")["p_best"].to_list() == [1.0] * 40, "B costs more than it can give"
    assert run(files, *ask) == 2
    assert "[output_exists]" in capsys.readouterr().err
    assert run(files, *ask[:-2], "--loss", "B=much", "--overwrite") == 2
    assert "TREATMENT=NUMBER" in capsys.readouterr().err


@pytest.fixture
def reporting(files, monkeypatch):
    """Runs the report command on made-up responses with an override."""
    responses, cohort = responses_of("ordinal", estimand="at_least", part="SD")
    monkeypatch.setattr("medresponse.inference.store.load_fit", lambda folder: responses.fit)
    monkeypatch.setattr("medresponse.readers.read", lambda *args, **options: cohort)
    ask = (
        "report",
        "@fit",
        "@new.csv",
        "--estimand",
        "at_least",
        "--part",
        "SD",
        "--worthwhile",
        "0.05",
        "--out",
        "@out",
    )

    def command(*more, loud=False):
        words = [a.replace("@", f"{files}/") for a in (*ask, "--override", "a test", *more)]
        return cli.main([*([] if loud else ["--quiet"]), *words])

    return command


def test_reports_of_all_patients_are_made_once_and_kept(files, capsys, reporting):
    assert reporting("--patient", "P03", "--patient", "P01") == 0
    assert "<Batch: 2 made, 0 kept, 0 failed>" in capsys.readouterr().out
    (files / "ids.txt").write_text("P02\n\n  P01\n")
    assert reporting("--patients", "@ids.txt", "--processes", "1") == 0
    assert "<Batch: 1 made, 1 kept, 0 failed>" in capsys.readouterr().out
    text = (files / "out" / "index.html").read_text(encoding="utf-8")
    assert (
        text.index("patients/P02.html") < text.index("patients/P01.html") and "Reports on 2 patients" in text
    )
    assert run(files, "verify", "@out") == 0


def test_reports_withhold_by_the_rules_given_and_count_similar_patients_in_the_training_data(
    files, capsys, reporting
):
    (files / "rules.yaml").write_text("name: clinic\nfewest_similar: 1000\n")
    more = ("--patient", "P01", "--rules", "@rules.yaml", "--training", "@trial.csv")
    assert reporting(*more) == 0
    made = json.loads((files / "out" / "patients" / "P01.json").read_text(encoding="utf-8"))
    assert made["rules"]["name"] == "clinic" and all(h["withheld"] for h in made["headlines"])
    assert {reason["code"] for reason in made["verdict"]["own"][0]} == {"few_similar"}
    assert made["sections"]["question"]["checks"][1]["result"] != "Not shown"
    (files / "rules.yaml").write_text("fewest_simlar: 1000\n")
    assert reporting(*more, "--overwrite") == 2
    assert "rules.fewest_simlar: unknown entry; did you mean 'fewest_similar'" in capsys.readouterr().err


HARMS = """
- name: Rash
  source: trial T1
  rates:
    A: {mean: 0.03, lower: 0.01, upper: 0.05}
"""


def test_harms_and_evidence_of_files_are_on_the_page(files, reporting):
    (files / "harms.yaml").write_text(HARMS)
    (files / "evidence.yaml").write_text(
        "- {name: Calibration, value: predicted 60 and observed 58 of 100}\n"
    )
    assert reporting("--patient", "P01", "--harms", "@harms.yaml", "--evidence", "@evidence.yaml") == 0
    sections = json.loads((files / "out" / "patients" / "P01.json").read_text(encoding="utf-8"))["sections"]
    (row,) = sections["harms"]["rows"]
    assert (row["name"], row["cells"]) == ("Rash", ["3 (1 to 5)", "not known"])
    assert sections["evidence"]["rows"][0]["value"] == "predicted 60 and observed 58 of 100"
    page = (files / "out" / "patients" / "P01.html").read_text(encoding="utf-8")
    assert "Not known: this model estimates no harms" not in page and "3 (1 to 5)" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HARMS.replace("mean", "maen"), "harms[0].rates.A.maen: unknown entry; did you mean 'mean'"),
        (HARMS.replace("0.03", "0.3"), "harms[0].rates.A: a rate needs 0 <= lower <= mean <= upper <= 1"),
        (HARMS.replace("A:", "Z:"), "error: [unknown_treatment]"),
        ("", "harms: expected a list, found NoneType"),
    ],
)
def test_a_broken_file_of_harms_is_one_message_and_no_page(files, capsys, reporting, text, message):
    (files / "harms.yaml").write_text(text)
    assert reporting("--all", "--harms", "@harms.yaml") == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1
    assert not list((files / "out").rglob("*.html"))


def test_a_patient_who_fails_is_named_and_the_exit_code_says_so(files, capsys, reporting):
    (files / "ids.txt").write_text("P01\nnobody\n")
    assert reporting("--patients", "@ids.txt", "--format", "json", loud=True) == 3
    out, err = capsys.readouterr()
    assert "failed: nobody: [unknown_patient]" in err and "2 of 2 reports, 1 failed" in err
    assert "<Batch: 1 made, 0 kept, 1 failed>" in out
    assert [p.name for p in (files / "out" / "patients").iterdir()] == ["P01.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_folder_that_is_full_or_read_only_is_one_message_and_nothing_is_lost(
    files, capsys, reporting, monkeypatch, number
):
    def refuse(path, content):
        raise OSError(number, os.strerror(number))

    assert reporting("--patient", "P01") == 0
    pages = {file: file.read_bytes() for file in (files / "out" / "patients").iterdir()}
    (files / "ids.txt").write_text("P01\nP02\nP03\n")
    with monkeypatch.context() as full:
        full.setattr("medresponse.reports.output.write_bytes", refuse)
        assert reporting("--patients", "@ids.txt") == 2
    assert f"error: [output] out cannot be written to: {os.strerror(number)}." in capsys.readouterr().err
    assert pages == {file: file.read_bytes() for file in (files / "out" / "patients").iterdir()}
    assert reporting("--patients", "@ids.txt") == 0
    assert "<Batch: 2 made, 1 kept, 0 failed>" in capsys.readouterr().out
    assert run(files, "verify", "@out") == 0


def test_training_data_that_are_not_those_of_the_fit_are_one_message(files, capsys, reporting, monkeypatch):
    other = trial_of(seed=2)
    mine = medresponse.readers.read
    monkeypatch.setattr(
        "medresponse.readers.read",
        lambda path, *a, **o: other if path.name == "trial.csv" else mine(path, *a, **o),
    )
    assert reporting("--all", "--training", "@trial.csv") == 2
    assert (
        "[cohort_mismatch] reference is not the cohort that the model learned from" in capsys.readouterr().err
    )
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--patient", "nobody"), "error: [unknown_patient] no report could be made"),
        (("--all", "--format", "docx"), "error: [format] no reports as 'docx'"),
        (("--patients", "@trial.fit"), "No such file or directory"),
        (("--patients", "@empty.txt"), "error: [no_patients] empty.txt names no patient"),
        (("--all", "--out", "@new.csv/out"), "error: [output] out cannot be written to: Not a directory"),
    ],
)
def test_reports_that_cannot_be_made_are_one_message(files, capsys, reporting, more, message):
    (files / "empty.txt").write_text("\n")
    (files / "new.csv").write_text("a file")
    assert reporting(*more) == 2
    assert message in capsys.readouterr().err
    assert not list(files.rglob("*.html"))


@pytest.mark.parametrize(
    ("spec", "asked", "engine"),
    [
        ("", (), Nuts()),
        ("", ("--draws", "700", "--target-accept", "0.9"), Nuts(draws=700, target_accept=0.9)),
        ("", ("--engine", "pymc", "--draws", "700"), PymcNuts(draws=700)),
        ("", ("--engine", "numpyro"), Numpyro()),
        ("trees: {blocks: [history]}", (), Gibbs()),
        ("trees: {blocks: [history]}", ("--chains", "2", "--thin", "8"), Gibbs(chains=2, thin=8)),
    ],
)
def test_a_spec_is_fitted_with_its_own_engine(files, monkeypatch, spec, asked, engine):
    used = []

    def fit(*args, engine, **options):
        used.append(engine)
        raise FitError("far enough", code="test")

    monkeypatch.setattr("medresponse.inference.fit", fit)
    assert fitting(files, spec, *asked) == 2
    assert used == [engine]


@pytest.mark.parametrize(
    ("spec", "asked", "message"),
    [
        ("", ("--thin", "2"), "--thin is not for a spec without trees"),
        ("trees: {blocks: [history]}", ("--target-accept", "0.9"), "--target-accept is not for a spec with trees"),
        ("", ("--chains", "1"), "chains at least 2"),
    ],
)  # fmt: skip
def test_a_setting_of_the_other_engine_or_out_of_range_is_refused(files, capsys, spec, asked, message):
    assert fitting(files, spec, *asked) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("free", "code"), [(None, 0), (10, 1)])
def test_a_plan_says_what_a_fit_takes_and_whether_it_fits(files, capsys, monkeypatch, free, code):
    monkeypatch.setattr("medresponse.inference.planning.available_memory", lambda: free)
    (files / "spec.yaml").write_text("family: {kind: lognormal}\nblocks: {history: {kind: normal}}\n")
    command = ("plan", "@trial.csv", "--schema", "@schema.yaml", "--spec", "@spec.yaml", "--draws", "500")
    assert run(files, *command, "--for-patients", "5000") == code
    out = capsys.readouterr().out
    assert "5,000 patients, 1 columns" in out and "(500 + 1000)" in out
    assert ("DOES NOT FIT" in out) == bool(code)


def fitting(folder, spec, *asked):
    (folder / "spec.yaml").write_text(f"family: {{kind: lognormal}}\nblocks: {{}}\n{spec}\n")
    command = (
        "fit",
        "@trial.csv",
        "--schema",
        "@schema.yaml",
        "--spec",
        "@spec.yaml",
        "--seed",
        "1",
        "--out",
        "@fit",
    )
    return run(folder, *command, *asked)


def test_the_documents_on_a_fit_are_written_with_their_warnings(files, capsys, monkeypatch):
    responses, cohort = responses_of("binary")
    monkeypatch.setattr("medresponse.inference.store.load_fit", lambda folder: responses.fit)
    monkeypatch.setattr("medresponse.readers.read", lambda *args, **options: cohort)
    (files / "facts.yaml").write_text("name: A model\nexpires: '2020-01-01'\n")
    ask = ("document", "@fit", "@new.csv", "--worthwhile", "0.05", "--facts", "@facts.yaml", "--out", "@docs")
    assert run(files, *ask) == 0
    written = capsys.readouterr()
    assert {file.name for file in (files / "docs").iterdir() if file.suffix in (".html", ".json")} == {
        "validation_report.html", "validation_report.json", "model_card.html", "model_card.json",
    }  # fmt: skip
    assert "EXPIRED on 2020-01-01" in written.err and "NOT VALIDATED" in written.err
    assert run(files, *ask) == 2 and "exists already" in capsys.readouterr().err
    assert run(files, *ask, "--overwrite", "--language", "xx") == 2
    assert "no reports in language 'xx'" in capsys.readouterr().err
    (files / "labels.yaml").write_text(
        "Option A: Opción A\nOption B: Opción B\ndead: muerte\n", encoding="utf-8"
    )
    assert run(files, *ask, "--overwrite", "--language", "es", "--labels", "@labels.yaml") == 0
    card = "".join(
        (files / "docs" / f"{n}.html").read_text(encoding="utf-8")
        for n in ("model_card", "validation_report")
    )
    assert "«muerte»" in card and "Opción A" in card and "«dead»" not in card
    (files / "labels.yaml").write_text("- Option A\n")
    assert run(files, *ask, "--overwrite", "--labels", "@labels.yaml") == 2
