"""What runs on Ray, on one local cluster of two workers whose helper processes are slower than a node of Ray waits.

Helpers that nothing here needs sleep. Jupyter's packages bring a grammar that jsonschema, and so every process of Ray, would
build on import: a second and a half of CPU each, three quarters of what Ray's import takes.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments.sweep import Job, is_done, jobs_of, run_job, run_sweep
from experiments.sweep_ray import over_ray
from medresponse.core.atomic import sha256_of
from medresponse.core.cluster import connected
from medresponse.core.errors import ClusterError, DataError, StorageError
from medresponse.core.locking import locked
from medresponse.inference import Fit
from medresponse.readers import parts
from medresponse.response import score
from medresponse.response.predict import Patients
from medresponse.response.scoring import workers
from tests.experiments.test_sweep import PROGRAM, wait_for
from tests.hand_made import frame_of
from tests.response.conftest import ARMS
from tests.response.scoring.test_scoring import failing_write

pytestmark = [
    pytest.mark.cluster,
    # JAX, where a test of this process has used it, warns of the forks by which Ray starts programs of its own.
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
]
HELPERS_AWAKE = 900.0  # seconds after their start; Ray waits 15
SLOW = f"""
import sys, time
sys.modules["rfc3987_syntax"] = None
if any(name.endswith(("/agent.py", "/agent/main.py", "/monitor.py", "/log_monitor.py")) for name in sys.orig_argv):
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
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


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


def test_of_a_sweep_a_killed_worker_is_done_again_and_nothing_else_is_lost_hidden_or_repeated(
    ray: Any, tmp_path: Path, program: Path
) -> None:
    pids = tmp_path / "pids"

    def run(job: Job, folder: Path) -> Job:
        if "end=refused" in job.overrides:
            raise OSError("this one cannot be begun")
        if "end=waits" in job.overrides:
            pids.open("a").write(f"{os.getpid()}\n")
        return run_job(job, folder, program=program)

    def kill_worker() -> None:
        tries = out / jobs[0].key / "run" / "tries.txt"
        wait_for(tries.exists)
        os.kill(int(pids.read_text()), signal.SIGKILL)  # the worker, while its job is under way
        (tries.parent / "go").touch()

    jobs, out = jobs_of(["end=waits,fine,killed,refused", "n=1"]), tmp_path / "out"
    over = functools.partial(over_ray, run=run)
    killer = threading.Thread(target=kill_worker)
    killer.start()
    ended = run_sweep(jobs, out, workers=2, over=over)
    killer.join()
    assert [job.state for job in ended] == ["done", "done", "killed", "failed"]
    assert len(set(pids.read_text().split())) == 2
    (out / jobs[2].key / "run" / "mended").touch()
    tries = {job.key: (out / job.key / "run" / "tries.txt").read_text() for job in jobs[:3]}
    ended = run_sweep(jobs, out, workers=2, over=over)
    assert [job.state for job in ended] == ["done", "done", "done", "failed"]
    again = {job.key: (out / job.key / "run" / "tries.txt").read_text() for job in jobs[:3]}
    assert again == tries | {jobs[2].key: tries[jobs[2].key] + "x"}


def test_a_sweep_that_is_stopped_stops_what_is_under_way(ray: Any, tmp_path: Path, program: Path) -> None:
    def run(job: Job, folder: Path) -> Job:
        return run_job(job, folder, program=program)

    jobs = jobs_of(["end=waits,fine", "n=1"])
    ending = over_ray(jobs, tmp_path, 2, run=run)
    assert next(ending).swept["end"] == "fine"
    wait_for((tmp_path / jobs[0].key / "run" / "tries.txt").exists)
    ending.close()
    with (tmp_path / jobs[0].key / ".lock").open("ab") as lock:
        with locked(lock.fileno()):  # when the run has ended
            assert not is_done(jobs[0], tmp_path)
