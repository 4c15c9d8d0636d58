"""The one browser of a run. Where none is found tests are skipped and say so; with MEDRESPONSE_BROWSER=required they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.reports.browser.real import Browser, missing


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    absent = missing()
    if absent and os.environ.get("MEDRESPONSE_BROWSER") == "required":
        pytest.fail(absent)
    if absent:
        pytest.skip(absent)
    with Browser() as made:
        yield made
