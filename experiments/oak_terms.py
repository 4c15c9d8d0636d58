"""Lines, curves and trees on POPLAR, compared by leave-one-out and then on OAK, which no fit saw.

All densities are of months, so that families can be compared. Nothing is published to hold these against; OAK is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from scipy.special import logsumexp

from experiments.figures import COLOURS
from experiments.loo import record_loo
from experiments.oak_poplar_data import read_trial
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.inference import Fit
from medresponse.response import chain_densities
from medresponse.validation import Estimate

DRAWS = 2000  # for the predictions of OAK


def run(study: Study) -> None:
    """Fit every spec to POPLAR, compare them there and in OAK."""
    poplar, oak = (
        read_trial(study.config["source"], study.data_folder(), trial) for trial in ("poplar", "oak")
    )
    rows = {}
    for outcome, names in study.config["compared"].items():
        fits = {
            name: study.fit(key := f"{outcome}_{name}", study.spec(key), poplar, outcome=outcome)
            for name in names
        }
        record_loo(study, f"{outcome}.loo", fits, poplar)
        weights = np.array([study.metrics[f"{outcome}.loo.{name}.weight"].value for name in names])
        _in_oak(study, outcome, fits, weights, oak)
        rows[outcome] = _rows(study, outcome, tuple(fits))
    study.record("failed_diagnostics", sum(not fit.diagnostics.passed for fit in study.fits.values()))
    study.figure(
        "differences", _figure(rows),
        caption="Log predictive density against the linear spec, with twice its standard error over patients: "
        "leave-one-out in POPLAR, and in OAK per 287 patients (POPLAR's number).",
        alt="Differences in log predictive density to the linear spec, by spec, in POPLAR and in OAK.",
    )  # fmt: skip
    _index(study)


def _in_oak(study: Study, outcome: str, fits: Mapping[str, Fit], weights: np.ndarray, oak: Cohort) -> None:
    """Record the log predictive density of OAK's patients, per patient, of every spec and of the stack."""
    # (spec, chain, patient): the spread over chains gives the Monte Carlo error.
    parts = [chain_densities(fit.thinned(DRAWS), oak) for fit in fits.values()]
    names = tuple(fits)
    for i, name in enumerate(names):
        study.record(f"{outcome}.oak.{name}.log_score", _scored([parts[i]], np.ones(1)))
        if i:
            study.record(f"{outcome}.oak.{name}.difference", _difference(parts[i], parts[0], _average))
            study.record(f"{outcome}.oak.{name}.difference_se", _difference(parts[i], parts[0], _average_se))
    study.record(f"{outcome}.oak.stack.log_score", _scored(parts, weights))


def _mean(parts: np.ndarray) -> np.ndarray:
    """Return the log of the mean density over chains, shape (patient,)."""
    return np.asarray(logsumexp(parts, axis=0) - np.log(len(parts)))


def _average(gap: np.ndarray) -> float:
    return float(gap.mean())


def _average_se(gap: np.ndarray) -> float:
    return float(gap.std(ddof=1) / np.sqrt(len(gap)))


def _scored(parts: Sequence[np.ndarray], weights: np.ndarray) -> Estimate:
    """Return the mean log density of a mixture."""

    def score(densities: Sequence[np.ndarray]) -> float:
        with np.errstate(divide="ignore"):  # a weight of zero
            mixed = logsumexp(np.log(weights)[:, None] + np.stack(densities), axis=0)
        return float(mixed.mean())

    return _with_error(score, parts)


def _difference(own: np.ndarray, other: np.ndarray, of: Callable[[np.ndarray], float]) -> Estimate:
    """Return a figure of the patients' differences in log density between two fits."""
    return _with_error(lambda densities: of(densities[0] - densities[1]), [own, other])


def _with_error(score: Callable[[Sequence[np.ndarray]], float], parts: Sequence[np.ndarray]) -> Estimate:
    """Return a figure of several fits with its Monte Carlo error: the jackknife over chains, fit by fit."""
    means = [_mean(part) for part in parts]
    variance = 0.0
    for i, part in enumerate(parts):
        without = [_mean(np.delete(part, chain, axis=0)) for chain in range(len(part))]
        each = np.array([score([*means[:i], one, *means[i + 1 :]]) for one in without])
        variance += (len(part) - 1) * each.var()
    return Estimate(score(means), float(np.sqrt(variance)), "1")


def _rows(study: Study, outcome: str, names: tuple[str, ...]) -> list[tuple[str, float, float, float, float]]:
    """Return (spec, difference in POPLAR, its error, difference in OAK per POPLAR's number, its error)."""
    found, rows, shown = study.metrics, [], []
    n = study.fits[f"{outcome}_{names[0]}"].provenance.n_patients
    for name in names:
        fit, loo, oak = study.fits[f"{outcome}_{name}"], f"{outcome}.loo.{name}", f"{outcome}.oak.{name}"
        cells = [0.0, 0.0, 0.0, 0.0]
        if name != names[0]:
            keys = (
                f"{loo}.elpd_difference",
                f"{loo}.elpd_difference_se",
                f"{oak}.difference",
                f"{oak}.difference_se",
            )
            cells = [found[key].value for key in keys]
        rows.append((name, cells[0], cells[1], n * cells[2], n * cells[3]))
        shown.append((name.replace("_", " "), f"{cells[0]:.1f} ({cells[1]:.1f})", f"{found[f'{loo}.weight'].value:.2f}",
                      str(fit.diagnostics.influential), f"{found[f'{oak}.log_score'].value:.4f}",
                      "passed" if fit.diagnostics.passed else "FAILED"))  # fmt: skip
    shown.append(("stack of all", "", "", "", f"{found[f'{outcome}.oak.stack.log_score'].value:.4f}", ""))
    columns = ["spec", "POPLAR: difference (SE)", "weight", "Pareto k > 0.7", "OAK: log score", "diagnostics"]
    caption = (
        f"{outcome.upper()}: difference in expected log predictive density to the linear spec by leave-one-out in "
        "POPLAR, stacking weight, and mean log predictive density of OAK's patients (higher is better)"
    )
    study.table(pl.DataFrame(shown, schema=columns, orient="row"), caption=caption)
    return rows


def _figure(rows: Mapping[str, list[tuple[str, float, float, float, float]]]) -> Figure:
    figure = Figure(figsize=(4.8 * len(rows), 3.6), layout="constrained")
    panels = figure.subplots(1, len(rows), squeeze=False)[0]  # the outcomes have other specs
    for axes, (outcome, entries) in zip(panels, rows.items(), strict=True):
        for i, (_, value, error, seen, spread) in enumerate(entries):
            axes.errorbar(value, -i + 0.12, xerr=2 * error, fmt="o", color=COLOURS[0], capsize=2,
                          label="POPLAR, leave-one-out" if not i else None)  # fmt: skip
            axes.errorbar(seen, -i - 0.12, xerr=2 * spread, fmt="s", color=COLOURS[1], capsize=2,
                          label="OAK, held out" if not i else None)  # fmt: skip
        axes.axvline(0.0, color="#777777", linewidth=0.8)
        labels = [name.replace("_", " ") for name, *_ in entries]
        axes.set(title=outcome.upper(), xlabel="log predictive density", yticks=[-i for i in range(len(labels))],
                 yticklabels=labels)  # fmt: skip
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _index(study: Study) -> None:
    from medresponse.reports import IndexFigure, IndexTable, write_index

    write_index(
        [], study.folder, title="Lines, curves and trees: OAK and POPLAR", overwrite=True,
        intro="Does a curve, a Gaussian process or a sum of trees predict better than a line? Compared on the 287 patients "
        "of POPLAR by leave-one-out, and then on the 850 of OAK. There are no patients' reports here.",
        figures=[IndexFigure(title=n, caption=c, svg=svg, alt=alt) for n, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables],
    )  # fmt: skip
