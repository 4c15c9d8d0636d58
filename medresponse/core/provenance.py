"""Where a result comes from: versions, seeds, fingerprints."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

_PACKAGES = (
    "medresponse",
    "pymc",
    "pytensor",
    "nutpie",
    "numba",
    "numpy",
    "scipy",
    "polars",
    "xarray",
    "scikit-survival",
)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything needed to say how a fit was made.

    Parameters
    ----------
    cohort_name, cohort_source, cohort_fingerprint : str
    synthetic : bool
        Whether the patients are made up.
    n_patients : int
    flow : tuple of (str, int)
        Reasons for exclusion and counts.
    spec_hash : str
        SHA-256 of the spec and engine.
    seed : int
    engine : dict
        Engine as plain data; `sampler` names the library and version that ran.
    sampler : str
    imputations : int
        Completed data sets whose posteriors are pooled; 1 if nothing was missing.
    compile_seconds, sample_seconds : float
    versions : dict
        Package -> version, with ``python`` and ``platform``.
    created_utc : str
    formulation : tuple of str
        In which other, equivalent coordinates the posterior was sampled, in words; empty for the plain ones.
    kernels : str
        Policy by which compiled models were kept: ``kept``, ``reproducible`` or ``off`` (see `inference.kernel_cache`); empty for
        a sampler that compiles nothing.
    """

    cohort_name: str
    cohort_source: str
    cohort_fingerprint: str
    synthetic: bool
    n_patients: int
    flow: tuple[tuple[str, int], ...]
    spec_hash: str
    seed: int
    engine: dict[str, object]
    sampler: str
    imputations: int
    compile_seconds: float
    sample_seconds: float
    versions: dict[str, str]
    created_utc: str
    formulation: tuple[str, ...] = ()
    kernels: str = ""


def versions() -> dict[str, str]:
    """Return versions of the packages that move numbers, of Python, and the platform."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


@functools.cache
def own_version() -> str:
    """Return the version of this package."""
    return metadata.version("medresponse")


def utc_now() -> str:
    """Return the time as ISO 8601 UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
