from __future__ import annotations

from importlib import metadata

import pytest

from medresponse.core.provenance import versions


@pytest.mark.parametrize("package", ["pymc", "nutpie", "numba"])
def test_versions_name_every_sampler_that_is_installed_and_say_which_is_not(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} 1.2")
    assert versions()[package] == f"{package} 1.2"

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert versions()[package] == "absent"
