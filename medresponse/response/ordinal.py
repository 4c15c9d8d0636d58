"""How often one of two like patients ends in a better category than the other, under two treatments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.response.predict import linear_predictors
from medresponse.response.responses import Responses

_COMPARISONS = ("better", "tied", "worse")


def superiority(responses: Responses, *, against: str | None = None, level: float = 0.95) -> pl.DataFrame:
    """Return how the categories of two patients compare, one on each treatment and one on the reference.

    The two are *independent patients like this one*: with category probabilities p under the treatment and q under the
    reference, ``P(higher) = sum over c of p_c (q_0 + ... + q_(c-1))`` and ``P(tied) = sum over c of p_c q_c`` (Agresti
    2010, Analysis of Ordinal Categorical Data, 2nd ed.; Agresti & Kateri 2017, Biometrics 73:214; a probabilistic index,
    Thas et al. 2012, J R Stat Soc B 74:623). It is not the probability that this person does better on the treatment
    than they would have on the reference: that depends on the joint law of one person's potential outcomes, which no
    data of this kind identify.

    Parameters
    ----------
    responses : Responses
        Of an ordinal outcome; whichever of its estimands they are of makes no difference.
    against : str, optional
        Reference treatment; the schema's by default.
    level : float
        Probability of the equal-tailed posterior intervals.

    Returns
    -------
    polars.DataFrame
        ``patient, treatment``, and for each of ``p_better``, ``p_tied`` and ``p_worse`` its posterior mean and, with
        ``_lower`` and ``_upper`` appended, its interval. The three means sum to one. Better is the schema's direction.

    Raises
    ------
    SpecError
        If the outcome has no categories or no better direction, or there is a single treatment.
    UnknownTreatmentError
        If `against` is no treatment.
    """
    schema = responses.outcome_schema
    if "category" not in responses.fit.spec.family.estimands:
        raise SpecError("the outcome has no categories to compare", code="no_categories")
    if len(responses.treatments) < 2:
        raise SpecError("a single-arm cohort has no contrasts", code="single_arm")
    if schema.sign == 0:
        raise SpecError("the outcome's direction is 'neither': no category is better", code="no_direction")
    reference = responses.treatment_position(against or responses.basis.reference)
    others = [k for k in range(len(responses.treatments)) if k != reference]
    tail = (1 - level) / 2
    chunks = []
    for probabilities in category_probabilities(responses, len(schema.parts)):
        compared = _compare(probabilities[:, :, others], probabilities[:, :, [reference]], schema.sign)
        bounds = np.quantile(compared, [tail, 1 - tail], axis=-1)
        chunks.append(np.stack([compared.mean(axis=-1), *bounds], axis=-1))
    table = np.concatenate(chunks, axis=1).reshape(len(_COMPARISONS), -1, 3)
    labels = {
        "patient": np.repeat(responses.ids, len(others)).tolist(),
        "treatment": [responses.treatments[k] for k in others] * len(responses.ids),
    }
    columns = {
        f"p_{name}{part}": table[i, :, j]
        for i, name in enumerate(_COMPARISONS)
        for j, part in enumerate(("", "_lower", "_upper"))
    }
    return pl.DataFrame(labels | columns)


def category_probabilities(responses: Responses, n_categories: int) -> Iterator[np.ndarray]:
    """Yield P(Y_i(k) = c) of an ordinal outcome chunk by chunk, shape (category, patient, treatment, draw)."""
    fit = responses.fit
    family, parameters = fit.spec.family, fit.family_draws()
    for _, eta in linear_predictors(fit, responses.patients, seed=responses.seed, values_each=n_categories):
        yield np.stack(
            [
                family.response(Estimand(kind="category", part=c), eta, parameters, fit.constants)
                for c in range(n_categories)
            ]
        )


def _compare(p: np.ndarray, q: np.ndarray, sign: int) -> np.ndarray:
    """Return P(better), P(tied), P(worse) of a category drawn from `p` against one from `q`, stacked first."""
    below_p, below_q = np.cumsum(p, axis=0) - p, np.cumsum(q, axis=0) - q
    higher, tied, lower = (p * below_q).sum(axis=0), (p * q).sum(axis=0), (q * below_p).sum(axis=0)
    return np.stack([higher, tied, lower] if sign > 0 else [lower, tied, higher])
