"""Cohort + spec -> everything that fitting needs as arrays: encodings, imputations, observed data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medresponse.cohort import Cohort, Treatment
from medresponse.core.errors import SpecError
from medresponse.core.rng import derive_seed, stream
from medresponse.families import Arrays, Compressing, Rowwise
from medresponse.features import (
    PROPENSITY,
    Curve,
    Encoding,
    Given,
    Grouping,
    LatentNormal,
    Layout,
    TrueValues,
    arms_suffice,
    fit_by_arm,
    fit_encoding,
    fit_latent_normal,
    fit_propensity,
    group_indices,
    group_labels,
    over_arms,
    treatment_contrasts,
    true_values,
)
from medresponse.features.latent_redraw import Likelihood
from medresponse.model.design import Design
from medresponse.model.matching import require_match
from medresponse.model.spec import ModelSpec, PropensityScore
from medresponse.priors import TreatmentLevel

_FOR_NEW_PATIENTS = (
    2_000  # training patients that a model of features is learned from where none of theirs is missing
)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training data ready for the sampler.

    Parameters
    ----------
    encoding, layout : Encoding, Layout
    levels : tuple of TreatmentLevel
    predictors : tuple of str
        Names of the family's linear predictors.
    imputer : LatentNormal
        Joint model of the features, over all arms.
    constants : mapping
        What the family learned from the outcomes.
    codes : numpy.ndarray
        Completed feature codes, shape (imputation, patient, feature).
    data : tuple of mappings
        What the likelihood reads, one mapping an imputation.
    by_arm : tuple of LatentNormal
        Joint models of the arms, where each has its own.
    """

    encoding: Encoding
    layout: Layout
    levels: tuple[TreatmentLevel, ...]
    predictors: tuple[str, ...]
    imputer: LatentNormal
    constants: Arrays
    codes: np.ndarray
    data: tuple[Arrays, ...]
    by_arm: tuple[LatentNormal, ...] = ()

    @property
    def design(self) -> Design:
        """What the graph is made of."""
        encoding = self.encoding
        return Design(
            column_blocks=encoding.column_blocks,
            column_paths=encoding.column_paths,
            curves=encoding.curves,
            layout=self.layout,
            levels=self.levels,
            predictors=self.predictors,
            data=self.data,
        )


def prepare(spec: ModelSpec, cohort: Cohort, *, outcome: str, seed: int) -> Prepared:
    """Encode, impute and arrange a training cohort.

    Raises
    ------
    SpecError
        If the family does not fit the outcome, the spec names a column that the cohort lacks, or an observational
        cohort is given without a confounding strategy.
    DataError
        If a feature cannot be encoded.
    """
    require_match(spec, cohort, outcome)
    observed = cohort.outcome(outcome)
    encoding = fit_encoding(
        cohort, blocks=spec.used_blocks, leave_out=spec.leave_out, interactions=spec.interactions
    )
    companions = spec.family.companions(observed)
    imputer, by_arm, completed = _impute(spec, cohort, encoding, companions, spec.missing.imputations, seed)
    encoding = _with_curves(spec, encoding, cohort, completed[0])
    layout = make_layout(spec, cohort, encoding)
    constants = spec.family.learn(observed)
    groups = group_indices(layout, cohort)
    column_sd = _column_sd(encoding, encoding.codes(cohort), completed[0])
    data = tuple(
        {
            **_arrays(spec, cohort.treatment_idx, layout, encoding.columns(one), observed, constants, groups),
            "column_sd": column_sd,
        }
        for one in completed
    )
    return Prepared(
        encoding=encoding,
        layout=layout,
        levels=treatment_levels(cohort.schema.treatment),
        predictors=spec.family.predictors(constants),
        imputer=imputer,
        constants=constants,
        codes=completed,
        data=data,
        by_arm=by_arm,
    )


def with_outcome(
    spec: ModelSpec,
    prepared: Prepared,
    cohort: Cohort,
    observed: Arrays,
    *,
    seed: int,
    beside: tuple[Cohort, Arrays] | None = None,
) -> Prepared:
    """Return what is fitted for other outcomes of the same patients, under the very priors of `prepared`.

    Features that are missing or noisy are imputed again, from the other outcomes. What priors take from the data (crude
    rates, spreads of outcomes and columns), encodings and the bases of curves stay those of the cohort's own, as a prior that moved with the
    simulated data would be another one each time.

    Parameters
    ----------
    spec : ModelSpec
    prepared : Prepared
        Of `cohort`.
    cohort : Cohort
        Features, treatments and groups.
    observed : mapping
        Outcomes, as `Cohort.outcome` gives them.
    seed : int
        Of the imputations.
    beside : (Cohort, mapping), optional
        A second cohort of the same schema, with complete features, whose patients and outcomes are fitted together with
        the first one's.
    """
    encoding, layout = prepared.encoding, prepared.layout
    codes = encoding.codes(cohort)
    imputer, by_arm, completed = prepared.imputer, prepared.by_arm, prepared.codes
    if len(completed) > 1 or np.isnan(codes).any():
        companions = spec.family.companions(observed)
        imputer, by_arm, completed = _impute(
            spec, cohort, encoding, companions, spec.missing.imputations, seed
        )
    treatment_idx, groups = cohort.treatment_idx, group_indices(layout, cohort)
    if beside is not None:
        other, second = beside
        completed = np.concatenate(
            [completed, np.tile(encoding.codes(other), (len(completed), 1, 1))], axis=1
        )
        treatment_idx = np.concatenate([treatment_idx, other.treatment_idx])
        more = group_indices(layout, other)
        groups = {name: np.concatenate([groups[name], more[name]]) for name in groups}
        observed = {
            name: np.concatenate([value, second[name]]) if np.ndim(value) else value
            for name, value in observed.items()
        }
    return replace(
        prepared, imputer=imputer, by_arm=by_arm, codes=completed,
        data=_data(spec, prepared, completed, treatment_idx, observed, groups),
    )  # fmt: skip


def redrawn(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, observed: Arrays, likelihood: Likelihood, *, seed: int
) -> Prepared:  # fmt: skip
    """Return what is fitted with imputed values redrawn given the outcome's own model.

    The features' model comes without the outcome: that of `drawn_features`.

    Parameters
    ----------
    spec, prepared, cohort, observed
        As for `with_outcome`; `prepared` holds the imputations as they stand.
    likelihood : callable
        As `features.Given` takes it.
    seed : int
    """
    mean, covariance = _dense(prepared.imputer)
    given = Given(prepared.codes, mean, covariance, likelihood, [_dense(arm) for arm in prepared.by_arm])
    nothing = np.empty((cohort.n, 0))
    imputer, by_arm, codes = _impute(
        spec, cohort, prepared.encoding, nothing, len(prepared.codes), seed, given
    )
    groups = group_indices(prepared.layout, cohort)
    data = _data(spec, prepared, codes, cohort.treatment_idx, observed, groups)
    return replace(prepared, imputer=imputer, by_arm=by_arm, codes=codes, data=data)


def _dense(model: LatentNormal) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance: a low-rank one is of more features than are redrawn."""
    assert model.covariance is not None
    return model.mean, model.covariance


def true_value_laws(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, *, seed: int
) -> tuple[TrueValues, ...]:
    """Return the laws of true values behind noisy readings given the features alone, one an imputation.

    Each is of a draw of the features' model given that imputation: arm by arm where it is so imputed.
    """
    encoding, treatment_idx = prepared.encoding, cohort.treatment_idx
    errors, by_arm = encoding.errors(cohort), bool(prepared.by_arm)
    assert errors is not None
    models = [_dense(model) for model in prepared.by_arm or [prepared.imputer]]
    contrasts = treatment_contrasts(max(len(cohort.treatments), 1))[treatment_idx]
    rng = stream(seed, "true values")
    return tuple(
        true_values(
            encoding, encoding.codes(cohort), np.empty((cohort.n, 0)) if by_arm else contrasts, completed,
            [(mean[m], covariance[m]) for mean, covariance in models],
            errors=errors, arms=treatment_idx if by_arm else np.zeros(cohort.n, dtype=int),
            shifts=encoding.code_shifts(spec.missing.shifts), rng=rng,
        )
        for m, completed in enumerate(prepared.codes)
    )  # fmt: skip


def with_models(prepared: Prepared, laws: Sequence[TrueValues], treatment_idx: np.ndarray) -> Prepared:
    """Return the same with the models of features that true values' laws are of: what these values are drawn given."""
    models = tuple(
        LatentNormal(np.array([mean for mean, _ in own]), np.array([covariance for _, covariance in own]))
        for own in zip(*(law.models for law in laws), strict=True)
    )
    if prepared.by_arm:
        return replace(prepared, imputer=over_arms(models, treatment_idx), by_arm=models)
    return replace(prepared, imputer=models[0])


def with_codes(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, observed: Arrays, codes: np.ndarray
) -> Prepared:
    """Return what is fitted with other completed codes, under the very priors of `prepared`."""
    groups = group_indices(prepared.layout, cohort)
    return replace(
        prepared, codes=codes, data=_data(spec, prepared, codes, cohort.treatment_idx, observed, groups)
    )


def complete_patients(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, observed: Arrays
) -> tuple[Prepared, Cohort, Arrays] | None:
    """Return the patients whose features are all known exactly, as one data set, with their cohort and outcomes.

    None where they are fewer than half of the patients of some arm, or not more than two a coefficient: too few to learn
    the model from. (Where a feature was read in one arm alone, the effect of the other would be drawn from its prior.)

    A start and no more: where values are missing depending on the outcome, parameters of these patients alone are not those of
    all, and it takes the fits of all that follow to forget it.
    """
    whole = ~imputed_cells(prepared.encoding, cohort).any(axis=1)
    if not complete_suffice(whole, cohort.treatment_idx, prepared.layout.n_coefficients):
        return None
    own = cohort.where(whole)
    outcomes = {name: value[whole] if np.ndim(value) else value for name, value in observed.items()}
    codes, groups = prepared.codes[:1, whole], group_indices(prepared.layout, own)
    data = _data(spec, prepared, codes, own.treatment_idx, outcomes, groups)
    return replace(prepared, codes=codes, data=data), own, outcomes


def imputed_cells(encoding: Encoding, cohort: Cohort) -> np.ndarray:
    """Return which codes are missing or read with error, shape (patient, feature)."""
    errors, missing = encoding.errors(cohort), np.isnan(encoding.codes(cohort))
    return missing if errors is None else missing | (np.nan_to_num(errors) > 0)


def complete_suffice(whole: np.ndarray, treatment_idx: np.ndarray, coefficients: int) -> bool:
    """Say whether the patients with `whole` features are enough to learn the model from."""
    arms = [whole[treatment_idx == arm] for arm in np.unique(treatment_idx)]
    return bool(min(arm.mean() for arm in arms) >= 0.5 and whole.sum() > 2 * coefficients)


def _data(
    spec: ModelSpec, prepared: Prepared, completed: np.ndarray, treatment_idx: np.ndarray, observed: Arrays,
    groups: dict[str, np.ndarray],
) -> tuple[Arrays, ...]:  # fmt: skip
    """Return the likelihood's data of completed codes, with what priors take from the data as it is in `prepared`."""
    own = {"unit_information_sd", "latent_sd", "column_sd"}
    data = []
    for one in completed:
        columns = prepared.encoding.columns(one)
        with np.errstate(divide="ignore"):  # a crude rate of no events at all, not used
            arrays = _arrays(
                spec, treatment_idx, prepared.layout, columns, observed, prepared.constants, groups
            )
        names = own | {name for name in arrays if name.startswith("crude")}
        data.append({**arrays, **{name: prepared.data[0][name] for name in names}})
    return tuple(data)


def drawn_features(
    spec: ModelSpec, prepared: Prepared, cohort: Cohort, *, draws: int, seed: int
) -> np.ndarray:
    """Draw completed codes given the features alone, without any outcome, shape (draw, patient, feature).

    From the joint model that imputes features for a fit (arm by arm where it does so), its own parameters drawn given the
    known values: the law of the missing and of the true values before outcomes are seen. Shape (1, patient, feature) where
    every feature is known exactly.
    """
    nothing = np.empty((cohort.n, 0))
    return _impute(spec, cohort, prepared.encoding, nothing, draws, derive_seed(seed, "features"))[2]


def _impute(
    spec: ModelSpec, cohort: Cohort, encoding: Encoding, outcome: np.ndarray, imputations: int, seed: int,
    given: Given | None = None,
) -> tuple[LatentNormal, tuple[LatentNormal, ...], np.ndarray]:  # fmt: skip
    """Return the joint model of the features, those of arms if any, and the completed codes (imputation, patient, feature).

    Each arm has a model of its own where it has patients enough. Else one model conditions on the treatment and its
    products with the outcome, without which an imputed feature would be as prognostic under one treatment as under
    another (von Hippel 2009, Sociol Methodol 39:265). `outcome` holds the family's companions, shape (patient, companion).
    """
    codes, errors = encoding.codes(cohort), encoding.errors(cohort)
    whole = not np.isnan(codes).any() and errors is None
    treatment_idx = cohort.treatment_idx
    settings: dict[str, Any] = {
        "errors": errors,
        "shifts": encoding.code_shifts(spec.missing.shifts),
        "imputations": imputations,
        "rng": stream(seed, "imputation"),
        "given": given,
    }
    if not whole and arms_suffice(encoding, codes, treatment_idx):
        models, completed = fit_by_arm(encoding, codes, outcome, treatment_idx, **settings)
        return over_arms(models, treatment_idx), models, completed
    contrasts = treatment_contrasts(max(len(cohort.treatments), 1))[treatment_idx]
    products = (outcome[:, :, None] * contrasts[:, None, :]).reshape(len(outcome), -1)
    companions = np.column_stack([outcome, contrasts, products])
    if not whole:
        model, completed = fit_latent_normal(encoding, codes, companions, **settings)
        return model, (), completed
    # With nothing to draw, the model of the features still serves new patients: some of the training patients tell enough.
    few = stream(seed, "imputation rows").permutation(cohort.n)[:_FOR_NEW_PATIENTS]
    imputer, _ = fit_latent_normal(encoding, codes[np.sort(few)], companions[np.sort(few)], **settings)
    return imputer, (), codes[None]


def _arrays(
    spec: ModelSpec,
    treatment_idx: np.ndarray,
    layout: Layout,
    columns: np.ndarray,
    observed: Arrays,
    constants: Arrays,
    groups: dict[str, np.ndarray],
) -> Arrays:
    """Return the likelihood's data for one completed data set; `column_sd` is not of one and comes on top."""
    family, n = spec.family, len(treatment_idx)
    arrays: dict[str, np.ndarray] = {}
    if isinstance(family, Compressing) and n > layout.n_coefficients:
        arrays |= family.compress(
            layout.matrix(columns, treatment_idx, groups), observed, treatment_idx, constants
        )
        if n > 2 * layout.n_coefficients:
            arrays["estimate"], arrays["error"] = family.estimates(arrays)
    else:
        arrays |= family.observe(observed, treatment_idx, constants)
        arrays["columns"] = columns
        arrays["contrast"] = layout.contrast_matrix[treatment_idx]
        arrays |= {f"group_{g.stem}": groups[g.column].astype("int32") for g in layout.groupings}
        rows = family.rows(arrays) if isinstance(family, Rowwise) else None
        if rows is not None and n > 2 * layout.n_coefficients:
            design = layout.matrix(columns, treatment_idx, groups)
            arrays["estimate"], arrays["error"] = rows.estimates(design)
    arrays["unit_information_sd"] = np.asarray(family.unit_information_sd(observed))
    arrays["latent_sd"] = np.asarray(family.latent_sd(observed))
    return arrays


def _column_sd(encoding: Encoding, codes: np.ndarray, completed: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column over the patients whose values of its features were observed, 1 for none.

    Priors that read it are thereby the same for every imputation, and before and after values are redrawn.
    """
    known = ~np.isnan(codes)
    columns = encoding.columns(np.where(known, codes, completed))
    spread = columns.std(axis=0)
    for j, features in enumerate(encoding.column_features):
        seen = known[:, [encoding.names.index(name) for name in features]].all(axis=1)
        if not seen.all():
            spread[j] = columns[seen, j].std() if seen.any() else 0.0
    return np.where(spread > 0, spread, 1.0)


def _with_curves(spec: ModelSpec, encoding: Encoding, cohort: Cohort, codes: np.ndarray) -> Encoding:
    """Add propensity scores and the bases of curves, learned from one completed data set."""
    if isinstance(spec.confounding, PropensityScore):
        score = fit_propensity(
            encoding.columns(codes)[:, : len(encoding.main_labels)], cohort.treatment_idx, cohort.treatments
        )
        encoding = replace(encoding, propensity=score)
    linear, curves = encoding.columns(codes), []
    for feature, term in spec.curve_terms.items():
        several = feature == PROPENSITY and encoding.propensity and len(encoding.propensity.labels) > 1
        if several or (feature != PROPENSITY and feature not in encoding.names):
            continue  # several scores have lines only; a constant feature has been left out, with a warning
        try:
            column = encoding.position_of(feature)
            curves.append(Curve(feature=feature, column=column, basis=term.learn(linear[:, column])))
        except ValueError as error:
            raise SpecError(f"spec.terms.{feature}: {error}") from error
    return replace(encoding, curves=tuple(curves))


def treatment_levels(treatment: Treatment | None) -> tuple[TreatmentLevel, ...]:
    """Return the treatments as their structure reads them; empty for a single arm."""
    if treatment is None:
        return ()
    return tuple(
        TreatmentLevel(
            name=name,
            treatment_class=level.treatment_class,
            dose=level.dose,
            is_reference=name == treatment.reference,
        )
        for name, level in treatment.levels.items()
    )


def make_layout(spec: ModelSpec, cohort: Cohort, encoding: Encoding) -> Layout:
    """Return the coefficient layout of a spec on a cohort."""
    n_main, owners = len(encoding.main_labels), encoding.column_features
    blocks = encoding.column_blocks
    curved = [curve.name for curve in encoding.curves if curve.feature in spec.modifier_terms]
    # Contrast by contrast, block by block in the order of the modifiers' own mapping, then curves.
    modifiers = [i for block in spec.modifier_priors for i in range(n_main) if blocks[i] == block]
    modifiers += [i for name in curved for i, block in enumerate(blocks) if block == name]
    groupings = tuple(
        Grouping(
            column=column,
            labels=tuple(sorted(set(group_labels(column, cohort)))),
            slopes=tuple(
                i
                for i, owner in enumerate(owners[:n_main])
                if len(owner) == 1 and owner[0] in spec.slopes.get(column, ())
            ),
        )
        for column in spec.pooling
    )
    contrasts = treatment_contrasts(max(len(cohort.treatments), 1))
    return Layout(
        columns=encoding.column_labels,
        modifiers=tuple(modifiers) if len(cohort.treatments) > 1 else (),
        contrasts=tuple(tuple(float(c) for c in row) for row in contrasts),
        groupings=groupings,
    )
