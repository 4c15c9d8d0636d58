"""Incidence, event-free probability and mean times from hazards that are constant within intervals, in one pass over draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medresponse.core.constant_hazards import ConstantHazards
from medresponse.core.machine_code import compiled

_INCIDENCE, _LOST, _ALIVE, _AREA = range(4)
_KINDS = {"cumulative_incidence": _INCIDENCE, "time_lost": _LOST, "survival": _ALIVE, "rmst": _AREA}
_COMPLEMENTS = {_ALIVE: _INCIDENCE, _AREA: _LOST}  # under all causes
_ALL = -1  # causes
_FEW = 32  # draws by which it is decided what a patient is nearer to


@dataclass(frozen=True)
class ByInterval:
    """Responses of patients to hazards that are constant within intervals.

    Parameters
    ----------
    hazards : ConstantHazards
    """

    hazards: ConstantHazards

    def at(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return responses, as an offset for each patient and what each draw adds to it.

        Parameters
        ----------
        eta : numpy.ndarray
            Linear predictors, shape (cause, patient, treatment, draw), float32.

        Returns
        -------
        offset : numpy.ndarray
            Shape (patient,). The most that a probability of no event, or a mean event-free time, can be, where a patient's first
            draws are nearer to that than to zero, so that it is the distance from it that is rounded; else 0.
        added : numpy.ndarray
            Shape (patient, treatment, draw), float32; not finite where hazards are beyond float32.
        """
        kind, cause = _KINDS[self.hazards.kind], self.hazards.cause
        offset = np.zeros(eta.shape[1])
        if kind not in _COMPLEMENTS:
            return offset, self._through(eta, kind, cause)
        most = 1.0 if kind == _ALIVE else float(self.hazards.widths.sum())
        near = self._through(eta[..., :_FEW], kind, _ALL).mean(axis=(1, 2)) > most / 2
        offset[near] = most
        added = np.empty(eta.shape[1:], dtype=np.float32)
        added[near] = -self._through(eta[:, near], _COMPLEMENTS[kind], _ALL)
        added[~near] = self._through(eta[:, ~near], kind, _ALL)
        return offset, added

    def _through(self, eta: np.ndarray, kind: int, cause: int) -> np.ndarray:
        out = np.empty(eta.shape[1:], dtype=np.float32)
        spent, widths = self._intervals
        through = compiled(_through_intervals, "f4[4]", "f4[4]", "f4[1]", "i8", "i8", "f4[3]")
        own = np.ascontiguousarray(spent[..., : eta.shape[-1]])
        through(np.ascontiguousarray(eta), own, widths, kind, cause, out)
        return out

    def prepare(self) -> None:
        """Put the hazards in order, before threads ask for them at once."""
        _ = self._intervals

    @cached_property
    def _intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """What hazards integrate to, (treatment, cause, interval, draw), and widths; one interval where only the total counts."""
        spent, widths = self.hazards.spent, self.hazards.widths
        if self.hazards.kind == "survival":
            spent, widths = spent.sum(axis=-1, keepdims=True), widths.sum(keepdims=True)
        return np.ascontiguousarray(spent.transpose(1, 0, 3, 2), dtype=np.float32), widths.astype(np.float32)


def _through_intervals(
    eta: np.ndarray, spent: np.ndarray, widths: np.ndarray, kind: int, cause: int, out: np.ndarray
) -> None:
    """Follow every patient's draws through the intervals; `spent` is (treatment, cause, interval, draw)."""
    one, half, tenth, infinite = np.float32(1.0), np.float32(0.5), np.float32(0.1), np.float32(np.inf)
    # exp(y) as in `values`.
    per_two, first, second = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
    low, high = np.float32(-87.0), np.float32(88.0)
    c2, c3, c4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
    c5, c6, c7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
    n_causes, n, n_treatments, n_draws = eta.shape
    ratio = np.empty((n_causes, n_draws), dtype=np.float32)
    y, grown = np.empty(n_draws, dtype=np.float32), np.empty(n_draws, dtype=np.float32)
    alive, own, lost = np.empty_like(y), np.empty_like(y), np.empty_like(y)
    bits = np.empty(n_draws, dtype=np.int32)
    power = bits.view(np.float32)
    for k in range(n_treatments):  # patients next: the hazards under one treatment stay in the cache
        for i in range(n):
            result = out[i, k]
            for s in range(n_draws):
                alive[s], own[s], lost[s], result[s] = one, 0.0, 0.0, 0.0
            for step in range(n_causes + len(widths)):
                j = step - n_causes
                if j < 0:
                    for s in range(n_draws):
                        y[s] = eta[step, i, k, s]
                else:
                    for s in range(n_draws):
                        y[s] = -ratio[0, s] * spent[k, 0, j, s]
                    for c in range(1, n_causes):
                        for s in range(n_draws):
                            y[s] -= ratio[c, s] * spent[k, c, j, s]
                for s in range(n_draws):
                    v = min(max(y[s], low), high)
                    whole = np.floor(v * per_two + half)
                    r = v - whole * first - whole * second
                    grown[s] = r * (one + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * c7))))))
                    bits[s] = (np.int32(whole) + np.int32(127)) << np.int32(23)
                if j < 0:
                    for s in range(n_draws):
                        ratio[step, s] = infinite if y[s] > high else grown[s] * power[s] + power[s]
                    continue
                if kind == _ALIVE:
                    for s in range(n_draws):
                        alive[s] *= grown[s] * power[s] + power[s]
                    continue
                width = widths[j]
                for s in range(n_draws):
                    t = -y[s]
                    leaving = -(grown[s] * power[s] + (power[s] - one))
                    if kind == _AREA:
                        result[s] += alive[s] * leaving * width / t
                    else:
                        share = alive[s]
                        if cause >= 0:
                            share *= ratio[cause, s] * spent[k, cause, j, s] / t
                        # The part of the interval that those who leave in it are gone, on average over all.
                        gone = (
                            t * (half - t * (c3 - t * (c4 - t * (c5 - t * c6))))
                            if t < tenth
                            else one - leaving / t
                        )
                        lost[s] += (own[s] + share * gone) * width
                        own[s] += share * leaving
                    alive[s] -= alive[s] * leaving
            for s in range(n_draws):
                if kind == _INCIDENCE:
                    result[s] = own[s]
                elif kind == _LOST:
                    result[s] = lost[s]
                elif kind == _ALIVE:
                    result[s] = alive[s]
