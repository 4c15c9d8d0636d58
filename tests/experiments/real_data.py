"""Source configurations and their data, for tests that skip where the data are absent."""

import importlib.util
from pathlib import Path

import pytest

from experiments.sources import read_source
from experiments.study import ROOT
from medresponse.core.strict_yaml import load_yaml

CONF = ROOT / "conf"


def source(name):
    return load_yaml((CONF / "source" / f"{name}.yaml").read_text(encoding="utf-8"))


def data_root() -> Path:
    return (ROOT / load_yaml((CONF / "config.yaml").read_text(encoding="utf-8"))["data_root"]).resolve()


def needs_folder(name):
    """Mark tests of a source whose files are not part of the repository."""
    folder = source(name)["folder"]
    return pytest.mark.skipif(not (data_root() / folder).is_dir(), reason=f"no {folder} under data_root")


def needs_package(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")


def cohort(name, build, analysis=None):
    return read_source(source(name), data_root(), build, analysis=analysis)
