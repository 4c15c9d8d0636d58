"""Spec + training data -> a PyMC model whose data can be swapped without recompiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medresponse.families import Predictor
from medresponse.features import PROPENSITY, Grouping, Layout, treatment_contrasts
from medresponse.model.design import Design
from medresponse.model.spec import ModelSpec, PropensityScore
from medresponse.priors import Column, Exchangeable, Scales, scaled_normal


def build_model(spec: ModelSpec, design: Design) -> Any:
    """Return the PyMC model.

    Parameters
    ----------
    spec : ModelSpec
    design : Design
        Each array of its first data set becomes a `pymc.Data` of the same name, so that any other data set of this
        layout refits the compiled model.

    Returns
    -------
    pymc.Model
        With ``coefficients`` (dims ``coefficient``, and ``predictor`` where there are several) in the order of
        the layout.
    """
    import pymc as pm
    import pytensor.tensor as pt

    layout, predictors = design.layout, design.predictors
    with pm.Model(coords={"coefficient": list(layout.coefficient_labels)}) as model:
        shared = {name: pm.Data(name, value) for name, value in design.data[0].items()}
        parts = [_Coefficients(spec, design, shared, model, name).all() for name in predictors]
        if len(predictors) == 1:
            coefficients = pm.Deterministic("coefficients", parts[0], dims="coefficient")
        else:
            model.add_coord("predictor", list(predictors))
            coefficients = pm.Deterministic(
                "coefficients", pt.stack(parts, axis=1), dims=("coefficient", "predictor")
            )
        predictor = Predictor(coefficients, _eta_of(layout, shared, coefficients, len(predictors)))
        spec.family.likelihood(predictor, shared, contrasts=layout.contrast_matrix)
    return model


def _eta_of(layout: Layout, shared: dict[str, Any], coefficients: Any, count: int) -> Callable[[], Any]:
    """Return what computes the predictor of every training patient.

    Treatment contrasts are multiplied in after the columns have met their coefficients, and groups enter by index, so
    that no column is held twice, whatever the number of treatments and groups.
    """
    import pytensor.tensor as pt

    def eta_of(own: Any) -> Any:
        columns, contrast, parts = shared["columns"], shared["contrast"], layout.slices
        r, modifiers = layout.n_contrasts, list(layout.modifiers)
        total = pt.dot(columns, own[parts["prognostic"]])
        if r:
            total = total + pt.dot(contrast, own[parts["treatment"]])
        if modifiers:
            every = modifiers == list(range(len(layout.columns)))
            modifying = columns if every else columns[:, modifiers]
            by_contrast = own[parts["modifier"]].reshape((r, len(modifiers)))
            # One product a contrast: BLAS is quicker at r matrix-vector products than at a matrix with r columns.
            for j in range(r):
                total = total + contrast[:, j] * pt.dot(modifying, by_contrast[j])
        for grouping in layout.groupings:
            column, n = grouping.column, len(grouping.labels)
            group = shared[f"group_{grouping.stem}"]
            total = total + own[parts[f"{column}.intercept"]][group]
            for j, position in enumerate(grouping.slopes):
                total = (
                    total + columns[:, position] * own[parts[f"{column}.slope"]][j * n : (j + 1) * n][group]
                )
            for j in range(r):
                effects = own[parts[f"{column}.treatment"]][j * n : (j + 1) * n]
                total = total + contrast[:, j] * effects[group]
        return total

    if count == 1:
        return lambda: eta_of(coefficients)
    return lambda: pt.stack([eta_of(coefficients[:, q]) for q in range(count)], axis=1)


class _Coefficients:
    """Adds the coefficients of one linear predictor, part by part in the order of the layout."""

    def __init__(
        self, spec: ModelSpec, design: Design, shared: dict[str, Any], model: Any, name: str
    ) -> None:
        self._spec, self._design, self._layout, self._levels = spec, design, design.layout, design.levels
        self._shared, self._model = shared, model
        self._stem = f"{name}_" if name else ""
        self._blocks = np.array(design.column_blocks)
        self._contrasts = [f"contrast {j + 1}" for j in range(design.layout.n_contrasts)]

    def all(self) -> Any:
        """Add every coefficient and return the vector."""
        import pytensor.tensor as pt

        parts = self._prognostic()
        if self._contrasts:
            parts += self._treatment()
        for grouping in self._layout.groupings:
            parts += self._grouping(grouping)
        return pt.concatenate(parts) if parts else pt.zeros(0)

    def _scales(self, positions: list[int], coefficients: np.ndarray | None = None) -> Scales:
        """Return what priors may know of columns `positions`, with estimates of `coefficients` where there are any."""
        known = coefficients is not None and "estimate" in self._shared
        return Scales(
            estimate=self._shared["estimate"][coefficients] if known else None,
            error=self._shared["error"][coefficients] if known else None,
            unit_information_sd=self._shared["unit_information_sd"],
            latent_sd=self._shared["latent_sd"],
            column_sd=self._shared["column_sd"][positions] if positions else np.ones(0),
        )

    def _columns(self, positions: list[int]) -> tuple[Column, ...]:
        paths = self._design.column_paths
        return tuple(Column(self._layout.columns[i], paths[i]) for i in positions)

    def _dims(self, name: str, labels: list[str]) -> str:
        self._model.add_coord(f"{name}_term", labels)
        return f"{name}_term"

    def _prognostic(self) -> list[Any]:
        """Add the prognostic coefficients block by block and return them in the order of the columns."""
        import pytensor.tensor as pt

        priors = dict(self._spec.blocks)
        if isinstance(self._spec.confounding, PropensityScore):
            priors[PROPENSITY] = self._spec.confounding.prior
        parts, positions = [], []
        for block, prior in priors.items():
            own = np.flatnonzero(self._blocks == block).tolist()
            if own:
                name = f"{self._stem}prognostic_{block}"
                columns = self._columns(own)
                dims = self._dims(name, [column.label for column in columns])
                parts.append(
                    prior.coefficients(
                        name, columns=columns, dims=dims, scales=self._scales(own, np.array(own))
                    )
                )
                positions.append(own)
        for curve in self._design.curves:
            own = np.flatnonzero(self._blocks == curve.name).tolist()
            name = f"{self._stem}{curve.name}"
            dims = self._dims(name, [self._layout.columns[i] for i in own])
            term = self._spec.curve_terms[curve.feature]
            parts.append(term.coefficients(name, basis=curve.basis, copies=1, dims=dims))
            positions.append(own)
        if not parts:
            return []
        order = np.argsort(np.concatenate(positions))
        joined = pt.concatenate(parts)
        return [joined if (order == np.arange(len(order))).all() else joined[order]]

    def _treatment(self) -> list[Any]:
        """Add treatment effects and effect modification, contrast-major as `Layout.slices` says."""
        spec, layout, contrasts = self._spec, self._layout, self._contrasts
        matrix, levels = layout.contrast_matrix, self._levels
        at = np.arange(layout.n_coefficients)
        exchangeable = isinstance(spec.treatments, Exchangeable)  # coefficients are then the contrasts' own
        by_contrast = at[layout.slices["modifier"]].reshape(len(contrasts), -1)
        name = f"{self._stem}treatment_effect"
        parts = [
            spec.treatments.effects(
                name, spec.treatment, levels=levels, contrasts=matrix, dims=self._dims(name, contrasts),
                scales=self._scales([], at[layout.slices["treatment"]] if exchangeable else None),
            )
        ]  # fmt: skip
        by_block = []
        for block, prior in spec.modifier_priors.items():
            own = [i for i in layout.modifiers if self._blocks[i] == block]
            if own:
                name, columns = f"{self._stem}modifier_{block}", self._columns(own)
                places = [j for j, i in enumerate(layout.modifiers) if self._blocks[i] == block]
                every = [f"{contrast} x {column.label}" for contrast in contrasts for column in columns]
                values = spec.treatments.modifiers(
                    name, prior, columns=columns, levels=levels, contrasts=matrix, dims=self._dims(name, every),
                    scales=self._scales(own, by_contrast[:, places].ravel() if exchangeable else None),
                )  # fmt: skip
                by_block.append(values)
        for curve in self._design.curves:
            own = [i for i in layout.modifiers if self._blocks[i] == curve.name]
            if own:
                name, r = f"{self._stem}modifier_{curve.name}", len(contrasts)
                every = [f"{contrast} x {layout.columns[i]}" for contrast in contrasts for i in own]
                term = spec.modifier_terms[curve.feature]
                values = term.coefficients(name, basis=curve.basis, copies=r, dims=self._dims(name, every))
                by_block.append(values.reshape((r, len(own))))
        return parts + [values[j] for j in range(len(contrasts)) for values in by_block]

    def _grouping(self, grouping: Grouping) -> list[Any]:
        """Add one grouping's pooled intercepts, slopes and treatment effects."""
        import pymc as pm
        import pytensor.tensor as pt

        spec, contrasts, n = self._spec, self._contrasts, len(grouping.labels)
        name = f"{self._stem}{grouping.stem}"
        dims = self._dims(name, list(grouping.labels))
        scale = spec.pooling_scale.sample(f"{name}_scale")
        places = np.arange(self._layout.n_coefficients)
        if grouping.column in spec.centred:
            parts = [pm.Normal(f"{name}_level", 0.0, scale, dims=dims)]
        else:
            own = places[self._layout.slices[f"{grouping.column}.intercept"]]
            parts = [self._pooled(name, scale, own, n)]
        if grouping.slopes:
            scales = [spec.slope_scale.sample(f"{name}_slope_scale_{j}") for j in range(len(grouping.slopes))]
            each = pm.Deterministic(f"{name}_slope_scale", pt.stack(scales))
            parts.append(
                pt.repeat(each, n) * pm.Normal(f"{name}_slope_raw", 0.0, 1.0, shape=n * len(grouping.slopes))
            )
        if contrasts:
            treatment_scale = spec.pooling_treatment_scale.sample(f"{name}_treatment_scale")
            own = places[self._layout.slices[f"{grouping.column}.treatment"]]
            parts.append(self._pooled(f"{name}_treatment", treatment_scale, own, n))
        return parts

    def _pooled(self, name: str, scale: Any, places: np.ndarray, n: int) -> Any:
        """Add normal effects of `n` groups, once or several times over, whose places among the coefficients are given.

        They are sampled along their mean, of which data cannot tell it from the effect in all groups, and what deviates from
        it: independent normals of one scale are the same along any orthonormal directions. Where there are estimates,
        deviations have coordinates that suit these.
        """
        import pymc as pm
        import pytensor.tensor as pt

        directions, copies = mean_and_deviations(n), len(places) // n
        if "estimate" not in self._shared:
            along = scale * pm.Normal(f"{name}_raw", 0.0, 1.0, shape=len(places))
        else:
            estimate = pt.dot(self._shared["estimate"][places].reshape((copies, n)), directions)
            error = pt.sqrt(pt.dot(self._shared["error"][places].reshape((copies, n)) ** 2, directions**2))
            unknown = np.where(np.arange(n) == 0, UNKNOWN, 1.0)
            scales = Scales(
                unit_information_sd=self._shared["unit_information_sd"], latent_sd=self._shared["latent_sd"],
                column_sd=np.ones(len(places)), estimate=estimate.ravel(), error=(error * unknown).ravel(),
            )  # fmt: skip
            along = scaled_normal(f"{name}_along", scale, size=len(places), dims=None, scales=scales)
        return pt.dot(along.reshape((copies, n)), directions.T).ravel()


UNKNOWN = 1e6  # times the standard error: of the mean over groups the data say nothing of its own


def mean_and_deviations(size: int) -> np.ndarray:
    """Return an orthonormal matrix (size, size) whose first column is constant."""
    deviations = np.sqrt(2.0) * treatment_contrasts(size) if size > 1 else np.zeros((1, 0))
    return np.column_stack([np.full(size, 1 / np.sqrt(size)), deviations])
