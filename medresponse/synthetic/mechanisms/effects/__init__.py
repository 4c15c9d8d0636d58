"""How each treatment's effect depends on the patient."""

from medresponse.synthetic.mechanisms.effects.loss_of_function import LossOfFunction
from medresponse.synthetic.mechanisms.effects.modifiers import RATIOS, Modifiers
from medresponse.synthetic.mechanisms.effects.sensitivity import Sensitivity

__all__ = ["RATIOS", "LossOfFunction", "Modifiers", "Sensitivity"]
