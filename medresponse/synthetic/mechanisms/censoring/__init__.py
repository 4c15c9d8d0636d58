"""When follow-up ends."""

from medresponse.synthetic.mechanisms.censoring.ends import Administrative, Informative, Uncensored

__all__ = ["Administrative", "Informative", "Uncensored"]
