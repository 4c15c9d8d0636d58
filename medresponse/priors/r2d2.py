"""R2D2: a prior on the share of variance that a block explains, dealt out over its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive, unit_normal


@register(Prior, "r2d2")
@dataclass(frozen=True, kw_only=True, slots=True)
class R2D2:
    """Normal coefficients whose joint variance follows from a beta prior on the block's R^2.

    ``R^2 ~ beta(mean * precision, (1 - mean) * precision)``, ``phi ~ Dirichlet(concentration)`` over the columns
    and ``coefficient_j ~ normal(0, latent_sd * sqrt(R^2 / (1 - R^2) * phi_j) / column_sd_j)``: a priori the
    block's part of the predictor has ``R^2 / (1 - R^2)`` times the variance that the outcome has given the
    predictor, of which column j has the share phi_j.

    R^2 is the share that this block would explain by itself. For outcomes that are not normal it is the share on
    the latent scale of the predictor (logistic: pi^2 / 3), where it does not depend on the intercept.
    With many more columns than patients the shares even out and the posterior mixes badly: use `Horseshoe` there.
    For effect modification R^2 compares the variance of the benefit over patients with that latent variance.

    Parameters
    ----------
    mean : float
        Prior mean of R^2, between 0 and 1. At the default of 0.2 the whole block's part of a log odds has a
        standard deviation near 0.9 over patients (one at +1 has 2.5 times the average odds), and each of ten equal
        columns a coefficient near 0.3.
    precision : float
        ``beta`` sample size; 5 with the default mean has its mode at 0 and 5% of its mass above 0.53. Small values
        say little about R^2.
    concentration : float
        Of the Dirichlet; small values expect few columns to carry the block, large ones all of them alike. Up to
        0.5 each coefficient's density is unbounded at zero.

    References
    ----------
    Aguilar & Bürkner (2023), Electron J Stat 17:1711 (R2D2M2: standardisation by column, hyperparameters); Zhang,
    Naughton, Bondell & Reich (2022), J Am Stat Assoc 117:862; Yanchenko, Bondell & Reich (2021), arXiv:2111.10718,
    and McKelvey & Zavoina (1975), J Math Sociol 4:103 (R^2 of outcomes that are not normal).
    """

    mean: float = 0.2
    precision: float = 5.0
    concentration: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.mean < 1:
            raise ValueError("mean must lie between 0 and 1: it is the prior mean of R^2")
        require_positive(self.precision, "precision")
        require_positive(self.concentration, "concentration")

    def coefficients(
        self, name: str, *, columns: tuple[Column, ...], dims: str, scales: Scales, positive: bool = False
    ) -> Any:
        """Add the coefficients; see `Prior.coefficients`.

        A column without spread in training explains nothing at any coefficient; its spread is read as 1.
        """
        import pymc as pm
        import pytensor.tensor as pt

        p = len(columns)
        r2 = pm.Beta(f"{name}_r2", self.mean * self.precision, (1 - self.mean) * self.precision)
        portion = pm.Gamma(f"{name}_portion", self.concentration, 1.0, shape=p, dims=dims)
        share = portion / portion.sum()
        raw = unit_normal(f"{name}_raw", size=p, dims=dims, positive=positive)
        column_sd = pt.as_tensor(scales.column_sd)
        column_sd = pt.switch(column_sd > 0, column_sd, 1.0)
        sd = scales.latent_sd * pt.sqrt(r2 / (1 - r2) * share) / column_sd
        return pm.Deterministic(name, sd * raw, dims=dims)

    def harder(self) -> R2D2:
        """Return the prior with half the mean of R^2: a little under half the explained variance."""
        return replace(self, mean=self.mean / 2)
