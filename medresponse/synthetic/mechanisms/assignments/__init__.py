"""How patients come by their treatments: by randomisation, or by choice."""

from medresponse.synthetic.mechanisms.assignments.observational import Observational
from medresponse.synthetic.mechanisms.assignments.randomised import Randomised

__all__ = ["Observational", "Randomised"]
