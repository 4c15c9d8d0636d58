"""What known, missing and noisy feature values say of the latent normals behind them.

Shared by the two forms of the joint model (`latent_normal` and `latent_factor`): which latents belong to which
feature, between which bounds a known level holds them, how precisely a noisy reading does, and how completed
codes are read off drawn latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from medresponse.core.errors import DataError
from medresponse.features.encoding import Encoding, FeatureEncoding

FARTHEST = 38.0  # standard deviations: no draw lies beyond
CONTINUOUS, ORDERED, CATEGORICAL = 0, 1, 2


class Known(NamedTuple):
    """Readings as `latent_steps` takes them.

    Parameters
    ----------
    codes : numpy.ndarray
        Shape (row, feature), NaN where missing.
    information : numpy.ndarray
        As in `Readings`, without rows where no value is noisy.
    kind : numpy.ndarray
        `CONTINUOUS`, `ORDERED` (binary, ordinal, dosage) or `CATEGORICAL`, shape (feature,).
    first : numpy.ndarray
        First latent of each feature, and last the number of latents.
    edges : numpy.ndarray
        Cut points of ordered features, shape (feature, cut point), padded with infinity.
    baseline : numpy.ndarray
        Baseline levels of categorical features, shape (feature,).
    """

    codes: np.ndarray
    information: np.ndarray
    kind: np.ndarray
    first: np.ndarray
    edges: np.ndarray
    baseline: np.ndarray


KNOWN = Known("f8[2]", "f8[2]", "i8[1]", "i8[1]", "f8[2]", "i8[1]")  # type: ignore[arg-type]


@dataclass(frozen=True)
class _LevelRows:
    """Rows of a categorical feature's known levels.

    `mine` are those of each latent's level, `won` those of any level but the baseline, `winner` the latents of these,
    `baseline` the rows of the baseline.
    """

    mine: list[np.ndarray]
    won: np.ndarray
    winner: np.ndarray
    baseline: np.ndarray


class Readings:
    """Codes of some patients, with their errors, as statements about latents of shape (row, latent).

    Parameters
    ----------
    encoding : Encoding
    codes : numpy.ndarray
        Shape (row, feature), NaN where missing.
    errors : numpy.ndarray, optional
        Standard errors of measurement on the code scale, shape of `codes`; 0 or NaN is exact.

    Attributes
    ----------
    slices, widths : list of slice, list of int
        Latents of each feature, and how many.
    missing, drawn : numpy.ndarray
        Shape (row, feature): no value; a latent to be drawn for want of an exact value.
    information : numpy.ndarray
        Precision of a known noisy reading, 1 / error^2, shape (row, feature); 0 where there is none.

    Raises
    ------
    DataError
        If an error is negative or infinite, or is one of a feature that is not continuous.
    """

    def __init__(self, encoding: Encoding, codes: np.ndarray, errors: np.ndarray | None = None) -> None:
        self.encoding, self.codes = encoding, codes
        self.missing = np.isnan(codes)
        self.information = _information(encoding, self.missing, errors)
        self.drawn = self.missing | (self.information > 0)
        self.widths = [len(f.levels) - 1 if f.type == "categorical" else 1 for f in encoding.features]
        ends = np.cumsum(self.widths, dtype=int)
        self.slices = [slice(int(e) - w, int(e)) for e, w in zip(ends, self.widths, strict=True)]
        self.n_latents = int(sum(self.widths))
        self.cuts = [_cuts(feature) for feature in encoding.features]
        types = np.array([feature.type for feature in encoding.features])
        self.continuous = np.flatnonzero(types == "continuous")
        self.categorical: list[int] = np.flatnonzero(types == "categorical").tolist()
        self.ordered = np.flatnonzero((types != "continuous") & (types != "categorical"))
        self._levels: dict[int, _LevelRows] = {}
        self.first = np.array([s.start for s in self.slices], dtype=int)
        longest = max((len(cuts) for cuts in self.cuts), default=0)
        self._edges = np.full((len(types), longest), np.inf)  # as many columns for all, padded with +inf
        for i, cuts in enumerate(self.cuts):
            self._edges[i, : len(cuts)] = cuts

    def known(self) -> Known:
        """Return the same for machine code."""
        kind = np.full(len(self.slices), CONTINUOUS)
        kind[self.ordered], kind[self.categorical] = ORDERED, CATEGORICAL
        noisy = self.information if self.information.any() else np.empty((0, len(self.slices)))
        codes, noisy = (np.require(values, float, ["C", "W"]) for values in (self.codes, noisy))
        return Known(
            codes, noisy, kind, np.append(self.first, self.n_latents), self._edges,
            np.array([f.baseline if f.type == "categorical" else 0 for f in self.encoding.features], dtype=int),
        )  # fmt: skip

    def bounds(self, i: int, j: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds (row,) that known levels of discrete feature `i` put on latent `j`, given the others."""
        if self.encoding.features[i].type != "categorical":
            known = ~self.missing[:, i]
            code = np.where(known, self.codes[:, i], 0).astype(int)
            edges = self.cuts[i]
            return np.where(known, edges[code], -np.inf), np.where(known, edges[code + 1], np.inf)
        # Level a wins if its latent is the largest and positive; the baseline wins if all are negative.
        own, k = self.slices[i], j - self.slices[i].start
        level = self._level_rows(i)
        mine = level.mine[k]
        others = z[mine, own]
        others[:, k] = 0.0  # also the threshold against the baseline
        lower = np.full(len(z), -np.inf)
        lower[mine] = others.max(axis=1)
        upper = np.full(len(z), np.inf)
        upper[level.won] = z[level.won, level.winner]
        upper[level.baseline] = 0.0
        upper[mine] = np.inf
        return lower, upper

    def _level_rows(self, i: int) -> _LevelRows:
        """Return which rows have which level of categorical feature `i`: asked for in every sweep, found once."""
        if i not in self._levels:
            feature, missing = self.encoding.features[i], self.missing[:, i]
            code = np.where(missing, -1, self.codes[:, i]).astype(int)
            won = np.flatnonzero(~missing & (code != feature.baseline))
            latent = code[won] - (code[won] > feature.baseline)
            self._levels[i] = _LevelRows(
                mine=[won[latent == k] for k in range(self.widths[i])], won=won,
                winner=self.slices[i].start + latent, baseline=np.flatnonzero(code == feature.baseline),
            )  # fmt: skip
        return self._levels[i]

    def ordered_bounds(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds (row, feature) that known levels put on the latents of all `ordered` features."""
        missing = self.missing[rows, self.ordered]
        code = np.where(missing, 0, self.codes[rows, self.ordered]).astype(int)
        lower, upper = self._edges[self.ordered, code], self._edges[self.ordered, code + 1]
        return np.where(missing, -np.inf, lower), np.where(missing, np.inf, upper)

    def completed(self, z: np.ndarray, *, spread: np.ndarray, shifts: Mapping[int, float]) -> np.ndarray:
        """Return codes (row, feature) with missing and noisy ones read off the latents.

        Parameters
        ----------
        z : numpy.ndarray
            Latents, shape (row, latent).
        spread : numpy.ndarray
            Marginal standard deviation of each latent, shape (latent,): the unit of a discrete feature's shift.
        shifts : mapping
            Position of a feature -> shift of its missing values; see `checked_shifts`.
        """
        completed = self.codes.copy()
        unit = np.ones(len(self.slices))
        unit[self.ordered] = spread[self.first[self.ordered]]
        delta = np.zeros(len(unit))
        delta[list(shifts)] = list(shifts.values())
        for part in (self.continuous, self.ordered):
            rows, features = np.nonzero(self.drawn[:, part])
            features = part[features]
            latent = z[rows, self.first[features]]
            latent += np.where(self.missing[rows, features], (delta * unit)[features], 0.0)
            if part is self.ordered:
                latent = (self._edges[features, 1:] < latent[:, None]).sum(axis=1)
            completed[rows, features] = latent
        for i in self.categorical:
            rows = self.missing[:, i]
            if not rows.any():
                continue
            completed[rows, i] = self.code_of(i, z[rows, self.slices[i]])
        return completed

    def code_of(self, i: int, latents: np.ndarray) -> np.ndarray:
        """Return codes (...) of feature `i` from its latents, shape (..., latent)."""
        feature = self.encoding.features[i]
        if feature.type == "continuous":
            return latents[..., 0]
        if feature.type != "categorical":
            return (self._edges[i, 1:] < latents).sum(axis=-1).astype(float)
        order = np.array([k for k in range(len(feature.levels)) if k != feature.baseline])
        best = order[latents.argmax(axis=-1)]
        return np.where(latents.max(axis=-1) > 0, best, feature.baseline)


def checked_shifts(encoding: Encoding, shifts: Mapping[int, float] | None) -> Mapping[int, float]:
    """Return shifts of imputed values by the position of their feature, none by default.

    Raises
    ------
    DataError
        If a shift is not finite, or is one of a categorical feature.
    """
    for position, shift in (shifts or {}).items():
        feature = encoding.features[position]
        if feature.type == "categorical":
            raise DataError(
                f"feature {feature.name}: imputed values of a categorical feature cannot be shifted, since its levels "
                "have no order; leave the shift out, or declare the feature ordinal if they have one",
                code="shift",
            )
        if not np.isfinite(shift):
            raise DataError(
                f"feature {feature.name}: the shift of imputed values is {shift}; give a number", code="shift"
            )
    return shifts or {}


def truncated(
    location: np.ndarray,
    spread: np.ndarray | float,
    lower: np.ndarray | float,
    upper: np.ndarray | float,
    uniform: np.ndarray,
) -> np.ndarray:
    """Draw normals truncated to (lower, upper) by inversion, in the tail where that is exact."""
    a, b = (lower - location) / spread, (upper - location) / spread
    flip = a > 0  # invert in the lower tail, where ndtr keeps its digits
    a, b = np.where(flip, -b, a), np.where(flip, -a, b)
    low, high = ndtr(a), ndtr(b)
    draw = ndtri(low + uniform * (high - low))
    draw = np.clip(draw, np.maximum(a, -FARTHEST), np.minimum(b, FARTHEST))
    return location + spread * np.where(flip, -draw, draw)


def _cuts(feature: FeatureEncoding) -> np.ndarray:
    """Return cut points -inf, ..., inf at the normal quantiles of the cumulative training shares."""
    if feature.type in ("continuous", "categorical"):
        return np.empty(0)
    # A level that training never saw keeps a sliver, so that its latent interval is not empty.
    shares = np.maximum(np.array(feature.shares), 1e-4)
    cumulative = np.cumsum(shares / shares.sum())[:-1]
    return np.concatenate([[-np.inf], ndtri(cumulative), [np.inf]])


def _information(encoding: Encoding, missing: np.ndarray, errors: np.ndarray | None) -> np.ndarray:
    """Return the precision of each noisy reading, 0 where a value is exact or missing."""
    if errors is None:
        return np.broadcast_to(0.0, missing.shape)
    noisy = ~missing & ~np.isnan(errors) & (errors != 0)
    for i in np.flatnonzero(noisy.any(axis=0)):
        feature, count = encoding.features[i], int(noisy[:, i].sum())
        if feature.type != "continuous":
            raise DataError(
                f"feature {feature.name}: {count} value(s) of a {feature.type} feature have a standard error; only a "
                "continuous one can",
                code="measurement_error",
            )
        wrong = noisy[:, i] & ~((errors[:, i] > 0) & (errors[:, i] < np.inf))
        if wrong.any():
            raise DataError(
                f"feature {feature.name}: {int(wrong.sum())} standard error(s) are negative or infinite; give positive "
                "ones, and leave a value out that says nothing",
                code="measurement_error",
            )
    return np.where(noisy, 1.0 / np.where(noisy, errors, 1.0) ** 2, 0.0)
