"""What the machine has for this process."""

from __future__ import annotations

import os
from pathlib import Path


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Return how many bytes this process may still take, None where the system does not say.

    On Linux what the kernel calls available, or what is left of the control group's limit where that is less.
    """
    left = [value for value in (_kernel_memory(), _group_memory()) if value is not None]
    return min(left, default=None)


def _kernel_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    own = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(own[0]) * 1024 if own else None


def _group_memory() -> int | None:
    try:
        limit, used = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current")
        )
    except OSError:
        return None
    return None if limit.strip() == "max" else max(0, int(limit) - int(used))
