"""What the tests of readers share."""

from __future__ import annotations

import pytest

from medresponse.cohort import Schema
from medresponse.readers import parts
from tests.hand_made import schema_of

SIZE = 7


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of seven patients."""
    monkeypatch.setattr(parts, "PART", SIZE)


@pytest.fixture
def schema() -> Schema:
    return schema_of()
