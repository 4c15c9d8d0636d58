from __future__ import annotations

import itertools
import math

import pytest

from medresponse.validation import Gate, GateLimits, judge

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "numbers", [n for n in itertools.product((1.0, NAN, INF), repeat=3) if n != (1.0, 1.0, 1.0)]
)
def test_what_is_not_a_number_fails(numbers: tuple[float, float, float]) -> None:
    for limit in ((0.0, 2.0), (None, 2.0), (0.0, None), (None, None)):
        gate = judge("skill", *numbers, limit=limit)
        assert not gate.passed and gate.reason == "not_measured"


def test_a_gate_cannot_be_made_to_pass_without_numbers() -> None:
    for broken in (NAN, INF, None):
        with pytest.raises(ValueError, match="not a number"):
            Gate(
                name="skill",
                measured=broken,
                lower=0.0,
                upper=1.0,
                limit=(0.0, 1.0),
                ideal=(0.0, 1.0),
                passed=True,
                reason="within",
            )


@pytest.mark.parametrize(
    ("lower", "upper", "passed", "reason"),
    [
        (0.02, 0.06, True, "within"),  # off, by no more than is tolerated
        (-0.02, 0.14, True, "within"),  # more than is tolerated, perhaps by chance
        (0.06, 0.10, False, "outside"),
        (0.02, 0.10, False, "outside"),
        (-0.10, -0.06, False, "outside"),
        (-0.2, 0.2, False, "too_few"),
        (0.2, -0.2, False, "not_measured"),
    ],
)
def test_what_is_off_by_more_than_chance_and_more_than_is_tolerated_fails(
    lower: float, upper: float, passed: bool, reason: str
) -> None:
    gate = judge(
        "skill", (lower + upper) / 2, lower, upper, limit=(-0.05, 0.05), ideal=(0.0, 0.0), resolution=0.1
    )
    assert gate.passed is passed and gate.reason == reason


def test_limits_are_numbers() -> None:
    for broken in ({"gap": NAN}, {"slope": (0.9, INF)}, {"level": 1.0}, {"level": 0.0}):
        with pytest.raises(ValueError, match="finite"):
            GateLimits(**broken)  # type: ignore[arg-type]
