import numpy as np
import pytest
import yaml

from experiments.metrics import load_metrics
from experiments.simulation import patients_needed, spec_for
from experiments.study import RESULTS, ROOT
from medresponse.synthetic.scenario import scenario
from medresponse.synthetic.simulation import simulate


@pytest.fixture(scope="module")
def models():
    return yaml.safe_load((ROOT / "conf" / "experiment" / "simulation.yaml").read_text())["models"]


def test_patients_needed_follows_the_root_of_n():
    sizes = [250, 500, 1000]
    widths = [40 / np.sqrt(n) for n in sizes]
    assert patients_needed(sizes, widths, 1.0) == 1600


@pytest.mark.parametrize(
    ("sizes", "widths", "words"),
    [
        ([250], [1.0], "one size"),
        ([250, 500], [1.0, 1.1], "do not narrow"),
        ([250, 500], [9.0, 8.9], "more than 5000"),
    ],
)
def test_patients_needed_says_when_it_cannot_tell(sizes, widths, words):
    assert words in patients_needed(sizes, widths, 1.0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("s02_linear_rct", "gaussian"), ("s05_hidden_confounder", "gaussian"), ("s06_pgx_ancestry", "binary"),
     ("s08_survival_nonph", "weibull"), ("s09_competing_informative", "competing"), ("s11_sites_shift", "gaussian"), ("s12_tgi_dose", "tumour_growth")],
)  # fmt: skip
def test_the_spec_fits_the_trial(models, name, kind):
    trial = simulate(scenario(name, n=50), seed=1)
    spec = spec_for(models[kind], trial)
    assert set(spec.blocks) == set(trial.cohort.schema.features)
    assert spec.pooling == trial.cohort.schema.sites
    observational = trial.cohort.schema.treatment.assignment == "observational"
    assert spec.confounding == ("measured" if observational else None)


def test_recorded_run_recovers_the_linear_truth_and_its_fits_converge():
    metrics = {name: m.value for name, m in load_metrics(RESULTS / "simulation" / "metrics.json").items()}
    sizes = (250, 500, 1000, 2000)
    for of in ("drug_a_minus_control", "drug_b_minus_control"):
        roots = [metrics[f"n{n}.root_pehe.{of}"] for n in sizes]
        assert roots == sorted(roots, reverse=True)
        assert all(0.85 < metrics[f"n{n}.coverage.{of}"] < 1.0 for n in sizes)
