"""Time that does not pass, and a sampler without MCMC."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from medresponse.inference import engines


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Polling without sleep; call it with n to have the user interrupt at the n-th pause."""
    pauses = {"until_interrupt": -1}

    def sleep(seconds: float) -> None:
        pauses["until_interrupt"] -= 1
        if pauses["until_interrupt"] == 0:
            raise KeyboardInterrupt

    fake: Any = SimpleNamespace(perf_counter=time.perf_counter, sleep=sleep)
    monkeypatch.setattr(engines, "time", fake)

    def interrupt_at(pause: int) -> None:
        pauses["until_interrupt"] = pause

    return interrupt_at
