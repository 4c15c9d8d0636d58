"""Differences between treatments for each patient, signed so that positive is better for the patient."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from medresponse.core.errors import SpecError
from medresponse.core.estimand import ESTIMANDS
from medresponse.response.responses import Responses

_COLUMNS = ("benefit", "sd", "lower", "upper", "p_benefit", "p_worthwhile", "p_worse")


def contrast(
    responses: Responses, *, against: str | None = None, worthwhile: float = 0.0, level: float = 0.95
) -> pl.DataFrame:
    """Return each patient's benefit of every other treatment against a reference.

    Parameters
    ----------
    responses : Responses
    against : str, optional
        Reference treatment; the schema's by default.
    worthwhile : float
        Smallest worthwhile benefit (MCID) in the responses' unit, declared before seeing data.
    level : float
        Probability of the equal-tailed interval.

    Returns
    -------
    polars.DataFrame
        ``patient, treatment, benefit, sd, lower, upper, p_benefit, p_worthwhile, p_worse``. Probabilities are
        posterior probabilities that the conditional effect for patients like this one is above 0, above
        `worthwhile`, below 0. They are not the probability that this person is helped, which no
        data of this kind identify.

    Raises
    ------
    SpecError
        If there is a single treatment, or no side of what is asked is the better one.
    UnknownTreatmentError
        If `against` is no treatment.
    """
    check_sides(responses)
    reference = responses.treatment_position(against or responses.basis.reference)
    others = [k for k in range(len(responses.treatments)) if k != reference]

    def summarise(values: np.ndarray) -> np.ndarray:
        return summarise_benefit(
            benefit_of(values, reference, others, responses.direction), worthwhile, level
        )

    labels = {
        "patient": np.repeat(responses.ids, len(others)).tolist(),
        "treatment": [responses.treatments[k] for k in others] * len(responses.ids),
    }
    return _table(labels, responses.reduce(summarise))


def pairwise(responses: Responses, *, worthwhile: float = 0.0, level: float = 0.95) -> pl.DataFrame:
    """Return the average benefit over these patients of every treatment against every other.

    Parameters
    ----------
    responses : Responses
    worthwhile, level : float
        As for `contrast`.

    Returns
    -------
    polars.DataFrame
        ``treatment, against, benefit, sd, lower, upper, p_benefit, p_worthwhile, p_worse``, one row a pair in the
        schema's fixed order, nothing ranked. The other way round, signs and sides swap. What varies over draws is what
        is not known of the average over exactly these patients.

    Raises
    ------
    SpecError
        If there is a single treatment, or no side of what is asked is the better one.
    """
    check_sides(responses)
    names, means = responses.treatments, responses.mean_over_patients()
    pairs = list(combinations(range(len(names)), 2))
    benefit = np.stack([responses.direction * (means[k] - means[j]) for j, k in pairs])
    labels = {"treatment": [names[k] for _, k in pairs], "against": [names[j] for j, _ in pairs]}
    return _table(labels, summarise_benefit(benefit, worthwhile, level))


def check_sides(responses: Responses) -> None:
    """Raise `SpecError` if there is a single treatment, or no side of what is asked is the better one."""
    if len(responses.treatments) < 2:
        raise SpecError("a single-arm cohort has no contrasts", code="single_arm")
    if responses.direction:
        return
    sided = [kind for kind in responses.fit.spec.family.estimands if ESTIMANDS[kind].better != "neither"]
    if responses.kind.better == "neither":
        raise SpecError(
            f"more of '{responses.estimand.kind}' is neither better nor worse, so that no difference in it is a benefit; "
            f"ask for one of {', '.join(sided)}",
            code="no_direction",
        )
    raise SpecError("the outcome's direction is 'neither': no side is a benefit", code="no_direction")


def _table(labels: dict[str, list[str]], values: np.ndarray) -> pl.DataFrame:
    flat = values.reshape(-1, len(_COLUMNS))
    return pl.DataFrame(labels | {name: flat[:, j] for j, name in enumerate(_COLUMNS)})


def benefit_of(values: np.ndarray, reference: int, others: list[int], direction: int) -> np.ndarray:
    """Return b_i(k) = direction * (m_i(k) - m_i(ref)), shape (patient, other treatment, draw)."""
    return direction * (values[:, others] - values[:, [reference]])


def summarise_benefit(benefit: np.ndarray, worthwhile: float, level: float) -> np.ndarray:
    """Return mean, sd, lower, upper, P(> 0), P(> worthwhile), P(< 0) over the last axis, stacked last."""
    tail = (1 - level) / 2
    lower, upper = np.quantile(benefit, [tail, 1 - tail], axis=-1)
    parts = [benefit.mean(axis=-1), benefit.std(axis=-1, ddof=1), lower, upper]
    parts += [
        (benefit > 0).mean(axis=-1),
        (benefit > worthwhile).mean(axis=-1),
        (benefit < 0).mean(axis=-1),
    ]
    return np.stack(parts, axis=-1)
