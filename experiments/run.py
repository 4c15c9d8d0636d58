"""The only Hydra entry: compose a configuration, run or reproduce one experiment.

python experiments/run.py experiment=actg320
python experiments/run.py experiment=actg320 action=reproduce size=ci
"""

from __future__ import annotations

import os

# Chains run side by side, one core each; BLAS threads below them only compete. Set before numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from medresponse.core.errors import MedresponseError, SpecError
from medresponse.core.registry import did_you_mean

STUDIES = (
    "abstention",
    "actg175",
    "actg320",
    "cdisc_pilot",
    "gbsg2",
    "ist",
    "learned",
    "nhefs",
    "oak_poplar",
    "oak_response",
    "oak_terms",
    "scenarios",
    "semi_synthetic",
    "simulation",
    "simulation_knobs",
    "simulation_models",
    "transplants",
    "warfarin",
)


def run(config: Mapping[str, Any]) -> int:
    """Run or reproduce one experiment from its plain configuration; return the exit code."""
    from experiments.metrics import compare, comparison_table, load_metrics
    from experiments.study import RESULTS, Study, is_finished, open_folder, record_results
    from medresponse.core.manifest import verify_manifest

    name = config["name"]
    if name not in STUDIES:
        raise SpecError(f"experiment: no study {name!r}; {did_you_mean(name, STUDIES)}")
    if config["action"] == "reproduce":
        verify_manifest(RESULTS / name)
    study = Study(config, open_folder(config))
    if not is_finished(config, study.folder):
        importlib.import_module(f"experiments.{config.get('study', name)}").run(study)
        study.finish()
    if config["record"]:
        print(f"recorded: {record_results(study.folder, name)}")
    if config["action"] == "reproduce":
        rows = compare(
            load_metrics(RESULTS / name / "metrics.json"), load_metrics(study.folder / "metrics.json")
        )
        breaches = [row for row in rows if not row.holds]
        print(comparison_table(rows))
        print(f"{len(rows) - len(breaches)} of {len(rows)} metrics agree within Monte Carlo error")
        return 1 if breaches else 0
    print(f"metrics: {study.folder / 'metrics.json'}")
    print(f"report to open: {study.folder / 'index.html'}")
    return 0


def ended(error: MedresponseError | KeyboardInterrupt, folder: Path) -> int:
    """Say on stderr why a run ended before it was finished; return the exit code."""
    if isinstance(error, MedresponseError) and error.code != "interrupted":
        print(f"error: {error}", file=sys.stderr)
        return 2
    # Stopped before the first chain of one fit, those of the fits before it are there all the same.
    print(f"interrupted: finished chains are kept in {folder}; go on with existing=continue", file=sys.stderr)
    return 130


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(composed: DictConfig) -> None:
    """Compose, run, and turn a known error into one message and a non-zero exit code."""
    plain = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(plain, dict)
    try:
        sys.exit(run({str(key): value for key, value in plain.items()}))
    except (MedresponseError, KeyboardInterrupt) as error:
        sys.exit(ended(error, Path(str(plain["output"]))))


if __name__ == "__main__":
    from experiments.choices import check_choices
    from experiments.scenario_groups import store

    # Recorded numbers should not depend on what this machine has compiled before.
    os.environ.setdefault("MEDRESPONSE_KERNELS", "reproducible")
    store()
    logging.getLogger("medresponse").setLevel(logging.INFO)
    logging.getLogger("pytensor").setLevel(logging.WARNING)  # Hydra would log what it says of its settings
    try:
        check_choices(sys.argv[1:])
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    main()
