"""A stored trial reads back as it was; what an analyst gets does not depend on the truth's being there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from medresponse.core.errors import DataError, IntegrityError, OutputExistsError
from medresponse.synthetic.mechanisms.covariates import RealResample
from medresponse.synthetic.mechanisms.effects import Modifiers
from medresponse.synthetic.scenario import Sites, scenario, scenarios
from medresponse.synthetic.simulation import simulate
from medresponse.synthetic.trials import read_trial_cohort, read_truth, write_trial


@pytest.mark.parametrize("name", tuple(scenarios()))
def test_reads_back_as_written(name: str, tmp_path: Path) -> None:
    trial = simulate(scenario(name, n=60), seed=5)
    folder = write_trial(trial, tmp_path / "trial")
    again, truth = read_trial_cohort(folder), read_truth(folder)
    assert again.fingerprint == trial.cohort.fingerprint and again.source == trial.cohort.source
    assert truth.data.identical(trial.truth.data)
    if "p_missing" not in truth.data:
        assert truth.cate(again.table[:5]).equals(trial.truth.cate(trial.cohort.table[:5]))
    if trial.held_out is not None:
        assert read_trial_cohort(folder, held_out=True).fingerprint == trial.held_out.cohort.fingerprint
        assert read_truth(folder, held_out=True).data.identical(trial.held_out.truth.data)


def test_knobs_that_numpy_counted_are_stored_as_numbers(tmp_path: Path) -> None:
    value = scenario(
        "s02_linear_rct", n=np.arange(60, 61)[0], sites=Sites(n=np.int64(3), icc=np.float64(0.1)),
        effect=Modifiers(magnitude=tuple(np.array([0.3, 0.15])), heterogeneity="med"),
    )  # fmt: skip
    folder = write_trial(simulate(value, seed=np.int64(5)), tmp_path / "trial")
    assert read_truth(folder).scenario == value
    assert type(value.n) is int and type(value.sites.icc) is float


def test_the_cohort_reads_without_the_truth(tmp_path: Path) -> None:
    trial = simulate(scenario("s02_linear_rct", n=60), seed=5)
    folder = write_trial(trial, tmp_path / "trial")
    shutil.rmtree(folder / "truth")
    assert read_trial_cohort(folder).fingerprint == trial.cohort.fingerprint
    with pytest.raises(IntegrityError, match="missing"):
        read_truth(folder)
    assert "mu" not in (folder / "observed" / "schema.yaml").read_text()


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = write_trial(simulate(scenario("s02_linear_rct", n=60), seed=5), tmp_path / "trial")
    with (folder / "observed" / "patients.parquet").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(IntegrityError, match=r"1 changed since it was written: observed/patients\.parquet"):
        read_trial_cohort(folder)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    trial = simulate(scenario("s02_linear_rct", n=60), seed=5)
    write_trial(trial, tmp_path / "trial")
    with pytest.raises(OutputExistsError):
        write_trial(trial, tmp_path / "trial")
    write_trial(trial, tmp_path / "trial", overwrite=True)


def test_a_semi_synthetic_truth_needs_its_real_cohort(tmp_path: Path) -> None:
    real = simulate(scenario("s02_linear_rct", n=100), seed=5).cohort
    trial = simulate(scenario("s02_linear_rct", n=60, covariates=RealResample()), seed=5, cohort=real)
    folder = write_trial(trial, tmp_path / "trial")
    with pytest.raises(DataError, match="give the real cohort="):
        read_truth(folder)
    table = trial.cohort.table[:5]
    assert read_truth(folder, cohort=real).cate(table).equals(trial.truth.cate(table))
