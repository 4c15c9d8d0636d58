"""How often one person would do better on one treatment than on another: bounds, since no data of this kind tell more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
import polars as pl

from medresponse.core.errors import SpecError
from medresponse.core.rng import stream
from medresponse.response import Responses, category_probabilities, check_sides, linear_predictors

WHY_BOUNDS = (
    "Each person is seen under one treatment only, so that how a person's outcomes under two treatments go together is not "
    "identified, however many patients are studied: every value within the bounds agrees equally well with the same data."
)
_COLUMNS = ("better_lower", "better_upper", "worse_lower", "worse_upper")


@dataclass(frozen=True, kw_only=True)
class BenefitBounds:
    """Sharp bounds for patients like each one.

    Parameters
    ----------
    table : polars.DataFrame
        ``patient, treatment, better_lower, better_upper, worse_lower, worse_upper``: between which probabilities lies that of
        doing better (worse) under the treatment than the same person would have done under the reference.
    reference : str
    of : str
        Whose comparison the bounds are of, in words.
    why : str
        Why they are bounds and not a number.
    """

    table: pl.DataFrame
    reference: str
    of: str
    why: str = WHY_BOUNDS

    def __repr__(self) -> str:
        return f"<BenefitBounds against {self.reference}, {self.of}. {self.why}>"

    def _repr_html_(self) -> str:
        means = self.table.group_by("treatment", maintain_order=True).agg(pl.col(_COLUMNS).mean().round(3))
        return f"<p><b>Averages of bounds against {escape(self.reference)}</b>, {escape(self.of)}. {self.why}</p>{means._repr_html_()}"


def binary_bounds(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sharp bounds of P(good outcome under the treatment and bad under the reference).

    ``max(0, p - q)`` and ``min(p, 1 - q)``, with p and q the probabilities of the good outcome under treatment and reference
    (Fréchet 1951; Hoeffding 1940).
    """
    return np.maximum(0.0, p - q), np.minimum(p, 1 - q)


def ordinal_bounds(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sharp bounds of P(higher category under the treatment than under the reference).

    With cumulative distributions F and G of treatment and reference, ``max over c of G(c) - F(c)`` and ``1 - max over c of
    F(c) - G(c - 1)``, both maxima at least 0 (Lu, Ding & Dasgupta 2018, J Educ Behav Stat 43:540; Makarov 1981, Theory Probab
    Appl 26:803).

    Parameters
    ----------
    p, q : numpy.ndarray
        Category probabilities under treatment and reference, shape (category, ...).
    """
    f, g = np.cumsum(p, axis=0), np.cumsum(q, axis=0)
    below = g - q
    lower = np.maximum(0.0, (g - f).max(axis=0))
    upper = 1 - np.maximum(0.0, (f - below).max(axis=0))
    # The sums of probabilities may leave 0 to 1 by rounding.
    return np.clip(lower, 0.0, 1.0), np.clip(upper, 0.0, 1.0)


def makarov_bounds(treated: np.ndarray, control: np.ndarray, *, margin: float = 0.0) -> tuple[float, float]:
    """Return the sharp bounds of P(Y(treatment) - Y(reference) > margin), from samples of the two marginal laws.

    ``sup over y of G(y) - F(y + margin)`` and ``1 - sup over y of F(y + margin) - G(y-)``, both at least 0 (Makarov 1981,
    Theory Probab Appl 26:803; Fan & Park 2010, Econom Theory 26:931). Sharp for the empirical laws; for the laws the samples
    are from, the lower bound is too high and the upper too low by the sampling error of a Kolmogorov-Smirnov distance.

    Parameters
    ----------
    treated, control : numpy.ndarray
        Shape (draw,) each, of any length; ties are handled.
    margin : float
    """
    shifted, own = np.sort(treated - margin), np.sort(control)
    points = np.concatenate([shifted, own])
    f = np.searchsorted(shifted, points, side="right") / len(shifted)
    g = np.searchsorted(own, points, side="right") / len(own)
    g_below = np.searchsorted(own, points, side="left") / len(own)
    return max(0.0, float((g - f).max())), 1 - max(0.0, float((f - g_below).max()))


def benefit_bounds(responses: Responses, *, against: str | None = None, margin: float = 0.0) -> BenefitBounds:
    """Return sharp bounds of the probability that one person does better on a treatment than they would on a reference.

    From the two predictive laws of patients with the same inputs, which the model estimates; their joint law for one person no
    data of this kind identify. Of probabilities of one event: better is to have the good outcome under the treatment and the
    bad one under the reference. Of an ordinal outcome: to be in a better category. Of amounts and times: to be better by more
    than `margin` (event-free time up to the horizon).

    Parameters
    ----------
    responses : Responses
    against : str, optional
        Reference treatment; the schema's by default.
    margin : float
        In the responses' unit, for amounts and times.

    Raises
    ------
    SpecError
        If there is a single treatment or no better side, `margin` is negative or out of place, or the estimand has no
        outcome of one person (rates, mean times lost to one cause).
    UnknownTreatmentError
        If `against` is no treatment.
    """
    check_sides(responses)
    estimand, reference = (
        responses.estimand.kind,
        responses.treatment_position(against or responses.basis.reference),
    )
    others = [k for k in range(len(responses.treatments)) if k != reference]
    if not margin >= 0:
        raise SpecError(f"margin: {margin} found, 0 or more needed", code="margin")
    if margin and estimand not in ("mean", "rmst"):
        raise SpecError(f"{estimand}: outcomes without size; leave margin out", code="margin")
    if "category" in responses.fit.spec.family.estimands:
        found, of = _of_categories(responses, reference, others), "a better category"
    elif responses.kind.unit == "probability":
        found, of = _of_events(responses, reference, others), responses.title
    elif estimand in ("mean", "rmst"):
        found, of = (
            _of_amounts(responses, reference, others, margin),
            f"by more than {margin:g} {responses.unit}",
        )
    else:
        raise SpecError(f"{estimand}: no outcome of one person to compare", code="no_bounds")
    labels = {
        "patient": np.repeat(responses.ids, len(others)).tolist(),
        "treatment": [responses.treatments[k] for k in others] * len(responses.ids),
    }
    flat = found.reshape(-1, len(_COLUMNS))
    table = pl.DataFrame(labels | {name: flat[:, j] for j, name in enumerate(_COLUMNS)})
    return BenefitBounds(table=table, reference=responses.treatments[reference], of=of)


def _of_events(responses: Responses, reference: int, others: list[int]) -> np.ndarray:
    """Return bounds (patient, other, 4) from the probabilities of the predictive law, posterior means."""
    mean = responses.reduce(lambda values: values.mean(axis=-1))
    good = mean if responses.direction > 0 else 1 - mean
    p, q = good[:, others], good[:, [reference]]
    return np.stack([*binary_bounds(p, q), *binary_bounds(1 - p, 1 - q)], axis=-1)


def _of_categories(responses: Responses, reference: int, others: list[int]) -> np.ndarray:
    n = len(responses.outcome_schema.parts)
    mean = np.concatenate([chunk.mean(axis=-1) for chunk in category_probabilities(responses, n)], axis=1)
    if responses.direction < 0:
        mean = mean[::-1]
    p, q = mean[:, :, others], np.broadcast_to(mean[:, :, [reference]], mean[:, :, others].shape)
    return np.stack([*ordinal_bounds(p, q), *ordinal_bounds(q, p)], axis=-1)


def _of_amounts(responses: Responses, reference: int, others: list[int], margin: float) -> np.ndarray:
    rows = []
    for outcomes in _predictive(responses):
        for own in responses.direction * outcomes:
            base = own[reference]
            rows.append(
                [
                    (
                        *makarov_bounds(own[k], base, margin=margin),
                        *makarov_bounds(base, own[k], margin=margin),
                    )
                    for k in others
                ]
            )
    return np.array(rows)


def _predictive(responses: Responses) -> Iterator[np.ndarray]:
    """Yield predictive outcomes (patient, treatment, draw), at evenly spread levels of probability instead of random ones.

    Each level is used once, dealt out over the posterior draws at random: the same law as `Responses.predictive_chunks`, with
    far less sampling error in its distribution function.
    """
    fit, horizon = responses.fit, responses.estimand.horizon
    family, parameters = fit.spec.family, fit.family_draws()
    for rows, eta in linear_predictors(fit, responses.patients, seed=responses.seed):
        shape = eta.shape[-2:]
        levels = np.tile((np.arange(shape[1]) + 0.5) / shape[1], (shape[0], 1))
        uniform = np.stack(
            [stream(responses.seed, "levels", i).permuted(levels, axis=1) for i in responses.ids[rows]]
        )
        outcomes = family.simulate(eta, parameters, fit.constants, uniform)
        yield outcomes if horizon is None else responses.factor * np.minimum(outcomes, horizon)
