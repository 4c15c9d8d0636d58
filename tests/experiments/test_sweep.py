"""Sweeps with a stand-in for run.py that finishes, fails or is killed as its overrides say."""

import functools
import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from experiments.sweep import jobs_of, main, metrics_table, over_processes, run_job, run_sweep
from medresponse.core.errors import OutputExistsError, SpecError
from medresponse.core.manifest import write_manifest

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from medresponse.core.manifest import write_manifest
given = dict(one.split("=", 1) for one in sys.argv[1:])
folder = Path(given["output"])
folder.mkdir(parents=True, exist_ok=True)
(folder / "tries.txt").open("a").write("x")
until = time.monotonic() + 60
while given["end"] == "waits" and not (folder / "go").exists() and time.monotonic() < until:
    time.sleep(0.02)
if given["end"] == "fails" and not (folder / "mended").exists():
    sys.exit("this one fails")
if given["end"] == "killed" and not (folder / "mended").exists():
    os.kill(os.getpid(), signal.SIGKILL)
(folder / "metrics.json").write_text(json.dumps({"n": {"value": float(given["n"]), "mcse": 0.0, "unit": "1"}}))
write_manifest(folder, extra={"seconds": 12.5})
"""


@pytest.fixture
def program(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


@pytest.fixture
def over(program):
    return functools.partial(over_processes, run=functools.partial(run_job, program=program))


def wait_for(holds, seconds=60):
    """Wait until something holds that another process brings about."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def states(jobs):
    return {(job.swept.get("end", ""), job.swept.get("n", "")): job.state for job in jobs}


def test_every_combination_is_a_job_and_fixed_values_are_in_all():
    jobs = jobs_of(["experiment=simulation", "scenario=a,b", "seed=range(1,4)", "size=ci"])
    assert len(jobs) == 6
    assert {job.swept["scenario"] for job in jobs} == {"a", "b"}
    assert all("size=ci" in job.overrides and "size" not in job.swept for job in jobs)
    assert len({job.key for job in jobs}) == 6


def test_a_grid_that_grows_keeps_the_names_of_its_jobs():
    few, more = jobs_of(["experiment=x", "n=1,2"]), jobs_of(["experiment=x", "n=1,2,3"])
    assert {job.key for job in few} < {job.key for job in more}


@pytest.mark.parametrize(
    ("overrides", "match"),
    [(["a=1", "output=x"], "output="), (["a=["], "not understood"), (["a=1,1"], "the same")],
)
def test_what_cannot_be_swept_is_refused(overrides, match):
    with pytest.raises(SpecError, match=match):
        jobs_of(overrides)


def test_a_failed_and_a_killed_job_neither_stop_nor_hide_the_others(tmp_path, over):
    jobs = jobs_of(["end=fine,fails,killed", "n=1,2"])
    ended = run_sweep(jobs, tmp_path / "out", workers=2, over=over)
    expected = {"fine": "done", "fails": "failed", "killed": "killed"}
    assert states(ended) == {(end, n): expected[end] for end in expected for n in "12"}
    written = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [row["state"] for row in written] == [job.state for job in ended]
    failed = next(job for job in ended if job.state == "failed")
    assert "this one fails" in (tmp_path / "out" / failed.key / "log.txt").read_text()


def test_the_same_command_again_does_only_what_is_missing(tmp_path, over):
    jobs, out = jobs_of(["end=fine,killed", "n=1"]), tmp_path / "out"
    run_sweep(jobs, out, workers=1, over=over)
    killed = next(job for job in jobs if job.swept["end"] == "killed")
    (out / killed.key / "run" / "mended").touch()
    ended = run_sweep(jobs, out, workers=1, over=over)
    tries = {job.swept["end"]: len((out / job.key / "run" / "tries.txt").read_text()) for job in jobs}
    assert tries == {"fine": 1, "killed": 2}
    assert {job.state for job in ended} == {"done"}
    assert (
        next(job for job in ended if job.swept["end"] == "fine").seconds == 12.5
    )  # of its run, not of finding it


def test_a_job_that_cannot_be_begun_neither_stops_nor_hides_the_others(tmp_path, over, caplog):
    jobs, out = jobs_of(["end=fine", "n=1,2,3"]), tmp_path / "out"
    out.mkdir()
    (out / jobs[0].key).write_text("a file where its folder should be")
    ended = run_sweep(jobs, out, workers=1, over=over)
    assert [job.state for job in ended] == ["failed", "done", "done"]
    assert f"{jobs[0].key}: FileExistsError" in caplog.text


def test_a_run_left_behind_by_a_killed_sweep_is_waited_for_and_not_done_twice(tmp_path, program):
    (job,) = jobs_of(["end=waits", "n=1"])
    first = f"""
from pathlib import Path
from experiments.sweep import jobs_of, run_job
run_job(*jobs_of({list(job.overrides)}), Path({str(tmp_path)!r}), program=Path({str(program)!r}))
"""
    own, ended = tmp_path / job.key / "run", []
    with subprocess.Popen([sys.executable, "-c", first]) as sweep:
        wait_for((own / "tries.txt").exists)
        sweep.send_signal(signal.SIGKILL)
    again = threading.Thread(target=lambda: ended.append(run_job(job, tmp_path, program=program)))
    again.start()
    again.join(0.2)
    assert again.is_alive()
    (own / "go").touch()
    again.join()
    assert ended[0].state == "done" and (own / "tries.txt").read_text() == "x"


def test_stopped_early_no_more_jobs_are_begun(tmp_path):
    begun = []

    def run(job, folder):
        begun.append(job)
        time.sleep(0.05)
        return job

    ending = over_processes(jobs_of(["n=1,2,3,4"]), tmp_path, 1, run=run)
    next(ending)
    ending.close()
    assert len(begun) <= 2


def test_a_result_changed_on_disk_is_made_again(tmp_path, over):
    jobs, out = jobs_of(["end=fine", "n=1"]), tmp_path / "out"
    run_sweep(jobs, out, workers=1, over=over)
    (out / jobs[0].key / "run" / "metrics.json").write_text("{}")
    run_sweep(jobs, out, workers=1, over=over)
    assert len((out / jobs[0].key / "run" / "tries.txt").read_text()) == 2


def test_runs_of_another_version_of_the_code_are_not_mixed_with_new_ones(tmp_path, over):
    jobs, out = jobs_of(["end=fine", "n=1,2"]), tmp_path / "out"
    run_sweep(jobs[:1], out, workers=1, over=over)
    write_manifest(out / jobs[0].key / "run", extra={"code_sha256": "of another version"})
    with pytest.raises(OutputExistsError, match=r"holds 1 finished run\(s\) .* another folder with --out"):
        run_sweep(jobs, out, workers=1, over=over)
    assert not (out / jobs[1].key).exists()


def test_a_stop_keeps_what_is_done(tmp_path, program):
    def stops_after_one(jobs, folder, workers):
        yield run_job(jobs[0], folder, program=program)
        raise KeyboardInterrupt

    jobs = jobs_of(["end=fine", "n=1,2"])
    with pytest.raises(KeyboardInterrupt):
        run_sweep(jobs, tmp_path / "out", workers=1, over=stops_after_one)
    written = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [row["state"] for row in written] == ["done", "waiting"]


def test_metrics_of_finished_jobs_stand_in_one_table(tmp_path, over):
    ended = run_sweep(jobs_of(["end=fine,fails", "n=3,4"]), tmp_path / "out", workers=2, over=over)
    table = metrics_table(ended, tmp_path / "out")
    assert sorted(table["value"].to_list()) == [3.0, 4.0]
    assert set(table["end"]) == {"fine"}


def test_the_exit_code_says_that_some_failed(tmp_path, monkeypatch, program, capsys):
    monkeypatch.setattr(
        "experiments.sweep.over_processes",
        functools.partial(over_processes, run=functools.partial(run_job, program=program)),
    )
    asked = ["experiment=x", "end=fine,fails", "n=1"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 1
    assert "failed: fails" in capsys.readouterr().err
    assert main(["experiment=x", "end=fine", "n=1", "--out", str(tmp_path / "out")]) == 0
    assert main(["end=fine", "n=1"]) == 2
    assert main(["experiment=x", "end=fine", "n=1", "--workers", "0"]) == 2
    assert "--workers 0: legal are whole numbers from 1" in capsys.readouterr().err
