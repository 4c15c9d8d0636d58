"""Made-up trials with every type of feature, and fits to them whose draws are written by hand. No PyMC, no MCMC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.features import LatentNormal
from medresponse.inference import Diagnostics, Fit
from medresponse.inference.fitting import make_provenance, make_support
from medresponse.inference.power_scaling import STRONGER, WEAKER
from medresponse.model import ModelSpec, prepare

PASSED = Diagnostics(
    rhat=1.004, rhat_parameter="coefficients[0]", ess_bulk=1523.0, ess_bulk_parameter="coefficients[1]", ess_tail=1210.0,
    ess_tail_parameter="coefficients[2]", ess_p5=1600.0, divergences=0, bfmi=0.9, chains=2, chains_asked=2,
    prior_k=0.2,
)  # fmt: skip
SMOKING = ("never", "former", "current")


def schema_of(
    *, arms: Sequence[str] = ("A", "B"), assignment: str = "randomised", direction: str = "higher_is_better"
) -> Schema:
    """A trial with a time to event and a score, three blocks and every type of feature; one arm is no treatment."""
    treatment = {
        "column": "arm", "reference": arms[0], "assignment": assignment, "levels": {arm: {} for arm in arms},
    }  # fmt: skip
    plain: dict[str, Any] = {
        "name": "made-up trial", "source": "invented", "id": "patient", "synthetic": True,
        "treatment": treatment if len(arms) > 1 else None,
        "outcomes": {
            "os": {
                "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False,
                "unit": "month", "event_label": "death", "free_label": "alive",
            },
            "score": {"kind": "continuous", "column": "score", "unit": "points", "label": "score", "direction": direction},
        },
        "features": {
            "genomic": {"snp": {"type": "dosage"}},
            "history": {
                "age": {"type": "continuous", "unit": "year"},
                "sex": {"type": "binary", "levels": ["f", "m"]},
                "stage": {"type": "ordinal", "levels": [1, 2, 3]},
            },
            "lifestyle": {"smoking": {"type": "categorical", "levels": list(SMOKING)}},
        },
        "sites": ["site"],
    }  # fmt: skip
    return from_plain(Schema, plain)


def frame_of(n: int = 60, *, arms: Sequence[str] = ("A", "B"), seed: int = 1) -> pl.DataFrame:
    """Rows of such a trial: nothing missing, outcomes unrelated to the features."""
    rng = np.random.default_rng(seed)
    columns = {
        "patient": [f"P{i:03d}" for i in range(n)],
        "time": rng.uniform(0.5, 24.0, n),
        "event": np.arange(n) % 3 != 0,
        "score": rng.uniform(20.0, 80.0, n),
        "snp": rng.integers(0, 3, n),
        "age": rng.normal(60.0, 9.0, n),
        "sex": rng.choice(["f", "m"], n),
        "stage": rng.integers(1, 4, n),
        "smoking": rng.choice(SMOKING, n, p=[0.5, 0.3, 0.2]),
        "site": [("north", "south", "west")[i % 3] for i in range(n)],
    }
    return pl.DataFrame(columns | ({"arm": [arms[i % len(arms)] for i in range(n)]} if len(arms) > 1 else {}))


def trial_of(
    n: int = 60, *, arms: Sequence[str] = ("A", "B"), seed: int = 1, missing: Mapping[str, int] | None = None,
    **schema: Any,
) -> Cohort:  # fmt: skip
    """A checked cohort; `missing` says how many values of a column are blanked out."""
    frame = frame_of(n, arms=arms, seed=seed)
    for name, count in (missing or {}).items():
        blank = np.random.default_rng(seed).permutation(n) < count
        frame = frame.with_columns(pl.when(pl.Series(blank)).then(None).otherwise(pl.col(name)).alias(name))
    return cohort_from_frame(frame, schema_of(arms=arms, **schema))


def patients_like(cohort: Cohort, rows: Sequence[Mapping[str, Any]]) -> Cohort:
    """New patients to predict for: the cohort's first patient with some entries changed, ids N0, N1, ..."""
    first = cohort.table.row(0, named=True)
    features = [*cohort.schema.feature_columns, *cohort.schema.sites]
    kept = {name: first[name] for name in features}
    table = pl.DataFrame(
        [{cohort.schema.id: f"N{i}"} | kept | dict(row) for i, row in enumerate(rows)],
        schema={cohort.schema.id: pl.String} | {
            name: pl.Float64 if cohort.table.schema[name] == pl.Float64 else pl.String for name in features
        },
    )  # fmt: skip
    return cohort_from_frame(table, cohort.schema, for_prediction=True)


def hand_made_fit(
    spec: ModelSpec, cohort: Cohort, *, outcome: str, coefficients: Mapping[str, Any], draws: int = 40,
    imputation: Sequence[int] = (0,), imputer: LatentNormal | None = None, **parameters: Any,
) -> Fit:  # fmt: skip
    """A fit whose posterior is given: coefficients by their label (a number or draws; absent ones are 0).

    `parameters` are the family's and the poolings' variables, shape (draw, ...) or a number; `imputation` says
    for each chain which data set it saw, and the draws are spread over the chains in order.
    """
    prepared = prepare(spec, cohort, outcome=outcome, seed=1)
    labels = prepared.layout.coefficient_labels
    assert set(coefficients) <= set(labels), set(coefficients) - set(labels)
    chains = len(imputation)
    table = np.column_stack(
        [np.broadcast_to(coefficients.get(name, 0.0), draws) for name in labels] or [np.empty((draws, 0))]
    )
    arrays = {"coefficients": table} | {
        name: np.broadcast_to(value, (draws,) if np.ndim(value) == 0 else np.shape(value))
        for name, value in parameters.items()
    }
    variables = {
        name: (
            ("chain", "draw", *(f"{name}_{i}" for i in range(value.ndim - 1))),
            value.reshape(chains, draws // chains, *value.shape[1:]),
        )
        for name, value in arrays.items()
    }
    posterior = xr.Dataset(variables, {"imputation": ("chain", list(imputation))})
    still = {"diverging": (("chain", "draw"), np.zeros((chains, draws // chains), dtype=bool))}
    # As if weaker priors favoured larger effects: weights that rise with the first coefficient.
    rise = (
        0.1 * np.argsort(np.argsort(table.reshape(draws, -1)[:, :1].sum(axis=1))).reshape(chains, -1) / draws
    )
    still |= {WEAKER: (("chain", "draw"), rise), STRONGER: (("chain", "draw"), -rise)}
    provenance = make_provenance(
        spec,
        cohort,
        identity="0" * 64,
        seed=1,
        engine={"kind": "nuts"},
        sampler="by hand",
        imputations=len(prepared.data),
    )
    return Fit(
        spec=spec, outcome=outcome, schema=cohort.schema, encoding=prepared.encoding, layout=prepared.layout,
        constants=prepared.constants, imputer=imputer or prepared.imputer, support=make_support(prepared),
        posterior=posterior, sample_stats=xr.Dataset(still, {"imputation": ("chain", list(imputation))}),
        diagnostics=replace(PASSED, chains=chains, chains_asked=chains), diagnostics_table=pl.DataFrame(),
        provenance=provenance, codes=prepared.codes,
    )  # fmt: skip
