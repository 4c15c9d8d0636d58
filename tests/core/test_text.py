from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medresponse.core.text import canonical_text, event_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"), (1.0, "1"), ("1", "1"), (" 1.00 ", "1"), (np.float64(1), "1"), (-2.0, "-2"), (1.5, "1.5"),
        (True, "true"), ("TRUE", "true"), (np.True_, "true"), ("False", "false"), (False, "false"),
        ("01", "01"), ("1.10", "1.10"), ("*1/*2", "*1/*2"), ("Not Known", "Not Known"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_a_value_has_one_spelling(value: object, text: str) -> None:
    assert canonical_text(value) == text


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans()))
def test_the_spelling_of_a_spelling_is_itself(value: object) -> None:
    assert canonical_text(canonical_text(value)) == canonical_text(value)


def test_for_events_true_is_one() -> None:
    assert {event_text(value) for value in (1, 1.0, "1", True, "True")} == {"1"}
    assert {event_text(value) for value in (0, 0.0, "0", False, "FALSE")} == {"0"}
