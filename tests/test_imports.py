"""What may be imported without the sampler: reports and responses are rebuilt from saved draws alone."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SAMPLER = {"pymc", "pytensor", "nutpie", "arviz", "arviz_base", "arviz_stats", "arviz_plots", "numba"}
HEAVY = SAMPLER | {"sksurv", "sklearn", "matplotlib"}  # xarray brings pandas
LIGHT = (
    "medresponse.cohort",
    "medresponse.features",
    "medresponse.readers",
    "medresponse.families",
    "medresponse.priors",
    "medresponse.model",
    "medresponse.inference.store",
    "medresponse.response",
    "medresponse.decisions",
    "medresponse.validation",
    "medresponse.reports",
    "medresponse.cli",
)


def imported_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after one statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_is_light() -> None:
    found = imported_by("import medresponse")
    assert not found & (HEAVY | {"numpy", "scipy", "polars", "xarray", "zarr"})


@pytest.mark.parametrize("module", [name for name in LIGHT if importlib.util.find_spec(name) is not None])
def test_what_scores_and_reports_never_imports_the_sampler_or_what_is_heavy(module: str) -> None:
    assert not imported_by(f"import {module}") & HEAVY


def test_the_imports_above_are_of_modules_that_exist() -> None:
    """A renamed module must not silently leave the list."""
    present = {name for name in LIGHT if importlib.util.find_spec(name) is not None}
    assert {
        "medresponse.inference.store",
        "medresponse.response",
        "medresponse.validation",
        "medresponse.families",
    } <= present


@pytest.mark.parametrize(
    ("statement", "seconds"),
    [
        ("import medresponse", 0.3),
        ("from medresponse import cli\ntry:\n cli.main(['--help'])\nexcept SystemExit:\n pass", 0.5),
    ],
)
def test_the_package_and_its_help_are_there_at_once(statement: str, seconds: float) -> None:
    """In seconds of the processor, the start of Python included; a tenth of them is usual."""
    code = f"{statement}\nimport time\nprint(time.process_time())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert float(done.stdout.splitlines()[-1]) < seconds


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved fit and patients to score."""
    from medresponse.inference import save_fit
    from tests.response_kinds import responses_of

    folder = tmp_path_factory.mktemp("saved")
    responses, cohort = responses_of("binary")
    save_fit(responses.fit, folder / "fit")
    cohort.table.drop("arm", "dead").write_parquet(folder / "new.parquet")
    return folder


@pytest.mark.parametrize("verb", ["score", "respond", "report"])
def test_scoring_and_reporting_from_a_saved_fit_need_no_sampler(saved: Path, verb: str) -> None:
    asked = {
        "score": "'--out', f'{folder}/scores'",
        "respond": "'--out', f'{folder}/responses.csv'",
        "report": "'--out', f'{folder}/pages', '--patient', 'P01', '--override', 'a look', '--worthwhile', '0.05'",
    }[verb]
    found = imported_by(
        f"from medresponse import cli; folder = {str(saved)!r}\n"
        f"assert cli.main(['--quiet', {verb!r}, f'{{folder}}/fit', f'{{folder}}/new.parquet', {asked}]) == 0"
    )
    # Loops of `score` are compiled by numba; nothing else of the sampler's is needed.
    assert not found & (HEAVY - {"numba"} if verb == "score" else HEAVY)


def test_a_spec_is_decoded_and_its_mistakes_are_named_without_the_sampler() -> None:
    found = imported_by(
        "import medresponse as mr\nfrom medresponse.core.codec import from_plain\n"
        "from medresponse.core.errors import SpecError\n"
        "spec = from_plain(mr.ModelSpec, {'family': {'kind': 'weibull'}, 'blocks': {'history': {'kind': 'normal'}}})\n"
        "try:\n from_plain(mr.ModelSpec, {'family': {'kind': 'weibul'}, 'blocks': {}})\n"
        "except SpecError as error:\n assert 'weibull' in str(error)\nelse:\n raise AssertionError"
    )
    assert not found & HEAVY
