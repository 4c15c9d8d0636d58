"""Peers on the ten ACIC 2016 instances of causallib 0.10, run in an environment of their own.

    .venv-peers/bin/python benchmarks/peers/run.py outputs/acic [peer ...] [instance ...]
    .venv-peers/bin/python benchmarks/peers/run.py outputs/acic bcf_x5 6

Writes ``data/<instance>.npz``, the data that every method gets and the truth, and ``<peer>/<instance>.npz`` with what
``benchmarks/acic.py`` scores: each patient's benefit with a 95% interval and, where the method has a predictive law, the
interval and continuous ranked probability score of the outcome under the treatment not received. What is there already
is not run again. Settings are the libraries' own but for lengths of chains and numbers of trees, which are said here; the
second line takes five times as many sweeps, left out and kept.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from effects import split_rhat

INSTANCES = range(1, 11)
CHAINS, BURN, KEPT = 4, 300, 300  # after 20 forests grown from the root, from which the chains start


def main(folder: Path, names: list[str]) -> None:
    """Write the data and run peers, all if none are named, on all instances if no numbers are."""
    from causallib.datasets import load_acic16

    peers = [name for name in names if not name.isdecimal()] or list(PEERS)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for i in [int(name) for name in names if name.isdecimal()] or INSTANCES:
        data, (_, raw) = load_acic16(i), load_acic16(i, raw=True)
        x, z, y = data.X.to_numpy(dtype=float), data.a.to_numpy(dtype=int), data.y.to_numpy(dtype=float)
        mean, outcomes = raw[["mu0", "mu1"]].to_numpy(), raw[["y0", "y1"]].to_numpy()
        names = np.array(data.X.columns, dtype=str)
        np.savez_compressed(
            folder / "data" / f"{i}.npz", x=x, z=z, y=y, mean=mean, outcomes=outcomes, names=names
        )
        for peer in peers:
            path = folder / peer / f"{i}.npz"
            if path.exists():
                continue
            path.parent.mkdir(exist_ok=True)
            started = time.process_time()
            found = method(peer)(x, z, y, outcomes[np.arange(len(z)), 1 - z])
            seconds = time.process_time() - started
            np.savez_compressed(path, cpu_seconds=seconds, **found)
            print(peer, i, f"{seconds:.1f} s", flush=True)


def propensity(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities of treatment by gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict

    model = HistGradientBoostingClassifier(early_stopping=True, random_state=1)
    return cross_val_predict(model, x, z, cv=5, method="predict_proba")[:, 1]


def from_draws(
    means: np.ndarray, sigma: np.ndarray, z: np.ndarray, other: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what is kept, from draws of mean outcomes (arm, patient, draw) and residual standard deviations (draw,)."""
    rng = np.random.default_rng(1)
    benefit = means[1] - means[0]
    lower, upper = np.quantile(benefit, [0.025, 0.975], axis=1)
    predictive = np.where(z[:, None] == 1, means[0], means[1])
    predictive = np.sort(predictive + sigma * rng.standard_normal(predictive.shape), axis=1)
    n = predictive.shape[1]
    spread = predictive @ (2 * np.arange(1, n + 1) - n - 1) / n**2
    low, high = np.quantile(predictive, [0.025, 0.975], axis=1)
    average = np.quantile(benefit.mean(axis=0), [0.025, 0.975])
    chains = benefit.reshape(len(benefit), CHAINS, -1)
    return {
        "benefit": benefit.mean(axis=1), "lower": lower, "upper": upper, "average": average,
        "effect_rhat": split_rhat(chains), "average_rhat": split_rhat(chains.mean(axis=0)[None])[0],
        "other_crps": np.abs(predictive - other[:, None]).mean(axis=1) - spread,
        "other_lower": low, "other_upper": high,
    }  # fmt: skip


def _stochtree(
    *, binary: bool, chains: int = CHAINS, burn_in: int = BURN, draws: int = KEPT, **further: Any
) -> dict[str, Any]:
    """Return settings of a run; a binary outcome goes through a probit."""
    general = {"num_chains": chains, "random_seed": 1, "num_threads": 1} | further
    if binary:
        from stochtree import OutcomeModel

        general["outcome_model"] = OutcomeModel(outcome="binary", link="probit")
    return {"num_gfr": 20, "num_burnin": burn_in, "num_mcmc": draws, "general_params": general}


Draws = tuple[
    np.ndarray, np.ndarray
]  # mean outcomes (arm, patient, draw) and residual standard deviations (draw,)


def bcf_draws(x: np.ndarray, z: np.ndarray, y: np.ndarray, *, binary: bool = False, **lengths: int) -> Draws:
    """Bayesian causal forest (Hahn, Murray & Carvalho 2020) of stochtree; of a binary outcome, probits."""
    from stochtree import BCFModel

    model = BCFModel()
    model.sample(
        X_train=x, Z_train=z.astype(float), y_train=y, propensity_train=propensity(x, z),
        **_stochtree(binary=binary, keep_every=1, **lengths),
    )  # fmt: skip
    tau = np.reshape(model.tau_hat_train, (len(y), -1))
    fitted = np.reshape(model.y_hat_train, (len(y), -1))
    control = fitted - z[:, None] * tau
    sigma = np.ones(tau.shape[1]) if binary else np.sqrt(model.global_var_samples)
    return np.stack([control, control + tau]), sigma


def _bart(
    x: np.ndarray, y: np.ndarray, new: list[np.ndarray], *, binary: bool, **lengths: int
) -> tuple[list[np.ndarray], np.ndarray]:
    from stochtree import BARTModel

    model = BARTModel()
    model.sample(X_train=x, y_train=y, X_test=np.concatenate(new), **_stochtree(binary=binary, **lengths))
    parts = np.split(np.asarray(model.y_hat_test), np.cumsum([len(part) for part in new])[:-1])
    sigma = np.ones(parts[0].shape[1]) if binary else np.sqrt(np.asarray(model.global_var_samples))
    return parts, sigma


def bart_s_draws(
    x: np.ndarray, z: np.ndarray, y: np.ndarray, *, binary: bool = False, **lengths: int
) -> Draws:
    """One BART with treatment and propensity score among its features."""
    score = propensity(x, z)
    arms = [np.column_stack([x, score, np.full(len(z), arm)]) for arm in (0, 1)]
    means, sigma = _bart(np.column_stack([x, score, z]), y, arms, binary=binary, **lengths)
    return np.stack(means), sigma


def bart_t_draws(
    x: np.ndarray, z: np.ndarray, y: np.ndarray, *, binary: bool = False, **lengths: int
) -> Draws:
    """One BART an arm, each with a residual standard deviation of its own, (arm, draw)."""
    found = [_bart(x[z == arm], y[z == arm], [x], binary=binary, **lengths) for arm in (0, 1)]
    means = np.stack([means[0] for means, _ in found])
    rng = np.random.default_rng(
        2
    )  # the two posteriors are independent: pair their draws at random, chain by chain
    chains = lengths.get("chains", CHAINS)
    order = rng.permuted(np.arange(means.shape[2]).reshape(chains, -1), axis=1).ravel()
    return np.stack([means[0], means[1][:, order]]), np.stack([found[0][1], found[1][1][order]])


def boosted(**settings: Any) -> Any:
    """Gradient boosting with early stopping."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(early_stopping=True, max_iter=500, random_state=1, **settings)


def gb_t(x: np.ndarray, z: np.ndarray, y: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    """Gradient boosting, one an arm; no interval."""
    arms = [boosted().fit(x[z == arm], y[z == arm]).predict(x) for arm in (0, 1)]
    return {"benefit": arms[1] - arms[0]}


def gb_s(x: np.ndarray, z: np.ndarray, y: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    """Gradient boosting with the treatment among its features; no interval."""
    model = boosted().fit(np.column_stack([x, z]), y)
    arms = [model.predict(np.column_stack([x, np.full(len(z), arm)])) for arm in (0, 1)]
    return {"benefit": arms[1] - arms[0]}


def _econml(model: Any, x: np.ndarray, z: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(y, z, X=x, W=None)
        lower, upper = model.effect_interval(x, alpha=0.05)
        average = np.array(model.ate_interval(x, alpha=0.05)).ravel()
        return {
            "benefit": np.ravel(model.effect(x)),
            "lower": np.ravel(lower),
            "upper": np.ravel(upper),
            "average": average,
        }


def _nuisance() -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    classifier = HistGradientBoostingClassifier(early_stopping=True, random_state=1)
    return {
        "model_y": boosted(),
        "model_t": classifier,
        "discrete_treatment": True,
        "cv": 5,
        "random_state": 1,
    }


def causal_forest(x: np.ndarray, z: np.ndarray, y: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    """Causal forest after double machine learning, 1,000 trees."""
    from econml.dml import CausalForestDML

    return _econml(CausalForestDML(n_estimators=1000, n_jobs=1, **_nuisance()), x, z, y)


def linear_dml(x: np.ndarray, z: np.ndarray, y: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    """Linear effects after double machine learning, on standardised features."""
    from econml.dml import LinearDML

    return _econml(LinearDML(**_nuisance()), (x - x.mean(axis=0)) / x.std(axis=0), z, y)


Peer = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]]
DRAWN: dict[str, Callable[..., Draws]] = {"bcf": bcf_draws, "bart_s": bart_s_draws, "bart_t": bart_t_draws}
POINTS: dict[str, Peer] = {
    "linear_dml": linear_dml, "gb_s": gb_s, "gb_t": gb_t, "causal_forest": causal_forest,
}  # fmt: skip
PEERS = (*POINTS, *DRAWN)


def method(name: str) -> Peer:
    """Return a peer by name; of one that draws, ``<name>_x<k>`` has chains k times as long."""
    if name in POINTS:
        return POINTS[name]
    sample, _, times = name.partition("_x")
    longer = int(times or 1)

    def peer(x: np.ndarray, z: np.ndarray, y: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
        means, sigma = DRAWN[sample](x, z, y, burn_in=longer * BURN, draws=longer * KEPT)
        return from_draws(means, sigma if sigma.ndim == 1 else sigma[1 - z], z, other)

    return peer


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
