"""Probabilities over time, event-free or with each cause: for one patient, and averaged over a group of patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xarray as xr

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.core.over_time import responses_over
from medresponse.response.predict import linear_predictors
from medresponse.response.responses import Responses


def survival_curves(
    responses: Responses, *, times: Sequence[float], ids: Sequence[str] | None = None
) -> xr.DataArray:
    """Return event-free probabilities, dims (patient, treatment, time, draw); for a few patients.

    Parameters
    ----------
    responses : Responses
        Of a time to event, or of competing risks (then free of every cause).
    times : sequence of float
        In the outcome's unit of time, each within the training follow-up.
    ids : sequence of str, optional

    Raises
    ------
    SpecError
        If the outcome has no survival curve, or a time is beyond follow-up.
    """
    chosen = responses if ids is None else responses.select(ids)
    values = np.concatenate([values for _, values in _curve_chunks(chosen, _event_free(responses, times))])
    coords = {"patient": list(chosen.ids), "treatment": list(chosen.treatments), "time": list(times)}
    return xr.DataArray(
        values, coords, ("patient", "treatment", "time", "draw"), attrs={"unit": "probability"}
    )


def incidence_curves(
    responses: Responses, *, times: Sequence[float], ids: Sequence[str] | None = None
) -> xr.DataArray:
    """Return cumulative incidences, dims (patient, treatment, cause, time, draw); for a few patients.

    Over causes they sum, together with `survival_curves`, to one at every time and in every draw.

    Parameters
    ----------
    responses : Responses
        Of competing risks; whichever of its estimands they are of makes no difference.
    times : sequence of float
        In the outcome's unit of time, each within the training follow-up.
    ids : sequence of str, optional

    Raises
    ------
    SpecError
        If the outcome has no competing causes, or a time is beyond follow-up.
    """
    chosen = responses if ids is None else responses.select(ids)
    parts = [_by_cause(chosen, v) for _, v in _curve_chunks(chosen, _with_each_cause(responses, times))]
    coords = {"patient": list(chosen.ids), **_incidence_coords(responses, times)}
    dims = ("patient", "treatment", "cause", "time", "draw")
    return xr.DataArray(np.concatenate(parts), coords, dims, attrs={"unit": "probability"})


def mean_survival(
    responses: Responses, *, times: Sequence[float], weights: np.ndarray | None = None
) -> xr.DataArray:
    """Return the survival curve averaged over patients (standardisation), dims (treatment, time, draw).

    Parameters
    ----------
    responses : Responses
    times : sequence of float
        In the outcome's unit of time.
    weights : numpy.ndarray, optional
        Non-negative, shape (patient, treatment): who counts under which treatment. With the indicator of the
        treatment received, the curve is the one to hold against that arm's Kaplan-Meier estimate.
    """
    mean = _averaged(responses, _event_free(responses, times), weights)
    coords = {"treatment": list(responses.treatments), "time": list(times)}
    return xr.DataArray(mean, coords, ("treatment", "time", "draw"), attrs={"unit": "probability"})


def mean_incidence(
    responses: Responses, *, times: Sequence[float], weights: np.ndarray | None = None
) -> xr.DataArray:
    """Return cumulative incidences averaged over patients, dims (treatment, cause, time, draw).

    Parameters
    ----------
    responses : Responses
        Of competing risks.
    times : sequence of float
        In the outcome's unit of time.
    weights : numpy.ndarray, optional
        As for `mean_survival`; with the indicator of the treatment received, the curves are those to hold against
        that arm's Aalen-Johansen estimates.
    """
    mean = _averaged(responses, _with_each_cause(responses, times), weights)
    values = _by_cause(responses, mean[None])[0]
    coords, dims = _incidence_coords(responses, times), ("treatment", "cause", "time", "draw")
    return xr.DataArray(values, coords, dims, attrs={"unit": "probability"})


def own_curves(
    responses: Responses,
    *,
    times: Sequence[float],
    treatment_idx: np.ndarray,
    summarise: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return each patient's curve under one treatment of their own, draws summarised.

    Parameters
    ----------
    responses : Responses
    times : sequence of float
        In the outcome's unit of time.
    treatment_idx : numpy.ndarray
        Shape (patient,): for scoring, the treatment received.
    summarise : callable
        Takes (patient, time, draw) and returns (patient, time, ...), for example the mean over draws.
    """
    parts = []
    for rows, values in _curve_chunks(responses, _event_free(responses, times)):
        parts.append(summarise(values[np.arange(len(values)), treatment_idx[rows]]))
    return np.concatenate(parts)


def _event_free(responses: Responses, times: Sequence[float]) -> list[Estimand]:
    if "survival" not in responses.fit.spec.family.estimands:
        raise SpecError("survival curves need a time to event", code="no_curve")
    return [Estimand(kind="survival", horizon=float(time)) for time in times]


def _with_each_cause(responses: Responses, times: Sequence[float]) -> list[Estimand]:
    """Return the estimands of all curves, cause-major."""
    if "cumulative_incidence" not in responses.fit.spec.family.estimands:
        raise SpecError("incidence curves need an outcome of competing risks", code="no_curve")
    return [
        Estimand(kind="cumulative_incidence", horizon=float(time), part=cause)
        for cause in range(len(responses.outcome_schema.parts))
        for time in times
    ]


def _by_cause(responses: Responses, values: np.ndarray) -> np.ndarray:
    """Split (patient, treatment, cause x time, draw) into (patient, treatment, cause, time, draw)."""
    n, k, both, draws = values.shape
    causes = len(responses.outcome_schema.parts)
    return values.reshape(n, k, causes, both // causes, draws)


def _incidence_coords(responses: Responses, times: Sequence[float]) -> dict[str, list[str] | list[float]]:
    causes = list(responses.outcome_schema.parts)
    return {"treatment": list(responses.treatments), "cause": causes, "time": list(times)}


def _averaged(responses: Responses, estimands: Sequence[Estimand], weights: np.ndarray | None) -> np.ndarray:
    """Return the weighted mean over patients, shape (treatment, estimand, draw)."""
    total: np.ndarray | float = 0.0
    mass = np.ones((len(responses.ids), len(responses.treatments))) if weights is None else weights
    for rows, values in _curve_chunks(responses, estimands):
        total = total + np.einsum("iktd,ik->ktd", values, mass[rows])
    return np.asarray(total / mass.sum(axis=0)[:, None, None])


def _curve_chunks(responses: Responses, estimands: Sequence[Estimand]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, values) with dims (patient, treatment, estimand, draw)."""
    fit = responses.fit
    parameters, each = fit.family_draws(), len(estimands)
    for rows, eta in linear_predictors(fit, responses.patients, seed=responses.seed, values_each=each):
        yield rows, responses_over(fit.spec.family, estimands, eta, parameters, fit.constants)
