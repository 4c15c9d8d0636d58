"""Baseline columns: drawn from a menu of clinical ones, resampled from a real cohort, or drawn from one learned."""

from medresponse.synthetic.mechanisms.covariates.clinical import GaussianCopula
from medresponse.synthetic.mechanisms.covariates.real import FittedCopula, RealResample

__all__ = ["FittedCopula", "GaussianCopula", "RealResample"]
