"""Many runs of one experiment: every combination of the values given, side by side, each in a process of its own.

python experiments/sweep.py experiment=simulation scenario=s01_null_rct,s02_linear_rct seed=1,2,3 size=ci
python experiments/sweep.py --workers 8 --on ray experiment=simulation scenario=...

Values are Hydra's sweep syntax (``a,b``, ``range(1,5)``; no ``glob``). A job that
fails or is killed neither stops nor hides the others; the same command again does only what is not finished.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from medresponse.core.atomic import atomic_path, write_text
from medresponse.core.errors import IntegrityError, MedresponseError, OutputExistsError, SpecError
from medresponse.core.locking import locked
from medresponse.core.manifest import read_manifest, verify_manifest

log = logging.getLogger("medresponse.experiments")

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "experiments" / "run.py"
_OWN = ("output", "existing", "action", "record")  # what a sweep decides for its jobs


@dataclass(frozen=True, kw_only=True)
class Job:
    """One combination of values, and how its run ended.

    Parameters
    ----------
    key : str
        Name of its folder: readable values and a hash, so that a grid may grow without renaming what is done.
    overrides : tuple of str
        Every override of its run, swept or not.
    swept : dict
        Override -> value, of those that differ between jobs.
    state : str
        ``waiting``, ``done``, ``failed`` (its own exit code) or ``killed`` (by a signal, or with its worker).
    exit_code : int, optional
    seconds : float
    """

    key: str
    overrides: tuple[str, ...]
    swept: dict[str, str]
    state: str = "waiting"
    exit_code: int | None = None
    seconds: float = 0.0


Runner = Callable[[Job, Path], Job]


def jobs_of(overrides: Sequence[str]) -> tuple[Job, ...]:
    """Return one job for every combination of swept values, in the order given.

    Raises
    ------
    SpecError
        If an override cannot be read, is one of a sweep's own, or two jobs would be the same.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise SpecError(f"override not understood: {str(error).splitlines()[0]}") from error
    own = [one.key_or_group for one in parsed if one.key_or_group in _OWN]
    if own:
        raise SpecError(f"{own[0]}= is the sweep's to say; name a folder for all runs with --out")
    choices: list[list[tuple[str, str, bool]]] = []
    for one in parsed:
        key, swept = one.get_key_element(), one.is_sweep_override()
        values = list(one.sweep_string_iterator()) if swept else [one.get_value_element_as_str()]
        choices.append([(key, value, swept) for value in values])
    jobs = [_job(combination) for combination in itertools.product(*choices)]
    if len({job.key for job in jobs}) < len(jobs):
        raise SpecError("two jobs of the sweep are the same: a value is named twice")
    return tuple(jobs)


def _job(combination: Sequence[tuple[str, str, bool]]) -> Job:
    overrides = tuple(f"{key}={value}" for key, value, _ in combination)
    swept = {key: value for key, value, differs in combination if differs}
    readable = re.sub(r"[^A-Za-z0-9]+", "-", " ".join(swept.values())).strip("-")[:60] or "run"
    digest = hashlib.sha256(json.dumps(overrides).encode()).hexdigest()[:8]
    return Job(key=f"{readable}.{digest}", overrides=overrides, swept=swept)


def is_done(job: Job, folder: Path) -> bool:
    """Say whether the job's folder holds a finished run that is as it was written."""
    try:
        verify_manifest(folder / job.key / "run")
    except IntegrityError:
        return False
    return True


def _found(job: Job, folder: Path) -> Job:
    """Return a job that is done, with the seconds that its run says it took."""
    seconds = read_manifest(folder / job.key / "run").get("seconds", 0.0)
    return replace(job, state="done", exit_code=0, seconds=float(seconds))


def _refuse_others(jobs: Sequence[Job], folder: Path) -> None:
    """Refuse to mix what this version of the code and its configurations makes with what another made."""
    runs = [folder / job.key / "run" for job in jobs if is_done(job, folder)]
    if not runs:
        return
    from experiments.study import (
        code_hash,
    )  # here: it brings what fits a model, which a sweep that begins does not need

    own = code_hash()
    others = sum(read_manifest(run).get("code_sha256", own) != own for run in runs)
    if others:
        raise OutputExistsError(
            f"{folder} holds {others} finished run(s) of this sweep by another version of code or configuration; name another "
            "folder with --out, or remove this one"
        )


def run_job(job: Job, folder: Path, *, program: Path = RUN) -> Job:
    """Run one job in a process of its own, its output in ``log.txt``; return it with its state.

    A run of the same job that is under way still, because whoever began it was killed, is waited for; two never write to one
    folder.
    """
    own = folder / job.key
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        sys.executable, str(program), *job.overrides, f"output={own / 'run'}", "existing=continue",
    ]  # fmt: skip
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    started = time.perf_counter()
    with (own / ".lock").open("ab") as lock, (own / "log.txt").open("ab") as stream, locked(lock.fileno()):
        if is_done(job, folder):
            return _found(job, folder)
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            pass_fds=() if sys.platform == "win32" else (lock.fileno(),),  # locked for as long as the run lives
        )  # fmt: skip
        try:
            code = process.wait()
        finally:
            if process.poll() is None:  # the sweep is being stopped: nothing goes on behind its back
                process.terminate()
                process.wait()
    seconds = round(time.perf_counter() - started, 1)
    state = "killed" if code < 0 else "done" if code == 0 and is_done(job, folder) else "failed"
    return replace(job, state=state, exit_code=code, seconds=seconds)


def run_sweep(
    jobs: Sequence[Job],
    folder: Path,
    *,
    workers: int,
    over: Callable[[Sequence[Job], Path, int], Iterator[Job]],
) -> tuple[Job, ...]:
    """Run the jobs that are not done and keep ``sweep.json`` up to date after each.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Holds a folder a job. Jobs of earlier sweeps in it are left alone.
    workers : int
        Jobs at a time.
    over : callable
        `over_processes` or `over_ray`: yields jobs with their state as they end.

    Returns
    -------
    tuple of Job
        In the order given. Anything that was stopped is ``waiting`` still.

    Raises
    ------
    OutputExistsError
        If the folder holds finished runs of another version of the code or its configurations: they do not go with new ones.
    """
    _refuse_others(jobs, folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ended = {job.key: _found(job, folder) for job in jobs if is_done(job, folder)}
    missing = [job for job in jobs if job.key not in ended]
    log.info("%d of %d jobs are there already", len(ended), len(jobs))
    _save_state(jobs, ended, folder)
    try:
        for job in over(missing, folder, workers):
            ended[job.key] = job
            log.info("%s: %s (%d of %d, %.0f s)", job.key, job.state, len(ended), len(jobs), job.seconds)
            _save_state(jobs, ended, folder)
    finally:
        _save_state(jobs, ended, folder)
    return tuple(ended.get(job.key, job) for job in jobs)


def over_processes(
    jobs: Sequence[Job], folder: Path, workers: int, *, run: Runner = run_job
) -> Iterator[Job]:
    """Run jobs in processes on this machine, `workers` at a time; yield each as it ends. Stopped early, it begins no more."""
    pool = ThreadPoolExecutor(max_workers=workers)  # threads that wait for processes
    try:
        running: dict[Future[Job], Job] = {pool.submit(run, job, folder): job for job in jobs}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, error = running.pop(future), future.exception()
                yield future.result() if error is None else not_run(job, error)
    finally:
        pool.shutdown(cancel_futures=True)


def not_run(job: Job, error: BaseException) -> Job:
    """Return a job that could not be begun, or whose end could not be read, as ``failed``; say why."""
    log.error("%s: %s: %s", job.key, type(error).__name__, error)
    return replace(job, state="failed")


def _save_state(jobs: Sequence[Job], ended: dict[str, Job], folder: Path) -> None:
    rows = [asdict(ended.get(job.key, job)) for job in jobs]
    write_text(folder / "sweep.json", json.dumps(rows, indent=1) + "\n")


def metrics_table(jobs: Sequence[Job], folder: Path) -> pl.DataFrame:
    """Return one row a metric of each finished job: its swept values, ``metric, value, mcse, unit``."""
    rows = []
    for job in jobs:
        if job.state == "done":
            found = json.loads((folder / job.key / "run" / "metrics.json").read_text(encoding="utf-8"))
            rows += [job.swept | {"job": job.key, "metric": name} | entry for name, entry in found.items()]
    return pl.DataFrame(rows, infer_schema_length=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sweep; exit with 0 if every job is done, 1 if some are not, 2 if the request is refused."""
    parser = argparse.ArgumentParser(prog="sweep.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "overrides", nargs="+", help="as for run.py; several values, separated by commas, are swept"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="jobs at a time (each samples on all cores it is given)"
    )
    parser.add_argument("--on", choices=("processes", "ray"), default="processes")
    parser.add_argument(
        "--address",
        default="local",
        help="host:port of a running Ray cluster, or auto; by default one is started on this machine",
    )
    parser.add_argument("--out", type=Path, help="folder of all runs, by default outputs/sweep/<experiment>")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        if options.workers < 1:
            raise SpecError(f"--workers {options.workers}: legal are whole numbers from 1")
        jobs = jobs_of(options.overrides)
        folder = (options.out or ROOT / "outputs" / "sweep" / _experiment(jobs[0])).resolve()
        ended = run_sweep(jobs, folder, workers=options.workers, over=_executor(options))
    except MedresponseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: finished jobs are kept, the same command goes on from them", file=sys.stderr)
        return 130
    table = metrics_table(ended, folder)
    if not table.is_empty():
        with atomic_path(folder / "metrics.csv") as temporary:
            table.write_csv(temporary)
    return _closing(ended, folder)


def _experiment(job: Job) -> str:
    named = [value.removeprefix("experiment=") for value in job.overrides if value.startswith("experiment=")]
    if not named:
        raise SpecError("name the experiment: experiment=simulation")
    return named[0]


def _executor(options: argparse.Namespace) -> Callable[[Sequence[Job], Path, int], Iterator[Job]]:
    if options.on == "processes":
        return over_processes
    from experiments.sweep_ray import over_ray

    return lambda jobs, folder, workers: over_ray(jobs, folder, workers, address=options.address)


def _closing(jobs: Sequence[Job], folder: Path) -> int:
    not_done = [job for job in jobs if job.state != "done"]
    print(f"{len(jobs) - len(not_done)} of {len(jobs)} jobs done: {folder}")
    for job in not_done:
        print(
            f"{job.state}: {job.key} (exit code {job.exit_code}); its output: {folder / job.key / 'log.txt'}",
            file=sys.stderr,
        )
    return 1 if not_done else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
