"""Forest plots: several estimates of one quantity side by side, told apart by marker as well as colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from experiments.figures import COLOURS

Interval = Sequence[float]  # value, lower, upper
MARKERS = ("o", "s", "D", "^", "v")
SHADES = (*COLOURS, "#0b6e4f")


def forest(
    rows: Mapping[str, Mapping[str, Interval]],
    *,
    xlabel: str,
    reference: float | None = None,
    log: bool = False,
) -> Figure:
    """Draw one group of points with intervals a row, first row on top.

    Parameters
    ----------
    rows : mapping
        Label of a row -> label of an estimate -> (value, lower, upper); every row has the same estimates.
    xlabel : str
    reference : float, optional
        Where a line marks no difference.
    log : bool
        Whether the axis is logarithmic, as ratios need.
    """
    series = list(next(iter(rows.values())))
    figure = Figure(figsize=(6.4, 0.17 * len(rows) * (len(series) + 1.5) + 1.4), layout="constrained")
    axes = figure.subplots()
    step = 1 / (len(series) + 1.5)
    for i, estimates in enumerate(rows.values()):
        for s, name in enumerate(series):
            value, lower, upper = estimates[name]
            y, label = -i - step * (s - (len(series) - 1) / 2), name if i == 0 else None
            axes.plot([lower, upper], [y, y], color=SHADES[s], linewidth=1.4)
            axes.plot(value, y, MARKERS[s], color=SHADES[s], markersize=4, label=label)
    if reference is not None:
        axes.axvline(reference, color="#777777", linewidth=0.8)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.tick_params(axis="x", which="both", labelsize=8)
    axes.set(xlabel=xlabel, yticks=[-i for i in range(len(rows))], yticklabels=list(rows))
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    return figure
