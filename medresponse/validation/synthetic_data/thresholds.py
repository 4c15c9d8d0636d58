"""From where on a report says that something was found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Limits of a report.

    Parameters
    ----------
    risk : float
        Largest excess risk of any attack: 0.09, about one in eleven, is what has been used for identity disclosure in
        synthetic data (El Emam, Mosquera & Bass 2020, J Med Internet Res 22:e23139).
    copies : float
        Largest excess share of exact copies; convention of this package.
    marginal, correlation : float
        Largest mean distance of margins and of correlations; conventions of this package.
    detection : float
        Largest area under the curve of a forest that tells made-up from real; convention of this package. Copies of
        the real patients themselves do not reach 0.5: a forest sees that they come twice.
    concordance : float
        Largest loss of concordance of a model trained on made-up patients; convention of this package.
    effect : float
        Largest mean shift of a treatment effect, in standard deviations of the real effect between splits: beyond 1, the
        generator moves the effect by more than chance does. Convention of this package.
    effect_spread : float
        Largest standard deviation of that shift between single draws, in the same unit: a release is one draw. A draw of as
        many patients alone makes it about 1.4, since halves of one cohort differ by less than patients drawn anew. Convention of
        this package.
    splits : int
        Splits below which no interval of an effect is to be relied on.
    """

    risk: float = 0.09
    copies: float = 0.01
    marginal: float = 0.10
    correlation: float = 0.10
    detection: float = 0.80
    concordance: float = 0.05
    effect: float = 1.0
    effect_spread: float = 2.0
    splits: int = 20
