"""The small trial on whose design families are calibrated: sixty patients, two arms, an outcome of every kind.

Its outcomes come from no family: they only give follow-up, visits, exposure and crude rates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain

PATIENTS = 60
_LABELS = {"event_label": "event", "free_label": "event-free"}
_FLAG = {"event": "event", "event_value": True, "censored_value": False}
OUTCOMES: dict[str, dict[str, Any]] = {
    "continuous": {"kind": "continuous", "column": "y", "unit": "1", "label": "y", "direction": "higher_is_better"},
    "binary": {
        "kind": "binary", "column": "flag", "event_value": True, "other_value": False, **_LABELS,
        "direction": "event_is_worse",
    },
    "ordinal": {
        "kind": "ordinal", "column": "level", "levels": ["none", "mild", "moderate", "severe"], "label": "symptoms",
        "direction": "lower_is_better",
    },
    "count": {
        "kind": "count", "column": "count", "exposure": "years", "exposure_unit": "year", "label": "events",
        "direction": "lower_is_better",
    },
    "time_to_event": {"kind": "time_to_event", "time": "time", **_FLAG, "unit": "month", **_LABELS},
    "competing_risks": {
        "kind": "competing_risks", "time": "time", "event": "cause", "causes": {"first": "a", "second": "b"},
        "censored_value": "c", "unit": "month", "free_label": "event-free",
    },
}  # fmt: skip
# Of six markers more: gene and pathway.
VARIANTS = {
    "v1": ["gene a", "pathway p"], "v2": ["gene a", "pathway p"], "v3": ["gene b", "pathway p"],
    "v4": ["gene b", "pathway p"], "v5": ["gene c", "pathway q"], "v6": ["gene c", "pathway q"],
}  # fmt: skip
OUTCOMES["entry"] = OUTCOMES["time_to_event"] | {"entry": "entry"}
OUTCOMES["competing_entry"] = OUTCOMES["competing_risks"] | {"entry": "entry"}
OUTCOMES["interval"] = {
    "kind": "time_to_event", "time": "lower", "upper": "upper", "unit": "month", **_LABELS,
}  # fmt: skip


def template(
    outcome: str,
    *,
    missing: bool = False,
    noise: float | None = None,
    many: bool = False,
    patients: int = PATIENTS,
) -> Cohort:
    """Return the trial with one of `OUTCOMES`.

    Parameters
    ----------
    outcome : str
    missing : bool
        Whether a quarter of the marker and an eighth of the sexes are missing, more often in the old.
    noise : float, optional
        Standard error of measurement of the marker, whose readings have standard deviation 1.
    many : bool
        Whether there are six markers more, of three genes in two pathways.
    patients : int
    """
    rng = np.random.default_rng(12)
    n = patients
    arm, age, sex = np.arange(n) % 2, rng.normal(60, 10, n), rng.random(n) < 0.5
    marker = 0.5 * (age - 60) / 10 + np.sqrt(0.75) * rng.standard_normal(n)
    time, end, entry = rng.exponential(8.0, n), rng.uniform(6.0, 18.0, n), rng.uniform(0.0, 2.0, n)
    entry = np.where(rng.random(n) < 0.5, np.minimum(entry, 0.9 * np.minimum(time, end)), 0.0)
    event, visit = time <= end, 2.0
    before = visit * np.floor(time / visit)
    seen = event & (before + visit <= end)
    level = np.array(OUTCOMES["ordinal"]["levels"])[rng.integers(0, 4, n)]
    years = rng.uniform(0.5, 2.0, n)
    older = 1 / (1 + np.exp(-(age - 60) / 10))
    hidden_marker, hidden_sex = rng.random(n) < 0.5 * older, rng.random(n) < 0.25 * older
    frame = pl.DataFrame(
        {
            "id": [f"P{i:03d}" for i in range(n)], "arm": np.where(arm == 1, "new", "old"), "age": age,
            "sex": np.where(sex, "f", "m"), "marker": marker, "y": rng.normal(size=n), "flag": rng.random(n) < 0.4,
            "level": level, "count": rng.poisson(1.5 * years), "years": years, "time": np.minimum(time, end),
            "event": event, "entry": entry, "lower": np.where(seen, before, visit * np.floor(end / visit)),
            "upper": np.where(seen, before + visit, np.nan),
            "cause": np.where(event, np.where(rng.random(n) < 0.6, "a", "b"), "c"),
        }
    ).with_columns(pl.col("upper").fill_nan(None))  # fmt: skip
    if missing:
        frame = frame.with_columns(
            pl.when(pl.Series(hidden_marker)).then(None).otherwise(pl.col("marker")).alias("marker"),
            pl.when(pl.Series(hidden_sex)).then(None).otherwise(pl.col("sex")).alias("sex"),
        )
    more: dict[str, Any] = {}
    if many:
        drawn = rng.standard_normal((n, len(VARIANTS)))
        frame = frame.with_columns(**{name: drawn[:, j] for j, name in enumerate(VARIANTS)})
        more = {name: {"type": "continuous", "unit": "1", "path": path} for name, path in VARIANTS.items()}
    own = OUTCOMES[outcome]
    columns = [own[key] for key in ("column", "exposure", "time", "event", "entry", "upper") if key in own]
    marked: dict[str, Any] = {"type": "continuous", "unit": "1"} | ({} if noise is None else {"error": noise})
    schema = from_plain(
        Schema,
        {
            "name": "template", "source": "made up", "id": "id", "synthetic": True,
            "treatment": {
                "column": "arm", "levels": {"old": {}, "new": {}}, "reference": "old", "assignment": "randomised"
            },
            "outcomes": {"outcome": own},
            "features": {
                "history": {
                    "age": {"type": "continuous", "unit": "year"}, "marker": marked,
                    "sex": {"type": "binary", "levels": ["f", "m"]},
                    **more,
                }
            },
        },
    )  # fmt: skip
    return cohort_from_frame(
        frame.select("id", "arm", "age", "marker", "sex", *more, *dict.fromkeys(columns)), schema
    )
