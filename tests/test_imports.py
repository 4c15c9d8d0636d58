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
