"""What stays the same from one seed of a scenario to the next: which columns matter, how, and how rates are met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from scipy.optimize import brentq

from medresponse.cohort import Cohort
from medresponse.core.rng import stream
from medresponse.synthetic.mechanisms.column import Column, Values
from medresponse.synthetic.mechanisms.kinds import Noise, Scores, Signal
from medresponse.synthetic.mechanisms.knobs import contradicts
from medresponse.synthetic.mechanisms.surfaces import Shape, Weights, draw_weights, surface
from medresponse.synthetic.scenario import Scenario

_TERMS = 6  # prognostic columns, and reasons for treatment
_CERTAIN = 100.0  # log odds at which whoever can get a treatment gets one
_REASONS = 2  # for treatment, at least: the box where overlap fails is of two columns
_REFERENCE = 20_000  # patients by whom surfaces are standardised and rates are met


@dataclass(frozen=True)
class Surface:
    """A surface of some columns with mean 0 and standard deviation 1 in the population."""

    shape: Shape
    positions: np.ndarray
    weights: Weights
    mean: float = 0.0
    sd: float = 1.0

    def __call__(self, scores: Scores) -> np.ndarray:
        """Return values, shape (patient,)."""
        found = (surface(self.shape, scores.table[:, self.positions], self.weights) - self.mean) / self.sd
        return np.asarray(found)


@dataclass(frozen=True)
class SiteEffects:
    """Intercepts, shape (site,), and effects of each treatment, shape (site, treatment)."""

    intercept: np.ndarray
    treatment: np.ndarray


def world_of(scenario: Scenario, source: Cohort | None) -> World:
    """Return the world of a scenario; kept for scenarios that need no real cohort."""
    sized = replace(scenario, n=1)
    return World(sized, source) if source is not None else _kept(sized)


@lru_cache(maxsize=16)
def _kept(scenario: Scenario) -> World:
    return World(scenario, None)


class World:
    """Coefficients and calibrations of one scenario.

    Parameters
    ----------
    scenario : Scenario
    source : Cohort or None
        The real cohort of a semi-synthetic scenario.
    """

    def __init__(self, scenario: Scenario, source: Cohort | None) -> None:
        self.scenario, self.source = scenario, source
        self._covariates = scenario.covariates.columns(source)
        self._genome = scenario.genome.columns(self._genome_stream)
        scenario.effect.check(scenario.treatments, [column.name for column in self.columns])
        self.missing_rates = scenario.missing.columns([column.name for column in self._covariates])

    @property
    def columns(self) -> tuple[Column, ...]:
        """Covariates, then the genome."""
        return self._covariates + self._genome

    def stream(self, label: str) -> np.random.Generator:
        """Return the generator of one of the world's components."""
        return stream(self.scenario.world, "synthetic", "world", label)

    def _genome_stream(self) -> np.random.Generator:
        return self.stream("genome")

    def draw(self, n: int, rng: Callable[[str], np.random.Generator], *, shift: float = 0.0) -> Scores:
        """Return `n` new patients."""
        values = dict(self.scenario.covariates.draw(n, rng("covariates"), self.source, shift=shift))
        return self.scores({**values, **self.scenario.genome.draw(n, rng("genome"), self._genome_stream)})

    def scores(self, values: Values) -> Scores:
        """Return patients of given values as mechanisms see them."""
        first = next(iter(values.values()))
        table = np.empty((len(first), len(self.columns)), order="F")
        for j, column in enumerate(self.columns):
            table[:, j] = column.score(values[column.name])
        split, names = len(self._covariates), tuple(column.name for column in self.columns)
        variants = [j for j, column in enumerate(self.columns) if j >= split and column.name != "ancestry"]
        return Scores(
            values, table, names, {"covariates": np.arange(split), "genome": np.array(variants, int)}
        )

    @cached_property
    def reference(self) -> Scores:
        """Patients of the population by whom surfaces are standardised and rates are met."""
        return self.draw(_REFERENCE, lambda label: self.stream(f"reference {label}"))

    @cached_property
    def prognoses(self) -> tuple[Surface, ...]:
        """One surface for each predictor of the outcome."""
        return tuple(
            self._surface(
                f"prognosis {c}", self.scenario.outcome.surface, self._chosen(f"prognosis {c}", _TERMS)
            )
            for c in range(len(self.scenario.outcome.spreads))
        )

    @cached_property
    def effects(self) -> Mapping[str, Surface]:
        """Surfaces that effects are made of."""
        effect, scenario = self.scenario.effect, self.scenario
        terms, on = getattr(effect, "terms", 3), getattr(effect, "on", "covariates")
        labels = dict.fromkeys(effect.surfaces(scenario.treatments))
        if labels and terms > (there := len(self.reference.blocks[on])):
            raise contradicts(
                "effect.terms",
                f"{terms} found; legal is at most {there}, as many as there are columns of the {on}",
            )
        return {
            label: self._surface(label, scenario.outcome.surface, self._chosen(label, terms, on))
            for label in labels
        }

    @cached_property
    def leanings(self) -> tuple[Surface, ...]:
        """What each active treatment is chosen for: some prognostic columns, in the direction of the worse, and others."""
        found = []
        for label, shape in self.scenario.assignment.leanings(self.scenario.treatments).items():
            first = self.prognoses[0]
            shared = first.positions[: round(self.scenario.confounding.alignment * len(first.positions))]
            others = np.setdiff1d(self.reference.blocks["covariates"], first.positions)
            self._require_reasons(len(shared), len(others), len(first.positions))
            others = self.stream(f"columns of {label}").permutation(others)[: _TERMS - len(shared)]
            own = draw_weights(self.stream(f"weights of {label}"), len(shared) + len(others))
            for mine, theirs in zip(
                (own.single, own.square, own.pair), (first.weights.single, first.weights.square, first.weights.pair),
                strict=True,
            ):  # fmt: skip
                mine[: len(shared)] = -theirs[: len(shared)]
            found.append(self._standardised(Surface(shape, np.concatenate([shared, others]), own)))
        return tuple(found)

    def _require_reasons(self, shared: int, others: int, prognostic: int) -> None:
        """Refuse a choice of treatment that has not two columns to depend on."""
        if shared + others >= _REASONS:
            return
        if prognostic + others < _REASONS:
            raise contradicts(
                "assignment",
                f"observational needs {_REASONS} covariates or more; legal is rct where there is one",
            )
        least = np.ceil(100 * (_REASONS - others) / prognostic) / 100
        raise contradicts(
            "confounding.alignment",
            f"{self.scenario.confounding.alignment:g} found; legal is [{least:g}, 1] where all but {others} of the covariates are "
            "prognostic: a choice of treatment depends on two or more",
        )

    def signal(
        self, scores: Scores, *, hidden: np.ndarray | None = None, site: np.ndarray | None = None,
        sites: SiteEffects | None = None, known_sites: bool = True,
    ) -> Signal:  # fmt: skip
        """Return predictors of outcomes.

        Parameters
        ----------
        scores : Scores
        hidden : numpy.ndarray, optional
            The hidden cause, shape (patient,); zeros by default.
        site : numpy.ndarray, optional
            Position of each patient's site.
        sites : SiteEffects, optional
        known_sites : bool
            Whether patients of these sites are in the cohort, so that their effects can be learned.
        """
        scenario, n, k = self.scenario, scores.n, len(self.scenario.treatments)
        spreads = scenario.outcome.spreads
        prognosis = np.column_stack(
            [spread * f(scores) for spread, f in zip(spreads, self.prognoses, strict=True)]
        )
        if scenario.confounding.ancestry:
            if "ancestry" not in scores.names:
                raise contradicts("confounding.ancestry", "legal is 0 where the genome has no ancestry")
            prognosis[:, 0] += scenario.confounding.ancestry * scores.of("ancestry")
        surfaces = {label: f(scores) for label, f in self.effects.items()}
        effect = scenario.effect.values(scenario.treatments, scores, surfaces)
        unseen, variance = np.zeros((n, 1)), scenario.confounding.hidden**2
        unseen_effect, effect_variance = np.zeros((n, k)), np.zeros(k)
        if hidden is not None:
            unseen += scenario.confounding.hidden * hidden[:, None]
        if scenario.sites.n:
            if known_sites:
                assert site is not None and sites is not None
                prognosis[:, 0] += sites.intercept[site]
                effect = effect + sites.treatment[site]
            else:
                variance += self.site_sd**2
                effect_variance[1:] = scenario.sites.treatment_sd**2
                if site is not None and sites is not None:
                    unseen += sites.intercept[site, None]
                    unseen_effect += sites.treatment[site]
        return Signal(prognosis, effect, unseen, unseen_effect, variance, effect_variance)

    @property
    def site_sd(self) -> float:
        """Standard deviation of site intercepts on the first predictor, from the intraclass correlation."""
        icc = self.scenario.sites.icc
        return float(self.scenario.outcome.unit * np.sqrt(icc / (1 - icc)))

    def site_effects(self, rng: np.random.Generator) -> SiteEffects:
        """Draw the effects of sites."""
        sites, k = self.scenario.sites, len(self.scenario.treatments)
        treatment = sites.treatment_sd * rng.standard_normal((sites.n, k))
        treatment[:, 0] = 0.0
        return SiteEffects(self.site_sd * rng.standard_normal(sites.n), treatment)

    def propensity(self, scores: Scores, hidden: np.ndarray) -> np.ndarray:
        """Return the probability of each treatment given all that decides it, shape (patient, treatment)."""
        return self.scenario.assignment.propensity(*self._reasons(scores, hidden), self._start)

    def _reasons(self, scores: Scores, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        leanings = np.zeros((scores.n, len(self.scenario.treatments) - 1))
        boxed = np.zeros(scores.n, dtype=bool)
        for k, f in enumerate(self.leanings):
            leanings[:, k] = f(scores)
        if self.leanings:
            leanings -= self.scenario.confounding.hidden * hidden[:, None]
            first, second = self.leanings[0].positions[:2]
            boxed = (scores.table[:, first] > 0.5) & (scores.table[:, second] > 0.0)
        return leanings, boxed

    @cached_property
    def _hidden(self) -> np.ndarray:
        return self.stream("reference hidden").standard_normal(self.reference.n)

    @cached_property
    def _start(self) -> np.ndarray:
        """Log odds at which treatments have the shares asked for, by iterative proportional fitting."""
        assignment, k = self.scenario.assignment, len(self.scenario.treatments)
        target, start = assignment.shares(k), np.zeros(k - 1)
        if not self.leanings:
            return start
        reasons = self._reasons(self.reference, self._hidden)
        never = assignment.propensity(*reasons, np.full(k - 1, _CERTAIN))[:, 0].mean()
        if target[0] <= never:
            raise contradicts(
                "assignment.root",
                f"{target[1:].sum():g} found; legal is (0, {1 - never:.3f}) where assignment.overlap leaves a box untreated",
            )
        for _ in range(1_000):
            share = assignment.propensity(*reasons, start).mean(axis=0)
            step = np.log(target[1:] / share[1:]) - np.log((target[0] - never) / (share[0] - never))
            start = start + step
            if np.abs(step).max() < 1e-8:
                break
        return start

    @cached_property
    def _reference_signal(self) -> Signal:
        sites = self.site_effects(self.stream("reference sites"))
        where = self.stream("reference site").integers(0, max(self.scenario.sites.n, 1), self.reference.n)
        return self.signal(self.reference, hidden=self._hidden, site=where, sites=sites)

    @cached_property
    def log_rate(self) -> float:
        """Log rate of leaving at which the share asked for is censored."""
        censoring = self.scenario.censoring
        if censoring.target is None:
            return 0.0
        noise = noise_of(self.scenario, self.reference.n, lambda label: self.stream(f"reference {label}"))
        signal = self._reference_signal
        time = self.scenario.outcome.draw(signal, noise).raw["time"]
        end = np.inf if censoring.end is None else censoring.end
        late = float((time > end).mean())
        if late >= censoring.target:
            raise contradicts(
                "censoring.rate",
                f"{censoring.target:g} found; legal is ({late:.3f}, 1): that share is event-free at censoring.end",
            )

        def share(log_rate: float) -> float:
            left = -np.expm1(-censoring.hazard(signal, log_rate)[:, None] * np.minimum(time, end))
            return float(np.where(time > end, 1.0, left).mean())

        return float(brentq(lambda r: share(r) - censoring.target, -30.0, 10.0, xtol=1e-6))

    @cached_property
    def missing_starts(self) -> Mapping[str, float]:
        """Log odds at which the share asked for of each column is missing."""
        missing, scores = self.scenario.missing, self.reference

        def start(name: str, rate: float) -> float:
            return _met(rate, lambda a: float(missing.probability(scores, {name: a})[name].mean()))

        return {name: start(name, rate) for name, rate in self.missing_rates.items()}

    @cached_property
    def dropout_start(self) -> tuple[float, float, float]:
        """Mean and standard deviation of the response, and log odds at which the share asked for leaves."""
        dropout, signal = self.scenario.dropout, self._reference_signal
        if not dropout.target:
            return 0.0, 1.0, 0.0
        noise = noise_of(self.scenario, self.reference.n, lambda label: self.stream(f"reference {label}"))
        response = first_endpoint(self.scenario, self.scenario.outcome.draw(signal, noise).endpoints.values)
        received = self.stream("reference assignment").random(self.reference.n)[:, None]
        steps = np.cumsum(self.propensity(self.reference, self._hidden), axis=1)[:, :-1]
        own = response[np.arange(self.reference.n), (received >= steps).sum(axis=1)]
        mean, sd = float(own.mean()), float(own.std()) or 1.0  # an event that nobody had varies with nothing
        standard = (own - mean) / sd
        start = _met(dropout.target, lambda a: float(dropout.probability(standard, signal, a).mean()))
        return mean, sd, start

    def _chosen(self, label: str, terms: int, on: str = "covariates") -> np.ndarray:
        return self.stream(f"columns of {label}").permutation(self.reference.blocks[on])[:terms]

    def _surface(self, label: str, shape: Shape, positions: np.ndarray) -> Surface:
        weights = draw_weights(self.stream(f"weights of {label}"), len(positions))
        return self._standardised(Surface(shape, positions, weights))

    def _standardised(self, raw: Surface) -> Surface:
        found = raw(self.reference)
        mean, sd = float(found.mean()), float(found.std())
        if not sd > 1e-9 * max(1.0, abs(mean)):
            raise contradicts(
                "world",
                f"{self.scenario.world} found; in it a {raw.shape} surface has one value for all patients; legal is another world, or "
                "another shape (outcome.surface, assignment.model)",
            )
        return replace(raw, mean=mean, sd=sd)


def _met(rate: float, share: Callable[[float], float]) -> float:
    """Return the log odds at which a share that rises with them is the rate."""
    bound = 30.0
    while bound < 1e4 and not share(-bound) < rate < share(bound):
        bound *= 2
    return float(brentq(lambda a: share(a) - rate, -bound, bound))


def first_endpoint(scenario: Scenario, endpoints: np.ndarray) -> np.ndarray:
    """Return the first endpoint at the first horizon, higher is better, shape (patient, treatment)."""
    first = endpoints[:, :, 0].reshape(*endpoints.shape[:2], -1)[:, :, 0]
    return np.asarray(first * next(iter(scenario.outcome.endpoints.values())))


def noise_of(scenario: Scenario, n: int, rng: Callable[[str], np.random.Generator]) -> Noise:
    """Return the random parts of outcomes, coupled over treatments as the scenario says."""

    def normal(label: str) -> np.ndarray:
        k, rho = len(scenario.treatments), scenario.coupling
        shared = rng(f"{label} shared").standard_normal((n, 1))
        if rho == 1.0:
            return np.broadcast_to(shared, (n, k))
        return np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng(f"{label} own").standard_normal((n, k))

    return Noise(normal, rng)
