"""Missing and noisily measured features by a joint latent-normal model of mixed types, by Gibbs sampling.

Every feature has one or more latent normal variables: a continuous feature is its own latent; a binary,
ordinal or dosage feature is a latent cut at the normal quantiles of its training shares; a categorical
feature with L levels has L - 1 latents, the level being the largest of them, or the baseline level if all are
negative. The latents are jointly normal with unknown mean and covariance, so any pattern of missing values is
drawn from its conditional distribution given everything observed. In training the outcome and the treatment
take part as further variables (leaving the outcome out would pull imputed associations to zero); for a new
patient they are marginalised.

*Measurement error.* A continuous value with a standard error is a reading w of its latent, w ~ N(latent,
error^2), independent of all else given the latent (classical, non-differential error). Its true value is drawn
in every sweep, like a missing one but held near the reading: multiple overimputation. Mean and covariance are
those of true values. What is approximate, for noisy as for missing values: the outcome enters as a companion,
so that the true value given the outcome is taken as a linear regression with constant variance. That is exact
for a Gaussian outcome with one slope. It is close for other outcomes (events, counts, times) and for slopes
that differ between treatments (products of outcome and treatment among the companions), the closer the weaker
the feature's effect. An error that is 0 or unknown is taken as none.

*Values missing not at random.* `shifts` moves drawn missing values by a constant as they leave the sampler,
known values and noisy readings never. The chain itself keeps to the unshifted values, so it remains that of
the model under missingness at random, and one feature's shift reaches no other feature's imputations. The unit
is the code for a continuous feature; for a binary, ordinal or dosage one, standard deviations of its latent,
since the data do not determine the scale of a latent with one cut.

*Redrawn given the outcome's own model.* That approximation is undone by `latent_redraw` once the outcome's model has been fitted.

*Many features.* Beyond `DENSE_LATENTS` latents the covariance has the low-rank form of `latent_factor`, and nothing is redrawn.

References
----------
Carpenter, Goldstein & Kenward (2011), REALCOM-IMPUTE, J Stat Softw 45(5). Quartagno & Carpenter (2019), Stat
Med 38:2455 (latent normals for nominal variables). Hoff (2007), Ann Appl Stat 1:265 (copula with latent
normals). White & Royston (2009), Stat Med 28:1982 (event and Nelson-Aalen estimate as predictors). Blackwell,
Honaker & King (2017), Sociol Methods Res 46:303 (multiple overimputation). Carpenter & Kenward (2013), Multiple
Imputation and its Application, ch. 10, and van Buuren (2018), Flexible Imputation of Missing Data, section 3.8
(shifts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medresponse.features.encoding import Encoding
from medresponse.features.latent_dense import SWEEPS_NEW, chains_new, complete_dense, fit_dense, needs_chain
from medresponse.features.latent_factor import complete_low_rank, fit_low_rank
from medresponse.features.latent_redraw import Given, redraw_dense
from medresponse.features.readings import Readings, checked_shifts

DENSE_LATENTS = 200
_NUMBERS_AT_ONCE = 200_000_000  # random numbers of new patients held at once (1.6 GB)


@dataclass(frozen=True)
class LatentNormal:
    """Posterior draws of the joint latent-normal model of true values, enough to impute a new patient.

    The covariance is given in full or, where there are many latents, as
    ``loadings @ loadings.T + diag(uniqueness)``.

    Parameters
    ----------
    mean : numpy.ndarray
        Shape (imputation, latent).
    covariance : numpy.ndarray, optional
        Shape (imputation, latent, latent).
    loadings : numpy.ndarray, optional
        Shape (imputation, latent, factor).
    uniqueness : numpy.ndarray, optional
        Shape (imputation, latent).
    """

    mean: np.ndarray
    covariance: np.ndarray | None = None
    loadings: np.ndarray | None = None
    uniqueness: np.ndarray | None = None

    def __post_init__(self) -> None:
        low_rank = self.loadings is not None and self.uniqueness is not None
        if low_rank == (self.covariance is not None):
            raise ValueError("give either covariance, or loadings and uniqueness")

    @property
    def imputations(self) -> int:
        """Number of parameter draws, one an imputation."""
        return len(self.mean)

    def complete(
        self,
        encoding: Encoding,
        codes: np.ndarray,
        *,
        each: int,
        generators: list[np.random.Generator],
        errors: np.ndarray | None = None,
        shifts: Mapping[int, float] | None = None,
    ) -> np.ndarray:
        """Draw completions of patients with missing or noisily measured features.

        Parameters
        ----------
        encoding : Encoding
        codes : numpy.ndarray
            Shape (patient, feature), NaN where missing.
        each : int
            Completions under each parameter draw.
        generators : list of numpy.random.Generator
            One a patient, so that a patient's draws do not depend on who else is scored.
        errors : numpy.ndarray, optional
            Standard errors of measurement on the code scale, shape of `codes`; 0 or NaN is exact.
        shifts : mapping, optional
            Position of a feature -> shift of its drawn missing values, as in `fit_latent_normal`.

        Returns
        -------
        numpy.ndarray
            Shape (patient, imputation * each, feature), without NaN; imputation-major.

        Raises
        ------
        DataError
            As `fit_latent_normal`.
        """
        shifts = checked_shifts(encoding, shifts)
        n, q = len(codes), self.mean.shape[1]
        results = np.empty((n, self.imputations, each, codes.shape[1]))
        size = max(1, _NUMBERS_AT_ONCE // max(self.imputations * (SWEEPS_NEW + 1) * each * q, 1))
        for start in range(0, n, size):
            rows = slice(start, start + size)
            own = None if errors is None else errors[rows]
            results[rows] = self._complete(encoding, codes[rows], own, each, generators[rows], shifts)
        return results.reshape(n, self.imputations * each, -1)

    def _complete(
        self,
        encoding: Encoding,
        codes: np.ndarray,
        errors: np.ndarray | None,
        each: int,
        generators: list[np.random.Generator],
        shifts: Mapping[int, float],
    ) -> np.ndarray:
        """Return completions of some patients, shape (patient, imputation, each, feature)."""
        if self.loadings is not None and self.uniqueness is not None:
            readings = Readings(encoding, codes, errors)
            return complete_low_rank(
                self.mean,
                self.loadings,
                self.uniqueness,
                readings,
                each=each,
                generators=generators,
                shifts=shifts,
            )
        assert self.covariance is not None
        results = np.empty((len(codes), self.imputations, each, codes.shape[1]))
        chained = needs_chain(Readings(encoding, codes, errors))
        for rows in (np.flatnonzero(chained), np.flatnonzero(~chained)):
            if not len(rows):
                continue
            repeated = np.repeat(rows, chains_new(each))
            own = None if errors is None else errors[repeated]
            results[rows] = complete_dense(
                self.mean, self.covariance, Readings(encoding, codes[repeated], own), each=each,
                generators=[generators[row] for row in rows], shifts=shifts,
            )  # fmt: skip
        return results


def fit_latent_normal(
    encoding: Encoding,
    codes: np.ndarray,
    companions: np.ndarray,
    *,
    imputations: int,
    rng: np.random.Generator,
    errors: np.ndarray | None = None,
    shifts: Mapping[int, float] | None = None,
    given: Given | None = None,
) -> tuple[LatentNormal, np.ndarray]:
    """Fit the joint model to training rows and draw completed codes.

    Parameters
    ----------
    encoding : Encoding
    codes : numpy.ndarray
        Shape (patient, feature), NaN where missing.
    companions : numpy.ndarray
        Fully observed numbers that imputation conditions on in training (outcome, treatment), shape
        (patient, companion), roughly standardised.
    imputations : int
        Completed data sets to draw.
    rng : numpy.random.Generator
    errors : numpy.ndarray, optional
        Standard errors of measurement on the code scale, shape of `codes`; 0 or NaN is exact. Codes are
        standardised by the spread of the readings, so true values spread less than 1.
    shifts : mapping, optional
        Position of a feature -> shift of its drawn missing values: in codes (continuous), or in standard
        deviations of the latent (binary, ordinal, dosage).
    given : Given, optional
        Redraw these imputations given the outcome's own model; then `companions` hold no outcome.

    Returns
    -------
    model : LatentNormal
        Of true values, before any shift.
    completed : numpy.ndarray
        Shape (imputation, patient, feature), equal to `codes` where those are known and exact. Read-only
        where there are many latents and nothing to draw.

    Raises
    ------
    DataError
        If a shift is one of a categorical feature or not finite, or an error is negative, infinite or one of
        a feature that is not continuous.
    """
    shifts = checked_shifts(encoding, shifts)
    readings = Readings(encoding, codes, errors)
    if given is not None:
        mean, covariance, completed = redraw_dense(readings, companions, given, rng=rng, shifts=shifts)
        return LatentNormal(mean, covariance), completed
    if readings.n_latents > DENSE_LATENTS:
        mean, loadings, uniqueness, completed = fit_low_rank(
            readings, companions, imputations=imputations, rng=rng, shifts=shifts
        )
        return LatentNormal(mean, loadings=loadings, uniqueness=uniqueness), completed
    mean, covariance, completed = fit_dense(
        readings, companions, imputations=imputations, rng=rng, shifts=shifts
    )
    return LatentNormal(mean, covariance), completed
