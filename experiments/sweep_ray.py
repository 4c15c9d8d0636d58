"""The jobs of a sweep as Ray tasks: on one machine or a cluster whose machines share the output folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.sweep import Job, Runner, run_job
from medresponse.core.cluster import LOCAL, TRIES, connected


def over_ray(
    jobs: Sequence[Job], folder: Path, workers: int, *, address: str = LOCAL, run: Runner = run_job
) -> Iterator[Job]:
    """Run jobs as Ray tasks, one CPU each; yield each as it ends.

    A task whose worker is killed is run again, elsewhere if need be, up to three times in all, and goes on from its finished
    chains; then it is ``killed``, and the others go on.

    Raises
    ------
    ClusterError
        If Ray is not installed or does not answer.
    """
    with connected(address, workers=workers) as ray:
        task = ray.remote(num_cpus=1, max_retries=TRIES - 1)(run)
        running = {task.remote(job, folder): job for job in jobs}
        while running:
            (ended, *_), _ = ray.wait(list(running))
            job = running.pop(ended)
            try:
                yield ray.get(ended)
            except ray.exceptions.RayError:  # the worker died each time
                yield replace(job, state="killed")
