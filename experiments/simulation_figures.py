"""Figures of the simulation study: scores over sizes, or over scenarios where there is one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from experiments.figures import COLOURS, STYLES
from experiments.simulation_scored import LEVEL, Scored
from experiments.study import Study

# Score -> words of the axis, and the value that a dashed line marks.
PANELS: dict[str, tuple[str, float | None]] = {
    "coverage": ("coverage of 95% intervals\nfor benefit", LEVEL),
    "width": ("mean width of these intervals, {unit}", None),
    "average_width": ("width of 95% intervals\nfor the average benefit, {unit}", None),
    "power": ("power for the average benefit", None),
    "root_pehe": ("root mean square error\nof benefits, {unit}", None),
    "relative_root_pehe": ("this error over the SD\nof true benefits", 1.0),
    "false_heterogeneity": ("share of patients called\nunlike the average", 1 - LEVEL),
}
_UNITLESS = ("coverage", "relative_root_pehe", "power", "false_heterogeneity")


def draw(study: Study, name: str, together: Sequence[Scored], needed: Sequence[str]) -> None:
    """Draw one group of scenarios: against size where there are several sizes, else one below the other."""
    several = len({one.n for one in together}) > 1
    figure = _curves(together) if several else _dots(together)
    words = "; ".join(needed) if several else ""
    caption = "Bars are two Monte Carlo standard errors."
    if several:
        caption += (
            f" Patients until 95% intervals are as narrow as a worthwhile benefit of {together[0].worthwhile:g} "
            f"{together[0].unit}, by a line through the logs: {words}."
        )
    spoken = "; ".join(
        f"{one.label or 'coverage'} at n = {one.n}, {of}: {value:.2f}"
        for one in together
        for of, (value, _) in _benefits(one, "coverage").items()
    )
    study.figure(name, figure, caption=caption, alt=f"Coverage of 95% intervals for benefit: {spoken}.")


def _benefits(one: Scored, score: str) -> dict[str, tuple[float, float]]:
    return {of: found for of, found in one.of(score).items() if " - " in of}


def _panels(together: Sequence[Scored]) -> list[str]:
    """Return the scores that some scenario has; those in units only where there is one unit."""
    one_unit = len({one.unit for one in together}) == 1
    return [s for s in PANELS if (one_unit or s in _UNITLESS) and any(_benefits(one, s) for one in together)]


def _curves(together: Sequence[Scored]) -> Figure:
    """Draw scores against patients: a line a contrast of one scenario, or a line a scenario for its first contrast."""
    panels, labels = _panels(together), list(dict.fromkeys(one.label for one in together))
    contrasts = list(_benefits(together[0], "coverage"))
    lines = [(labels[0], of, of) for of in contrasts] if len(labels) == 1 else []
    lines = lines or [(label, contrasts[0], f"{label}: {contrasts[0]}") for label in labels]
    rows = -(-len(panels) // 3)
    figure = Figure(figsize=(11.0, 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False).ravel()
    for axis, score in zip(axes, panels, strict=False):
        for k, (label, of, legend) in enumerate(lines):
            points = [(one.n, *_benefits(one, score)[of]) for one in together
                      if one.label == label and of in _benefits(one, score)]  # fmt: skip
            if points:
                n, values, errors = zip(*points, strict=True)
                axis.errorbar(
                    n, values, yerr=[2 * e for e in errors], label=legend, marker="o", markersize=4, capsize=2,
                    color=COLOURS[k % len(COLOURS)], linestyle=STYLES[k % len(STYLES)],
                )  # fmt: skip
        _mark(axis, score, together, vertical=False)
        axis.set(xlabel="patients", xscale="log")
        sizes = sorted({one.n for one in together})
        axis.set_xticks(sizes, labels=[str(n) for n in sizes])
        axis.minorticks_off()
    axes[0].legend(frameon=False, fontsize=8)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return figure


def _dots(together: Sequence[Scored]) -> Figure:
    """Draw scores of scenarios of one size, one below the other, a marker a contrast."""
    panels, labels = _panels(together), [one.label or "" for one in together]
    across = 2 if len(panels) == 4 else 3
    rows = -(-len(panels) // across)
    figure = Figure(figsize=(11.0, rows * (0.42 * len(labels) + 1.4)), layout="constrained")
    axes = figure.subplots(rows, across, squeeze=False, sharey=True).ravel()
    for axis, score in zip(axes, panels, strict=False):
        for row, one in enumerate(together):
            for k, (of, (value, error)) in enumerate(_benefits(one, score).items()):
                axis.errorbar(
                    value, row + 0.16 * (k - 0.5), xerr=2 * error, marker="os^D"[k % 4], markersize=4, capsize=2,
                    color=COLOURS[k % len(COLOURS)], linestyle="none", label=of if not row else None,
                )  # fmt: skip
        _mark(axis, score, together, vertical=True)
    axes[0].set_yticks(range(len(labels)), labels=labels)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    found, names = axes[0].get_legend_handles_labels()
    figure.legend(found, names, frameon=False, fontsize=8, ncols=len(names), loc="outside upper left")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return figure


def _mark(axis: Any, score: str, together: Sequence[Scored], *, vertical: bool) -> None:
    """Name the axis of a score, and draw where it should lie."""
    words, at = PANELS[score]
    words = words.format(unit=together[0].unit)
    if score in ("width", "average_width"):
        at = together[0].worthwhile
    if at is not None:
        (axis.axvline if vertical else axis.axhline)(at, color="0.5", linewidth=1, linestyle="--")
    (axis.set_xlabel if vertical else axis.set_ylabel)(words)
    if score in ("coverage", "power", "false_heterogeneity"):
        (axis.set_xlim if vertical else axis.set_ylim)(-0.03, 1.03)
