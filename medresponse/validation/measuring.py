"""From held-out predictions to gates: what is measured, with which interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from medresponse.core.rng import stream
from medresponse.validation.counterparts import Counterpart
from medresponse.validation.estimates import (
    area_under_curve,
    calibration_index,
    concordance,
    fold_slope,
    jackknifed,
    mean_error,
    pit_distance,
    wilson,
    within_folds,
)
from medresponse.validation.gates import Gate, GateLimits, judge
from medresponse.validation.held_out import HeldOut, Predictive, reference_of
from medresponse.validation.question import Question
from medresponse.validation.scales import option_labels, scale_of, surprises, tolerated_benefit

_NAN = float("nan")
_GROUPS = 20  # left out one at a time for the intervals of scores
_ALIKE = 1e-9  # predictions that vary less than this share of the scale do not vary


def measure(held: HeldOut, question: Question, limits: GateLimits) -> tuple[Gate, ...]:
    """Return the gates of held-out predictions.

    Parameters
    ----------
    held : HeldOut
    question : Question
    limits : GateLimits

    Returns
    -------
    tuple of Gate
        ``sampler``; where outcomes can be held against the estimand, calibration of the response (in the large for each
        option, slope, curve), of the benefit of each option over the reference (in the large, slope), ranking and skill;
        of the predictive law its PIT values and coverage; and the width of intervals against refits.

        A slope is left out where predictions do not vary within a fold, since there is nothing to calibrate then. Where no
        outcome can be held against the estimand, ``calibration_in_the_large`` is failed as not measured.
    """
    gates = [_sampler(held)]
    if held.observed is None:
        gates.append(
            judge(
                "calibration_in_the_large",
                _NAN,
                _NAN,
                _NAN,
                limit=(-limits.gap, limits.gap),
                ideal=(0.0, 0.0),
            )
        )
    else:
        z = float(ndtri((1 + limits.level) / 2))
        scale = scale_of(held.responses, held.observed)
        gates += _response_gates(held, held.observed, limits, z, scale)
        gates += _benefit_gates(held, held.observed, question, limits, z, scale)
        gates += _ranking_gates(held, held.observed, limits, z)
    if held.predictive is not None:
        gates += _predictive_gates(held.predictive, limits)
    if held.spread is not None:
        gates.append(_width(held, limits))
    return tuple(gates)


def _sampler(held: HeldOut) -> Gate:
    fits = {id(fit): fit for fit in (held.responses.fit, *held.fits)}.values()
    failed = float(sum(not fit.diagnostics.passed for fit in fits))
    gate = judge("sampler", failed, failed, failed, limit=(0.0, 0.0))
    return gate if gate.passed else replace(gate, reason="diagnostics")


# Calibration of the response under the option received.


def _response_gates(
    held: HeldOut, observed: Counterpart, limits: GateLimits, z: float, scale: float
) -> Iterator[Gate]:
    own = held.predicted[np.arange(len(held.received)), held.received]
    for k, label in enumerate(option_labels(held.responses)):
        arm = held.received == k
        mean, error = mean_error((own - observed.value)[arm], observed.weight[arm])
        error = np.hypot(error, held.doubt.mean[k]) if held.doubt else error
        yield judge(
            "calibration_in_the_large", mean, mean - z * error, mean + z * error, of=label,
            limit=(-limits.gap * scale, limits.gap * scale), ideal=(0.0, 0.0), resolution=limits.gap_resolution * scale,
        )  # fmt: skip
    if _varies(own, observed.weight, held, scale):
        slope, error = fold_slope(observed.value, own, observed.weight, held.fold)
        error = np.hypot(error, held.doubt.slope) if held.doubt else error
        yield judge(
            "calibration_slope", slope, slope - z * error, slope + z * error, limit=limits.slope, ideal=(1.0, 1.0)
        )  # fmt: skip
    index, reach = calibration_index(own, observed.value, observed.weight, limits.level)
    yield judge(
        "calibration_curve",
        index,
        max(index - reach, 0.0),
        index + reach,
        limit=(None, limits.ici * scale),
        ideal=(None, 0.0),
    )


def _varies(predicted: np.ndarray, weight: np.ndarray, held: HeldOut, scale: float) -> bool:
    """Say whether predictions vary within folds: else there is nothing to calibrate. NaN varies, and is not measured."""
    spread = np.sqrt(np.average(within_folds(predicted, weight, held.fold) ** 2, weights=weight))
    return not spread <= _ALIKE * scale


# Calibration of the benefit.


def _benefit_gates(
    held: HeldOut, observed: Counterpart, question: Question, limits: GateLimits, z: float, scale: float
) -> Iterator[Gate]:
    """Hold predicted benefits against doubly robust scores of them; see `scales.surprises`."""
    reference, surprise = reference_of(held.responses), surprises(held, observed)
    sign, even = held.responses.direction or 1, np.ones(len(held.received))
    tolerated = tolerated_benefit(question, limits, scale)
    for k, label in enumerate(option_labels(held.responses)):
        if k == reference:
            continue
        predicted = sign * (held.predicted[:, k] - held.predicted[:, reference])
        excess = sign * (surprise[:, k] - surprise[:, reference])  # of the score over the prediction
        mean, error = mean_error(-excess, even)
        error = np.hypot(error, held.doubt.benefit[k]) if held.doubt else error
        yield judge(
            "benefit_in_the_large", mean, mean - z * error, mean + z * error, of=label,
            limit=(-tolerated, tolerated), ideal=(0.0, 0.0), resolution=limits.benefit_resolution * scale,
        )  # fmt: skip
        if _varies(predicted, even, held, scale):
            slope, error = fold_slope(predicted + excess, predicted, even, held.fold)
            error = np.hypot(error, held.doubt.benefit_slope[k]) if held.doubt else error
            yield judge(
                "benefit_slope", slope, slope - z * error, slope + z * error, of=label, limit=limits.benefit_slope,
                ideal=(1.0, 1.0),
            )  # fmt: skip


# Ranking, and what is gained over the averages of the arms.


def _ranking_gates(held: HeldOut, observed: Counterpart, limits: GateLimits, z: float) -> Iterator[Gate]:
    own = held.predicted[np.arange(len(held.received)), held.received]
    null = _arm_averages(held, observed)
    group = np.empty(len(own), dtype=int)
    group[stream(len(own), "groups").permutation(len(own))] = np.arange(len(own)) % min(_GROUPS, len(own))
    ranks_events = observed.happened is not None
    # Times are ranked by whether the event happened: less time lost is less of it, more time free is more of none.
    pairs = np.zeros(len(own)) if observed.happened is None else observed.happened

    def ranked(rows: np.ndarray) -> float:
        return (
            area_under_curve(own[rows], pairs[rows])
            if ranks_events
            else concordance(own[rows], observed.value[rows])
        )

    def skill(rows: np.ndarray) -> float:
        weight = observed.weight[rows]
        ours, theirs = (float((weight * (observed.value[rows] - of[rows]) ** 2).sum()) for of in (own, null))
        return 1 - ours / theirs if theirs > 0 else _NAN

    for name, score, least in (
        ("concordance", ranked, limits.concordance),
        ("skill", skill, limits.skill),
    ):
        value, error = jackknifed(score, group)
        yield judge(name, value, value - z * error, value + z * error, limit=(least, None))


def _arm_averages(held: HeldOut, observed: Counterpart) -> np.ndarray:
    """Return the mean of each patient's arm over the other folds."""
    null = np.full(len(held.received), _NAN)
    for fold in np.unique(held.fold):
        rest = held.fold != fold if held.fold.max() > 0 else np.ones(len(held.fold), dtype=bool)
        for k in np.unique(held.received):
            from_, to = rest & (held.received == k), (held.fold == fold) & (held.received == k)
            if from_.any():
                null[to] = np.average(observed.value[from_], weights=observed.weight[from_])
    return null


# The predictive law.


def _predictive_gates(law: Predictive, limits: GateLimits) -> Iterator[Gate]:
    distance, lower, upper = pit_distance(law.pit, law.entry, law.seen, limits.level)
    yield judge(
        "predictive_distribution", distance, lower, upper, limit=(None, limits.pit), ideal=(None, 0.0)
    )
    if law.inside is not None:
        share = float(law.inside.mean())
        low, high = wilson(share, len(law.inside), float(ndtri((1 + limits.level) / 2)))
        yield judge(
            "predictive_coverage", share, low, high, limit=(0.9 - limits.coverage, 0.9 + limits.coverage), ideal=(0.9, 0.9),
        )  # fmt: skip


def _width(held: HeldOut, limits: GateLimits) -> Gate:
    assert held.spread is not None
    ratio, degrees = held.spread.ratio, held.spread.degrees
    tail = (1 - limits.level) / 2
    from scipy.stats import chi2  # here: reports of a saved record need not wait for it

    low, high = (ratio * np.sqrt(degrees / chi2.ppf(p, degrees)) for p in (1 - tail, tail))
    return judge(
        "interval_width", ratio, float(low), float(high), limit=(None, limits.width), ideal=(None, 1.0)
    )
