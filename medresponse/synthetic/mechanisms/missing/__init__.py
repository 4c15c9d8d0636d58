"""What is not recorded: values of features, and outcomes."""

from medresponse.synthetic.mechanisms.missing.dropout import CompleteFollowUp, Leaving
from medresponse.synthetic.mechanisms.missing.features import AtRandom, Complete

__all__ = ["AtRandom", "Complete", "CompleteFollowUp", "Leaving"]
