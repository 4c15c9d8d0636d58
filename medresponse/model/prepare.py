"""Cohort + spec -> everything that fitting needs as arrays: encodings, imputations, observed data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medresponse.cohort import Cohort, Treatment
from medresponse.core.errors import DataError, SpecError
from medresponse.core.rng import stream
from medresponse.families import Arrays
from medresponse.features import (
    Encoding,
    Grouping,
    LatentNormal,
    Layout,
    fit_encoding,
    fit_latent_normal,
    treatment_contrasts,
)
from medresponse.model.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training data ready for the sampler.

    Parameters
    ----------
    encoding, layout : Encoding, Layout
    imputer : LatentNormal
        Joint model of the features.
    constants : mapping
        What the family learned from the outcomes.
    codes : numpy.ndarray
        Completed feature codes, shape (imputation, patient, feature).
    data : tuple of mappings
        What the likelihood reads, one mapping an imputation.
    """

    encoding: Encoding
    layout: Layout
    imputer: LatentNormal
    constants: Arrays
    codes: np.ndarray
    data: tuple[Arrays, ...]


def prepare(spec: ModelSpec, cohort: Cohort, *, outcome: str, seed: int) -> Prepared:
    """Encode, impute and arrange a training cohort.

    Raises
    ------
    SpecError
        If the family does not fit the outcome, a pooling column is unknown, or an observational cohort is
        given without a confounding strategy.
    DataError
        If a feature cannot be encoded.
    """
    _check(spec, cohort, outcome)
    observed = cohort.outcome(outcome)
    encoding = fit_encoding(
        cohort, blocks=tuple(spec.blocks), leave_out=spec.leave_out, interactions=spec.interactions
    )
    layout = make_layout(spec, cohort, encoding)
    codes = encoding.codes(cohort)
    contrasts = layout.contrast_matrix[cohort.treatment_idx]
    companions = np.column_stack([spec.family.companions(observed), contrasts])
    imputer, completed = fit_latent_normal(
        encoding, codes, companions, imputations=spec.missing.imputations, rng=stream(seed, "imputation")
    )
    if not np.isnan(codes).any():
        completed = codes[None]  # the feature model still serves new patients with missing values
    constants = spec.family.learn(observed)
    groups = group_indices(layout, cohort)
    data = []
    for one in completed:
        design = layout.matrix(encoding.columns(one), cohort.treatment_idx, groups)
        arrays = dict(spec.family.observe(design, observed, cohort.treatment_idx, constants))
        arrays["unit_information_sd"] = np.asarray(spec.family.unit_information_sd(observed))
        data.append(arrays)
    return Prepared(
        encoding=encoding,
        layout=layout,
        imputer=imputer,
        constants=constants,
        codes=completed,
        data=tuple(data),
    )


def make_layout(spec: ModelSpec, cohort: Cohort, encoding: Encoding) -> Layout:
    """Return the coefficient layout of a spec on a cohort."""
    blocks = encoding.column_blocks[: len(encoding.main_labels)]
    owners = encoding.column_features
    # Contrast by contrast, block by block in the order of the modifiers' own mapping.
    modifiers = tuple(i for block in spec.modifier_priors for i, b in enumerate(blocks) if b == block)
    groupings = tuple(
        Grouping(
            column=column,
            labels=tuple(sorted(cohort.table[column].unique().to_list())),
            slopes=tuple(
                i
                for i, owner in enumerate(owners)
                if len(owner) == 1 and owner[0] in spec.slopes.get(column, ())
            ),
        )
        for column in spec.pooling
    )
    contrasts = treatment_contrasts(max(len(cohort.treatments), 1))
    return Layout(
        columns=encoding.column_labels,
        modifiers=modifiers if len(cohort.treatments) > 1 else (),
        contrasts=tuple(tuple(float(c) for c in row) for row in contrasts),
        groupings=groupings,
    )


def group_indices(layout: Layout, cohort: Cohort) -> dict[str, np.ndarray]:
    """Return grouping column -> index of each patient's group, -1 for a group unseen in training."""
    absent = [g.column for g in layout.groupings if g.column not in cohort.table.columns]
    if absent:
        raise DataError(
            f"the fit pools over {', '.join(absent)}, which the cohort lacks", code="missing_column"
        )
    return {g.column: g.index(cohort.table[g.column].to_list()) for g in layout.groupings}


def _check(spec: ModelSpec, cohort: Cohort, outcome: str) -> None:
    kind = cohort.outcome_schema(outcome).kind
    if kind != spec.family.outcome_kind:
        raise SpecError(
            f"spec.family: {type(spec.family).__name__} models a {spec.family.outcome_kind} outcome; {outcome!r} is {kind}"
        )
    unknown = sorted(set(spec.pooling) - set(cohort.schema.sites))
    if unknown:
        raise SpecError(
            f"spec.pooling: {', '.join(unknown)} is no site column of the cohort ({', '.join(cohort.schema.sites) or 'it has none'})"
        )
    named = {
        "leave_out": spec.leave_out,
        "interactions": [name for pair in spec.interactions for name in pair],
        "slopes": [name for features in spec.slopes.values() for name in features],
    }
    for entry, names in named.items():
        strange = sorted(set(names) - set(cohort.schema.feature_columns))
        if strange:
            raise SpecError(f"spec.{entry}: {', '.join(strange)} is no feature of the cohort")
    treatment: Treatment | None = cohort.schema.treatment
    if treatment is not None and treatment.assignment == "observational" and spec.confounding is None:
        raise SpecError(
            "the cohort's treatment was not randomised and spec.confounding names no strategy; set it to 'measured' "
            "to state that only the listed features are adjusted for",
            code="confounding",
        )
