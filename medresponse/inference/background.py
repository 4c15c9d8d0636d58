"""A chain on a thread of this process, for engines that have no background of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from medresponse.inference.compiled import Trace


class Cancelled(Exception):
    """The chain was told to stop."""


class Chain:
    """A chain on a thread.

    Parameters
    ----------
    sample : callable
        Draws the chain. Calls its argument now and then with the number of iterations so far, which raises `Cancelled` once
        the chain shall stop.
    """

    def __init__(self, sample: Callable[[Callable[[int], None]], Trace]) -> None:
        self._sample, self._stop, self.done = sample, threading.Event(), 0
        self._trace: Trace | None = None
        self._failure: BaseException | None = None
        # A daemon: a process that is told to end does not wait for draws that nobody will collect.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._trace = self._sample(self._look)
        except BaseException as error:
            self._failure = error

    def _look(self, done: int) -> None:
        self.done = done
        if self._stop.is_set():
            raise Cancelled

    @property
    def is_finished(self) -> bool:
        """Whether `wait` returns at once."""
        return not self._thread.is_alive()

    def wait(self) -> Trace:
        """Return the chain when it is finished; what made it fail is raised here."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._trace is not None
        return self._trace

    def cancel(self) -> None:
        """Stop it, and return when it has stopped."""
        self._stop.set()
        self._thread.join()
