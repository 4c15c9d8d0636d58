"""How much more often an attack succeeds on the patients learned from than on others, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054  # of a 95% interval


@dataclass(frozen=True)
class Tally:
    """Successes of one attack.

    Parameters
    ----------
    check : str
    hits, tries : float
        On the patients that the generator learned from.
    control_hits, control_tries : float
        The same attack on patients that it never saw: success by what anybody could know of such patients.
    paired : bool
        Whether each try succeeds on one side or the other, so that the rates sum to 1; their excess is a plain difference. Else
        it counts relative to what the control leaves to gain.
    """

    check: str
    hits: float
    tries: float
    control_hits: float
    control_tries: float
    paired: bool = False


@dataclass(frozen=True)
class Risk:
    """An excess of success with its 95% interval; 0 means no more than on patients never seen."""

    value: float
    lower: float
    upper: float


def wilson(hits: float, tries: float) -> tuple[float, float]:
    """Return the 95% interval of a rate (Wilson 1927, J Am Stat Assoc 22:209); (0, 1) without a try."""
    if tries == 0:
        return 0.0, 1.0
    rate, share = hits / tries, Z**2 / tries
    centre = (rate + share / 2) / (1 + share)
    half = Z * math.sqrt(rate * (1 - rate) / tries + share / (4 * tries)) / (1 + share)
    return max(0.0, centre - half), min(1.0, centre + half)


def risk_of(tallies: Sequence[Tally], *, most: int) -> Risk:
    """Return the excess over all splits.

    Parameters
    ----------
    tallies : sequence of Tally
        Of one check, one a split.
    most : int
        Patients of the cohort: splits share them, so that their attempts count for no more than so many.

    Notes
    -----
    The excess over the control is ``(p - c) / (1 - c)`` (Giomi et al. 2023, Proc Priv Enh Tech 2023(2):312, section 3); its
    interval combines the Wilson intervals of both rates by the propagation of Newcombe 1998 (Stat Med 17:873, method 10). Of
    paired rates it is ``p - c = 2 p - 1``, with the Wilson interval of `p`: wider than needed for an area under the curve.
    """
    tries, control = sum(t.tries for t in tallies), sum(t.control_tries for t in tallies)
    if tries == 0 or control == 0:
        return Risk(0.0, 0.0, 1.0)
    p = sum(t.hits for t in tallies) / tries
    c = sum(t.control_hits for t in tallies) / control
    p_low, p_high = wilson(p * min(tries, most), min(tries, most))
    if tallies[0].paired:
        return Risk(p - c, 2 * p_low - 1, 2 * p_high - 1)
    if c == 1:
        return Risk(0.0, 0.0, 1.0)
    c_low, c_high = wilson(c * min(control, most), min(control, most))
    slope_p, slope_c = 1 / (1 - c), (1 - p) / (1 - c) ** 2
    value = (p - c) / (1 - c)
    below = math.hypot(slope_p * (p - p_low), slope_c * (c_high - c))
    above = math.hypot(slope_p * (p_high - p), slope_c * (c - c_low))
    return Risk(value, value - below, min(1.0, value + above))
