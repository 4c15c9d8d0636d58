"""What experiments show of groups of patients: nothing that speaks of fewer than 11."""

from __future__ import annotations

import polars as pl

from experiments.figures import calibration_figure
from experiments.reporting import calibration_evidence

TABLE = pl.DataFrame(
    {
        "n": [200, 200, 9], "events": [4, 60, 3], "predicted": [0.97, 0.72, 0.5], "observed": [0.98, 0.70, 0.66],
        "lower": [0.95, 0.63, 0.3], "upper": [0.99, 0.76, 0.9],
    }
)  # fmt: skip


def test_a_line_of_calibration_leaves_small_groups_out() -> None:
    made = calibration_evidence(TABLE, name="Free of relapse", detail="made up")
    assert made.value == "predicted 97, 72, 50; observed not shown, 70, not shown of 100"
    known = calibration_evidence(TABLE.drop("events"), name="Dose", detail="made up")
    assert known.value == "predicted 97, 72, 50; observed 98, 70, not shown of 100"


def test_a_figure_of_calibration_has_a_point_only_for_groups_that_may_be_shown() -> None:
    (axes,) = calibration_figure(TABLE, label="free of relapse").axes
    points = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    assert [list(x) for x in points] == [[0.72]]
    assert calibration_figure(TABLE.head(1), label="nobody").axes
