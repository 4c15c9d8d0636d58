"""Features: encoding learned on training rows, imputation of missing values, and the design."""

from medresponse.features.design import Grouping, Layout, treatment_contrasts
from medresponse.features.encoding import Encoding, FeatureEncoding, fit_encoding
from medresponse.features.latent_normal import LatentNormal, fit_latent_normal

__all__ = [
    "Encoding",
    "FeatureEncoding",
    "Grouping",
    "LatentNormal",
    "Layout",
    "fit_encoding",
    "fit_latent_normal",
    "treatment_contrasts",
]
