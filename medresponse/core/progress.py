"""How far a long job is: one line that moves on a terminal, now and then a line of its own in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_EVERY = 20.0  # seconds between lines in a log
_REDRAW = 0.1  # seconds between redraws on a terminal


@dataclass(kw_only=True)
class Progress:
    """Counts what is done and prints it.

    Parameters
    ----------
    total : int
    what : str
        What is counted ("reports").
    stream : text stream, optional
        Standard error by default.
    clock : callable
        Seconds, never going back.
    """

    total: int
    what: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    _done: int = field(default=0, init=False)
    _failed: int = field(default=0, init=False)
    _shown: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self._started = self._last = self.clock()
        self._moves = self.stream.isatty()

    def step(self, *, failed: bool = False) -> None:
        """Count one more as done, or as failed."""
        self._done += 1
        self._failed += failed
        now = self.clock()
        if now - self._last >= (_REDRAW if self._moves else _EVERY):
            self._show(now)

    def close(self) -> None:
        """Print how far it came."""
        if self._done and self._shown != self._done:
            self._show(self.clock())
        if self._moves and self._shown >= 0:
            print(file=self.stream)

    def _show(self, now: float) -> None:
        self._last, self._shown = now, self._done
        failed = f", {self._failed} failed" if self._failed else ""
        text = f"{self._done} of {self.total} {self.what}{failed}{self._left(now)}"
        if self._moves:
            print(f"\r{text:<78}", end="", file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)

    def _left(self, now: float) -> str:
        spent = now - self._started
        if self._done in (0, self.total) or spent < 1:
            return f" in {_duration(spent)}" if self._done == self.total else ""
        return f", about {_duration(spent / self._done * (self.total - self._done))} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
