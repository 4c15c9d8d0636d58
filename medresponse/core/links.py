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


@dataclass(frozen=True)
class Values:
    """Responses as ``offset + scale * relative``, so that float32 keeps what differs between draws and treatments.

    Parameters
    ----------
    offset, scale : numpy.ndarray
        One number a patient, shape (patient,), float64; `scale` is positive.
    relative : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    """

    offset: np.ndarray
    scale: np.ndarray
    relative: np.ndarray


def values_at(name: LinkName, center: np.ndarray, deviation: np.ndarray) -> Values:
    """Return the responses at ``x = center + deviation``; `deviation` is used up.

    A probability near one is held as its distance from one, a large exponential in units of a patient's largest centre.

    Parameters
    ----------
    name : str
        As in `Link`.
    center : numpy.ndarray
        Mean over draws, shape (patient, treatment), float64.
    deviation : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    """
    n = len(center)
    none, one = np.zeros(n), np.ones(n)
    with np.errstate(over="ignore", under="ignore"):  # a probability of 0, or a rate beyond any number
        if name == "identity":
            own = center[:, 0]
            deviation += (center - own[:, None]).astype(np.float32)[..., None]
            return Values(own, one, deviation)
        if name == "log":
            most = center.max(axis=1)
            deviation += (center - most[:, None]).astype(np.float32)[..., None]
            return Values(none, np.exp(most), np.exp(deviation, out=deviation))
        deviation += center.astype(np.float32)[..., None]
        high = center.mean(axis=1) > _MEDIAN[name]
        # -(1 - p) where p is high: numbers of either kind, and patients of one kind in one block of memory.
        sign = np.where(high, np.float32(-1.0), np.float32(1.0))[:, None, None]
        if name == "loglog":
            _loglog(deviation, high)
        elif name == "logit":
            deviation *= -sign
            np.exp(deviation, out=deviation)
            deviation += np.float32(1.0)
            np.divide(sign, deviation, out=deviation)
        else:
            deviation *= sign
            ndtr(deviation, out=deviation)
            deviation *= sign
    return Values(np.where(high, 1.0, 0.0), one, deviation)


_MEDIAN: dict[str, float] = {"logit": 0.0, "probit": 0.0, "loglog": float(-np.log(np.log(2.0)))}


def _loglog(x: np.ndarray, high: np.ndarray) -> None:
    np.negative(x, out=x)
    np.exp(x, out=x)
    np.negative(x, out=x)
    x[high] = np.expm1(x[high])
    x[~high] = np.exp(x[~high])
