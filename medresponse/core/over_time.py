"""Responses at many times at once: known to families, which compute them, and to curves, which ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from medresponse.core.estimand import Estimand


@runtime_checkable
class OverTime(Protocol):
    """A family that gives the responses at many times faster than one by one."""

    def responses_over(
        self,
        estimands: Sequence[Estimand],
        eta: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        constants: Mapping[str, np.ndarray],
    ) -> np.ndarray:
        """Return what `Family.response` gives for each estimand, shape (patient, treatment, estimand, draw)."""
        ...


def responses_over(
    family: Any,
    estimands: Sequence[Estimand],
    eta: np.ndarray,
    parameters: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Return the responses for several estimands, shape (patient, treatment, estimand, draw); see `Family.response`."""
    if isinstance(family, OverTime):
        return family.responses_over(estimands, eta, parameters, constants)
    return np.stack([family.response(e, eta, parameters, constants) for e in estimands], axis=2)
