"""The jobs of a sweep as Ray tasks: on one machine or a cluster whose machines share the output folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.sweep import Job, Runner, run_job
from medresponse.core.errors import SpecError

_TRIES = 3  # of a job whose worker dies under it


def over_ray(
    jobs: Sequence[Job], folder: Path, workers: int, *, address: str | None = None, run: Runner = run_job
) -> Iterator[Job]:
    """Run jobs as Ray tasks, one CPU each; yield each as it ends.

    A task whose worker is killed is run again, elsewhere if need be, up to three times in all, and goes on from its finished
    chains; then it is ``killed``, and the others go on.

    Raises
    ------
    SpecError
        If Ray is not installed or does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise SpecError("--on ray needs the extra: pip install 'medresponse[cluster]'") from error
    # Neither is needed, and a start that waits for them fails on a busy machine.
    os.environ.setdefault("RAY_enable_metrics_collection", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    start = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(**start, log_to_driver=False, logging_level="ERROR", namespace="medresponse")
    except Exception as error:  # Ray raises plain exceptions of many kinds here
        raise SpecError(
            f"the Ray cluster does not answer: {str(error).splitlines()[0]}", code="cluster"
        ) from error
    try:
        task = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(run)
        running = {task.remote(job, folder): job for job in jobs}
        while running:
            (ended, *_), _ = ray.wait(list(running))
            job = running.pop(ended)
            try:
                yield ray.get(ended)
            except ray.exceptions.RayError:  # the worker died each time
                yield replace(job, state="killed")
    finally:
        ray.shutdown()
