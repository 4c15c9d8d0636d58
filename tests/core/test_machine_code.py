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


_DIVIDE = """
def divide(out):
    out[0] = 1.0 / out[0]
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


def test_machine_code_of_other_options_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "divide.py").write_text(_DIVIDE)
    for division in ("numpy", "python"):
        monkeypatch.setattr(machine_code, "_DIVISION", division)
        load("medresponse.made_up_divide", tmp_path / "divide.py", monkeypatch)
        machine_code._sources.cache_clear()
        divide = machine_code.compiled(sys.modules["medresponse.made_up_divide"].divide, "f8[1]")
        if division == "numpy":
            divide(out := np.zeros(1))
            assert out[0] == np.inf
        else:
            with pytest.raises(ZeroDivisionError):
                divide(np.zeros(1))
    machine_code._sources.cache_clear()


def test_machine_code_made_under_other_settings_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "take.py").write_text("def take(out, i):\n    out[0] = out[i]\n")
    for checked in ("0", "1"):
        monkeypatch.setenv("NUMBA_BOUNDSCHECK", checked)
        load("medresponse.made_up_take", tmp_path / "take.py", monkeypatch)
        machine_code._sources.cache_clear()
        take = machine_code.compiled(sys.modules["medresponse.made_up_take"].take, "f8[1]", "i8")
        whole = np.arange(3.0)
        if checked == "0":
            take(whole[:2], 2)  # beyond the array, within the memory behind it
            assert whole[0] == 2.0
        else:
            with pytest.raises(IndexError):
                take(whole[:2], 2)
    machine_code._sources.cache_clear()


_OTHERS = [np.full(3, 2.0, dtype=np.float32), np.full((3, 1), 2.0), np.full(6, 2.0)[::2]]


@pytest.mark.parametrize("other", _OTHERS)
def test_other_kinds_than_declared_are_compiled_for_users_and_fail_the_tests(
    other: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "divide.py").write_text(_DIVIDE)
    load("medresponse.made_up_divide", tmp_path / "divide.py", monkeypatch)
    function = sys.modules["medresponse.made_up_divide"].divide
    with pytest.raises(TypeError, match="No matching definition"):
        machine_code.compiled(function, "f8[1]")(other)
    monkeypatch.setattr(machine_code, "_compile", machine_code._compile.__wrapped__)
    machine_code.compiled.cache_clear()
    machine_code.compiled(function, "f8[1]")(other)
    assert other.flat[0] == 0.5


@pytest.mark.parametrize("other", [2, True, np.float32(2.0)])
def test_numbers_of_other_kinds_than_declared_fail_the_tests_as_well(
    other: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "put.py").write_text("def put(out, number):\n    out[0] = number\n")
    load("medresponse.made_up_put", tmp_path / "put.py", monkeypatch)
    put, out = machine_code.compiled(sys.modules["medresponse.made_up_put"].put, "f8[1]", "f8"), np.zeros(1)
    with pytest.raises(TypeError, match="No matching definition"):
        put(out, other)
    put(out, 2.0)
    assert out[0] == 2.0


@pytest.mark.parametrize("kept", ["nbi", "nbc"])
def test_damaged_machine_code_is_made_again(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "divide.py").write_text(_DIVIDE)
    for _ in range(2):
        load("medresponse.made_up_divide", tmp_path / "divide.py", monkeypatch)
        machine_code._sources.cache_clear()
        divide = machine_code.compiled(sys.modules["medresponse.made_up_divide"].divide, "f8[1]")
        divide(out := np.full(1, 2.0))
        assert out[0] == 0.5
        for file in (tmp_path / "__pycache__").glob(f"*.{kept}"):
            file.write_bytes(b"")  # as a machine that loses power may leave it
    machine_code._sources.cache_clear()
