"""What a model must reach on patients it has not seen before a clinician reads a page of it: limits and verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GateLimits:
    """Limits declared before anything is measured.

    A gate is failed where what is measured lies outside the tolerated range, by more than chance: the interval excludes
    the ideal value as well. It is failed too where there are too few patients to tell, which a half-width above the
    resolution says. Limits on gaps are in units of the response's scale: 1 for a
    probability, the horizon for a time, two standard deviations of the outcome for everything else.

    Parameters
    ----------
    level : float
        Probability of each gate's interval. A perfect model fails a gate by chance once in ``1 / (1 - level)``; with
        eleven gates at 0.995, about once in twenty.
    gap, gap_resolution : float
        Largest gap of the mean response under each option, predicted less observed (calibration in the large).
    slope : (float, float)
        Range of the calibration slope of the response under the option received.
    ici : float
        Largest integrated calibration index: mean distance of predicted from smoothed observed responses.
    benefit_resolution : float
        Half-width of the gap between predicted and observed average benefit; the tolerated gap is the smallest
        worthwhile benefit.
    benefit_slope : (float, float)
        Range of the slope of observed on predicted benefit.
    pit : float
        Largest distance of the distribution of PIT values from the uniform.
    coverage : float
        Largest distance of the coverage of 90% predictive intervals from 0.90.
    concordance : float
        Least probability of ranking two patients right.
    skill : float
        Least share of the arm averages' squared error that the model removes; a little below zero, since a model in
        which nothing matters is no worse than they are.
    width : float
        Largest ratio of how far refits differ to how far their posterior says they might.

    Raises
    ------
    ValueError
        If a limit is not a finite number, or `level` no probability.
    """

    level: float = 0.995
    gap: float = 0.05
    gap_resolution: float = 0.10
    slope: tuple[float, float] = (0.9, 1.1)
    ici: float = 0.05
    benefit_resolution: float = 0.15
    benefit_slope: tuple[float, float] = (1.0, 1.0)
    pit: float = 0.05
    coverage: float = 0.03
    concordance: float = 0.5
    skill: float = -0.01
    width: float = 1.25

    def __post_init__(self) -> None:
        every = [self.level, self.gap, self.gap_resolution, *self.slope, self.ici, self.benefit_resolution]
        every += [*self.benefit_slope, self.pit, self.coverage, self.concordance, self.skill, self.width]
        if not all(math.isfinite(value) for value in every) or not 0 < self.level < 1:
            raise ValueError("every limit is a finite number, and level lies between 0 and 1")


GATES = {
    "sampler": "Sampler checks that fail",
    "calibration_in_the_large": "Mean response, predicted less observed",
    "calibration_slope": "Calibration slope",
    "calibration_curve": "Integrated calibration index",
    "benefit_in_the_large": "Average benefit, predicted less observed",
    "benefit_slope": "Slope of observed on predicted benefit",
    "predictive_distribution": "Distance of PIT values from the uniform",
    "predictive_coverage": "Coverage of 90% predictive intervals",
    "concordance": "Probability of ranking two patients right",
    "skill": "Squared error less than that of arm averages",
    "interval_width": "Spread of refits over the spread that intervals allow for",
}
"""What each gate measures, in words."""

REASONS = {
    "within": "within the tolerated range, or outside it by chance",
    "outside": "outside the tolerated range, by more than chance",
    "too_few": "too few patients to tell",
    "not_measured": "could not be measured",
    "diagnostics": "a fit or refit fails its diagnostics: sample longer, or mend the model",
}
"""Why a gate is passed or failed, in words."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One measured quantity against its limit.

    Parameters
    ----------
    name : str
        What was measured, a key of `GATES`.
    of : str
        The option that it was measured for, in words; empty where it is about all.
    measured, lower, upper : float or None
        The quantity and its interval; None where it is not a number, and then the gate is failed.
    limit : (float or None, float or None)
        Tolerated range, open where None.
    ideal : (float or None, float or None)
        What a perfect model has, in the same way.
    resolution : float or None
        Half-width that the interval must not exceed.
    passed : bool
    reason : str
        Why, a key of `REASONS`.

    Raises
    ------
    ValueError
        If it is passed without numbers to show for it, or has a name or reason that is not known.
    """

    name: str
    of: str = ""
    measured: float | None
    lower: float | None
    upper: float | None
    limit: tuple[float | None, float | None]
    ideal: tuple[float | None, float | None]
    resolution: float | None = None
    passed: bool
    reason: str

    def __post_init__(self) -> None:
        if self.name not in GATES or self.reason not in REASONS:
            raise ValueError(f"no gate {self.name!r} with reason {self.reason!r}")
        numbers = (self.measured, self.lower, self.upper)
        if self.passed and not all(value is not None and math.isfinite(value) for value in numbers):
            raise ValueError(f"gate {self.name!r} cannot be passed: what it measures is not a number")

    @property
    def words(self) -> str:
        """The gate and why it is passed or failed."""
        return f"{GATES[self.name]}{', ' + self.of if self.of else ''}: {REASONS[self.reason]}"


def judge(
    name: str,
    measured: float,
    lower: float,
    upper: float,
    *,
    limit: tuple[float | None, float | None],
    ideal: tuple[float | None, float | None] | None = None,
    of: str = "",
    resolution: float | None = None,
) -> Gate:
    """Return the verdict on one quantity; NaN and infinity fail.

    Parameters
    ----------
    name : str
        A key of `GATES`.
    measured, lower, upper : float
        The quantity and its interval.
    limit : (float or None, float or None)
        Tolerated range, open where None.
    ideal : (float or None, float or None), optional
        What a perfect model has; the tolerated range itself by default.
    of : str, optional
        The option it is about, in words.
    resolution : float, optional
        Largest half-width at which the interval tells anything.
    """
    numbers = [float(value) if math.isfinite(value) else None for value in (measured, lower, upper)]
    best = limit if ideal is None else ideal
    # Written so that NaN takes the first branch.
    if None in numbers or not lower <= upper:
        reason = "not_measured"
    elif not _overlap(limit, measured, measured) and not _overlap(best, lower, upper):
        reason = "outside"
    elif resolution is not None and (upper - lower) / 2 > resolution:
        reason = "too_few"
    else:
        reason = "within"
    return Gate(
        name=name, of=of, measured=numbers[0], lower=numbers[1], upper=numbers[2], limit=limit, ideal=best,
        resolution=resolution, passed=reason == "within", reason=reason,
    )  # fmt: skip


def _overlap(bounds: tuple[float | None, float | None], lower: float, upper: float) -> bool:
    low, high = bounds
    return (low is None or upper >= low) and (high is None or lower <= high)
