"""What moved a patient's estimate: the change when one input is set to the average patient's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from medresponse.response.responses import Responses


def contributions(responses: Responses, patient: str, *, level: float = 0.95) -> pl.DataFrame:
    """Return, for each known input, how far it moves this patient's responses from the average patient's.

    An input's contribution is the response with the input as it is, minus the response with that input alone
    at the training average, on the outcome's scale, draw by draw. Associations inside the model, not causes;
    on a curved scale they do not sum exactly to the whole.

    Parameters
    ----------
    responses : Responses
    patient : str
    level : float

    Returns
    -------
    polars.DataFrame
        ``feature, treatment, change, lower, upper`` for each treatment, and with two or more treatments rows
        ``treatment = "benefit:<name>"`` for the change in benefit against the reference.
    """
    chosen = responses.select([patient])
    codes, encoding = chosen.patients.codes[0], responses.fit.encoding
    known = [i for i in range(len(encoding.features)) if not np.isnan(codes[i])]
    base = next(iter(chosen.chunks()))[1][0]  # (treatment, draw)
    reference = responses.treatments.index(responses.basis.reference)
    rows = []
    for i in known:
        without = replace(chosen, patients=replace(chosen.patients, averaged=(encoding.names[i],)))
        change = base - next(iter(without.chunks()))[1][0]
        rows += [
            (encoding.names[i], t, *_interval(change[k], level)) for k, t in enumerate(responses.treatments)
        ]
        for k, t in enumerate(responses.treatments):
            if k != reference:
                benefit = (responses.direction or 1) * (change[k] - change[reference])
                rows.append((encoding.names[i], f"benefit:{t}", *_interval(benefit, level)))
    return pl.DataFrame(rows, schema=["feature", "treatment", "change", "lower", "upper"], orient="row")


def _interval(change: np.ndarray, level: float) -> tuple[float, float, float]:
    tail = (1 - level) / 2
    lower, upper = np.quantile(change, [tail, 1 - tail])
    return float(change.mean()), float(lower), float(upper)
