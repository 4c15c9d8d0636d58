"""What every study shares: its folder, its fits, and the collecting of metrics, figures and tables."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from experiments.metrics import save_metrics
from medresponse.cohort import Cohort
from medresponse.core import audit
from medresponse.core.atomic import sha256_of, write_text
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import OutputExistsError, SpecError
from medresponse.core.figure import svg_of
from medresponse.core.machine import described
from medresponse.core.manifest import verify_manifest, write_manifest
from medresponse.core.provenance import utc_now, versions
from medresponse.core.registry import name_of
from medresponse.core.rng import checked_seed
from medresponse.inference import ChainEngine, Engine, Fit, engine_for, fit, fit_many, save_fit
from medresponse.inference.kernel_cache import policy
from medresponse.model import ModelSpec
from medresponse.validation import Estimate

log = logging.getLogger("medresponse.experiments")

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "experiments" / "results"
OF_THE_RUN = (
    "action",
    "existing",
    "record",
    "output",
    "workers",
)  # entries of a configuration that move no result
BATCHES = 20  # of posterior draws, for Monte Carlo errors: 5 a chain of a fit without imputation


@dataclass
class Study:
    """One run of one experiment.

    Parameters
    ----------
    config : mapping
        The composed configuration as plain data.
    folder : Path
        Where everything is written.
    """

    config: Mapping[str, Any]
    folder: Path
    metrics: dict[str, Estimate] = field(default_factory=dict)
    figures: list[tuple[str, str, str, str]] = field(default_factory=list)
    tables: list[tuple[pl.DataFrame, str]] = field(default_factory=list)
    fits: dict[str, Fit] = field(default_factory=dict)
    cohorts: dict[str, str] = field(default_factory=dict)
    samplers: set[str] = field(default_factory=set)  # of fits that are not kept
    started: float = field(default_factory=time.perf_counter)
    code: str = field(default_factory=lambda: code_hash())  # as it was when the run began

    @property
    def seed(self) -> int:
        """Seed of everything random in the study."""
        return checked_seed(self.config.get("seed"))

    @property
    def engine(self) -> ChainEngine:
        """Sampler settings for specs that NUTS samples, no longer than the configured size allows."""
        settings = dict(self.config["engine"])
        most = self.config["size"].get("most", {})
        most = {k: min(settings[k], bound) for k, bound in most.items()}
        engine = from_plain(Engine, settings | most, path="engine")  # type: ignore[type-abstract]
        if not isinstance(engine, ChainEngine):
            raise SpecError(
                f"engine: {name_of(type(engine))!r} is for trees and hinges; choose it as +engine@trees_engine={name_of(type(engine))}"
            )
        return engine

    def engine_with(self, *, draws: int) -> ChainEngine:
        """Sampler settings with another number of draws a chain."""
        return replace(self.engine, draws=draws)  # type: ignore[type-var]  # every engine is a frozen dataclass

    def engine_for(self, spec: ModelSpec) -> Engine:
        """Sampler settings for a spec: with trees or hinges the configured `trees_engine`, or that engine's defaults."""
        if not spec.searches:
            return self.engine
        if "trees_engine" not in self.config:
            return engine_for(spec)
        return from_plain(Engine, self.config["trees_engine"], path="trees_engine")  # type: ignore[type-abstract]

    def spec(self, name: str) -> ModelSpec:
        """Decode one of the study's model specs."""
        return from_plain(ModelSpec, self.config["spec"][name], path=f"spec.{name}")

    def data_folder(self) -> Path:
        """Return the folder of shared data, as the configuration gives it."""
        return (ROOT / str(self.config["data_root"])).resolve()

    def fit(
        self, name: str, spec: ModelSpec, cohort: Cohort, *, outcome: str, engine: Engine | None = None
    ) -> Fit:
        """Fit, save and remember one model, by default with `engine_for` its spec."""
        log.info("fitting %s", name)
        self.cohorts[cohort.schema.name] = cohort.fingerprint
        one = fit(
            spec,
            cohort,
            outcome=outcome,
            engine=engine or self.engine_for(spec),
            seed=self.seed,
            checkpoint=self.folder / ".chains",
        )
        require_whole([one], 1)
        self.fits[name] = one
        target = self.folder / "fits" / name
        save_fit(one, target, overwrite=target.exists())
        return one

    def fit_folds(
        self, name: str, spec: ModelSpec, cohorts: Sequence[Cohort], *, outcome: str
    ) -> tuple[Fit, ...]:
        """Fit one spec to several cohorts, compiled once; finished chains survive an interrupt."""
        log.info("fitting %s (%d data set(s))", name, len(cohorts))
        for cohort in cohorts:
            self.cohorts[cohort.schema.name] = cohort.fingerprint
        fits = fit_many(
            spec,
            cohorts,
            outcome=outcome,
            engine=self.engine_for(spec),
            seed=self.seed,
            checkpoint=self.folder / ".chains",
        )
        require_whole(fits, len(cohorts))
        return fits

    def record(self, name: str, value: float | Estimate, *, unit: str = "1") -> None:
        """Keep one metric; a bare number is deterministic, with a Monte Carlo error of zero."""
        self.metrics[name] = value if isinstance(value, Estimate) else Estimate(float(value), 0.0, unit)

    def figure(self, name: str, figure: Any, *, caption: str, alt: str) -> None:
        """Write a matplotlib figure as SVG and keep it for the index page."""
        svg = svg_of(figure)
        write_text(self.folder / "figures" / f"{name}.svg", svg)
        self.figures.append((name, caption, svg, alt))

    def table(self, frame: pl.DataFrame, *, caption: str) -> None:
        """Keep a table for the index page."""
        self.tables.append((frame, caption))

    def finish(self) -> None:
        """Write metrics, config and manifest; drop the chains kept against an interrupt."""
        save_metrics(self.folder / "metrics.json", self.metrics)
        write_text(self.folder / "config.yaml", yaml.safe_dump(dict(self.config), sort_keys=False))
        shutil.rmtree(self.folder / ".chains", ignore_errors=True)
        write_manifest(self.folder, extra=self.facts())

    def facts(self) -> dict[str, object]:
        """Return what the manifest says besides file hashes."""
        return {
            "command": f"python experiments/run.py experiment={self.config['name']} size={self.config['size']['name']}",
            "config_sha256": config_hash(self.config),
            "lock_sha256": sha256_of(ROOT / "requirements" / "runtime.lock"),
            "code_sha256": self.code,
            "data_sha256": self.cohorts,
            "seed": self.seed,
            "sampler": sorted(self.samplers | {fit.provenance.sampler for fit in self.fits.values()}),
            "engine": to_plain(self.engine),
            "compile_cache": policy(),
            "machine": described(),
            "versions": versions(),
            "seconds": round(time.perf_counter() - self.started, 1),
            "finished_utc": utc_now(),
        }


def require_whole(fits: Sequence[Fit], asked: int) -> None:
    """Stop the study where the user stopped a fit; its finished chains are on disk."""
    if len(fits) < asked or any(one.diagnostics.chains < one.diagnostics.chains_asked for one in fits):
        raise KeyboardInterrupt


def open_folder(config: Mapping[str, Any]) -> Path:
    """Return the study's output folder, made if absent.

    Raises
    ------
    OutputExistsError
        If it is there and the configuration says neither to continue nor to replace it.
    """
    folder = Path(config["output"])
    # A run whose settings were refused leaves an empty folder.
    begun = folder.is_dir() and any(folder.iterdir())
    if begun and config["existing"] == "refuse":
        raise OutputExistsError(
            f"{folder} exists already; say existing=continue to go on from finished chains, existing=replace to "
            "start afresh, or output=<another folder>"
        )
    if config["existing"] == "replace" and folder.exists():
        _empty(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _empty(folder: Path) -> None:
    """Remove a former run; its audit log stays, and says so."""
    if (folder / audit.NAME).is_file():
        audit.append(folder, action="replace", files=dict.fromkeys(audit.replay(folder).files, audit.REMOVED))
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in (audit.NAME, audit.HEAD):
            entry.unlink()


def is_finished(config: Mapping[str, Any], folder: Path) -> bool:
    """Say whether the folder holds the finished run of this configuration and code, checked against its manifest.

    Raises
    ------
    OutputExistsError
        If it holds the finished run of another.
    """
    if not (folder / "manifest.json").is_file():
        return False
    manifest = verify_manifest(folder)
    if (manifest["config_sha256"], manifest["code_sha256"]) != (config_hash(config), code_hash()):
        raise OutputExistsError(
            f"{folder} holds the finished run of another configuration or version; say existing=replace to make it "
            "again, or output=<another folder>"
        )
    return True


def record_results(folder: Path, name: str) -> Path:
    """Copy metrics, manifest and what can move a result of the configuration to the repository's recorded results."""
    verify_manifest(folder)
    target = RESULTS / name
    target.mkdir(parents=True, exist_ok=True)
    facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    metrics = (folder / "metrics.json").read_text(encoding="utf-8")
    write_text(target / "metrics.json", metrics)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if key not in OF_THE_RUN}
    write_text(target / "config.yaml", yaml.safe_dump(kept, sort_keys=False))
    write_manifest(target, extra={k: v for k, v in facts.items() if k != "files"})
    for file in target.iterdir():
        file.chmod(0o644)  # aggregates only: nothing here is about one patient
    return target


def code_hash() -> str:
    """Return one SHA-256 over the package's and the experiments' source files and the configs."""
    digest = hashlib.sha256()
    for folder, pattern in (("medresponse", "*.py"), ("experiments", "*.py"), ("conf", "*.yaml")):
        for file in sorted((ROOT / folder).rglob(pattern)):
            digest.update(file.relative_to(ROOT).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what in a configuration can move a result."""
    moving = {key: value for key, value in config.items() if key not in OF_THE_RUN}
    return hashlib.sha256(json.dumps(moving, sort_keys=True).encode()).hexdigest()
