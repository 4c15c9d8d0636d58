"""Machine code that is kept is of the source as it is now, wherever that stands."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from medresponse.core import machine_code

_STEP = """
from numba.extending import register_jitable

@register_jitable
def step(x):
    return x + {}
"""
_RUN = """
from medresponse.made_up_step import step

def run(out):
    out[0] = step(out[0])
"""


def load(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)


def test_a_change_in_a_module_that_a_loop_takes_a_function_from_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.py").write_text(_RUN)
    found = []
    for added in (
        "1.0",
        "1.0",
        "2.00",
    ):  # another length: Python may not see that two files of one second differ
        (tmp_path / "step.py").write_text(_STEP.format(added))
        load("medresponse.made_up_step", tmp_path / "step.py", monkeypatch)
        load("medresponse.made_up_run", tmp_path / "run.py", monkeypatch)
        machine_code._sources.cache_clear()
        out = np.zeros(1)
        machine_code.compiled(sys.modules["medresponse.made_up_run"].run, "f8[1]")(out)
        found.append((out[0], len(list((tmp_path / "__pycache__").glob("*.nbc")))))
    machine_code._sources.cache_clear()
    assert found == [(1.0, 1), (1.0, 1), (2.0, 2)]
