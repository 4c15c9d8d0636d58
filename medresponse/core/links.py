"""Responses that are one increasing function of a line in eta: what scoring a population in float32 rests on.

``response = inverse(shift + factor * eta)``, draw by draw. A family says so for an estimand by its `link`; where it
returns None, the response is computed by `Family.response`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from scipy.special import expit, ndtr

from medresponse.core.estimand import Estimand

LinkName = Literal["identity", "log", "logit", "probit", "loglog"]


@dataclass(frozen=True)
class Link:
    """How a response follows from the linear predictor.

    Parameters
    ----------
    name : str
        ``identity``; ``log``: exp(x); ``logit``: 1 / (1 + exp(-x)); ``probit``: the normal distribution function;
        ``loglog``: exp(-exp(-x)). Each increases with x.
    shift : numpy.ndarray
        Shape (draw,), or (treatment, draw) where treatments differ in it.
    factor : numpy.ndarray
        Multiplies eta, shape (draw,).
    """

    name: LinkName
    shift: np.ndarray
    factor: np.ndarray

    def response(self, eta: np.ndarray) -> np.ndarray:
        """Return the response, dims of `eta`: (patient, treatment, draw)."""
        return INVERSE[self.name](self.shift + self.factor * eta)


@runtime_checkable
class Linked(Protocol):
    """A family of which some estimand is one increasing function of a line in eta, which scores a population faster."""

    def link(
        self, estimand: Estimand, parameters: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray]
    ) -> Link | None:
        """Return the link by which `Family.response` follows from eta, None where there is none.

        Raises
        ------
        SpecError
            As `Family.response`.
        """
        ...


def linked(name: LinkName, shift: np.ndarray, factor: np.ndarray | float = 1.0) -> Link:
    """Return a link whose factor may be one number for all draws."""
    return Link(name, shift, np.broadcast_to(np.asarray(factor, dtype=float), shift.shape[-1:]))


INVERSE: dict[LinkName, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda x: x,
    "log": np.exp,
    "logit": expit,
    "probit": ndtr,
    "loglog": lambda x: np.exp(-np.exp(-x)),
}
