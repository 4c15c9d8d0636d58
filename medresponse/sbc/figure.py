"""The ranks' empirical distribution beside its simultaneous band."""

from __future__ import annotations

import numpy as np
import polars as pl

from medresponse.core.figure import svg_of
from medresponse.sbc.uniformity import ecdf_band


def ecdf_figure(ranks: pl.DataFrame, draws: int) -> str:
    """Return an SVG of each quantity's ECDF less that of uniform ranks, with the 95% band that holds at all ranks at once."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    share = (np.arange(draws + 1) + 1) / (draws + 1)
    lower, upper = ecdf_band(ranks.height, draws)
    axes.fill_between(share, lower - share, upper - share, color="#d6e4ef", label="95% band")
    for name in ranks.columns:
        if name == "replicate":
            continue
        counts = np.bincount(ranks[name].to_numpy(), minlength=draws + 1).cumsum() / ranks.height
        outside = bool(((counts < lower) | (counts > upper)).any())
        axes.plot(
            share, counts - share, color="#a93226" if outside else "#1b4f72", linewidth=1.2 if outside else 0.6,
            label=name if outside else None,
        )  # fmt: skip
    axes.set(xlabel="rank of the true value (share of posterior draws)", ylabel="difference from uniform")
    axes.legend(fontsize=8)
    return svg_of(figure)
