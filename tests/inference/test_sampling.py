"""One tiny real fit per engine: same seed same draws, and a saved fit that scores without the sampler."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.core.codec import to_plain
from medresponse.core.registry import registered
from medresponse.families import Weibull
from medresponse.inference import Engine, Fit, Limits, fit, fit_many, save_fit
from medresponse.model import ModelSpec, MultipleImputation
from medresponse.priors import Normal
from medresponse.response import respond
from tests.hand_made import patients_like, trial_of

pytestmark = pytest.mark.sampling

SPEC = ModelSpec(
    family=Weibull(), blocks={"history": Normal()}, leave_out=("stage",), pooling=("site",),
    missing=MultipleImputation(imputations=2),
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial_of(120, missing={"age": 20})


@pytest.fixture(scope="module", params=["nuts"])  # see test_gibbs and test_cross_checks
def engine(request: pytest.FixtureRequest) -> Any:
    return registered(Engine)[request.param](draws=400, tune=400, chains=2, target_accept=0.9)


@pytest.fixture(scope="module")
def real_fit(cohort: Cohort, engine: Any) -> Fit:
    return fit(SPEC, cohort, outcome="os", engine=engine, seed=11)


def test_a_fit_has_every_chain_of_every_imputation_and_sound_draws(real_fit: Fit, engine: Any) -> None:
    assert real_fit.posterior["imputation"].values.tolist() == [0, 0, 1, 1]
    assert real_fit.posterior.sizes["draw"] == 400
    assert all(np.isfinite(values).all() for values in real_fit.posterior.data_vars.values())
    found = real_fit.diagnostics
    loose = replace(found, limits=Limits(max_rhat=1.2, min_ess=10, max_divergences=20, min_bfmi=0.1))
    assert loose.failures == ()
    assert real_fit.provenance.sampler.split()[0] and real_fit.provenance.imputations == 2
    assert real_fit.provenance.compile_seconds > 0
    assert set(real_fit.spec.family.parameters) <= set(real_fit.posterior.data_vars)


def test_the_same_seed_gives_identical_draws_and_another_seed_others(
    real_fit: Fit, cohort: Cohort, engine: Any
) -> None:
    again = fit(SPEC, cohort, outcome="os", engine=replace(engine, cores=1), seed=11)
    for name, values in real_fit.posterior.data_vars.items():
        np.testing.assert_array_equal(again.posterior[name].values, values.values)
    other = fit(SPEC, cohort, outcome="os", engine=engine, seed=12)
    assert (other.draws("coefficients") != real_fit.draws("coefficients")).any()


def test_a_fold_gets_the_draws_of_a_fit_of_its_own(real_fit: Fit, cohort: Cohort, engine: Any) -> None:
    """Without another compilation, whose last bits may differ: the cached model serves folds of any size."""
    fold = cohort.where(np.arange(120) % 4 != 0)
    whole, part = fit_many(SPEC, [cohort, fold], outcome="os", engine=engine, seed=11)
    alone = fit(SPEC, fold, outcome="os", engine=engine, seed=11)
    np.testing.assert_array_equal(whole.draws("coefficients"), real_fit.draws("coefficients"))
    np.testing.assert_array_equal(part.draws("coefficients"), alone.draws("coefficients"))
    assert (part.draws("coefficients") != whole.draws("coefficients")).any()


SCORE = """
import json, sys
import numpy as np
import polars as pl
from medresponse.cohort import cohort_from_frame
from medresponse.inference.store import load_fit
from medresponse.response import contrast, respond
folder, rows, target = sys.argv[1:]
fit = load_fit(folder)
cohort = cohort_from_frame(pl.read_ipc(rows), fit.schema, for_prediction=True)
responses = respond(fit, cohort, horizon=12.0, unit="month")
table = contrast(responses)
np.savez(target, draws=responses.draws().values, benefit=table["benefit"].to_numpy())
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_a_saved_fit_is_scored_in_another_process_to_the_last_bit_without_the_sampler(
    real_fit: Fit, cohort: Cohort, tmp_path: Path
) -> None:
    folder = save_fit(real_fit, tmp_path / "fit")
    new = patients_like(cohort, [{}, {"age": None}, {"site": "elsewhere"}, {"sex": None, "site": "new"}])
    new.table.write_ipc(tmp_path / "rows.arrow")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCORE, str(folder), str(tmp_path / "rows.arrow"), str(tmp_path / "out.npz")],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout))
    assert not imported & {
        "pymc",
        "pytensor",
        "nutpie",
        "arviz",
        "arviz_base",
        "arviz_stats",
        "numba",
        "sksurv",
    }
    here = respond(real_fit, new, horizon=12.0, unit="month").draws()
    with np.load(tmp_path / "out.npz") as there:
        np.testing.assert_array_equal(there["draws"], here.values)


def test_the_spec_and_engine_in_the_provenance_can_be_fitted_again(real_fit: Fit, engine: Any) -> None:
    from medresponse.core.codec import from_plain

    assert from_plain(ModelSpec, to_plain(real_fit.spec)) == SPEC
    assert from_plain(Engine, real_fit.provenance.engine) == engine
