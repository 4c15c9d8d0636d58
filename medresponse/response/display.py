"""Rich displays for notebooks: group summaries, never patient rows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from medresponse.core.figure import svg_of
from medresponse.core.small_cells import is_small, one_count

if TYPE_CHECKING:
    from medresponse.response.responses import Responses

_MOST_PATIENTS = 400  # a display is a glance: larger cohorts are thinned evenly for the figure


def responses_html(responses: Responses) -> str:
    """Return a table and a figure: how mean responses spread over patients, treatment by treatment.

    Of fewer than 11 patients nothing is shown: quantiles would be single patients' own values.
    """
    if is_small(len(responses.ids)):
        return f"<p>{escape(responses.title)}: {escape(one_count(len(responses.ids)))} patients, too few to describe as a group</p>"
    step = max(1, len(responses.ids) // _MOST_PATIENTS)
    shown = responses.select(responses.ids[::step])
    means = shown.reduce(lambda values: values.mean(axis=-1))
    quantiles = np.quantile(means, [0.05, 0.5, 0.95], axis=0)
    rows = "".join(
        f"<tr><th scope='row'>{name}</th>" + "".join(f"<td>{q:.3g}</td>" for q in quantiles[:, k]) + "</tr>"
        for k, name in enumerate(_labels(responses))
    )
    named = f"<tr><th scope='col'>{escape(responses.title)}: patients' mean responses</th>"
    head = f"{named}<th scope='col'>5%</th><th scope='col'>median</th><th scope='col'>95%</th></tr>"
    return f"<table>{head}{rows}</table>{_figure(responses, means)}"


def _labels(responses: Responses) -> list[str]:
    treatment = responses.fit.schema.treatment
    return [escape(treatment.label(t)) if treatment else t for t in responses.treatments]


def _figure(responses: Responses, means: np.ndarray) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    for k, label in enumerate(_labels(responses)):
        ordered = np.sort(means[:, k])
        axes.plot(
            ordered,
            (np.arange(len(ordered)) + 0.5) / len(ordered),
            label=label,
            linestyle=("-", "--", ":", "-.")[k % 4],
        )
    axes.set(xlabel=responses.title, ylabel="share of patients at or below")
    axes.legend(frameon=False)
    return svg_of(figure)
