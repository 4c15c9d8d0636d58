"""What a spec implies on the clinical scale before any fit."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.figure import svg_of
from medresponse.inference.prior import prior_fit
from medresponse.model import ModelSpec
from medresponse.response import Responses, benefit_of, respond

_MOST_PATIENTS = 200  # enough to show the spread over patients


@dataclass(frozen=True)
class PriorCheck:
    """Prior distributions of what will be reported.

    Parameters
    ----------
    responses : Responses
        Under prior draws.
    table : polars.DataFrame
        ``quantity, unit, q025, q25, median, q75, q975`` over prior draws: the average response under each
        treatment, its standard deviation over patients, the average benefit, and the standard deviation of
        benefit over patients (the effect modification that the prior allows).
    """

    responses: Responses
    table: pl.DataFrame

    def _repr_html_(self) -> str:
        body = self.table.with_columns(pl.selectors.float().round(3))._repr_html_()
        return f"<p><b>Prior, before any outcome was seen</b></p>{body}{_figure(self)}"


def check_prior(
    spec: ModelSpec,
    cohort: Cohort,
    *,
    outcome: str | None = None,
    horizon: float | None = None,
    unit: str | None = None,
    estimand: str | None = None,
    part: str | None = None,
    draws: int = 1000,
    seed: int,
) -> PriorCheck:
    """Draw from the prior and show what it says about responses and benefits on the clinical scale.

    Outcomes enter only through the centring of the intercept (the crude rate or mean), as they do in a fit.

    Parameters
    ----------
    spec : ModelSpec
    cohort : Cohort
    outcome : str, optional
    horizon, unit, estimand, part : optional
        As for `respond`.
    draws : int
    seed : int

    Returns
    -------
    PriorCheck
        A spec is worth fitting if its quantiles cover what clinicians hold possible, and no more by far.
    """
    fit = prior_fit(spec, cohort, outcome=outcome, draws=draws, seed=seed)
    step = max(1, cohort.n // _MOST_PATIENTS)
    responses = respond(
        fit, cohort.select(cohort.patients[::step]), horizon=horizon, unit=unit, estimand=estimand, part=part, draws=None
    )  # fmt: skip
    values = np.concatenate([chunk for _, chunk in responses.chunks()])  # (patient, treatment, draw)
    rows = []
    for k, treatment in enumerate(responses.treatments):
        rows.append(_row(f"average response, {treatment}", responses.unit, values[:, k].mean(axis=0)))
        rows.append(
            _row(
                f"spread of response over patients (sd), {treatment}",
                responses.unit,
                values[:, k].std(axis=0),
            )
        )
    reference = responses.treatments.index(responses.basis.reference)
    others = [k for k in range(len(responses.treatments)) if k != reference]
    if others and responses.direction:
        benefit = benefit_of(values, reference, others, responses.direction)
        for j, k in enumerate(others):
            name = responses.treatments[k]
            rows.append(_row(f"average benefit, {name}", responses.unit, benefit[:, j].mean(axis=0)))
            rows.append(
                _row(
                    f"spread of benefit over patients (sd), {name}", responses.unit, benefit[:, j].std(axis=0)
                )
            )
    columns = ["quantity", "unit", "q025", "q25", "median", "q75", "q975"]
    return PriorCheck(responses, pl.DataFrame(rows, schema=columns, orient="row"))


def _row(name: str, unit: str, draws: np.ndarray) -> tuple[object, ...]:
    return (name, unit, *(float(q) for q in np.quantile(draws, [0.025, 0.25, 0.5, 0.75, 0.975])))


def _figure(check: PriorCheck) -> str:
    from matplotlib.figure import Figure

    table = check.table.reverse()
    figure = Figure(figsize=(6.4, 0.4 * table.height + 0.8), layout="constrained")
    axes = figure.subplots()
    for i, row in enumerate(table.iter_rows(named=True)):
        axes.plot([row["q025"], row["q975"]], [i, i], color="#1b4f72", linewidth=1)
        axes.plot([row["q25"], row["q75"]], [i, i], color="#1b4f72", linewidth=4)
        axes.plot(row["median"], i, "o", color="white", markeredgecolor="#1b4f72")
    labels = [escape(name) for name in table["quantity"].to_list()]
    axes.set(
        yticks=range(table.height),
        yticklabels=labels,
        xlabel=f"prior 95% and 50% intervals ({check.responses.unit})",
    )
    return svg_of(figure)
