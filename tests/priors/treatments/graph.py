"""A treatment structure in a model by itself, and draws of the effects it gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from medresponse.features import treatment_contrasts
from medresponse.priors import Column, Prior, TreatmentLevel, TreatmentStructure
from tests.priors.graph import scales_of

COLUMNS = (Column("age"), Column("variant", ("gene", "pathway")))
COLUMN_SD = np.array([2.0, 0.5])


def structure_model(
    structure: TreatmentStructure,
    prior: Prior,
    levels: tuple[TreatmentLevel, ...],
    *,
    modifiers: bool = False,
) -> Any:
    """A model with effects ``delta``, shape (treatment,), and modifiers ``modified``, (treatment, column)."""
    import pymc as pm
    import pytensor.tensor as pt

    contrasts = treatment_contrasts(len(levels))
    parts = [f"contrast {j + 1}" for j in range(contrasts.shape[1])]
    given: dict[str, Any] = {"levels": levels, "contrasts": contrasts}
    with pm.Model(coords={"effect_term": parts}) as model:
        effects = structure.effects("effect", prior, dims="effect_term", scales=scales_of(0), **given)
        pm.Deterministic("delta", pt.dot(contrasts, effects))
        if modifiers:
            model.add_coord("modifier_term", [f"{part} x {c.label}" for part in parts for c in COLUMNS])
            scales = scales_of(2, column_sd=COLUMN_SD)
            values = structure.modifiers(
                "modifier", prior, columns=COLUMNS, dims="modifier_term", scales=scales, **given
            )
            pm.Deterministic("modified", pt.dot(contrasts, values))
    return model


def differences(delta: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Differences between all pairs of treatments, from effects of shape (draw, treatment, ...)."""
    count = delta.shape[1]
    return {(k, j): delta[:, k] - delta[:, j] for k in range(count) for j in range(k)}


def recorded_modifiers(
    structure: TreatmentStructure, levels: tuple[TreatmentLevel, ...]
) -> tuple[np.ndarray, list[tuple[str, dict[str, Any]]]]:
    """What a structure makes of coefficients that are 0, 1, ..., and the calls by which it asked a prior for them."""
    calls = []

    class Recorder:
        def coefficients(self, name: str, **given: Any) -> Any:
            calls.append((name, given))
            return np.arange(float(len(given["columns"])))

        def harder(self) -> Recorder:
            return self

    values = structure.modifiers(
        "modifier_genomic", Recorder(), columns=COLUMNS, levels=levels, dims="modifier_term",
        contrasts=treatment_contrasts(len(levels)), scales=scales_of(2, column_sd=COLUMN_SD),
    )  # fmt: skip
    return values, calls
