"""`respond`: per-patient responses under every treatment, lazily, with unit, horizon and basis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort, Continuous, TimeToEvent
from medresponse.core.errors import SpecError, UnknownPatientError, UnknownTreatmentError
from medresponse.core.estimand import Estimand
from medresponse.core.registry import did_you_mean
from medresponse.core.rng import stream
from medresponse.core.units import convert_time
from medresponse.response.predict import Patients, encode_patients, linear_predictors

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
        Unit of the values: ``probability``, or the outcome's unit.
    horizon, horizon_unit : float, str
        As the caller stated them; None and empty for a mean.
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
        family, parameters, factor = self.fit.spec.family, self.fit.family_draws(), self._factor
        for rows, eta in linear_predictors(self.fit, self.patients, seed=self.seed):
            yield rows, factor * family.response(self.estimand, eta, parameters, self.fit.constants)

    def select(self, ids: Sequence[str]) -> Responses:
        """Return the responses of some patients, in the order given.

        Raises
        ------
        UnknownPatientError
            If one is not there.
        """
        position = {patient: i for i, patient in enumerate(self.ids)}
        unknown = [patient for patient in ids if patient not in position]
        if unknown:
            raise UnknownPatientError(
                f"{len(unknown)} patient(s) not among the responses, the first: {unknown[0]}"
            )
        rows = [position[patient] for patient in ids]
        groups = {c: tuple(labels[i] for i in rows) for c, labels in self.patients.groups.items()}
        return _replace(
            self, replace(self.patients, ids=tuple(ids), codes=self.patients.codes[rows], groups=groups)
        )

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
        schema = self.fit.schema.outcomes[self.fit.outcome]
        own = convert_time(horizon, given=self.horizon_unit, wanted=schema.unit)
        estimand = Estimand(kind=_checked_kind(self.fit, kind or self.estimand.kind), horizon=own)
        responses = _replace(self, self.patients, estimand=estimand, horizon=horizon)
        _check_horizon(responses)
        return responses

    def predictive_chunks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, outcomes) of shape (patient, treatment, draw): one outcome Y_i(k) a posterior draw."""
        family, parameters = self.fit.spec.family, self.fit.family_draws()
        for rows, eta in linear_predictors(self.fit, self.patients, seed=self.seed):
            uniform = np.stack(
                [stream(self.seed, "outcome", i).random(eta.shape[1:]) for i in self.ids[rows]]
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
    def _factor(self) -> float:
        """From the outcome's unit of time to the caller's, for restricted mean times."""
        if self.estimand.kind != "rmst":
            return 1.0
        return convert_time(
            1.0, given=self.fit.schema.outcomes[self.fit.outcome].unit, wanted=self.horizon_unit
        )

    @property
    def _title(self) -> str:
        what = {
            "survival": "probability of no event",
            "rmst": "restricted mean event-free time",
            "mean": "mean response",
        }
        horizon = f" by {self.horizon:g} {self.horizon_unit}s" if self.horizon is not None else ""
        return f"{what[self.estimand.kind]}{horizon}, unit {self.unit}"

    def __repr__(self) -> str:
        return f"<Responses {self._title}: {len(self.ids)} patients x {len(self.treatments)} treatments x {self.fit.n_draws} draws>"

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
        Required for a time to event.
    unit : str, optional
        Unit of `horizon` and of restricted mean time; the outcome's by default.
    estimand : str, optional
        ``survival`` (default for a time to event), ``rmst`` or ``mean``.
    draws : int, optional
        At most this many posterior draws, evenly thinned over all chains (imputations multiply chains, and
        4,000 nearly independent draws put the Monte Carlo error of an interval's end at about 0.04 standard
        deviations); None for all.
    seed : int, optional
        The fit's by default.

    Raises
    ------
    SpecError
        If the estimand is not the family's, or the horizon is missing or beyond follow-up.
    DataError
        If the cohort lacks a column or declares other levels than the fit knows.
    """
    kind = _checked_kind(fit, estimand or fit.spec.family.estimands[0])
    schema = fit.schema.outcomes[fit.outcome]
    own_horizon, horizon_unit = None, ""
    if isinstance(schema, TimeToEvent):
        horizon_unit = unit or schema.unit
        if horizon is None:
            raise SpecError("a time to event needs a horizon: horizon=..., unit=...", code="horizon")
        own_horizon = convert_time(horizon, given=horizon_unit, wanted=schema.unit)
    elif horizon is not None:
        raise SpecError("a continuous outcome has no horizon", code="horizon")
    fit = fit if draws is None else fit.thinned(draws)
    responses = Responses(
        fit=fit, patients=encode_patients(fit, cohort), estimand=Estimand(kind=kind, horizon=own_horizon),
        unit={"survival": "probability", "rmst": horizon_unit}.get(kind, schema.unit), horizon=horizon,
        horizon_unit=horizon_unit, basis=_basis(fit), direction=_direction(schema),
        seed=fit.provenance.seed if seed is None else seed,
    )  # fmt: skip
    _check_horizon(responses)
    return responses


def _checked_kind(fit: Fit, kind: str) -> str:
    if kind not in fit.spec.family.estimands:
        raise SpecError(
            f"no estimand {kind!r} for this family; {did_you_mean(kind, fit.spec.family.estimands)}"
        )
    return kind


def _check_horizon(responses: Responses) -> None:
    """Let the family refuse the horizon now rather than at the first chunk."""
    fit = responses.fit
    parameters = {name: draws[:1] for name, draws in fit.family_draws().items()}
    fit.spec.family.response(
        responses.estimand, np.zeros((1, len(fit.treatments), 1)), parameters, fit.constants
    )


def _direction(schema: TimeToEvent | Continuous) -> int:
    if isinstance(schema, TimeToEvent):
        return 1  # free of the event, and longer so, is better
    return {"higher_is_better": 1, "lower_is_better": -1, "neither": 0}[schema.direction]


def _basis(fit: Fit) -> Basis:
    treatment = fit.schema.treatment
    return Basis(
        assignment=treatment.assignment if treatment else "single arm",
        population=f"{fit.provenance.cohort_name} (n = {fit.provenance.n_patients})",
        reference=treatment.reference if treatment else "all",
        adjusted_for=fit.encoding.names,
    )


def _replace(
    responses: Responses,
    patients: Patients,
    *,
    estimand: Estimand | None = None,
    horizon: float | None = None,
) -> Responses:
    kind = (estimand or responses.estimand).kind
    unit = {"survival": "probability", "rmst": responses.horizon_unit}.get(kind, responses.unit)
    return Responses(
        fit=responses.fit, patients=patients, estimand=estimand or responses.estimand, unit=unit,
        horizon=responses.horizon if horizon is None else horizon, horizon_unit=responses.horizon_unit,
        basis=responses.basis, direction=responses.direction, seed=responses.seed,
    )  # fmt: skip


def _summarise(values: np.ndarray, level: float) -> np.ndarray:
    """Return mean, sd, lower and upper over the last axis, stacked last."""
    tail = (1 - level) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail], axis=-1)
    return np.stack([values.mean(axis=-1), values.std(axis=-1, ddof=1), lower, upper], axis=-1)
