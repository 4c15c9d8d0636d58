"""What runs on Ray, on one local cluster of two workers whose helper processes are slower than a node of Ray waits."""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments.sweep import Job, jobs_of, over_processes, run_job, run_sweep
from medresponse.core.atomic import sha256_of
from medresponse.core.cluster import connected
from medresponse.core.errors import ClusterError, DataError, StorageError
from medresponse.inference import Fit
from medresponse.readers import parts
from medresponse.response import score
from medresponse.response.predict import Patients
from medresponse.response.scoring import workers
from tests.experiments.test_sweep import PROGRAM, states
from tests.hand_made import frame_of
from tests.response.conftest import ARMS
from tests.response.scoring.test_scoring import failing_write

pytestmark = pytest.mark.cluster
HELPERS_AWAKE = 900.0  # seconds after their start; Ray waits 15
SLOW = f"""
import sys, time
if any(name.endswith(("dashboard/agent.py", "runtime_env/agent/main.py")) for name in sys.orig_argv):
    time.sleep({HELPERS_AWAKE})
"""


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    folder = tmp_path_factory.mktemp("slow")
    (folder / "sitecustomize.py").write_text(SLOW)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        with connected("local", workers=2) as module:
            yield module


@pytest.fixture
def patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fifty patients in four parts of up to two tasks; some lack an age, some are of a site never seen."""
    monkeypatch.setattr(parts, "PART", 16)
    monkeypatch.setattr(workers, "CHUNK", 9)
    row = pl.int_range(pl.len())
    frame_of(50, arms=ARMS, seed=9).select(
        "patient", "sex", "stage", "smoking", "snp",
        pl.when(row % 5 == 0).then(None).otherwise("age").alias("age"),
        pl.when(row % 11 == 3).then(pl.lit("elsewhere")).otherwise("site").alias("site"),
    ).write_parquet(tmp_path / "new.parquet")  # fmt: skip
    return tmp_path / "new.parquet"


def digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256_of(file) for file in sorted(folder.iterdir())}


def killing(monkeypatch: pytest.MonkeyPatch, patient: str, once: Path | None) -> None:
    """Kill the worker that is given a patient, at its first try or at every one."""
    inner = workers.score_chunk

    def score_chunk(version: str, question: str, where: list[object], patients: Patients) -> np.ndarray:
        if patient in patients.ids and (once is None or not once.exists()):
            if once is not None:
                once.touch()
            os._exit(1)
        return inner(version, question, where, patients)

    monkeypatch.setattr(workers, "score_chunk", score_chunk)


def test_a_cluster_works_while_its_helpers_are_not_up(ray: Any) -> None:
    started = time.monotonic()
    assert ray.get(ray.remote(lambda: 1 + 1).remote()) == 2
    assert time.monotonic() - started < HELPERS_AWAKE


def test_scores_are_those_of_one_process_to_the_byte_and_a_killed_worker_is_done_again(
    ray: Any,
    linear: Fit,
    patients: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score(linear, patients, tmp_path / "here")
    killing(monkeypatch, "P020", tmp_path / "killed")
    found = score(linear, patients, tmp_path / "cluster", cluster="local", cores=2)
    assert (tmp_path / "killed").exists() and found.n_patients == 50
    assert digests(tmp_path / "cluster") == digests(tmp_path / "here")


def test_a_worker_that_dies_every_time_is_an_error_and_finished_parts_are_kept(
    ray: Any,
    linear: Fit,
    patients: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "scores"
    with monkeypatch.context() as patched:
        patched.setattr(workers, "TRIES", 2)
        killing(patched, "P040", None)
        with pytest.raises(ClusterError, match="died 2 times"):
            score(linear, patients, out, cluster="local", cores=2)
    kept = digests(tmp_path / ".scores.unfinished")
    assert not out.exists() and "part-00000.parquet" in kept
    score(linear, patients, out, cluster="local", cores=2)
    assert kept.items() <= digests(out).items()


def test_a_disk_that_fills_keeps_what_is_finished(
    ray: Any,
    linear: Fit,
    patients: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pl.DataFrame, "write_parquet", failing_write(2))
        with pytest.raises(StorageError, match=r"No space left on device.*2 finished part"):
            score(linear, patients, tmp_path / "scores", cluster="local", cores=2)
    assert score(linear, patients, tmp_path / "scores", cluster="local", cores=2).n_patients == 50


def test_an_error_of_ours_in_a_worker_is_that_error_here(
    ray: Any,
    linear: Fit,
    patients: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: object) -> None:
        raise DataError("not this one", code="refused")

    with monkeypatch.context() as patched:
        patched.setattr(workers, "score_chunk", refuse)
        with pytest.raises(DataError, match=r"^\[refused\] not this one$"):
            score(linear, patients, tmp_path / "scores", cluster="local", cores=2)
    monkeypatch.setattr(workers, "__version__", "another")
    with pytest.raises(ClusterError, match="this process another"):
        score(linear, patients, tmp_path / "scores", cluster="local", cores=2)


def test_a_cluster_that_does_not_answer_is_an_error_before_anything_is_read(
    linear: Fit,
    patients: Path,
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ClusterError, match="nothing listens there"):
            score(linear, patients, tmp_path / "scores", cluster=f"127.0.0.1:{taken.getsockname()[1]}")
    assert not (tmp_path / "scores").exists()


def test_another_cluster_than_the_one_that_is_connected_is_refused(ray: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(ClusterError, match="connected to another"):
            with connected(f"127.0.0.1:{other.getsockname()[1]}", workers=2):
                pass


def test_of_a_sweep_a_killed_worker_is_done_again_and_a_killed_job_hides_nothing(
    ray: Any, tmp_path: Path
) -> None:
    from experiments.sweep_ray import over_ray

    once, program = tmp_path / "worker-killed-once", tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run(job: Job, folder: Path) -> Job:
        if job.swept["end"] == "fine" and job.swept["n"] == "2" and not once.exists():
            once.touch()
            os._exit(1)  # the worker, not its job
        return run_job(job, folder, program=program)

    jobs, local, out = jobs_of(["end=fine,killed", "n=1,2"]), tmp_path / "local", tmp_path / "out"
    ended = run_sweep(jobs, out, workers=2, over=functools.partial(over_ray, run=run))
    assert once.exists()
    assert states(ended) == {
        (end, n): {"fine": "done"}.get(end, "killed") for end in ("fine", "killed") for n in "12"
    }
    again = functools.partial(over_processes, run=functools.partial(run_job, program=program))
    run_sweep(jobs, local, workers=2, over=again)
    for job in jobs[:2]:
        name = f"{job.key}/run/metrics.json"
        assert (out / name).read_bytes() == (local / name).read_bytes()
