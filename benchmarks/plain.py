"""The peers of the benchmarks of fits: the same law written down plainly, for PyMC, and rstanarm's and bambi's nearest models."""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trial import ARMS, HISTORY, SITES

RSTANARM = """
arguments <- commandArgs(trailingOnly = TRUE)
began <- proc.time()[["elapsed"]]
suppressPackageStartupMessages(library(rstanarm))
d <- read.csv(arguments[1])
x <- setdiff(names(d), c("y", "arm", "site"))
form <- as.formula(paste("y ~ arm *(", paste(x, collapse = " + "), ") + (1 + arm | site)"))
options(mc.cores = 2)
sampling <- proc.time()[["elapsed"]]
fit <- stan_glmer(form, data = d, prior = hs(), chains = 2, iter = as.integer(arguments[2]), seed = as.integer(arguments[3]),
                  adapt_delta = 0.95, refresh = 0)
done <- proc.time()[["elapsed"]]
draws <- as.array(fit)
keep <- !grepl("^b\\\\[|Sigma|sigma|mean_PPD|log-posterior", dimnames(draws)[[3]])
write.csv(apply(draws[, , keep], 3, c), arguments[4], row.names = FALSE)
cat(done - sampling, done - began, "\\n")
"""


def plain_model(made: dict[str, np.ndarray], y: np.ndarray, *, binary: bool = False) -> Any:
    """Return the model as one writes it: effects of every arm, shared half-Cauchy local scales, one row a patient.

    Every array is a `pymc.Data`, so that it can be swapped where the peer's own tool can do that.
    """
    import pymc as pm

    with pm.Model() as model:
        x, arm, site = (pm.Data(name, made[name]) for name in ("x", "arm", "site"))
        level, theta, by_site = _parameters(made["x"].shape[1])
        eta = level[arm] + (x * theta[arm]).sum(axis=1) + by_site[site, arm]
        if binary:
            pm.Bernoulli("y", logit_p=eta, observed=pm.Data("y_data", y))
        else:
            pm.Normal("y", eta, pm.HalfNormal("sigma", 1.0), observed=pm.Data("y_data", y))
    return model


def compressed_model(made: dict[str, np.ndarray], y: np.ndarray) -> Any:
    """Return the same posterior from each arm's QR decomposition: how the plain model mixes, whatever the patients.

    Only for the peer's figures at a size where its own gradients would take too long.
    """
    import pymc as pm
    import pytensor.tensor as pt

    with pm.Model() as model:
        level, theta, by_site = _parameters(made["x"].shape[1])
        misfit = 0.0
        for k in range(len(ARMS)):
            own = made["arm"] == k
            sites = np.eye(SITES)[made["site"][own]]
            rows = np.column_stack([np.ones(own.sum()), sites, made["x"][own], y[own]])
            triangle = pm.Data(f"triangle_{k}", np.linalg.qr(rows, mode="r"))
            b = pt.concatenate([level[k : k + 1], by_site[:, k], theta[k]])
            misfit += ((triangle[:, -1] - pt.dot(triangle[:, :-1], b)) ** 2).sum()  # the last row is the rest
        sigma = pm.HalfNormal("sigma", 1.0)
        pm.Potential("likelihood", -len(y) * pt.log(sigma) - misfit / (2 * sigma**2))
    return model


def _parameters(columns: int) -> tuple[Any, Any, Any]:
    """Return levels (arm), coefficients (arm, column) and effects of sites (site, arm)."""
    import pymc as pm
    import pytensor.tensor as pt

    arms, genomic = len(ARMS), columns - HISTORY
    clinical = pm.HalfNormal("sd_b", 0.5) * pm.Normal("b_raw", 0.0, 1.0, shape=HISTORY)
    clinical = clinical + pm.HalfNormal("sd_g", 0.25) * pm.Normal("g_raw", 0.0, 1.0, shape=(arms, HISTORY))
    tau, tau_g = pm.HalfCauchy("tau", 0.02), pm.HalfCauchy("tau_g", 0.01)
    local, slab = pm.HalfCauchy("lam", 1.0, shape=genomic), pm.InverseGamma("c2", 2.0, 0.5)
    sparse = _shrunk(tau, local, slab) * pm.Normal("bg_raw", 0.0, 1.0, shape=genomic)
    sparse = sparse + _shrunk(tau_g, local, slab) * pm.Normal("gg_raw", 0.0, 1.0, shape=(arms, genomic))
    theta = pm.Deterministic("theta", pt.concatenate([clinical, sparse], axis=1))
    level = pm.Normal("level", 0.0, 5.0, shape=arms)
    slopes = pm.HalfNormal("sd_slope", 0.25) * pm.Normal("slope_raw", 0.0, 1.0, shape=(SITES, arms))
    by_site = (pm.HalfNormal("sd_site", 0.5) * pm.Normal("site_raw", 0.0, 1.0, shape=SITES))[:, None] + slopes
    return level, theta, by_site


def _shrunk(tau: Any, local: Any, slab: Any) -> Any:
    import pytensor.tensor as pt

    return tau * pt.sqrt(slab * local**2 / (slab + tau**2 * local**2))


def rstanarm(
    made: dict[str, np.ndarray], y: np.ndarray, *, iterations: int, seed: int
) -> dict[str, Any] | None:
    """Return rstanarm's draws of arm effects and seconds, None where R or the package is absent."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        data, draws = Path(folder) / "data.csv", Path(folder) / "draws.csv"
        names = [f"x{i}" for i in range(made["x"].shape[1])]
        with data.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["y", "arm", "site", *names])
            for i in range(len(y)):
                writer.writerow([y[i], ARMS[made["arm"][i]], f"S{made['site'][i]}", *made["x"][i]])
        started = time.perf_counter()
        done = subprocess.run(
            ["Rscript", "-e", RSTANARM, str(data), str(2 * iterations), str(seed), str(draws)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return None
        wall = time.perf_counter() - started
        sampling = float(done.stdout.split()[-2])
        table = np.loadtxt(draws, delimiter=",", skiprows=1)
    return {"sampling": sampling, "wall": wall, "draws": table.reshape(2, iterations, -1)}


def bambi(made: dict[str, np.ndarray], y: np.ndarray, *, draws: int, seed: int) -> np.ndarray | None:
    """Return bambi's draws of arm effects, shape (chain, draw, effect), None where the package is absent.

    The formula is rstanarm's. bambi has no horseshoe: its priors are its own, normal ones scaled to the data.
    """
    try:
        import bambi as peer
    except ModuleNotFoundError:
        return None
    import pandas as pd

    features = {f"x{i}": column for i, column in enumerate(made["x"].T)}
    table = pd.DataFrame(
        features | {"y": y, "arm": np.array(ARMS)[made["arm"]], "site": made["site"].astype(str)}
    )
    model = peer.Model(f"y ~ arm * ({' + '.join(features)}) + (arm | site)", table)
    found = model.fit(
        draws=draws,
        tune=draws,
        chains=2,
        cores=2,
        random_seed=seed,
        progressbar=False,
        inference_method="nutpie",
    )
    posterior = found["posterior"]
    common = [name for name in posterior.data_vars if "|" not in name and name not in ("sigma", "mu")]
    return np.concatenate([posterior[name].values.reshape(2, draws, -1) for name in common], axis=2)
