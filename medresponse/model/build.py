"""Spec + training data -> a PyMC model whose data can be swapped without recompiling."""

from __future__ import annotations

from typing import Any

import numpy as np

from medresponse.families import Arrays
from medresponse.features import Encoding, Grouping, Layout
from medresponse.model.spec import ModelSpec


def build_model(spec: ModelSpec, encoding: Encoding, layout: Layout, data: Arrays) -> Any:
    """Return the PyMC model.

    Parameters
    ----------
    spec : ModelSpec
    encoding : Encoding
        For the blocks of the feature columns.
    layout : Layout
    data : mapping
        The family's `observe`d arrays plus ``unit_information_sd``; each becomes a `pymc.Data` of the same
        name, so that any other data set of this layout refits the compiled model.

    Returns
    -------
    pymc.Model
        With ``coefficients`` (dims ``coefficient``) in the order of `layout`.
    """
    import pymc as pm
    import pytensor.tensor as pt

    blocks = np.array(encoding.column_blocks)
    coords: dict[str, Any] = {"coefficient": list(layout.coefficient_labels)}
    with pm.Model(coords=coords) as model:
        shared = {name: pm.Data(name, value) for name, value in data.items()}
        unit_sd = shared["unit_information_sd"]

        def block_coefficients(name: str, prior: Any, labels: list[str]) -> Any:
            dim = f"{name}_term"
            model.add_coord(dim, labels)
            return prior.coefficients(name, size=len(labels), dims=dim, unit_information_sd=unit_sd)

        parts = _prognostic(spec, blocks, layout, block_coefficients)
        contrasts = [f"contrast {j + 1}" for j in range(layout.n_contrasts)]
        if contrasts:
            parts.append(block_coefficients("treatment_effect", spec.treatment, contrasts))
            parts += _modifiers(spec, blocks, layout, contrasts, block_coefficients)
        for grouping in layout.groupings:
            parts += _grouping(spec, grouping, contrasts, model)
        coefficients = pt.concatenate(parts) if parts else pt.zeros(0)
        pm.Deterministic("coefficients", coefficients, dims="coefficient")
        spec.family.likelihood(coefficients, shared, contrasts=layout.contrast_matrix)
    return model


def _prognostic(spec: ModelSpec, blocks: np.ndarray, layout: Layout, add: Any) -> list[Any]:
    """Add the prognostic coefficients block by block and return them in the order of the columns."""
    import pytensor.tensor as pt

    parts, positions = [], []
    for block, prior in spec.blocks.items():
        own = np.flatnonzero(blocks == block)
        if len(own):
            parts.append(add(f"prognostic_{block}", prior, [layout.columns[i] for i in own]))
            positions.append(own)
    if not parts:
        return []
    order = np.argsort(np.concatenate(positions))
    joined = pt.concatenate(parts)
    return [joined if (order == np.arange(len(order))).all() else joined[order]]


def _modifiers(
    spec: ModelSpec, blocks: np.ndarray, layout: Layout, contrasts: list[str], add: Any
) -> list[Any]:
    """Add effect modification, contrast-major as `Layout.slices` says.

    A block's coefficients over all contrasts share one prior, then are dealt out contrast by contrast.
    """
    by_block = []
    for block, prior in spec.modifier_priors.items():
        labels = [layout.columns[i] for i in layout.modifiers if blocks[i] == block]
        if labels:
            every = [f"{contrast} x {label}" for contrast in contrasts for label in labels]
            by_block.append((len(labels), add(f"modifier_{block}", prior, every)))
    return [values[j * p : (j + 1) * p] for j in range(len(contrasts)) for p, values in by_block]


def _grouping(spec: ModelSpec, grouping: Grouping, contrasts: list[str], model: Any) -> list[Any]:
    """Add one grouping's pooled intercepts, slopes and treatment effects."""
    import pymc as pm
    import pytensor.tensor as pt

    column, n = grouping.column, len(grouping.labels)
    model.add_coord(column, list(grouping.labels))
    scale = spec.pooling_scale.sample(f"{column}_scale")
    if column in spec.centred:
        parts = [pm.Normal(f"{column}_level", 0.0, scale, dims=column)]
    else:
        parts = [scale * pm.Normal(f"{column}_raw", 0.0, 1.0, dims=column)]
    if grouping.slopes:
        scales = [spec.slope_scale.sample(f"{column}_slope_scale_{j}") for j in range(len(grouping.slopes))]
        each = pm.Deterministic(f"{column}_slope_scale", pt.stack(scales))
        parts.append(
            pt.repeat(each, n) * pm.Normal(f"{column}_slope_raw", 0.0, 1.0, shape=n * len(grouping.slopes))
        )
    if contrasts:
        treatment_scale = spec.pooling_treatment_scale.sample(f"{column}_treatment_scale")
        parts.append(
            treatment_scale * pm.Normal(f"{column}_treatment_raw", 0.0, 1.0, shape=n * len(contrasts))
        )
    return parts
