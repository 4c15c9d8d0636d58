"""What is asked of an outcome; known to families, which compute it, and to responses, which ask for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimand:
    """What about the outcome is asked for.

    Parameters
    ----------
    kind : str
        One of the family's `estimands`: ``survival`` (probability of no event by `horizon`), ``rmst``
        (restricted mean event-free time up to `horizon`), ``mean``.
    horizon : float, optional
        In the outcome's unit of time; required by ``survival`` and ``rmst``.
    """

    kind: str
    horizon: float | None = None
