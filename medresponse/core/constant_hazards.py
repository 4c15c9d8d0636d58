"""Responses that rest on hazards which are constant within intervals: what scoring a population of event times asks families for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from medresponse.core.estimand import Estimand


@dataclass(frozen=True)
class ConstantHazards:
    """Hazards of one cause or several up to a horizon, each multiplied by ``exp(eta)`` of the cause's own linear predictor.

    Parameters
    ----------
    spent : numpy.ndarray
        What the hazards at ``eta = 0`` integrate to over each interval, shape (cause, treatment, draw, interval).
    widths : numpy.ndarray
        Time spent in each interval, shape (interval,).
    kind : str
        Of the estimand: ``cumulative_incidence`` or ``time_lost`` of one cause, ``survival`` or ``rmst`` under all.
    cause : int
        Position of the cause that is asked about; of no account where it is all.
    """

    spent: np.ndarray
    widths: np.ndarray
    kind: str
    cause: int = 0


@runtime_checkable
class WithConstantHazards(Protocol):
    """A family of which some estimand rests on constant hazards, which scores a population faster."""

    def constant_hazards(
        self, estimand: Estimand, parameters: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray]
    ) -> ConstantHazards | None:
        """Return the hazards by which `Family.response` follows from eta, None where it does not.

        Raises
        ------
        SpecError
            As `Family.response`.
        """
        ...
