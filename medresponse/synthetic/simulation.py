"""Draw a cohort of a scenario, with its truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import xarray as xr

from medresponse.cohort import Cohort, Schema, findings_table
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.rng import checked_seed, stream
from medresponse.synthetic.mechanisms.kinds import Scores
from medresponse.synthetic.scenario import Scenario
from medresponse.synthetic.truth import Truth
from medresponse.synthetic.world import SiteEffects, World, first_endpoint, noise_of, world_of


@dataclass(frozen=True)
class Trial:
    """A made-up cohort, its truth, and the patients of held-out sites with theirs.

    Parameters
    ----------
    cohort : Cohort
    truth : Truth
    visits : polars.DataFrame, optional
        ``patient, week, log_size`` of outcomes that are measured repeatedly, until the patient left.
    held_out : Trial, optional
    """

    cohort: Cohort
    truth: Truth
    visits: pl.DataFrame | None = None
    held_out: Trial | None = None


def simulate(scenario: Scenario, *, seed: int | None = None, cohort: Cohort | None = None) -> Trial:
    """Draw a cohort and everything that is true of it.

    Each component (covariates, genome, sites, hidden cause, assignment, outcome, frailty, censoring, missingness) has a
    random stream of its own: a knob of one leaves the draws of the others as they were. Patients who left before their
    outcome was known are in the cohort, without it; a model can be fitted to the others.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        There is no default: a study states its seeds.
    cohort : Cohort, optional
        The real cohort of a semi-synthetic scenario.

    Raises
    ------
    SpecError
        If the seed is missing, or knobs contradict each other or the cohort.
    """
    seed = checked_seed(seed)
    if not isinstance(scenario, Scenario):
        raise SpecError(
            f"scenario: {type(scenario).__name__} found; legal is a Scenario, as scenario(name) returns",
            code="knob_out_of_range",
        )
    world = world_of(scenario, cohort)
    sites = scenario.sites
    effects = world.site_effects(stream(seed, "synthetic", "sites")) if sites.n else None
    labels = _site_labels(sites.n)
    inside = range(sites.n - sites.held_out)
    draw = _Draw(scenario, world, seed, effects, labels)
    held_out = None
    if sites.held_out:
        n = max(1, round(scenario.n * sites.held_out / len(inside)))
        held_out = draw.trial(
            n, range(len(inside), sites.n), shift=sites.shift, part="held out ", known=False
        )
    found = draw.trial(scenario.n, inside, shift=0.0, part="", known=True)
    return replace(found, held_out=held_out)


@dataclass(frozen=True)
class _Draw:
    scenario: Scenario
    world: World
    seed: int
    effects: SiteEffects | None
    labels: tuple[str, ...]

    def trial(self, n: int, where: range, *, shift: float, part: str, known: bool) -> Trial:
        """Return patients of the sites `where`."""
        scenario, world = self.scenario, self.world
        rng = self._streams(part)
        scores = world.draw(n, rng, shift=shift)
        hidden = rng("hidden").standard_normal(n)
        site = rng("site").integers(where.start, where.stop, n) if self.effects else None
        signal = world.signal(scores, hidden=hidden, site=site, sites=self.effects, known_sites=known)
        propensity = world.propensity(scores, hidden)
        strata = {} if site is None else {"site": site}
        received = scenario.assignment.draw(propensity, strata, rng("assignment"))
        potential = scenario.outcome.draw(signal, noise_of(scenario, n, rng))
        others = rng("hidden of others").standard_normal(n)
        like = world.signal(scores, hidden=others, site=site, sites=self.effects, known_sites=known)
        anew = scenario.outcome.draw(like, noise_of(scenario, n, lambda label: rng(f"{label} of others")))

        data: dict[str, Any] = {
            "mu_x": scenario.outcome.means(signal, given_unseen=False),
            "mu_full": scenario.outcome.means(signal, given_unseen=True),
            "y_po": potential.endpoints,
            "y_new": anew.endpoints,
            "propensity": (("patient", "treatment"), propensity),
            "received": ("patient", received),
        }
        if scenario.confounding.hidden:
            data["hidden"] = ("patient", hidden)
        if self.effects is not None:
            data["site_effect"] = ("site", self.effects.intercept)
            data["site_treatment_effect"] = (("site", "treatment"), self.effects.treatment)
        censored_at = None
        if scenario.outcome.is_time:
            hazard = scenario.censoring.hazard(signal, world.log_rate)
            censored_at = scenario.censoring.draw(hazard, rng("censoring"))
            data["censoring_hazard"] = ("patient", hazard)
        outcomes = scenario.outcome.observe(potential, received, censored_at)
        gone = None
        if scenario.dropout.target:
            mean, sd, start = world.dropout_start
            own = first_endpoint(scenario, potential.endpoints.values)[np.arange(n), received]
            leaving = scenario.dropout.probability((own - mean) / sd, signal, start)
            gone = rng("dropout").random(n) < leaving
            data["p_dropout"] = ("patient", leaving)
        missing, hidden_values = self._missing(scores, rng)
        data |= hidden_values
        ids = self._ids(n, part)
        table = self._table(ids, scores, missing, site, received, outcomes, gone)
        coords: dict[str, Any] = {"patient": ids, "treatment": list(scenario.treatments)}
        if self.effects is not None:
            coords["site"] = list(self.labels)
        truth = xr.Dataset(data, coords=coords)
        kind = "mechanistic" if world.source is None else "semi_synthetic"
        source = {"kind": kind, "scenario": scenario.name, "seed": str(self.seed)}
        made = Cohort(table, self._schema(table), (), findings_table([]), source)
        trained = trained_sites(scenario)
        visits = None
        if "visits" in potential.raw:
            visits = _visits(
                ids, potential.raw["visits"][np.arange(n), received], scenario, gone, rng("leaving")
            )
        return Trial(made, Truth(truth, scenario, self.seed, kind, world, self.effects, trained), visits)

    def _streams(self, part: str) -> Callable[[str], np.random.Generator]:
        return lambda label: stream(self.seed, "synthetic", f"{part}{label}")

    def _ids(self, n: int, part: str) -> list[str]:
        width = max(4, len(str(n)))
        return [f"{'NEW' if part else 'SYN'}-{i + 1:0{width}d}" for i in range(n)]

    def _missing(
        self, scores: Scores, rng: Callable[[str], np.random.Generator]
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return column -> mask, and what the truth keeps of it."""
        if not self.world.missing_rates:
            return {}, {}
        chances = self.scenario.missing.probability(scores, self.world.missing_starts)
        masks = {name: rng(f"missing {name}").random(scores.n) < chance for name, chance in chances.items()}
        kept: dict[str, Any] = {f"full_{name}": ("patient", scores.values[name]) for name in masks}
        table = xr.DataArray(
            np.column_stack(list(chances.values())),
            dims=("patient", "column"),
            coords={"column": list(chances)},
        )
        return masks, {**kept, "p_missing": table}

    def _table(
        self, ids: list[str], scores: Scores, missing: dict[str, np.ndarray], site: np.ndarray | None,
        received: np.ndarray, outcomes: dict[str, pl.Series], gone: np.ndarray | None,
    ) -> pl.DataFrame:  # fmt: skip
        treatments = pl.Enum(list(self.scenario.treatments))
        columns = [
            pl.Series("patient", ids, dtype=pl.String),
            pl.Series("treatment", received.astype(np.uint32)).cat.to(treatments),
        ]
        if site is not None:
            names = pl.Series(self.labels)
            columns.append(names.gather(pl.Series(site)).alias("site"))
        columns += [
            column.series(scores.values[column.name], missing.get(column.name))
            for column in self.world.columns
        ]
        for series in outcomes.values():
            columns.append(series if gone is None else series.set(pl.Series(gone), None))
        return pl.DataFrame(columns)

    def _schema(self, table: pl.DataFrame) -> Schema:
        scenario = self.scenario
        features: dict[str, dict[str, Any]] = {}
        for column in self.world.columns:
            features.setdefault(column.block, {})[column.name] = to_plain(column.feature)
        groups = [name for name in ("sex", "ancestry") if name in table.columns]
        return from_plain(
            Schema,
            {
                "name": scenario.name,
                "source": f"made-up patients: scenario {scenario.name}, seed {self.seed}",
                "id": "patient",
                "treatment": {
                    "column": "treatment", "levels": _levels(scenario),
                    "reference": scenario.treatments[0],
                    "assignment": "randomised" if scenario.assignment.randomised else "observational",
                },
                "outcomes": scenario.outcome.schema(),
                "features": features,
                "sites": ["site"] if scenario.sites.n else [],
                "groups": groups,
                "synthetic": True,
            },
        )  # fmt: skip


def trained_sites(scenario: Scenario) -> tuple[str, ...]:
    """Return the labels of sites whose patients are in the cohort."""
    return _site_labels(scenario.sites.n - scenario.sites.held_out)


def _site_labels(n: int) -> tuple[str, ...]:
    return tuple(f"S{j + 1:03d}" for j in range(n))


def _levels(scenario: Scenario) -> dict[str, dict[str, Any]]:
    doses = getattr(scenario.outcome, "doses", None)
    if doses is None:
        return {label: {} for label in scenario.treatments}
    return {
        label: {"dose": float(dose), "dose_unit": "mg/day"}
        for label, dose in zip(scenario.treatments, doses, strict=True)
    }


def _visits(
    ids: list[str], sizes: np.ndarray, scenario: Scenario, gone: np.ndarray | None, rng: np.random.Generator
) -> pl.DataFrame:
    """Return visits up to the last; those who left do so before a visit taken at random."""
    weeks = getattr(scenario.outcome, "visits")  # noqa: B009  only outcomes with visits come here
    n, v = sizes.shape
    kept = np.full(n, v) if gone is None else np.where(gone, rng.integers(0, v, n), v)
    seen = np.arange(v) < kept[:, None]
    rows, columns = np.nonzero(seen)
    return pl.DataFrame(
        {"patient": np.asarray(ids)[rows], "week": np.asarray(weeks)[columns], "log_size": sizes[seen]}
    )
