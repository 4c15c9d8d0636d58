"""Averages over patients, gathered chunk by chunk, against all patients' responses at once."""

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from experiments import ist
from experiments.ist import over_patients
from medresponse.cohort import Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.families import Bernoulli
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import predict, respond
from tests.hand_made import hand_made_fit

DRAWS = 40
SCHEMA = {
    "name": "made-up trial", "source": "invented", "id": "patient", "synthetic": True, "sites": ["country"],
    "treatment": {"column": "aspirin", "reference": "no", "assignment": "randomised", "levels": {"no": {}, "yes": {}}},
    "outcomes": {
        "dead_or_dependent": {
            "kind": "binary", "column": "event", "event_value": True, "other_value": False, "event_label": "dead",
            "free_label": "alive", "direction": "event_is_worse",
        }
    },
    "features": {"history": {"heparin": {"type": "categorical", "levels": ["none", "low", "medium"]}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def cohort():
    rng, n = np.random.default_rng(2), 60
    frame = pl.DataFrame(
        {
            "patient": [f"P{i:02d}" for i in range(n)], "aspirin": ["no", "yes"] * (n // 2), "event": rng.random(n) < 0.5,
            "heparin": rng.choice(["none", "low", "medium"], n, p=[0.5, 0.25, 0.25]),
            "country": ["Utopia"] * 35 + ["Erewhon"] * 20 + ["Laputa"] * 5,
        }
    )  # fmt: skip
    return cohort_from_frame(frame, from_plain(Schema, SCHEMA))


@pytest.fixture(scope="module")
def fit(cohort):
    rng = np.random.default_rng(3)
    spec = ModelSpec(family=Bernoulli(), blocks={"history": Normal(sigma=1.0)})
    probe = hand_made_fit(
        spec, cohort, outcome="dead_or_dependent", draws=DRAWS, coefficients={}, intercept=0.0
    )
    values = {name: rng.normal(0.0, 0.6, DRAWS) for name in probe.layout.coefficient_labels}
    intercept = rng.normal(0.3, 0.2, DRAWS)
    return hand_made_fit(
        spec,
        cohort,
        outcome="dead_or_dependent",
        draws=DRAWS,
        imputation=(0, 0),
        coefficients=values,
        intercept=intercept,
    )


@pytest.mark.parametrize("patients_at_once", [60, 7, 1])
def test_one_pass_by_chunks_gives_what_all_patients_at_once_do(cohort, fit, monkeypatch, patients_at_once):
    monkeypatch.setattr(ist, "LARGE_COUNTRY", 20)
    risk = respond(fit, cohort, draws=None).draws().values
    effect, benefit = logit(risk[:, 1]) - logit(risk[:, 0]), 1000 * (risk[:, 0] - risk[:, 1])
    monkeypatch.setattr(predict, "_CHUNK_NUMBERS", patients_at_once * 2 * DRAWS)
    over = over_patients(fit, cohort)
    for found, wanted in {
        "mean_effect": effect.mean(axis=0), "sd_effect": effect.std(axis=0), "mean_benefit": benefit.mean(axis=0),
        "sd_benefit": benefit.std(axis=0),
    }.items():  # fmt: skip
        np.testing.assert_allclose(getattr(over, found), wanted, rtol=1e-9)
    heparin, country = (cohort.table[name].cast(pl.String).to_numpy() for name in ("heparin", "country"))
    groups = {f"heparin_{name}": heparin == name for name in ("none", "low", "medium")}
    groups |= {
        f"country_{name}": country == name for name in ("Erewhon", "Utopia")
    }  # Laputa has five patients
    assert set(over.by_group) == set(groups)
    for name, members in groups.items():
        np.testing.assert_allclose(over.by_group[name], benefit[members].mean(axis=0), rtol=1e-9)
    assert over.sd_of_means.value == pytest.approx(effect.mean(axis=1).std(), rel=1e-9)
    assert (
        over.sd_of_means.value < over.sd_effect.mean()
    )  # which holds what is not known of each effect besides
