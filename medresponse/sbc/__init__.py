"""Simulation-based calibration: posteriors of data drawn from the prior must hold the truth as often as they say."""

from medresponse.sbc.calibration import Calibration, sbc
from medresponse.sbc.outcomes import observe_as
from medresponse.sbc.uniformity import ecdf_band, uniformity

__all__ = ["Calibration", "ecdf_band", "observe_as", "sbc", "uniformity"]
