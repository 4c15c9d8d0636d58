"""Features: encodings, bases of curves, propensity scores, treatment contrasts, design layout and imputation."""

from medresponse.features.basis import Basis
from medresponse.features.by_arm import arms_suffice, fit_by_arm, over_arms
from medresponse.features.design import Grouping, Layout, treatment_contrasts
from medresponse.features.encoding import PROPENSITY, Curve, Encoding, FeatureEncoding, fit_encoding
from medresponse.features.forest import Forest
from medresponse.features.groups import group_indices, group_labels
from medresponse.features.hinges import HingeSum
from medresponse.features.latent_noise import TrueValues, noisy_features, true_values
from medresponse.features.latent_normal import DENSE_LATENTS, LatentNormal, fit_latent_normal
from medresponse.features.latent_redraw import Given
from medresponse.features.propensity import Propensity, fit_propensity

__all__ = [
    "DENSE_LATENTS",
    "PROPENSITY",
    "Basis",
    "Curve",
    "Encoding",
    "FeatureEncoding",
    "Forest",
    "Given",
    "Grouping",
    "HingeSum",
    "LatentNormal",
    "Layout",
    "Propensity",
    "TrueValues",
    "arms_suffice",
    "fit_by_arm",
    "over_arms",
    "fit_encoding",
    "fit_latent_normal",
    "fit_propensity",
    "group_indices",
    "group_labels",
    "noisy_features",
    "treatment_contrasts",
    "true_values",
]
