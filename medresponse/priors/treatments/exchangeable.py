"""Exchangeable treatments: every difference between two of them has the same prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales
from medresponse.priors.treatments.base import (
    TreatmentLevel,
    TreatmentStructure,
    component_effects,
    component_modifiers,
    contrast_labels,
)


@register(TreatmentStructure, "exchangeable")
@dataclass(frozen=True, kw_only=True, slots=True)
class Exchangeable:
    """The prior is on the orthonormal contrasts themselves.

    A prior of standard deviation sigma is that of the difference between any two treatments; no treatment is
    special, the reference included.
    """

    def effects(
        self,
        name: str,
        prior: Prior,
        *,
        levels: tuple[TreatmentLevel, ...],
        contrasts: np.ndarray,
        dims: str,
        scales: Scales,
    ) -> Any:
        """Add the effects; see `TreatmentStructure.effects`."""
        return component_effects(name, prior, components=contrast_labels(contrasts), dims=dims, scales=scales)

    def modifiers(
        self,
        name: str,
        prior: Prior,
        *,
        columns: tuple[Column, ...],
        levels: tuple[TreatmentLevel, ...],
        contrasts: np.ndarray,
        dims: str,
        scales: Scales,
    ) -> Any:
        """Add one block's effect modification; see `TreatmentStructure.modifiers`."""
        return component_modifiers(
            name, prior, components=contrast_labels(contrasts), columns=columns, dims=dims, scales=scales
        )
