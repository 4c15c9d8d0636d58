"""The frozen `Fit`: posterior, spec, what was learned from training rows, diagnostics and provenance."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Schema
from medresponse.core.provenance import Provenance
from medresponse.core.small_cells import one_count
from medresponse.features import Encoding, Forest, HingeSum, LatentNormal, Layout
from medresponse.inference.diagnostics import Diagnostics
from medresponse.model.spec import ModelSpec


@dataclass(frozen=True)
class Support:
    """Where the training patients lie, as aggregates, for the applicability check.

    Parameters
    ----------
    mean : numpy.ndarray
        Training mean of the feature columns (without those of curves), shape (column,).
    directions : numpy.ndarray
        Principal directions of the training columns, at most 200, shape (direction, column).
    precisions : numpy.ndarray
        Inverse variance along each direction (with a small ridge), shape (direction,).
    beyond : float
        Inverse variance along every other direction.
    distances : numpy.ndarray
        Training quantiles 0.50, 0.51, ..., 0.99 of the Mahalanobis distance, shape (50,).
    """

    mean: np.ndarray
    directions: np.ndarray
    precisions: np.ndarray
    beyond: float | np.ndarray
    distances: np.ndarray

    def distance(self, columns: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance of rows of feature columns, shape of their leading dims.

        Further columns (those of curves) are not looked at: they are functions of the first ones.
        """
        deviation = columns[..., : len(self.mean)] - self.mean
        scores = deviation @ self.directions.T
        elsewhere = np.maximum((deviation**2).sum(axis=-1) - (scores**2).sum(axis=-1), 0.0)
        return np.sqrt((scores**2 * self.precisions).sum(axis=-1) + elsewhere * self.beyond)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted model, complete from the start.

    Parameters
    ----------
    spec : ModelSpec
    outcome : str
        Name of the outcome in the schema.
    schema : Schema
        Of the training cohort.
    encoding, layout, constants, imputer, support
        What was learned from the training rows.
    posterior : xarray.Dataset
        Dims (chain, draw, ...); coordinate ``imputation`` along chain.
    sample_stats : xarray.Dataset
        Dims (chain, draw).
    codes : numpy.ndarray or None
        Completed training codes (imputation, patient, feature); held in memory for checks on the training
        rows, never saved, since they are patients' rows.
    forests : xarray.Dataset or None
        Nodes of the sums of trees where the spec has them: for each sum ``<name>_column`` and ``<name>_value``, dims (chain,
        draw, node), as `features.Forest` says. The sums are ``prognostic`` and ``predictive_0``, ... a contrast. Those of
        hinges are named ``hinge_<name>`` and have ``<name>_shape`` too, as `features.HingeSum` says.
    diagnostics : Diagnostics
    diagnostics_table : polars.DataFrame
    provenance : Provenance
    """

    spec: ModelSpec
    outcome: str
    schema: Schema
    encoding: Encoding
    layout: Layout
    constants: Mapping[str, np.ndarray]
    imputer: LatentNormal
    support: Support
    posterior: xr.Dataset
    sample_stats: xr.Dataset
    diagnostics: Diagnostics
    diagnostics_table: pl.DataFrame
    provenance: Provenance
    codes: np.ndarray | None = None
    forests: xr.Dataset | None = None

    @property
    def treatments(self) -> tuple[str, ...]:
        """Treatment levels in fixed order; one pseudo-level ``"all"`` for a single-arm cohort."""
        return tuple(self.schema.treatment.levels) if self.schema.treatment else ("all",)

    @property
    def n_draws(self) -> int:
        """Posterior draws over all chains."""
        return self.posterior.sizes["chain"] * self.posterior.sizes["draw"]

    def draws(self, name: str) -> np.ndarray:
        """Return one variable with chains and draws flattened first, shape (draw, ...)."""
        values = self.posterior.variables[name].transpose("chain", "draw", ...).values
        return values.reshape(self.n_draws, *values.shape[2:])

    @property
    def draw_imputation(self) -> np.ndarray:
        """Imputation that each flattened draw belongs to, shape (draw,)."""
        return np.repeat(self.posterior["imputation"].values, self.posterior.sizes["draw"])

    def thinned(self, most: int) -> Fit:
        """Return the fit with at most `most` draws, evenly spaced within every chain; diagnostics stay those of all.

        Every chain keeps at least one draw.
        """
        step = min(-(-self.n_draws // most), self.posterior.sizes["draw"])
        if step == 1:
            return self
        if step not in self._thinned:
            self._thinned[step] = self.kept(draw=slice(step - 1, None, step))
        return self._thinned[step]

    @functools.cached_property
    def _thinned(self) -> dict[int, Fit]:
        """Every step's fit, made once: a page asks for two, and for the same as every other page."""
        return {}

    def kept(self, **keep: Any) -> Fit:
        """Return the fit with some of its draws, chosen by position along ``chain`` or ``draw``."""
        forests = None if self.forests is None else self.forests.isel(keep)
        return replace(
            self,
            posterior=self.posterior.isel(keep),
            sample_stats=self.sample_stats.isel(keep),
            forests=forests,
        )

    def forest_values(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return prognosis (patient, draw) and effects (patient, contrast, draw) by the sums of trees and hinges.

        Parameters
        ----------
        columns : numpy.ndarray
            Feature columns, shape (patient, column), or (draw, patient, column) where they differ from draw to draw.
        """
        return forest_values(self.spec, self.layout, self._nodes, columns)

    def _nodes(self, name: str) -> np.ndarray:
        assert self.forests is not None
        values = self.forests[name].transpose("chain", "draw", ...).values
        return np.asarray(values.reshape(self.n_draws, -1))

    def coefficient_draws(self) -> tuple[np.ndarray, ...]:
        """Return the coefficients of each linear predictor, shape (draw, coefficient)."""
        values = self.draws("coefficients")
        if values.ndim == 2:
            return (values,)
        return tuple(np.ascontiguousarray(values[:, :, p]) for p in range(values.shape[2]))

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the family's linear predictors; ``("",)`` where there is one."""
        return self.spec.family.predictors(self.constants)

    def family_draws(self) -> dict[str, np.ndarray]:
        """Return the family's parameters, draws first."""
        return {name: self.draws(name) for name in self.spec.family.parameters}

    def __repr__(self) -> str:
        verdict = "diagnostics passed" if self.diagnostics.passed else "DIAGNOSTICS FAILED"
        family = type(self.spec.family).__name__
        return f"<Fit {family} of {self.outcome}: {one_count(self.provenance.n_patients)} patients, {self.n_draws} draws, {verdict}>"

    def _repr_html_(self) -> str:
        d = self.diagnostics
        rows = [
            ("R-hat, largest", f"{d.rhat:.3f}", d.rhat_parameter),
            ("ESS bulk, smallest", f"{d.ess_bulk:.0f}", d.ess_bulk_parameter),
            ("ESS tail, smallest", f"{d.ess_tail:.0f}", d.ess_tail_parameter),
            ("divergences", str(d.divergences), ""),
            ("E-BFMI, smallest", "-" if d.bfmi is None else f"{d.bfmi:.2f}", ""),
            (
                "Pareto k, largest",
                "" if d.pareto_k is None else f"{d.pareto_k:.2f}",
                f"{d.influential} above 0.7",
            ),
            ("imputations", str(self.provenance.imputations), ""),
        ]
        cells = "".join(
            f"<tr><th scope='row'>{a}</th><td>{b}</td><td>{escape(c)}</td></tr>" for a, b, c in rows
        )
        problems = "".join(f"<li>{escape(failure)}</li>" for failure in d.failures)
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p><table>{cells}</table><ul>{problems}</ul>"


def forest_values(
    spec: ModelSpec, layout: Layout, nodes: Callable[[str], np.ndarray], columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return prognosis (patient, draw) and effects (patient, contrast, draw) by the sums of trees and hinges.

    Parameters
    ----------
    spec : ModelSpec
        With trees or hinges.
    layout : Layout
    nodes : callable
        Returns the nodes that `Fit.forests` holds under a name, shape (draw, node).
    columns : numpy.ndarray
        As for `Fit.forest_values`.
    """
    trees, hinges, r = spec.trees, spec.hinges, layout.n_contrasts

    def forest(name: str, number: int) -> np.ndarray:
        return Forest(nodes(f"{name}_column"), nodes(f"{name}_value"), number).values(columns)

    def hinge_sum(name: str) -> np.ndarray:
        column, value, shape = (nodes(f"hinge_{name}_{part}") for part in ("column", "value", "shape"))
        return HingeSum(column, value, shape).values(columns)

    parts = [] if trees is None else [forest("prognostic", trees.prognostic.trees)]
    parts += [] if hinges is None else [hinge_sum("prognostic")]
    prognosis = np.sum(parts, axis=0)
    effects = np.zeros((len(prognosis), r, prognosis.shape[1]))
    for j in range(r):
        if trees is not None and trees.predictive is not None:
            effects[:, j] += forest(f"predictive_{j}", trees.predictive.trees)
        if hinges is not None and hinges.predictive is not None:
            effects[:, j] += hinge_sum(f"predictive_{j}")
    return prognosis, effects
