"""Responses of patients under every treatment, and what is said of them."""

from medresponse.response.applicability import (
    Applicability,
    Measures,
    applicability,
    applicability_of,
    measure,
)
from medresponse.response.columns import main_columns
from medresponse.response.contrasts import benefit_of, check_sides, contrast, pairwise, summarise_benefit
from medresponse.response.contributions import NOT_RECORDED, OTHERS, Contributions, contributions
from medresponse.response.curves import (
    incidence_curves,
    mean_incidence,
    mean_survival,
    own_curves,
    survival_curves,
)
from medresponse.response.density import chain_densities, log_predictive_density
from medresponse.response.labels import relabelled
from medresponse.response.ordinal import category_probabilities, superiority
from medresponse.response.predict import linear_predictors
from medresponse.response.prior_part import PriorPart, prior_part
from medresponse.response.responses import Basis, Responses, respond
from medresponse.response.scoring import Scores, score
from medresponse.response.studied import Studied, studied

__all__ = [
    "Applicability",
    "Basis",
    "Contributions",
    "Measures",
    "NOT_RECORDED",
    "OTHERS",
    "PriorPart",
    "Responses",
    "Scores",
    "Studied",
    "applicability",
    "applicability_of",
    "benefit_of",
    "category_probabilities",
    "chain_densities",
    "check_sides",
    "contrast",
    "contributions",
    "incidence_curves",
    "linear_predictors",
    "log_predictive_density",
    "main_columns",
    "mean_incidence",
    "mean_survival",
    "measure",
    "own_curves",
    "pairwise",
    "prior_part",
    "relabelled",
    "respond",
    "score",
    "studied",
    "summarise_benefit",
    "superiority",
    "survival_curves",
]
