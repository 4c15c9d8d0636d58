"""Semi-synthetic patients: baseline columns of a real cohort, everything after them mechanistic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.cohort.feature import TRANSFORMS, Feature
from medresponse.core.errors import DataError, SpecError
from medresponse.core.rng import derive_seed
from medresponse.synthetic.learned import GaussianCopula, learn
from medresponse.synthetic.mechanisms.column import Column, Values, standardised
from medresponse.synthetic.mechanisms.kinds import Covariates
from medresponse.synthetic.mechanisms.knobs import mechanism

_FEWEST = 50  # complete patients to resample from


@mechanism(Covariates, "real_resample")
@dataclass(frozen=True, kw_only=True)
class RealResample:
    """Whole rows of a real cohort's features, with replacement: real joint distribution, real patients' values.

    Keep what is drawn as you keep the cohort: each row is somebody's.
    """

    def columns(self, source: Cohort | None) -> tuple[Column, ...]:
        """Return the cohort's features."""
        return columns_of(_given(source, "real_resample"))

    def draw(self, n: int, rng: np.random.Generator, source: Cohort | None, *, shift: float) -> Values:
        """Return resampled rows that have every feature."""
        _no_shift(shift)
        cohort = _given(source, "real_resample")
        rows = rng.integers(0, (table := _complete(cohort)).height, n)
        return {column.name: column.values(table[column.name])[rows] for column in columns_of(cohort)}


@mechanism(Covariates, "fitted_copula")
@dataclass(frozen=True, kw_only=True)
class FittedCopula:
    """Features drawn from a Gaussian copula that was learned from a real cohort: nobody's rows."""

    def columns(self, source: Cohort | None) -> tuple[Column, ...]:
        """Return the cohort's features."""
        return columns_of(_given(source, "fitted_copula"))

    def draw(self, n: int, rng: np.random.Generator, source: Cohort | None, *, shift: float) -> Values:
        """Return features of made-up patients."""
        _no_shift(shift)
        cohort = _given(source, "fitted_copula")
        learned = learn(GaussianCopula(), _features_only(cohort), seed=derive_seed(0, "fitted_copula"))
        drawn = learned.draw(n, seed=int(rng.integers(2**62)))
        return {column.name: column.values(drawn.table[column.name]) for column in columns_of(cohort)}


def columns_of(cohort: Cohort) -> tuple[Column, ...]:
    """Return a real cohort's features as columns; scores are standardised in its complete patients."""
    table = _complete(cohort)
    return tuple(
        _column(name, cohort.schema.block_of(name), feature, table[name])
        for name, feature in cohort.schema.feature_columns.items()
    )


def _column(name: str, block: str, feature: Feature, series: pl.Series) -> Column:
    feature = replace(feature, unit_column=None, measured_at=0.0, error=None)
    if not feature.is_discrete or feature.type == "dosage":
        values = TRANSFORMS[feature.transform](Column(name=name, block=block, feature=feature).values(series))
        return Column(
            name=name, block=block, feature=feature, centre=float(values.mean()), scale=float(values.std())
        )
    counts = np.bincount(series.to_physical().cast(pl.Int64).to_numpy(), minlength=len(feature.level_names))
    ranks = tuple(float(j) for j in range(len(counts)))
    return Column(
        name=name, block=block, feature=feature,
        level_scores=standardised(ranks, tuple((counts / counts.sum()).tolist())),
    )  # fmt: skip


def _given(source: Cohort | None, kind: str) -> Cohort:
    if source is None:
        raise SpecError(
            f"covariates: {kind} needs a real cohort; give simulate its cohort=", code="knobs_contradict"
        )
    return source


def _no_shift(shift: float) -> None:
    if shift:
        raise SpecError(
            f"sites.shift: {shift:g} found; legal is 0 with the covariates of a real cohort",
            code="knobs_contradict",
        )


def _complete(cohort: Cohort) -> pl.DataFrame:
    names = list(cohort.schema.feature_columns)
    table = cohort.table.select(names).drop_nulls()
    if table.height < _FEWEST:
        raise DataError(
            f"{table.height} of {cohort.n} patients have every feature; at least {_FEWEST} are needed to resample from",
            code="too_few_complete",
        )
    one = [name for name in names if table[name].n_unique() < 2]
    if one:
        raise DataError(
            f"column {', '.join(one)}: one value only among complete patients; leave it out",
            code="constant_column",
        )
    return table


def _features_only(cohort: Cohort) -> Cohort:
    """Return the cohort's complete patients without treatment, sites and time: outcomes here are made, not learned."""
    names = list(cohort.schema.feature_columns)
    complete = cohort.where(pl.all_horizontal(pl.col(names).is_not_null()))
    keep = [cohort.schema.id, *names, *next(iter(cohort.schema.outcomes.values())).reads]
    first = dict([next(iter(cohort.schema.outcomes.items()))])
    features = {
        block: {n: replace(f, unit_column=None, measured_at=0.0, error=None) for n, f in columns.items()}
        for block, columns in cohort.schema.features.items()
    }
    schema = replace(
        cohort.schema, treatment=None, sites=(), groups=(), eligibility=(), outcomes=first, features=features
    )
    return replace(complete, table=complete.table.select(keep), schema=schema)
