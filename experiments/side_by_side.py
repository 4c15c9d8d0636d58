"""Tasks of one study in processes of their own: what is compiled takes one core, whatever the machine has."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from medresponse.core.errors import SpecError

log = logging.getLogger("medresponse.experiments")


def side_by_side[T, R](work: Callable[[T], R], tasks: Sequence[T], *, workers: int) -> list[R]:
    """Return what `work` makes of each task, in their order; the last are begun first.

    Parameters
    ----------
    work : callable
        Can be pickled, as must tasks and results, where there is more than one worker.
    tasks : sequence
        In an order in which later ones tend to take longer.
    workers : int
        Tasks at a time; with 1 they run in this process.

    Raises
    ------
    SpecError
        If there are fewer workers than one.
    Exception
        Whatever a task raises; tasks that were not begun are dropped.
    """
    if type(workers) is not int or workers < 1:
        raise SpecError(
            f"workers: {workers!r} found; legal are whole numbers from 1", code="knob_out_of_range"
        )
    if workers == 1:
        return [work(task) for task in tasks]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        begun = [pool.submit(work, task) for task in reversed(tasks)]
        try:
            for count, one in enumerate(as_completed(begun), start=1):
                one.result()
                log.info("%d of %d done", count, len(begun))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [one.result() for one in reversed(begun)]
