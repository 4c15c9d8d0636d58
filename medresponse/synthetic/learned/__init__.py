"""Generators learned from a real cohort: made-up patients with the same columns, and no truth."""

from medresponse.synthetic.learned.base import Columns, Generator, Sampler
from medresponse.synthetic.learned.columns import FEWEST, Column, Layout
from medresponse.synthetic.learned.dp_copula import DPCopula
from medresponse.synthetic.learned.gaussian_copula import GaussianCopula
from medresponse.synthetic.learned.learning import Learned, learn
from medresponse.synthetic.learned.sequential_cart import SequentialCart

__all__ = [
    "FEWEST",
    "Column",
    "Columns",
    "DPCopula",
    "GaussianCopula",
    "Generator",
    "Layout",
    "Learned",
    "Sampler",
    "SequentialCart",
    "learn",
]
