"""What is true of a made-up cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.core.registry import did_you_mean
from medresponse.synthetic.mechanisms.column import Column
from medresponse.synthetic.scenario import Scenario
from medresponse.synthetic.world import SiteEffects, World


@dataclass(frozen=True)
class Truth:
    """True responses, and what made the cohort as it is.

    Parameters
    ----------
    data : xarray.Dataset
        ``mu_x`` (patient, treatment, endpoint[, horizon]), E[Y(k) | what an analyst can observe]: what scores use.
        ``mu_full``, the same given also what nobody sees. ``y_po``, one realised outcome under each treatment, under the
        scenario's coupling. ``y_new``, one under each treatment of another patient whom an analyst could not tell from this one:
        all that is random or unseen is drawn anew, so that having learnt the patient's own outcome is no help in predicting
        it. ``propensity`` (patient, treatment), given all that decides treatment. Where they are
        defined: ``hidden`` (patient), ``site_effect`` (site), ``site_treatment_effect`` (site, treatment),
        ``censoring_hazard`` (patient, a month), ``p_missing`` (patient, column), ``p_dropout`` (patient), and values of
        features that are missing in the cohort, ``full_<column>`` (patient).
    scenario : Scenario
    seed : int
    kind : str
        ``mechanistic`` or ``semi_synthetic``.
    """

    data: xr.Dataset
    scenario: Scenario
    seed: int
    kind: str
    _world: World = field(repr=False)
    _sites: SiteEffects | None = field(repr=False, default=None)
    _trained: tuple[str, ...] = field(repr=False, default=())

    @property
    def signs(self) -> dict[str, int]:
        """Endpoint -> +1 if higher is better for the patient, -1 if lower is."""
        return dict(self.scenario.outcome.endpoints)

    def benefit(self, endpoint: str | None = None) -> xr.DataArray:
        """Return each treatment's true benefit over the reference, positive is better: (patient, treatment[, horizon]).

        Raises
        ------
        SpecError
            If there is no such endpoint.
        """
        endpoint = endpoint or next(iter(self.signs))
        if endpoint not in self.signs:
            raise SpecError(f"endpoint: no {endpoint!r}; {did_you_mean(endpoint, self.signs)}")
        mean = self.data["mu_x"].sel(endpoint=endpoint, drop=True)
        benefit = self.signs[endpoint] * (mean - mean.isel(treatment=0, drop=True))
        return benefit.isel(treatment=slice(1, None))

    def cate(self, patients: pl.DataFrame | Cohort) -> xr.DataArray:
        """Return mean responses of new patients, as ``mu_x``: a pure function of their features, and site.

        Parameters
        ----------
        patients : polars.DataFrame or Cohort
            The columns of the cohort's features, complete; ``site`` where the scenario has sites. At a site that is not
            in the cohort, its effects are integrated out.

        Raises
        ------
        DataError
            If a column is absent, or holds nulls, unknown levels, or numbers that are not finite or have no logarithm where
            the feature is a logarithm's.
        """
        frame = patients.table if isinstance(patients, Cohort) else patients
        values = {}
        for column in self._world.columns:
            if column.name not in frame.columns:
                raise DataError(f"column {column.name}: absent; every feature of the scenario is needed")
            series = frame[column.name]
            values[column.name] = _values(column, series)
        scores, outcome = self._world.scores(values), self.scenario.outcome
        if not self.scenario.sites.n:
            return outcome.means(self._world.signal(scores), given_unseen=False)
        if "site" not in frame.columns:
            raise DataError("column site: absent; the scenario has sites")
        new = outcome.means(self._world.signal(scores, known_sites=False), given_unseen=False)
        label = frame["site"].to_list()
        known = np.array([site in self._trained for site in label], bool)
        where = np.array([self._trained.index(site) if site in self._trained else 0 for site in label], int)
        signal = self._world.signal(scores, site=where, sites=self._sites)
        return outcome.means(signal, given_unseen=False).where(xr.DataArray(known, dims="patient"), new)

    def estimands(self, groups: Mapping[str, Sequence[object]] | None = None) -> pl.DataFrame:
        """Return averages over these patients with standard errors as estimates of the population's.

        Parameters
        ----------
        groups : mapping, optional
            Name -> each patient's label, shape (patient,); null for none.

        Returns
        -------
        polars.DataFrame
            ``estimand, of, endpoint, horizon, value, mcse``: ``ate`` and ``att`` (of those who received it) of each
            treatment against the reference, and ``gate`` of each group's patients, positive is better; ``best_single``
            and ``optimal``, mean response under the best one treatment for all and under each patient's best.

        Raises
        ------
        DataError
            If a group has not one label for each patient.
        """
        members = self._members(groups or {})
        rows = []
        received = self.data["received"].values
        names = [str(t) for t in self.data["treatment"].values]
        for endpoint, sign in self.signs.items():
            mean = self.data["mu_x"].sel(endpoint=endpoint)
            for horizon in mean["horizon"].values if "horizon" in mean.dims else [None]:
                m = (mean if horizon is None else mean.sel(horizon=horizon)).values
                at = (endpoint, None if horizon is None else float(horizon))
                for k in range(1, len(names)):
                    benefit, of = sign * (m[:, k] - m[:, 0]), f"{names[k]} - {names[0]}"
                    rows.append(("ate", of, *at, *_mean(benefit)))
                    if (received == k).any():
                        rows.append(("att", of, *at, *_mean(benefit[received == k])))
                    rows += [
                        ("gate", f"{of}, {label}", *at, *_mean(benefit[mask]))
                        for label, mask in members.items()
                    ]
                best = int((sign * m.mean(axis=0)).argmax())
                rows.append(("best_single", names[best], *at, *_mean(m[:, best])))
                rows.append(("optimal", "all", *at, *_mean(sign * (sign * m).max(axis=1))))
        schema = ["estimand", "of", "endpoint", "horizon", "value", "mcse"]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _members(self, groups: Mapping[str, Sequence[object]]) -> dict[str, np.ndarray]:
        found = {}
        for name, labels in groups.items():
            own, n = list(labels), self.data.sizes["patient"]
            if len(own) != n:
                raise DataError(f"groups.{name}: {len(own)} labels found, {n} patients")
            for label in sorted({str(one) for one in own if one is not None}):
                found[f"{name} = {label}"] = np.array([one is not None and str(one) == label for one in own])
        return found


def _values(column: Column, series: pl.Series) -> np.ndarray:
    """Return the numbers or positions of levels of a new table's column."""
    feature = column.feature
    if feature.is_discrete and series.dtype.is_integer():  # counts of alleles, and grades that are numbers
        series = series.cast(pl.String)
    try:
        series = series.cast(pl.Enum(feature.level_names) if feature.is_discrete else pl.Float64)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError):
        raise DataError(f"column {column.name}: holds values that are no {feature.type}") from None
    if series.null_count():
        raise DataError(f"column {column.name}: {series.null_count()} null(s); give complete features")
    values = column.values(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = int((~np.isfinite(column.score(values))).sum())
    if wrong:
        what = "" if feature.transform == "none" else f"of which the {feature.transform} is "
        raise DataError(f"column {column.name}: {wrong} value(s) {what or 'that are '}not finite")
    return values


def _mean(values: np.ndarray) -> tuple[float, float]:
    spread = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return float(values.mean()), spread
