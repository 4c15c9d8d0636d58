"""A sampler under the tests' control: what `compiled.Compiled` offers, without a model behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from medresponse.inference.compiled import Trace


def trace_of(posterior: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray]) -> Trace:
    """A trace of one chain from arrays of shape (draw, ...), as the sampler returns it."""
    return Trace(posterior, stats)


def noise(seed: int, draws: int, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """A trace of standard normal draws that depends on the seed alone."""
    rng = np.random.default_rng(seed)
    posterior = {name: rng.standard_normal((draws, *shape)) for name, shape in shapes.items()}
    if "shape" in posterior:
        posterior["shape"] = np.abs(posterior["shape"])  # a Weibull shape is positive, and is scored
    stats = {
        "diverging": np.zeros(draws, bool),
        "energy": rng.standard_normal(draws),
        "log_prior": np.zeros(draws),
    }
    return trace_of(posterior, stats)


class Handle:
    """A chain in the background that is finished after `polls` looks at it; never, if that is None."""

    def __init__(self, outcome: Any, *, polls: int | None) -> None:
        self._outcome, self._polls = outcome, polls
        self.cancelled = self.collected = False
        self.done = 6

    @property
    def is_finished(self) -> bool:
        if self._polls is None:
            return False
        self._polls -= 1
        return self._polls < 0

    def wait(self) -> Any:
        self.collected = True
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def cancel(self) -> None:
        self.cancelled = True


class FakeCompiled:
    """Starts handles made by `chain(n, data, engine, seed)`, n counting from 0, and remembers what it was given."""

    seconds, library, policy = 0.25, "fake 1.0", "off"
    notes: tuple[str, ...] = ()

    def __init__(self, chain: Callable[[int, Mapping[str, np.ndarray], Any, int], Handle]) -> None:
        self._chain = chain
        self.handles: list[Handle] = []
        self.given: list[tuple[Mapping[str, np.ndarray], int]] = []
        self.most_at_once = 0

    def start(self, data: Mapping[str, np.ndarray], engine: Any, seed: int) -> Handle:
        handle = self._chain(len(self.handles), data, engine, seed)
        self.handles.append(handle)
        self.given.append((data, seed))
        self.most_at_once = max(self.most_at_once, sum(not h.collected for h in self.handles))
        return handle
