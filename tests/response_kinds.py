"""Responses of every kind of outcome, from draws written by hand: forty patients, two to five arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.families import Bernoulli, CompetingRisks, Cure, Family, Ordinal, Poisson
from medresponse.model import ModelSpec
from medresponse.response import Responses, respond
from tests.cohort.kinds import frame_of, plain_of
from tests.hand_made import hand_made_fit

DRAWS = 400
FAMILIES: dict[str, Family] = {
    "binary": Bernoulli(),
    "ordinal": Ordinal(),
    "count": Poisson(),
    "cured": Cure(),
    "competing_risks": CompetingRisks(intervals=2),
}


def cohort_of(kind: str, *, arms: int = 2, **changes: Any) -> Cohort:
    """The made-up trial with one outcome, its patients dealt out over `arms` arms."""
    plain = plain_of("time_to_event" if kind == "cured" else kind, **changes)
    names = tuple("ABCDEFGH")[:arms]
    plain["treatment"]["levels"] = {name: {"label": f"Option {name}"} for name in names}
    schema = from_plain(Schema, plain)
    frame = frame_of(schema)
    arm = pl.Series([names[i % arms] for i in range(len(frame))])
    return cohort_from_frame(frame.with_columns(arm=arm), schema)


def responses_of(
    kind: str, *, arms: int = 2, effect: float = -0.8, spread: float = 0.1, level: float = 0.0,
    changes: Mapping[str, Any] | None = None, **question: Any,
) -> tuple[Responses, Cohort]:  # fmt: skip
    """Responses of every patient, the same for each.

    Each arm lies `effect` beyond the one before on every linear predictor, `level` moves all of them, and draws of
    either have standard deviation `spread`.
    """
    rng = np.random.default_rng(5)
    cohort = cohort_of(kind, arms=arms, **(changes or {}))
    spec, outcome = ModelSpec(family=FAMILIES[kind], blocks={}), next(iter(cohort.schema.outcomes))
    base = level + rng.normal(0.0, spread, DRAWS)
    parameters: dict[str, Any] = {
        "binary": {"intercept": base},
        "ordinal": {"cuts": np.column_stack([-base, 1.5 - base])},
        "count": {"intercept": base - 1.5},
        "cured": {"incidence_intercept": base, "log_scale": 2.0 + base, "shape": 1.2},
        "competing_risks": {
            "log_hazard": np.broadcast_to((base - 3.5)[:, None, None, None], (DRAWS, 2, arms, 2))
        },
    }[kind]
    fit = hand_made_fit(spec, cohort, outcome=outcome, draws=DRAWS, coefficients={}, **parameters)
    wanted = effect * (np.arange(arms) - (arms - 1) / 2)
    own = np.linalg.lstsq(fit.layout.contrast_matrix, wanted, rcond=None)[0]
    table = own + rng.normal(0.0, spread, (DRAWS, len(own)))
    if len(fit.predictors) > 1:
        table = np.repeat(table[..., None], len(fit.predictors), axis=-1)
    dims = ("chain", "draw", "coefficient", "predictor")[: table.ndim + 1]
    posterior = fit.posterior.drop_vars("coefficients").assign(coefficients=(dims, table[None]))
    return respond(replace(fit, posterior=posterior), cohort, **question), cohort
