"""What is ranked: parameters, what is reported of them, the log-likelihood, and what was imputed."""

from __future__ import annotations

import numpy as np

from medresponse.cohort import Cohort
from medresponse.response import Responses, benefit_of
from medresponse.sbc.replicates import Replicate, predictors


def quantities(responses: Responses, cohort: Cohort, replicate: Replicate) -> dict[str, np.ndarray]:
    """Return every quantity under the posterior draws and, last, under the true parameters, shape (draw,) each.

    Parameters
    ----------
    responses : Responses
        Of patients with complete features, the same in every replicate; its fit is `with_truth`'s.
    cohort : Cohort
    replicate : Replicate
    """
    fit, layout = responses.fit, responses.fit.layout
    found: dict[str, np.ndarray] = {}
    for predictor, own in zip(fit.predictors, fit.coefficient_draws(), strict=True):
        stem = f"{predictor}: " if predictor else ""
        found |= {f"{stem}{label}": own[:, j] for j, label in enumerate(layout.coefficient_labels)}
    for name, values in fit.family_draws().items():
        flat = values.reshape(len(values), -1)
        found |= {name if flat.shape[1] == 1 else f"{name}[{j}]": flat[:, j] for j in range(flat.shape[1])}
    found |= _reported(responses)
    found["log likelihood"] = _log_likelihood(responses, cohort, replicate)
    return found


def _reported(responses: Responses) -> dict[str, np.ndarray]:
    """Return mean and spread over patients of each benefit, and the value of the best treatment for each."""
    values = np.concatenate([chunk for _, chunk in responses.chunks()])
    reference = responses.treatments.index(responses.basis.reference)
    others = [k for k in range(len(responses.treatments)) if k != reference]
    sign, found = responses.direction or 1, {}
    for k in others:
        benefit = benefit_of(values, reference, [k], sign)[:, 0]
        found[f"mean benefit, {responses.treatments[k]}"] = benefit.mean(axis=0)
        found[f"sd of benefit, {responses.treatments[k]}"] = benefit.std(axis=0)
    if others:
        found["value of the best treatment"] = (sign * values).max(axis=1).mean(axis=0)
    return found


def _log_likelihood(responses: Responses, cohort: Cohort, replicate: Replicate) -> np.ndarray:
    """Return the log-likelihood given each draw's own completed features, and the true ones under the truth."""
    fit, imputation = responses.fit, responses.fit.draw_imputation
    total = np.empty(fit.n_draws)
    for m in np.unique(imputation):
        own = imputation == m
        part = fit.kept(chain=own)
        columns = fit.encoding.columns(replicate.codes if m < 0 else replicate.completed[m][: cohort.n])
        pointwise = fit.spec.family.log_likelihood(
            predictors(part, cohort, columns, cohort.treatment_idx), replicate.observed, cohort.treatment_idx,
            part.family_draws(), fit.constants,
        )  # fmt: skip
        total[own] = pointwise.sum(axis=0)
    return total


def one_each(values: np.ndarray, imputation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one draw of each imputation, at random, and last the truth, whose imputation is -1."""
    chosen = [rng.choice(np.flatnonzero(imputation == m)) for m in np.unique(imputation)[1:]]
    return np.asarray(np.append(values[chosen], values[imputation == -1]))


def between_imputations(values: np.ndarray, imputation: np.ndarray) -> float:
    """Return the share of draws' variance that lies between imputations, by the moments of a one-way layout.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (draw,).
    imputation : numpy.ndarray
        Whose draw it is, shape (draw,); each has two draws or more.
    """
    own = [values[imputation == m] for m in np.unique(imputation)]
    within = float(np.mean([one.var(ddof=1) for one in own]))
    error = within * float(np.mean([1 / len(one) for one in own]))
    between = max(float(np.var([one.mean() for one in own], ddof=1)) - error, 0.0)
    return between / (between + within) if between else 0.0


def imputed_means(cohort: Cohort, responses: Responses, replicate: Replicate) -> dict[str, np.ndarray]:
    """Return mean codes over the patients whose value is not known exactly, each imputation's and last the true one."""
    fit = responses.fit
    codes, errors = fit.encoding.codes(cohort), fit.encoding.errors(cohort)
    unknown = np.isnan(codes) if errors is None else np.isnan(codes) | (np.nan_to_num(errors) > 0)
    found = {}
    for j, name in enumerate(fit.encoding.names):
        if unknown[:, j].any():
            rows = unknown[:, j]
            every = np.concatenate([replicate.completed, replicate.codes[None]])
            found[f"imputed mean, {name}"] = every[:, rows, j].mean(axis=1)
    return found
