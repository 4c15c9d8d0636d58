"""Fidelity of made-up patients, and what they give away of the real ones."""

from medresponse.validation.synthetic_data.assess import assess_generator
from medresponse.validation.synthetic_data.controls import Bootstrap
from medresponse.validation.synthetic_data.report import SyntheticReport
from medresponse.validation.synthetic_data.thresholds import Thresholds

__all__ = ["Bootstrap", "SyntheticReport", "Thresholds", "assess_generator"]
