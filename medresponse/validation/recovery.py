"""How close posterior responses come to a known truth, and whether their intervals mean what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from medresponse.core.errors import DataError, SpecError
from medresponse.decisions import value_of_choices
from medresponse.validation.truths import Known

if TYPE_CHECKING:
    from medresponse.response import Responses

LEVELS = (0.5, 0.8, 0.95)
_AT_ONCE = 400  # patients whose draws are sorted together
_DECILES = 10


def recovery(
    means: np.ndarray | Responses, truth: Known, *, predictive: np.ndarray | None = None,
    levels: tuple[float, ...] = LEVELS,
) -> pl.DataFrame:  # fmt: skip
    """Score posterior draws of mean responses against the truth.

    Parameters
    ----------
    means : numpy.ndarray or Responses
        Mean responses, shape (patient, treatment, draw), patients and treatments in the truth's order.
    truth : Known
    predictive : numpy.ndarray, optional
        Draws of each patient's own outcome, shape of `means`, on the scale of ``truth.outcomes``, which they are scored
        against under the treatments not received. Taken from `means` where these are `Responses` of a mean, a
        probability, survival (the outcome is whether the time lies beyond the horizon) or restricted mean time (the time
        up to it).
    levels : tuple of float
        Of equal-tailed posterior intervals.

    Returns
    -------
    polars.DataFrame
        ``score, of, stratum, level, value``, one row a number. `of` is a treatment, a contrast ``B - A`` with the
        reference, or ``all``; `stratum` is ``all``, ``propensity decile 3`` or ``site = X``; `level` is null but for
        intervals. Scores:

        ``root_pehe``
            Root mean squared error of the posterior mean benefit (Hill 2011, J Comput Graph Stat 20:217).
        ``relative_root_pehe``
            The same over the standard deviation of the true benefits; left out where that is zero.
        ``false_heterogeneity``
            Where that is zero: share of patients whose interval for benefit less the average benefit excludes zero.
        ``ate_bias``
            Average benefit, posterior mean less truth.
        ``average_coverage``, ``average_width``, ``power``
            Of the interval for the average benefit of these patients: 1 if it holds the truth, else 0; its width; and 1
            if it excludes zero, else 0. Over seeds the last is power, or a rate of false positives where the truth is 0.
        ``coverage``, ``width``
            Of intervals for mean responses and benefits.
        ``crps``
            Continuous ranked probability score of mean responses and benefits (Gneiting & Raftery 2007, J Am Stat Assoc
            102:359).
        ``counterfactual_crps``, ``counterfactual_coverage``, ``counterfactual_width``
            Of the predictive law, against outcomes under treatments not received.
        ``policy_value``, ``best_single_value``, ``oracle_value``, ``regret``, ``gain``
            True mean response when each patient gets the treatment of best posterior mean; under the best one
            treatment for all; under the truly best for each; oracle less policy; and policy less best single, both
            positive where better is more.

    Raises
    ------
    DataError
        If patients, treatments or the better side are not the truth's, values are not finite, outcomes are to be scored
        and the treatments received are not known, or `truth` is none.
    SpecError
        If a level is not between 0 and 1.
    """
    if not isinstance(truth, Known):
        raise DataError(
            f"truth: {type(truth).__name__} found; scores need validation.known(truth, endpoint=...)",
            code="no_truth",
        )
    if not all(0 < level < 1 for level in levels):
        raise SpecError(f"levels: {levels} found; legal is (0, 1)")
    _check_same(means, truth)
    parts = [_reduce(values, truth, rows, levels) for rows, values in _chunks(means, truth)]
    each = _Each.joined(parts)
    rows = (
        _benefit_rows(each, truth, levels) + _interval_rows(each, truth, levels) + _policy_rows(each, truth)
    )
    rows += [
        _row("crps", of, float(own.mean()))
        for of, own in zip([*truth.treatments, *_contrasts(truth)], each.crps.T, strict=True)
    ]
    if truth.outcomes is not None:
        outcomes = _outcome_draws(means) if predictive is None else _sliced(predictive)
        if outcomes is not None:
            rows += _counterfactual_rows(outcomes, truth, levels)
    schema = {
        "score": pl.String,
        "of": pl.String,
        "stratum": pl.String,
        "level": pl.Float64,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def crps(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of an ensemble, lower is better.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (..., draw).
    observed : numpy.ndarray
        Shape (...).

    Notes
    -----
    ``E|X - y| - E|X - X'| / 2`` with X, X' independent from the empirical law (Gneiting & Raftery 2007, equation 21).
    """
    ordered = np.sort(draws, axis=-1)
    n = ordered.shape[-1]
    weights = (2 * np.arange(1, n + 1) - n - 1) / n**2
    return np.asarray(np.abs(ordered - observed[..., None]).mean(axis=-1) - ordered @ weights)


@dataclass(frozen=True)
class _Each:
    """What is kept of each patient: means and intervals of responses and benefits, (patient, treatment - 1 | treatment, ...)."""

    mean: np.ndarray
    bounds: np.ndarray  # (patient, treatment, 2 x level)
    benefit: np.ndarray
    benefit_bounds: np.ndarray
    crps: np.ndarray  # of responses, then of benefits
    average: np.ndarray  # sum of benefits over these patients, (contrast, draw)
    draws: (
        np.ndarray
    )  # benefits, kept only where those of some contrast are truly all alike: (patient, contrast, draw)

    @staticmethod
    def joined(parts: list[_Each]) -> _Each:
        names = ("mean", "bounds", "benefit", "benefit_bounds", "crps")
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        draws = np.concatenate([part.draws for part in parts])
        return _Each(**joined, average=np.sum([part.average for part in parts], axis=0), draws=draws)


def _check_same(means: Any, truth: Known) -> None:
    """Refuse `Responses` that are of other treatments, patients or another better side than the truth."""
    treatments, ids = getattr(means, "treatments", truth.treatments), getattr(means, "ids", None)
    if tuple(treatments) != truth.treatments:
        raise DataError(f"responses are of {treatments}, the truth of {truth.treatments}, in this order")
    if (
        ids is not None
        and truth.patients is not None
        and len(ids) == truth.n
        and tuple(ids) != truth.patients
    ):
        first = next(own for own, other in zip(ids, truth.patients, strict=True) if own != other)
        raise DataError(
            f"responses and truth are of other patients, or in another order; the first that differs: {first}",
            code="patients_differ",
        )
    if getattr(means, "direction", 0) not in (0, truth.direction):
        raise DataError("responses and truth disagree on which side is better", code="direction")


def _chunks(means: Any, truth: Known) -> Iterator[tuple[slice, np.ndarray]]:
    source = means.chunks() if hasattr(means, "chunks") else _sliced(means)
    n = 0
    for rows, values in source:
        if values.shape[1] != len(truth.treatments) or rows.stop > truth.n:
            raise DataError(
                f"responses of {rows.stop} or more patients x {values.shape[1]} treatments do not fit a truth of shape "
                f"{truth.mean.shape}"
            )
        n = rows.stop
        yield rows, values
    if n != truth.n:
        raise DataError(f"responses of {n} patients, truth of {truth.n}")


def _sliced(values: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(values), _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, len(values)))
        yield rows, values[rows]


def _reduce(values: np.ndarray, truth: Known, rows: slice, levels: tuple[float, ...]) -> _Each:
    tails = [tail for level in levels for tail in ((1 - level) / 2, (1 + level) / 2)]
    benefit = values[:, 1:] - values[:, :1]
    alike = _spread(truth).min() == 0
    true = truth.mean[rows]
    if not values.shape[-1] or not np.isfinite(values).all():
        raise DataError(f"responses: {(~np.isfinite(values)).sum()} of {values.size} draws are not finite")
    return _Each(
        mean=values.mean(axis=-1),
        bounds=np.moveaxis(np.quantile(values, tails, axis=-1), 0, -1),
        benefit=benefit.mean(axis=-1),
        benefit_bounds=np.moveaxis(np.quantile(benefit, tails, axis=-1), 0, -1),
        crps=np.concatenate([crps(values, true), crps(benefit, true[:, 1:] - true[:, :1])], axis=1),
        average=benefit.sum(axis=0),
        draws=benefit if alike else benefit[:, :, :0],
    )


def _spread(truth: Known) -> np.ndarray:
    """Return the standard deviation of true benefits, 0 where it is rounding only; shape (contrast,)."""
    benefit = truth.mean[:, 1:] - truth.mean[:, :1]
    spread = benefit.std(axis=0)
    return np.where(spread <= 1e-9 * np.maximum(1.0, np.abs(truth.mean).max()), 0.0, spread)


def _contrasts(truth: Known) -> list[str]:
    return [f"{treatment} - {truth.treatments[0]}" for treatment in truth.treatments[1:]]


def _row(
    score: str, of: str, value: float, *, stratum: str = "all", level: float | None = None
) -> tuple[str, str, str, float | None, float]:
    return score, of, stratum, level, value


_Rows = list[tuple[str, str, str, float | None, float]]


def _benefit_rows(each: _Each, truth: Known, levels: tuple[float, ...]) -> _Rows:
    rows: _Rows = []
    true = truth.mean[:, 1:] - truth.mean[:, :1]
    for j, (of, spread) in enumerate(zip(_contrasts(truth), _spread(truth).tolist(), strict=True)):
        root = float(np.sqrt(((each.benefit[:, j] - true[:, j]) ** 2).mean()))
        rows.append(_row("root_pehe", of, root))
        rows.append(_row("ate_bias", of, float(each.benefit[:, j].mean() - true[:, j].mean())))
        rows += _average_rows(each.average[j] / truth.n, float(true[:, j].mean()), of, levels)
        if spread > 0:
            rows.append(_row("relative_root_pehe", of, root / spread))
        elif each.draws.shape[-1]:
            own = each.draws[:, j] - each.average[j] / truth.n
            for level in levels:
                low, high = np.quantile(own, [(1 - level) / 2, (1 + level) / 2], axis=-1)
                share = float(((low > 0) | (high < 0)).mean())
                rows.append(_row("false_heterogeneity", of, share, level=level))
    return rows


def _average_rows(draws: np.ndarray, true: float, of: str, levels: tuple[float, ...]) -> _Rows:
    rows: _Rows = []
    for level in levels:
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        rows.append(_row("average_coverage", of, float(low <= true <= high), level=level))
        rows.append(_row("average_width", of, float(high - low), level=level))
        rows.append(_row("power", of, float(low > 0 or high < 0), level=level))
    return rows


def _interval_rows(each: _Each, truth: Known, levels: tuple[float, ...]) -> _Rows:
    rows: _Rows = []
    true = truth.mean[:, 1:] - truth.mean[:, :1]
    benefits = zip(
        _contrasts(truth),
        true.T,
        np.moveaxis(each.benefit_bounds, 1, 0),
        range(1, len(truth.treatments)),
        strict=True,
    )
    responses = zip(
        truth.treatments,
        truth.mean.T,
        np.moveaxis(each.bounds, 1, 0),
        range(len(truth.treatments)),
        strict=True,
    )
    for of, target, bounds, k in [*benefits, *responses]:
        for stratum, mask in _strata(truth, k):
            for position, level in enumerate(levels):
                low, high = bounds[mask, 2 * position], bounds[mask, 2 * position + 1]
                inside = float(((low <= target[mask]) & (target[mask] <= high)).mean())
                rows.append(_row("coverage", of, inside, stratum=stratum, level=level))
                rows.append(_row("width", of, float((high - low).mean()), stratum=stratum, level=level))
    return rows


def _strata(truth: Known, k: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and patients: all, deciles of the probability of treatment k, groups."""
    yield "all", np.ones(truth.n, dtype=bool)
    if truth.propensity is not None and np.ptp(truth.propensity[:, k]) > 0:
        own = truth.propensity[:, k]
        decile = np.searchsorted(np.quantile(own, np.arange(1, _DECILES) / _DECILES), own, side="left")
        for d in np.unique(decile):
            yield f"propensity decile {d + 1}", decile == d
    for name, labels in truth.groups.items():
        stated = np.array([label is not None for label in labels])
        for label in np.unique(np.asarray(labels)[stated]):
            yield f"{name} = {label}", np.asarray(labels) == label


def _policy_rows(each: _Each, truth: Known) -> _Rows:
    sign = truth.direction
    found = value_of_choices((sign * each.mean).argmax(axis=1), sign * truth.mean)
    scores = {
        "policy_value": sign * found.value, "best_single_value": sign * found.best_single, "oracle_value": sign * found.oracle,
        "regret": found.regret, "gain": found.gain,
    }  # fmt: skip
    return [_row(score, "all", number) for score, number in scores.items()]


def _horizon(responses: Responses) -> float:
    assert responses.estimand.horizon is not None
    return responses.estimand.horizon


# Kind of mean response -> what a patient's own outcome says of it; of others one cannot tell from the outcome drawn.
_OWN: dict[str, Callable[[np.ndarray, Responses], np.ndarray]] = {
    "mean": lambda outcome, _: outcome,
    "probability": lambda outcome, _: outcome,
    "survival": lambda time, responses: (time > _horizon(responses)).astype(float),
    "rmst": lambda time, responses: responses.factor * np.minimum(time, _horizon(responses)),
}


def _outcome_draws(means: Any) -> Iterator[tuple[slice, np.ndarray]] | None:
    """Return draws of own outcomes on the scale of the mean responses; None where there are none."""
    if isinstance(means, np.ndarray) or means.estimand.kind not in _OWN:
        return None
    own = _OWN[means.estimand.kind]
    return ((rows, own(values, means)) for rows, values in means.predictive_chunks())


def _counterfactual_rows(
    draws: Iterator[tuple[slice, np.ndarray]], truth: Known, levels: tuple[float, ...]
) -> _Rows:
    if truth.received is None or truth.outcomes is None:
        raise DataError("counterfactual scores need the treatments received; give the truth its `received`")
    other = np.arange(len(truth.treatments)) != np.asarray(truth.received)[:, None]
    scores, inside, width = [], [], []
    for rows, values in draws:
        own, target = values[other[rows]], truth.outcomes[rows][other[rows]]
        scores.append(crps(own, target))
        tails = [tail for level in levels for tail in ((1 - level) / 2, (1 + level) / 2)]
        low, high = np.quantile(own, tails, axis=-1).reshape(len(levels), 2, -1).swapaxes(0, 1)
        inside.append((low <= target) & (target <= high))
        width.append(high - low)
    result = [_row("counterfactual_crps", "all", float(np.concatenate(scores).mean()))]
    for position, level in enumerate(levels):
        shares = float(np.concatenate([part[position] for part in inside]).mean())
        result.append(_row("counterfactual_coverage", "all", shares, level=level))
        wide = float(np.concatenate([part[position] for part in width]).mean())
        result.append(_row("counterfactual_width", "all", wide, level=level))
    return result
