"""Peers on the data that `benchmarks/scenarios.py` wrote, in an environment of their own.

    .venv-peers/bin/python benchmarks/peers/scenarios.py outputs/scenarios [peer ...]

Writes ``<peer>/<setting>-<seed>.npz`` with what is scored. What is there already is not run again. Settings are the
libraries' own but for numbers of trees and lengths of chains, which are said here and in `run.py`.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import run
from effects import kept
from scipy.special import ndtr

CHAINS = 4
# Sweeps left out and kept a chain: R-hat of the average effect and of 95% of individual effects is then at most 1.05 on nearly all data sets.
LENGTHS = {"bcf": (400, 600), "bart_s": (600, 1000), "bart_t": (400, 1000)}
Data = Mapping[str, np.ndarray]
Found = dict[str, np.ndarray]


def main(folder: Path, names: list[str]) -> None:
    """Run peers on every data set."""
    warnings.simplefilter("ignore")
    for path in sorted((folder / "data").glob("*.npz"), key=lambda path: path.stem.split("-")[::-1]):
        data = np.load(path)
        peers = TIMES if str(data["kind"]) == "time" else POINTS
        for name in names or list(peers):
            target = folder / name / path.name
            if name not in peers or target.exists():
                continue
            target.parent.mkdir(exist_ok=True)
            started = time.process_time()
            found = peers[name](data)
            seconds = time.process_time() - started
            np.savez_compressed(target, cpu_seconds=seconds, **found)
            print(name, path.stem, f"{seconds:.1f} s", flush=True)


def _drawn(sample: Callable[..., run.Draws], name: str) -> Callable[[Data], Found]:
    """Return a method that draws from a posterior, with the law of the outcome under the other treatment."""
    burn_in, kept_draws = LENGTHS[name]

    def method(data: Data) -> Found:
        binary, z = str(data["kind"]) == "binary", data["z"]
        means, sigma = sample(
            data["x"], z, data["y"], chains=CHAINS, burn_in=burn_in, draws=kept_draws, binary=binary
        )
        if binary:
            means = ndtr(means)
        effects = means[1] - means[0]
        other = np.where(z[:, None] == 1, means[0], means[1])
        found = kept(effects.reshape(len(z), CHAINS, -1))
        if binary:
            return found | {"other_probability": other.mean(axis=1)}
        noise = np.random.default_rng(1).standard_normal(other.shape)
        own = sigma if sigma.ndim == 1 else sigma[1 - z]
        return found | {"other": (other + own * noise).astype(np.float32)}

    return method


def _boosted(data: Data, *, joint: bool) -> Found:
    """Gradient boosting, with the treatment among the features or one model an arm; no interval."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, z, y = data["x"], data["z"], data["y"]
    binary = str(data["kind"]) == "binary"

    def model() -> Any:
        if binary:
            return HistGradientBoostingClassifier(early_stopping=True, max_iter=500, random_state=1)
        return run.boosted()

    def predict(fitted: Any, features: np.ndarray) -> np.ndarray:
        return fitted.predict_proba(features)[:, 1] if binary else fitted.predict(features)

    if joint:
        fitted = model().fit(np.column_stack([x, z]), y)
        means = [predict(fitted, np.column_stack([x, np.full(len(z), arm)])) for arm in (0, 1)]
    else:
        means = [predict(model().fit(x[z == arm], y[z == arm]), x) for arm in (0, 1)]
    found = {"benefit": means[1] - means[0]}
    return found | {"other_probability": np.where(z == 1, means[0], means[1])} if binary else found


def _econml(method: Callable[..., Found]) -> Callable[[Data], Found]:
    return lambda data: method(data["x"], data["z"], data["y"], np.empty(0))


def least_squares(data: Data) -> Found:
    """Least squares with every feature, the treatment and their products: of an event, a linear probability model."""
    from scipy.stats import t

    z, x = data["z"], np.column_stack([np.ones(len(data["z"])), data["x"]])
    both = np.column_stack([x, x * z[:, None]])
    inverse = np.linalg.pinv(both.T @ both)
    coefficients = inverse @ both.T @ data["y"]
    freedom = len(z) - both.shape[1]
    variance = ((data["y"] - both @ coefficients) ** 2).sum() / freedom
    p = x.shape[1]
    benefit = x @ coefficients[p:]
    half = t.ppf(0.975, freedom) * np.sqrt(variance * np.einsum("ij,jk,ik->i", x, inverse[p:, p:], x))
    return {"benefit": benefit, "lower": benefit - half, "upper": benefit + half}


def _survival(curves: np.ndarray, data: Data) -> Found:
    """Return what is scored of event-free probabilities (arm, patient, time) at the data's times."""
    step = float(data["times"][1] - data["times"][0])
    free = curves.sum(axis=2) * step
    return {
        "benefit": free[1] - free[0],
        "other_survival": np.where(data["z"][:, None] == 1, curves[0], curves[1]),
    }


def _outcome(data: Data) -> np.ndarray:
    from sksurv.util import Surv

    return Surv.from_arrays(data["event"].astype(bool), data["time"])


def _curve(model: Any, x: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return event-free probabilities (patient, time) off a fitted step function."""
    steps = model.predict_survival_function(x, return_array=True)
    at = np.searchsorted(model.unique_times_, times, side="right") - 1
    return np.where(at >= 0, steps[:, np.maximum(at, 0)], 1.0)


def _one_model(make: Callable[[], Any]) -> Callable[[Data], Found]:
    """Return a method with the treatment among its features."""

    def method(data: Data) -> Found:
        x, z = data["x"], data["z"]
        fitted = make().fit(np.column_stack([x, z]), _outcome(data))
        arms = [np.column_stack([x, np.full(len(z), arm)]) for arm in (0, 1)]
        return _survival(np.stack([_curve(fitted, own, data["times"]) for own in arms]), data)

    return method


def _one_an_arm(make: Callable[[], Any]) -> Callable[[Data], Found]:
    def method(data: Data) -> Found:
        x, z, outcome = data["x"], data["z"], _outcome(data)
        fitted = [make().fit(x[z == arm], outcome[z == arm]) for arm in (0, 1)]
        return _survival(np.stack([_curve(model, x, data["times"]) for model in fitted]), data)

    return method


def survival_forest() -> Any:
    """Random survival forest (Ishwaran et al. 2008), 500 trees."""
    from sksurv.ensemble import RandomSurvivalForest

    return RandomSurvivalForest(n_estimators=500, min_samples_leaf=15, n_jobs=1, random_state=1)


def boosted_survival() -> Any:
    """Gradient boosting of the partial likelihood."""
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis

    return GradientBoostingSurvivalAnalysis(random_state=1)


def cox(data: Data, *, products: bool = True) -> Found:
    """Proportional hazards with every feature, the treatment and, if asked for, their products; a little ridge."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    x, z = data["x"], data["z"]
    x = (x - x.mean(axis=0)) / x.std(axis=0)

    def columns(arm: np.ndarray) -> np.ndarray:
        centred = arm - 0.5
        return np.column_stack([x, centred, *([x * centred[:, None]] if products else [])])

    model = CoxPHSurvivalAnalysis(alpha=0.1).fit(columns(z), _outcome(data))
    arms = [_curve(model, columns(np.full(len(z), arm)), data["times"]) for arm in (0, 1)]
    return _survival(np.stack(arms), data)


POINTS: dict[str, Callable[[Data], Found]] = {
    "least_squares": least_squares, "linear_dml": _econml(run.linear_dml), "causal_forest": _econml(run.causal_forest),
    "gb_s": lambda data: _boosted(data, joint=True), "gb_t": lambda data: _boosted(data, joint=False),
    "bcf": _drawn(run.bcf_draws, "bcf"), "bart_s": _drawn(run.bart_s_draws, "bart_s"), "bart_t": _drawn(run.bart_t_draws, "bart_t"),
}  # fmt: skip
TIMES: dict[str, Callable[[Data], Found]] = {
    "cox": cox, "cox_additive": partial(cox, products=False), "survival_forest_s": _one_model(survival_forest),
    "survival_forest_t": _one_an_arm(survival_forest), "boosted_survival_s": _one_model(boosted_survival),
    "boosted_survival_t": _one_an_arm(boosted_survival),
}  # fmt: skip

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
