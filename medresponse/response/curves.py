"""Event-free probability over time: for one patient, and averaged over a group of patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xarray as xr

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.response.predict import linear_predictors
from medresponse.response.responses import Responses


def survival_curves(
    responses: Responses, *, times: Sequence[float], ids: Sequence[str] | None = None
) -> xr.DataArray:
    """Return event-free probabilities, dims (patient, treatment, time, draw); for a few patients.

    Parameters
    ----------
    responses : Responses
        Of a time to event.
    times : sequence of float
        In the outcome's unit of time, each within the training follow-up.
    ids : sequence of str, optional
    """
    chosen = responses if ids is None else responses.select(ids)
    parts = [values for _, values in _curve_chunks(chosen, times)]
    coords = {"patient": list(chosen.ids), "treatment": list(chosen.treatments), "time": list(times)}
    return xr.DataArray(
        np.concatenate(parts), coords, ("patient", "treatment", "time", "draw"), attrs={"unit": "probability"}
    )


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
    total: np.ndarray | float = 0.0
    mass = np.ones((len(responses.ids), len(responses.treatments))) if weights is None else weights
    for rows, values in _curve_chunks(responses, times):
        total = total + np.einsum("iktd,ik->ktd", values, mass[rows])
    mean = total / mass.sum(axis=0)[:, None, None]
    coords = {"treatment": list(responses.treatments), "time": list(times)}
    return xr.DataArray(mean, coords, ("treatment", "time", "draw"), attrs={"unit": "probability"})


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
    for rows, values in _curve_chunks(responses, times):
        parts.append(summarise(values[np.arange(len(values)), treatment_idx[rows]]))
    return np.concatenate(parts)


def _curve_chunks(responses: Responses, times: Sequence[float]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, event-free probability) with dims (patient, treatment, time, draw)."""
    fit = responses.fit
    if "survival" not in fit.spec.family.estimands:
        raise SpecError("survival curves need a time to event", code="no_curve")
    parameters = fit.family_draws()
    estimands = [Estimand(kind="survival", horizon=float(time)) for time in times]
    for rows, eta in linear_predictors(fit, responses.patients, seed=responses.seed, values_each=len(times)):
        values = [fit.spec.family.response(e, eta, parameters, fit.constants) for e in estimands]
        yield rows, np.stack(values, axis=2)
