"""Threads of BLAS, and settings of the environment that allow no machine code."""

from __future__ import annotations

import logging
import os
import platform

import pytest
import scipy.linalg  # noqa: F401 - with a BLAS of its own, loaded before anything is counted
from threadpoolctl import threadpool_info

from medresponse.core import machine
from medresponse.core.errors import SpecError
from medresponse.core.machine import check_numba, described, one_blas_thread


def blas_threads() -> set[int]:
    return {int(one["num_threads"]) for one in threadpool_info() if one["user_api"] == "blas"}


def test_blas_takes_one_thread_whatever_was_asked_for_and_gets_its_own_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine._warn.cache_clear()
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = blas_threads()
    with caplog.at_level(logging.WARNING, logger="medresponse.core"):
        for _ in range(2):
            with one_blas_thread():
                assert blas_threads() == {1}
    assert blas_threads() == before
    (said,) = caplog.messages  # once a process
    assert said.startswith("OPENBLAS_NUM_THREADS: set aside")


@pytest.mark.parametrize(
    ("name", "value"),
    [("NUMBA_DISABLE_JIT", "1"), ("NUMBA_NUM_THREADS", "0"), ("NUMBA_NUM_THREADS", "two")],
)
def test_settings_under_which_nothing_can_be_compiled_are_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=name) as caught:
        check_numba()
    assert caught.value.code == "environment"


def test_settings_that_change_nothing_here_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    check_numba()


def test_a_machine_is_described_by_kind_cores_and_memory_without_its_model_or_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(machine, "_memory", lambda: 25_276_502_016)
    text = "model name\t: Some Processor 9000 avx\nflags\t\t: fpu avx avx2 bmi2\n"
    monkeypatch.setattr(machine.Path, "read_text", lambda self, encoding: text)
    assert described() == "x86_64 with AVX2, 2 cores, 25 GB"


def test_what_the_system_does_not_say_of_the_machine_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sysconf", absent)
    monkeypatch.setattr(machine.Path, "read_text", absent)
    assert described() == "arm64, 8 cores"
