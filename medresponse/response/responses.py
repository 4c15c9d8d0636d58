"""`respond`: per-patient responses under every treatment, lazily, with unit, horizon and basis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort, OutcomeSchema
from medresponse.core.errors import UnknownPatientError, UnknownTreatmentError
from medresponse.core.estimand import ESTIMANDS, Estimand, EstimandKind
from medresponse.core.registry import did_you_mean
from medresponse.core.rng import stream
from medresponse.core.small_cells import one_count
from medresponse.core.units import convert_time
from medresponse.response.predict import Patients, encode_patients, linear_predictors
from medresponse.response.question import ask, time_unit

if TYPE_CHECKING:
    from medresponse.inference import Fit


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What every estimate rests on.

    Parameters
    ----------
    assignment : str
        ``randomised``, ``observational`` or ``single arm``.
    population : str
        The cohort the model learned from, with its size.
    reference : str
        Treatment that benefits are measured against.
    adjusted_for : tuple of str
        Features in the model; nothing else is adjusted for.
    """

    assignment: str
    population: str
    reference: str
    adjusted_for: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Responses:
    """Mean responses m_i(k) of patients under every treatment, one value a posterior draw.

    Values are computed when asked for, chunk by chunk; nothing of size patients x draws is held. What these
    draws express is what is *known* of the mean response of patients like this one. The spread of a single
    patient's own outcome is `predictive`.

    Attributes
    ----------
    fit : Fit
    patients : Patients
    estimand : Estimand
        With its horizon in the outcome's own unit.
    unit : str
        Unit of the values: ``probability``, a unit of time, the outcome's unit, or events per unit of exposure.
    horizon, horizon_unit : float, str
        As the caller stated them; None and empty where the estimand has none.
    part : str
        Name of the category or cause that is asked about; empty where there is none.
    basis : Basis
    direction : int
        +1 if a higher response is better for the patient, -1 if lower is, 0 if neither.
    seed : int
        Of the completions of missing features and of new groups.
    """

    fit: Fit
    patients: Patients
    estimand: Estimand
    unit: str
    horizon: float | None
    horizon_unit: str
    basis: Basis
    direction: int
    seed: int
    part: str = ""

    @property
    def kind(self) -> EstimandKind:
        """How the estimand is stated and read."""
        return ESTIMANDS[self.estimand.kind]

    @property
    def outcome_schema(self) -> OutcomeSchema:
        """Schema of the outcome."""
        return self.fit.schema.outcomes[self.fit.outcome]

    @property
    def ids(self) -> tuple[str, ...]:
        """Patients, in cohort order."""
        return self.patients.ids

    @property
    def treatments(self) -> tuple[str, ...]:
        """Treatments, in the schema's fixed order."""
        return self.fit.treatments

    def treatment_position(self, treatment: str) -> int:
        """Return the position of a treatment.

        Raises
        ------
        UnknownTreatmentError
            If there is no such treatment.
        """
        if treatment not in self.treatments:
            raise UnknownTreatmentError(
                f"no treatment {treatment!r}; {did_you_mean(treatment, self.treatments)}"
            )
        return self.treatments.index(treatment)

    def chunks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, values) of shape (patient, treatment, draw)."""
        family, parameters, factor = self.fit.spec.family, self.fit.family_draws(), self.factor
        for rows, eta in linear_predictors(self.fit, self.patients, seed=self.seed):
            yield rows, factor * family.response(self.estimand, eta, parameters, self.fit.constants)

    def select(self, ids: Sequence[str]) -> Responses:
        """Return the responses of some patients, in the order given.

        Raises
        ------
        UnknownPatientError
            If one is not there.
        """
        position = self.patients.position
        unknown = [patient for patient in ids if patient not in position]
        if unknown:
            raise UnknownPatientError(
                f"{len(unknown)} patient(s) not among the responses, the first: {unknown[0]}"
            )
        rows = [position[patient] for patient in ids]
        return replace(self, patients=self.patients.rows(rows))

    def draws(self, ids: Sequence[str] | None = None) -> xr.DataArray:
        """Return values with dims (patient, treatment, draw); for a few patients, not for a population."""
        chosen = self if ids is None else self.select(ids)
        values = np.concatenate([values for _, values in chosen.chunks()])
        return xr.DataArray(
            values, dims=("patient", "treatment", "draw"),
            coords={"patient": list(chosen.ids), "treatment": list(self.treatments)}, attrs={"unit": self.unit},
        )  # fmt: skip

    def reduce(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Apply `function` to each chunk (patient, treatment, draw) and join the results along patients."""
        return np.concatenate([function(values) for _, values in self.chunks()])

    def summary(self, *, level: float = 0.95) -> pl.DataFrame:
        """Return ``patient, treatment, mean, sd, lower, upper``: what is known of each mean response.

        `lower` and `upper` bound the equal-tailed posterior interval of probability `level`.
        """
        return self._table(lambda v: _summarise(v, level))

    def predictive(self, *, level: float = 0.9) -> pl.DataFrame:
        """Return ``patient, treatment, mean, sd, lower, upper`` of one patient's own outcome Y_i(k).

        Adds to `summary` what remains unknowable for one person; in the outcome's unit (for a time to event,
        time on the hazard of the last interval beyond follow-up).
        """
        return self._table(lambda v: _summarise(v, level), chunks=self.predictive_chunks())

    def mean_over_patients(self) -> np.ndarray:
        """Return the average response over these patients, shape (treatment, draw)."""
        total = np.zeros((len(self.treatments), self.fit.n_draws))
        for _, values in self.chunks():
            total += values.sum(axis=0)
        return total / len(self.ids)

    def at(self, *, horizon: float, kind: str | None = None) -> Responses:
        """Return the same patients' responses at another horizon (in `horizon_unit`) or of another kind.

        Raises
        ------
        SpecError
            If the kind is not the family's, or the horizon is beyond follow-up.
        """
        return ask(
            self, kind or self.estimand.kind, horizon=horizon, unit=self.horizon_unit, part=self.part or None
        )

    def of(self, part: str) -> Responses:
        """Return the same patients' responses for another category or cause.

        Raises
        ------
        SpecError
            If the outcome has no such category or cause.
        """
        return ask(self, self.estimand.kind, horizon=self.horizon, unit=self.horizon_unit or None, part=part)

    def predictive_chunks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, outcomes) of shape (patient, treatment, draw): one outcome Y_i(k) a posterior draw."""
        family, parameters = self.fit.spec.family, self.fit.family_draws()
        for rows, eta in linear_predictors(self.fit, self.patients, seed=self.seed):
            uniform = np.stack(
                [stream(self.seed, "outcome", i).random(eta.shape[-2:]) for i in self.ids[rows]]
            )
            yield rows, family.simulate(eta, parameters, self.fit.constants, uniform)

    def _table(
        self,
        function: Callable[[np.ndarray], np.ndarray],
        *,
        chunks: Iterator[tuple[slice, np.ndarray]] | None = None,
    ) -> pl.DataFrame:
        values = np.concatenate([function(v) for _, v in (chunks or self.chunks())]).reshape(-1, 4)
        labels = {
            "patient": np.repeat(self.ids, len(self.treatments)).tolist(),
            "treatment": list(self.treatments) * len(self.ids),
        }
        columns = {name: values[:, j] for j, name in enumerate(("mean", "sd", "lower", "upper"))}
        return pl.DataFrame(labels | columns)

    @property
    def factor(self) -> float:
        """From the outcome's unit of time to the caller's where the values are times, else 1."""
        if self.kind.unit != "time":
            return 1.0
        return convert_time(1.0, given=time_unit(self.outcome_schema), wanted=self.horizon_unit)

    @property
    def title(self) -> str:
        """The estimand in words, with its horizon and unit."""
        words = self.kind.title.format(part=self.outcome_schema.part_label(self.part))
        plural = "" if self.horizon == 1 else "s"
        horizon = f" by {self.horizon:g} {self.horizon_unit}{plural}" if self.horizon is not None else ""
        return f"{words}{horizon}, unit {self.unit}"

    def __repr__(self) -> str:
        return f"<Responses {self.title}: {len(self.ids)} patients x {len(self.treatments)} treatments x {self.fit.n_draws} draws>"

    def _repr_html_(self) -> str:
        from medresponse.response.display import responses_html

        return f"<p><b>{escape(repr(self)[1:-1])}</b></p>{responses_html(self)}"


def respond(
    fit: Fit,
    cohort: Cohort,
    *,
    horizon: float | None = None,
    unit: str | None = None,
    estimand: str | None = None,
    part: str | None = None,
    draws: int | None = 4000,
    seed: int | None = None,
) -> Responses:
    """Return the responses of a cohort's patients under every treatment.

    Parameters
    ----------
    fit : Fit
    cohort : Cohort
        The training cohort or new patients; outcome and treatment columns are not used.
    horizon : float, optional
        Required where the estimand has one (probabilities and mean times of events).
    unit : str, optional
        Unit of `horizon` and of restricted mean time; the outcome's by default.
    estimand : str, optional
        One of the family's `estimands`, the first by default; `medresponse.core.estimand.ESTIMANDS` describes them.
    part : str, optional
        Which category (as the schema names it) or cause, where the estimand is about one.
    draws : int, optional
        At most this many posterior draws, evenly thinned over all chains (imputations multiply chains, and
        4,000 nearly independent draws put the Monte Carlo error of an interval's end at about 0.04 standard
        deviations); None for all.
    seed : int, optional
        The fit's by default.

    Raises
    ------
    SpecError
        If the estimand is not the family's, its horizon or part is missing, or the horizon is beyond follow-up.
    DataError
        If the cohort lacks a column or declares other levels than the fit knows.
    """
    return responses_of(
        fit, encode_patients(fit, cohort),
        horizon=horizon, unit=unit, estimand=estimand, part=part, draws=draws, seed=seed,
    )  # fmt: skip


def responses_of(
    fit: Fit,
    patients: Patients,
    *,
    horizon: float | None,
    unit: str | None,
    estimand: str | None,
    part: str | None,
    draws: int | None,
    seed: int | None,
) -> Responses:
    """Return the responses of encoded patients; as `respond`."""
    kind = estimand or fit.spec.family.estimands[0]
    fit = fit if draws is None else fit.thinned(draws)
    blank = Responses(
        fit=fit, patients=patients, estimand=Estimand(kind=kind), unit="", horizon=None,
        horizon_unit="", basis=_basis(fit), direction=0, seed=fit.provenance.seed if seed is None else seed,
    )  # fmt: skip
    return ask(blank, kind, horizon=horizon, unit=unit, part=part)


def _basis(fit: Fit) -> Basis:
    treatment = fit.schema.treatment
    return Basis(
        assignment=treatment.assignment if treatment else "single arm",
        population=f"{fit.provenance.cohort_name} (n = {one_count(fit.provenance.n_patients)})",
        reference=treatment.reference if treatment else "all",
        adjusted_for=fit.encoding.names,
    )


def _summarise(values: np.ndarray, level: float) -> np.ndarray:
    """Return mean, sd, lower and upper over the last axis, stacked last.

    Where some draws are infinite (the event never happens to the cured) so are mean and sd, and an end of the
    interval is one of the draws, since nothing lies between a time and never.
    """
    tail = (1 - level) / 2
    finite = bool(np.isfinite(values).all())
    lower, upper = np.quantile(
        values, [tail, 1 - tail], axis=-1, method="linear" if finite else "inverted_cdf"
    )
    with np.errstate(invalid="ignore"):
        mean, sd = values.mean(axis=-1), values.std(axis=-1, ddof=1)
    return np.stack([mean, np.where(np.isinf(mean), np.inf, sd), lower, upper], axis=-1)
