"""Who scores the patients of a part: threads of this process, or the processes of a Ray cluster. The digits are the same."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medresponse import __version__
from medresponse.core.cluster import TRIES, Watch, connected
from medresponse.core.errors import ClusterError
from medresponse.core.machine import one_blas_thread
from medresponse.response.predict import Patients
from medresponse.response.scoring.predictors import Tile
from medresponse.response.scoring.summaries import Summaries

CHUNK = 4096  # patients of one task on a cluster: a tenth of a second or more
_PART_CHUNKS = 8
_AT_ONCE = 2  # tiles of one task of a thread


@dataclass(frozen=True)
class Workers:
    """Begin to score patients, and how much to begin before waiting.

    Parameters
    ----------
    submit : callable
        Of `Patients`; returns what waits for their summaries, (patient, treatment, column).
    parts_ahead : int
        Parts that may be under way at once.
    """

    submit: Callable[[Patients], Callable[[], np.ndarray]]
    parts_ahead: int


@contextmanager
def threads(summaries: Summaries, cores: int) -> Iterator[Workers]:
    """Score in threads of this process, a few tiles of patients at a time."""
    pool = ThreadPoolExecutor(cores)

    def submit(patients: Patients) -> Callable[[], np.ndarray]:
        summaries.prepare(patients)
        own, values = list(summaries.tiles(patients)), _empty(summaries, patients)
        futures: list[Future[None]] = [
            pool.submit(_fill, values, summaries, own[start : start + _AT_ONCE])
            for start in range(0, len(own), _AT_ONCE)
        ]

        def wait() -> np.ndarray:
            for future in futures:
                future.result()
            return values

        return wait

    try:
        with one_blas_thread():
            yield Workers(submit, parts_ahead=2)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def cluster_workers(summaries: Summaries, address: str, *, workers: int) -> Iterator[Workers]:
    """Score in the processes of a Ray cluster, `CHUNK` patients a task; files are read and written here alone.

    Raises
    ------
    ClusterError
        If the cluster does not answer or is lost, or a task's worker dies three times.
    """
    with connected(address, workers=workers) as ray:
        packed = ray.cloudpickle.dumps(summaries)
        question, held = hashlib.sha256(packed).hexdigest(), ray.put(packed)
        task = ray.remote(num_cpus=1, max_retries=TRIES - 1)(score_chunk)
        watch = Watch(ray)
        n_workers = int(ray.cluster_resources().get("CPU", 1))

        def submit(patients: Patients) -> Callable[[], np.ndarray]:
            watch.require_alive()
            n = len(patients.ids)
            chunks = [list(range(start, min(start + CHUNK, n))) for start in range(0, n, CHUNK)]
            running = [
                task.remote(__version__, question, [held], replace(patients.rows(rows), completions={}))
                for rows in chunks
            ]

            def wait() -> np.ndarray:
                try:
                    if running:
                        watch.ready(running, number=len(running))
                    return np.concatenate([_empty(summaries, patients)[:0], *ray.get(running)])
                except ray.exceptions.RayTaskError as error:  # raised by our own code in the worker
                    raise error.cause from error
                except ray.exceptions.RayError as error:
                    watch.require_alive()
                    raise ClusterError(
                        f"a worker of the cluster died {TRIES} times over the same patients ({type(error).__name__}; of memory?): "
                        "finished parts are kept, and the same call goes on from them"
                    ) from error

            return wait

        yield Workers(submit, parts_ahead=1 + -(-2 * n_workers // _PART_CHUNKS))


_held: dict[str, Summaries] = {}  # in a worker: the question it was last asked, ready


def score_chunk(version: str, question: str, where: list[Any], patients: Patients) -> np.ndarray:
    """Return the summaries of some patients, in a worker of a cluster.

    Parameters
    ----------
    version : str
        Of the library that asks.
    question : str
        SHA-256 of the packed question.
    where : list of ray.ObjectRef
        One reference to it, in a list so that it is fetched once a worker and not once a task.
    patients : Patients

    Raises
    ------
    ClusterError
        If the worker runs another version of this library, whose numbers may differ.
    """
    import ray

    if version != __version__:
        raise ClusterError(f"a worker of the cluster has medresponse {__version__}, this process {version}")
    if question not in _held:
        _held.clear()
        _held[question] = pickle.loads(ray.get(where[0]))
    summaries = _held[question]
    values = _empty(summaries, patients)
    with one_blas_thread():
        _fill(values, summaries, summaries.tiles(patients))
    return values


def _fill(values: np.ndarray, summaries: Summaries, some: Iterable[Tile]) -> None:
    """Put the summaries of some tiles in their places."""
    for tile in some:
        values[tile.rows] = summaries.of(tile)


def _empty(summaries: Summaries, patients: Patients) -> np.ndarray:
    shape = (len(patients.ids), len(summaries.asked.treatments), len(summaries.columns))
    return np.empty(shape, dtype=np.float32)
