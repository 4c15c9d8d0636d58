"""The jobs of a sweep as Ray tasks: on one machine or a cluster whose machines share the output folder.

docs/scaling.md says why Hydra's own launcher for Ray is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from experiments import sweep
from experiments.sweep import Job, Runner, not_run, run_job
from medresponse.core.cluster import LOCAL, TRIES, Watch, connected
from medresponse.core.errors import ClusterError


def over_ray(
    jobs: Sequence[Job], folder: Path, workers: int, *, address: str = LOCAL, run: Runner = run_job
) -> Iterator[Job]:
    """Run jobs as Ray tasks, one CPU each; yield each as it ends.

    A task whose worker is killed is run again, elsewhere if need be, up to three times in all, and goes on from its finished
    chains; then it is ``killed``, and the others go on. Stopped early, it stops what is under way.

    Raises
    ------
    ClusterError
        If Ray is not installed, does not answer or is lost.
    """
    with connected(address, workers=workers) as ray:
        ray.cloudpickle.register_pickle_by_value(sweep)  # a worker need not find `experiments`
        task = ray.remote(num_cpus=1, max_retries=TRIES - 1)(run)
        watch = Watch(ray)
        running = {task.remote(job, folder): job for job in jobs}
        try:
            while running:
                (ended, *_) = watch.ready(list(running))
                job = running.pop(ended)
                try:
                    yield ray.get(ended)
                except ray.exceptions.RayTaskError as error:
                    yield not_run(job, error.cause)
                except ray.exceptions.RayError:  # the worker died each time
                    watch.require_alive()
                    yield replace(job, state="killed")
        except ClusterError:  # nobody is left to be stopped
            running.clear()
            raise
        finally:
            for left in running:
                ray.cancel(left, force=True)  # its process waits for the run, deaf to anything milder
