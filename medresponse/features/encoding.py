"""Features -> numbers: transforms, standardisation and level indicators, learned on training rows only.

Two representations are kept apart. *Codes* have one entry a feature (a standardised value, or the index of a
level) and may be NaN where a value is missing; imputation works on codes. *Columns* are what coefficients
multiply: one a continuous, binary, ordinal or dosage feature, one for each non-reference level of a
categorical one, all centred on the training rows so that an intercept speaks of the average patient.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Feature
from medresponse.core.errors import DataError
from medresponse.features.basis import Basis
from medresponse.features.propensity import Propensity

log = logging.getLogger("medresponse.features")

# Times the feature's standard deviation: in double precision the variance of a smaller error vanishes beside the feature's own.
EXACT = float(np.sqrt(np.finfo(float).eps / 2))

_FORWARD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
}


@dataclass(frozen=True, kw_only=True)
class FeatureEncoding:
    """How one feature becomes a code and columns.

    Parameters
    ----------
    name, block, type, transform : str
        As in the schema.
    levels : tuple of str
        Levels of a discrete feature.
    center, scale : float
        Mean and standard deviation of the transformed training values (continuous); mean code and 1
        (binary, ordinal, dosage). Unused for a categorical feature.
    shares : tuple of float
        Training share of each level.
    error : float or str, optional
        Standard error of measurement as in the schema.
    path : tuple of str
        Groups that the feature belongs to, from fine to coarse (gene, pathway).
    baseline : int
        Index of the level without a column (categorical): the most frequent in training.
    low, high : float
        1st and 99th percentile of the training values on the original scale (continuous), for the
        applicability check; never the extremes, which belong to real patients.
    """

    name: str
    block: str
    type: str
    transform: str = "none"
    levels: tuple[str, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    shares: tuple[float, ...] = ()
    error: float | str | None = None
    path: tuple[str, ...] = ()
    baseline: int = 0
    low: float = float("nan")
    high: float = float("nan")

    @property
    def column_labels(self) -> tuple[str, ...]:
        """Labels of this feature's columns."""
        if self.type != "categorical":
            return (self.name,)
        return tuple(f"{self.name}={level}" for i, level in enumerate(self.levels) if i != self.baseline)

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Return codes of values, or of positions of levels, shape (patient,); NaN where missing.

        Raises
        ------
        DataError
            Where the transform is undefined.
        """
        if self.type == "continuous":
            return (_transformed(self.name, self.transform, values) - self.center) / self.scale
        return values

    @property
    def line(self) -> tuple[float, float]:
        """Centre and scale by which codes become the one column (not categorical); codes of a continuous feature are it."""
        return (0.0, 1.0) if self.type == "continuous" else (self.center, self.scale)

    def indicators(self, codes: np.ndarray) -> np.ndarray:
        """Return the columns (..., level but the baseline) of a categorical feature from codes of shape (...)."""
        others = [i for i in range(len(self.levels)) if i != self.baseline]
        return np.stack([(codes == i) - self.shares[i] for i in others], axis=-1)


PROPENSITY = "propensity"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Basis functions of the one column of a feature (or of the propensity score)."""

    feature: str
    column: int
    basis: Basis

    @property
    def name(self) -> str:
        """Name of the block that the coefficients form."""
        return f"curve_{self.feature}"


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Encodings of every feature that a model uses, block by block.

    Columns come in this order: main (one or more a feature), products, propensity score, curves.

    Attributes
    ----------
    features : tuple of FeatureEncoding
        Grouped by block, in the order of the schema.
    interactions : tuple of (str, str)
        Pairs of features whose columns' products are further columns.
    propensity : Propensity, optional
        Propensity scores made of the main columns, where the spec adjusts for them.
    curves : tuple of Curve
        Basis functions of single columns.
    """

    features: tuple[FeatureEncoding, ...]
    interactions: tuple[tuple[str, str], ...] = ()
    propensity: Propensity | None = None
    curves: tuple[Curve, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names, the order of codes."""
        return tuple(feature.name for feature in self.features)

    @property
    def main_labels(self) -> tuple[str, ...]:
        """Labels of the columns that are no product of others."""
        return tuple(label for feature in self.features for label in feature.column_labels)

    @property
    def n_linear(self) -> int:
        """Number of columns before those of curves."""
        return len(self.column_labels) - sum(curve.basis.size for curve in self.curves)

    @property
    def column_labels(self) -> tuple[str, ...]:
        """Labels of all columns, the order of `columns`."""
        main = self.main_labels
        return (
            *main,
            *(f"{main[i]} : {main[j]}" for i, j in self._products),
            *(self.propensity.labels if self.propensity else ()),
            *(f"{curve.name} {j + 1}" for curve in self.curves for j in range(curve.basis.size)),
        )

    @property
    def column_features(self) -> tuple[tuple[str, ...], ...]:
        """Feature or features that each column is made of; none for a propensity score, which stands for itself."""
        main = [(feature.name,) for feature in self.features for _ in feature.column_labels]
        scores = [()] * (len(self.propensity.labels) if self.propensity else 0)
        linear = main + [(*main[i], *main[j]) for i, j in self._products] + scores
        curves = [linear[curve.column] for curve in self.curves for _ in range(curve.basis.size)]
        return tuple(linear + curves)

    @property
    def column_blocks(self) -> tuple[str, ...]:
        """Block that each column belongs to; propensity scores and each curve are blocks of their own.

        A product belongs to the block of its first feature.
        """
        main = [feature.block for feature in self.features for _ in feature.column_labels]
        scores = [PROPENSITY] * (len(self.propensity.labels) if self.propensity else 0)
        curves = [curve.name for curve in self.curves for _ in range(curve.basis.size)]
        return tuple(main + [main[i] for i, _ in self._products] + scores + curves)

    @property
    def column_paths(self) -> tuple[tuple[str, ...], ...]:
        """Groups of each column, from fine to coarse; empty for products, scores and curves."""
        main = [feature.path for feature in self.features for _ in feature.column_labels]
        return tuple(main + [()] * (len(self.column_blocks) - len(main)))

    @property
    def _products(self) -> tuple[tuple[int, int], ...]:
        """Positions of the two main columns behind each product."""
        owner = [feature.name for feature in self.features for _ in feature.column_labels]
        return tuple(
            (i, j)
            for first, second in self.interactions
            for i, name in enumerate(owner)
            if name == first
            for j, other in enumerate(owner)
            if other == second
        )

    def codes(self, cohort: Cohort) -> np.ndarray:
        """Return codes of shape (patient, feature), NaN where missing.

        Raises
        ------
        DataError
            If the cohort lacks a feature's column.
        """
        present = set(cohort.table.columns)
        absent = [name for name in self.names if name not in present]
        if absent:
            raise DataError(
                f"the fit uses {len(absent)} feature(s) that the cohort does not declare: {', '.join(absent)}",
                code="missing_column",
            )
        if not self.features:
            return np.empty((cohort.n, 0))
        # All columns in one call, feature by feature in memory: a call for each takes longer than the work.
        numbers = cohort.table.select(pl.col(self.names).to_physical().cast(pl.Float64))
        codes = numbers.to_numpy(order="fortran", writable=True)
        for j, feature in enumerate(self.features):
            if feature.type == "continuous":
                codes[:, j] = feature.codes(codes[:, j])
        return np.array(codes, order="C")

    def errors(self, cohort: Cohort) -> np.ndarray | None:
        """Return standard errors of measurement on the scale of codes, (patient, feature), 0 where exact.

        None if no feature has one. Through a transform by the delta method: ``se * |g'(reading)|``. A value whose error is no
        more than 1e-8 standard deviations of the feature is exact.
        """
        if all(feature.error is None for feature in self.features):
            return None
        return np.column_stack([_code_errors(feature, cohort) for feature in self.features])

    def code_shifts(self, shifts: Mapping[str, float]) -> dict[int, float]:
        """Return feature position -> shift on the scale of codes (of the latent normal for a discrete feature)."""
        return {
            i: shifts[feature.name] / (feature.scale if feature.type == "continuous" else 1.0)
            for i, feature in enumerate(self.features)
            if feature.name in shifts
        }

    def columns(self, codes: np.ndarray) -> np.ndarray:
        """Return columns of shape (..., column) from codes of shape (..., feature)."""
        if not self.features:
            return np.empty((*codes.shape[:-1], 0))
        main = self._main(codes)
        if not (self.interactions or self.propensity or self.curves):
            return main
        parts = [main]
        if self.interactions:
            first, second = (list(positions) for positions in zip(*self._products, strict=True))
            parts.append(main[..., first] * main[..., second])
        if self.propensity:
            parts.append(self.propensity.columns(main))
        linear = np.concatenate(parts, axis=-1)
        return np.concatenate(
            [linear, *(c.basis.columns(linear[..., c.column]) for c in self.curves)], axis=-1
        )

    def _main(self, codes: np.ndarray) -> np.ndarray:
        """Return the columns of single features: all features of one column at once, which is most of them."""
        one, center, scale = self._lines
        if one.all():
            main = codes - center
            return main if (scale == 1).all() else main / scale
        widths = [len(feature.column_labels) for feature in self.features]
        starts = np.cumsum([0, *widths])
        main = np.empty((*codes.shape[:-1], starts[-1]))
        main[..., starts[:-1][one]] = (codes[..., one] - center) / scale
        for i in np.flatnonzero(~one):
            main[..., starts[i] : starts[i + 1]] = self.features[i].indicators(codes[..., i])
        return main

    @cached_property
    def _lines(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which features have one column, and the centres and scales by which codes become these."""
        one = np.array([feature.type != "categorical" for feature in self.features])
        center, scale = np.array([f.line for f in self.features if f.type != "categorical"]).reshape(-1, 2).T
        return one, center, scale

    def position_of(self, name: str) -> int:
        """Return the position of the one column of a feature, or of the propensity score.

        Raises
        ------
        ValueError
            If it has no column, or several (a categorical feature, the scores of three treatments).
        """
        owners = [(f.name, label) for f in self.features for label in f.column_labels]
        own = [i for i, (owner, _) in enumerate(owners) if owner == name]
        if name == PROPENSITY and self.propensity:
            start = len(owners) + len(self._products)
            own = list(range(start, start + len(self.propensity.labels)))
        if len(own) != 1:
            raise ValueError(f"has {len(own)} columns; a curve is drawn over one")
        return own[0]


def fit_encoding(
    cohort: Cohort,
    *,
    blocks: Sequence[str],
    leave_out: Sequence[str] = (),
    interactions: Sequence[tuple[str, str]] = (),
) -> Encoding:
    """Learn encodings from the training cohort.

    Parameters
    ----------
    cohort : Cohort
    blocks : sequence of str
        Blocks to use, in this order.
    leave_out : sequence of str
        Features of these blocks that the model does not use. A feature that is constant or entirely missing
        in training is left out too: it carries no information, and the checks have warned of it.
    interactions : sequence of (str, str)
        Pairs of features that interact; a pair with a feature left out is left out.

    Returns
    -------
    Encoding
    """
    features = []
    for block in blocks:
        for name, feature in cohort.schema.features.get(block, {}).items():
            if name in leave_out or cohort.table[name].drop_nulls().n_unique() < 2:
                continue
            features.append(_fit_feature(name, block, feature, cohort.table[name].drop_nulls()))
    _say_exact(features, cohort)
    kept = {feature.name for feature in features}
    pairs = tuple((a, b) for a, b in interactions if a in kept and b in kept)
    return Encoding(features=tuple(features), interactions=pairs)


def _fit_feature(name: str, block: str, feature: Feature, known: pl.Series) -> FeatureEncoding:
    if feature.type == "continuous":
        transformed = _transformed(name, feature.transform, known.cast(pl.Float64).to_numpy())
        low, high = np.quantile(known.cast(pl.Float64).to_numpy(), [0.01, 0.99])
        return FeatureEncoding(
            name=name, block=block, type=feature.type, transform=feature.transform, low=float(low), high=float(high),
            center=float(transformed.mean()), scale=float(transformed.std()), path=feature.path,
            error=feature.error,
        )  # fmt: skip
    codes = known.to_physical().cast(pl.Int64).to_numpy()
    shares = np.bincount(codes, minlength=len(feature.level_names)) / len(codes)
    return FeatureEncoding(
        name=name, block=block, type=feature.type, levels=feature.level_names, center=float(codes.mean()),
        shares=tuple(float(share) for share in shares), baseline=int(shares.argmax()), path=feature.path,
    )  # fmt: skip


_SLOPE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": np.ones_like,
    "log": lambda x: 1 / x,
    "log1p": lambda x: 1 / (1 + x),
    "sqrt": lambda x: 0.5 / np.sqrt(np.maximum(x, np.finfo(float).tiny)),
}


def _code_errors(feature: FeatureEncoding, cohort: Cohort) -> np.ndarray:
    if feature.error is None:
        return np.zeros(cohort.n)
    reading = cohort.table[feature.name].cast(pl.Float64).to_numpy()
    if isinstance(feature.error, str):
        if feature.error not in cohort.table.columns:
            raise DataError(
                f"column {feature.error}: absent; it holds the standard errors of {feature.name}",
                code="missing_column",
            )
        error = cohort.table[feature.error].cast(pl.Float64).to_numpy()
    else:
        error = np.full(cohort.n, feature.error)
    error = np.where(np.isnan(reading), 0.0, error * _SLOPE[feature.transform](reading) / feature.scale)
    return np.where((error > 0) & (error <= EXACT), 0.0, error)


def _say_exact(features: Sequence[FeatureEncoding], cohort: Cohort) -> None:
    for feature in features:
        if feature.error is None:
            continue
        known = cohort.table[feature.name].is_not_null().to_numpy()
        count = int((known & (_code_errors(feature, cohort) == 0)).sum())
        if count:
            log.info(
                "feature %s: %d value(s) have a standard error below %.0e standard deviations and are taken for exact",
                feature.name, count, EXACT,
            )  # fmt: skip


def _transformed(name: str, transform: str, raw: np.ndarray) -> np.ndarray:
    """Return the values on the model's scale, NaN where missing; refuse a known value that has none there."""
    with np.errstate(invalid="ignore", divide="ignore"):
        transformed = _FORWARD[transform](raw)
    count = int((~np.isfinite(transformed) & ~np.isnan(raw)).sum())
    if count:
        raise DataError(
            f"column {name}: transform {transform!r} is not defined for {count} row(s); "
            "choose another transform or correct the values",
            code="transform_undefined",
        )
    return transformed
