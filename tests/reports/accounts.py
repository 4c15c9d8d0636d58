"""What every number in a report's JSON must be, computed from the draws by arithmetic of the tests' own."""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.features import group_indices
from medresponse.reports import Report
from medresponse.response import Responses, respond
from tests.reports.validated import record_of, report

LEVELS = (0.025, 0.1, 0.25, 0.75, 0.9, 0.975)


class Case:
    """A report, the responses and the row that it was made from."""

    def __init__(self, responses: Responses, cohort: Cohort, patient: str, worthwhile: float | None, **options: Any) -> None:  # fmt: skip
        self.made: Report = report(responses, cohort, patient=patient, worthwhile=worthwhile, **options)
        self.responses, self.cohort, self.patient = responses, cohort.select([patient]), patient
        self.worthwhile = worthwhile
        self.plain: dict[str, Any] = json.loads(self.made.document.to_json())
        self.values = responses.draws([patient]).values[0]
        self.record = record_of(responses, worthwhile)

    @functools.cached_property
    def shapley(self) -> dict[str, np.ndarray]:
        return shapley(self)

    @property
    def sign(self) -> int:
        return self.responses.direction or 1

    @property
    def reference(self) -> int:
        return self.responses.treatments.index(self.responses.basis.reference) if len(self.values) > 1 else 0

    @property
    def others(self) -> list[int]:
        return [k for k in range(len(self.values)) if k != self.reference]

    def benefit(self, k: int) -> np.ndarray:
        return self.sign * (self.values[k] - self.values[self.reference])

    @property
    def factor(self) -> float:
        return 1.0 if self.responses.kind.unit in ("outcome", "time") else 100.0


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int | float):
        yield path, float(value)
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from leaves(item, (*path, str(key)))


def moments(draws: np.ndarray) -> dict[str, float]:
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return {"mean": float(draws.mean()), "lower": float(lower), "upper": float(upper)}


def spread(draws: np.ndarray) -> list[float]:
    """Mean, median and the bounds of the 50, 80 and 95% intervals, as the table of numbers has them."""
    pairs = [np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) for level in (0.5, 0.8, 0.95)]
    return [float(draws.mean()), float(np.median(draws)), *(float(b) for pair in pairs for b in pair)]


def posterior(draws: np.ndarray, rest: list[str]) -> float:
    if rest[0] == "quantiles":
        return float(np.quantile(draws, LEVELS[int(rest[1])]))
    return float(draws.mean() if rest[0] == "mean" else np.median(draws))


def times_of(case: Case) -> np.ndarray:
    """Draws of the mean time that stands beside a probability of no event."""
    return case.responses.at(horizon=case.responses.horizon, kind="rmst").draws([case.patient]).values[0]


def table_of_numbers(case: Case) -> list[list[float]]:
    blocks = [(case.values, case.sign)]
    if case.responses.estimand.kind == "survival":
        blocks.append((times_of(case), 1))
    rows = []
    for values, sign in blocks:
        rows += [spread(own) for own in values]
        rows += [spread(sign * (values[k] - values[case.reference])) for k in case.others]
    return rows


def response_with(case: Case, joined: tuple[str, ...]) -> np.ndarray:
    """Mean responses (treatment, draw) with some inputs at this patient's values and all others at the training averages."""
    fit, estimand = case.responses.fit, case.responses.estimand
    columns = fit.encoding.columns(fit.encoding.codes(case.cohort)).copy()
    for j, owners in enumerate(fit.encoding.column_features):
        if not set(owners) <= set(joined):
            columns[:, j] = 0.0  # columns are centred
    groups = group_indices(fit.layout, case.cohort)
    eta = np.stack([
        [fit.layout.linear_predictor(columns, np.array([k]), groups, own)[0] for k in range(len(case.values))]
        for own in fit.coefficient_draws()
    ])[:, None]  # fmt: skip
    return fit.spec.family.response(
        estimand, eta if len(eta) > 1 else eta[0], fit.family_draws(), fit.constants
    )[0]


def shapley(case: Case) -> dict[str, np.ndarray]:
    """Changes in what is shown by each input, draw by draw, over all coalitions: Shapley 1953, written out."""
    names = case.responses.fit.encoding.names
    worth: dict[frozenset[str], np.ndarray] = {}
    for size in range(len(names) + 1):
        for joined in itertools.combinations(names, size):
            values = response_with(case, joined)
            shown = [case.sign * (values[k] - values[case.reference]) for k in case.others] or [values[0]]
            worth[frozenset(joined)] = np.stack(shown)
    np.testing.assert_allclose(values, case.values, rtol=1e-9)  # with all inputs, the patient
    n, found = len(names), {}
    for name in names:
        total = np.zeros_like(worth[frozenset()])
        for joined, before in worth.items():
            if name not in joined:
                weight = math.factorial(len(joined)) * math.factorial(n - len(joined) - 1) / math.factorial(n)
                total += weight * (worth[joined | {name}] - before)
        found[name] = total
    return found


def moved(case: Case, row: int, column: int, part: str) -> float:
    labels = {
        case.responses.fit.schema.feature_columns[n].label or n: n for n in case.responses.fit.encoding.names
    }
    changes, rows = case.shapley, case.plain["sections"]["moved"]["rows"]
    named = [labels[r["label"]] for r in rows if r["label"] in labels]
    own = labels.get(rows[row]["label"])
    if own is not None:
        draws = changes[own]
    elif row == len(rows) - 1:
        draws = sum(changes.values())
    else:  # all inputs that have no row of their own
        draws = sum(values for name, values in changes.items() if name not in named)
    return moments(np.asarray(draws)[column])[part]


Handler = Callable[[Case, list[str]], float]


def declared(*path: str) -> Handler:
    """A number that people gave, and the report repeats."""

    def value(case: Case, rest: list[str]) -> float:
        found: Any = case.made.document.rules
        for name in path:
            found = getattr(found, name)
        return float(found)

    return value


def people(case: Case, rest: list[str]) -> float:
    """One person's own value: the middle 90% of simulated outcomes."""
    draws = np.concatenate([v for _, v in case.responses.select([case.patient]).predictive_chunks()])[0][
        int(rest[0])
    ]
    return {
        "mean": draws.mean(),
        **dict(zip(("lower", "upper"), np.quantile(draws, [0.05, 0.95]), strict=True)),
    }[rest[1]]


def curve(case: Case, rest: list[str], name: str) -> float:
    k, part, i = int(rest[0]), rest[1], int(rest[2])
    horizon = float(case.responses.horizon or 0.0)
    if part == "time":
        return round(horizon * i / 24, 4)
    if i == 0:
        return {"survival": 1.0, "incidence": 0.0}[name]
    kind = {"survival": "survival", "incidence": "cumulative_incidence"}[name]
    draws = case.responses.at(horizon=horizon * i / 24, kind=kind).draws([case.patient]).values[0][k]
    assert len(draws) <= 1000  # of more, all but the end of a curve is drawn from 1,000
    return moments(draws)[part]


def density(case: Case, rest: list[str]) -> float:
    """A kernel density over its largest value, by the textbook sum over all draws."""
    comparison, axis, i = int(rest[0]), case.plain["sections"]["differences"]["axis"], int(rest[2])
    x = np.linspace(axis["low"], axis["high"], 81)
    if rest[1] == "x":
        return float(x[i])
    draws = case.benefit(case.others[comparison])
    width = (
        0.9
        * min(draws.std(ddof=1), np.subtract(*np.quantile(draws, [0.75, 0.25])) / 1.34)
        * len(draws) ** -0.2
    )
    y = np.exp(-0.5 * ((x[:, None] - draws) / width) ** 2).sum(axis=1)
    return float(y[i] / y.max())


def probability(case: Case, rest: list[str]) -> float:
    draws = case.benefit(case.others[int(rest[0])])
    if case.responses.direction == 0:
        return float([(draws > 0).mean(), (draws < 0).mean()][int(rest[1])])
    assert case.worthwhile is not None
    return float([(draws > 0).mean(), (draws > case.worthwhile).mean(), (draws < 0).mean()][int(rest[1])])


def answered(case: Case, rest: list[str]) -> float:
    k, what, *more = rest
    if what == "response":
        return posterior(case.values[int(k)], more)
    draws = case.benefit(int(k))
    if more[0] == "posterior":
        return posterior(draws, more[1:])
    threshold = {
        "above_zero": draws > 0,
        "below_zero": draws < 0,
        "worthwhile": draws > (case.worthwhile or 0.0),
    }
    return float(threshold[more[0]].mean())


def recorded(case: Case, rest: list[str]) -> float:
    name = case.responses.fit.encoding.names[int(rest[0])]
    return float(case.cohort.table[name][0])


def percent_of_100(case: Case, rest: list[str]) -> float:
    return float(math.floor(100 * case.values[int(rest[0])].mean() + 0.5))


def gained(case: Case, rest: list[str]) -> float:
    times = times_of(case)
    return moments(times[case.others[int(rest[0])]] - times[case.reference])[rest[1]]


def gate(case: Case, rest: list[str]) -> float:
    one = case.record.gates[int(rest[0])]
    return float((one.measured, one.lower, one.upper)[int(rest[1])] or np.nan)


def trusted(case: Case, rest: list[str]) -> float:
    """What the validation measured of calibration, or the priors' part."""
    point = case.plain["sections"]["trust"]["points"][int(rest[0])]
    if point["text"].startswith(("predicted less observed", "predicho menos observado")):
        gates = [g for g in case.record.gates if g.name == "calibration_in_the_large"]
        numbers = [value for g in gates for value in (g.measured, g.lower, g.upper)]
        return float(numbers[int(rest[1])] or 0.0)
    return under_other_priors(case, rest)


def under_other_priors(case: Case, rest: list[str]) -> float:
    """Means with the priors to the power of 0.8, as fitted, and to the power of 1.25, by the fit's weights."""
    option, power = divmod(int(rest[1]), 3)
    draws = case.benefit(case.others[option]) if case.others else case.values[option]
    if power == 1:
        return float(draws.mean())
    name = ("log_weight_weaker_priors", "", "log_weight_stronger_priors")[power]
    weights = np.exp(case.responses.fit.sample_stats[name].transpose("chain", "draw").values.ravel())
    return float(np.average(draws, weights=weights))


def of_100(case: Case, rest: list[str]) -> float:
    """Patients of 100 with one of several outcomes, before they are made to add up."""
    k, i = (int(number) for number in rest)
    parts, r = case.responses.outcome_schema.parts, case.responses
    if r.estimand.kind in ("category", "at_least"):
        own = respond(r.fit, case.cohort, estimand="category", part=parts[i], seed=r.seed)
        return 100 * float(own.draws([case.patient]).values[0][k].mean())
    causes = [r.at(horizon=float(r.horizon or 0.0), kind="cumulative_incidence").of(part) for part in parts]
    shares = [float(cause.draws([case.patient]).values[0][k].mean()) for cause in causes]
    return 100 * [*shares, 1 - sum(shares)][i]


def left_to_chance(case: Case, rest: list[str]) -> float:
    """Share of the variance of one outcome of 0 or 1 that is within draws: the mean of p(1 - p) over the whole."""
    p = case.values[int(rest[0])]
    return float((p * (1 - p)).mean() / (p.mean() * (1 - p.mean())))


N = r"(\d+)"
# Path -> what the number there must be; in order, the first that matches.
ACCOUNTS: tuple[tuple[str, Handler], ...] = (
    (r"schema_version", lambda c, r: 7.0),
    (r"rules\.(most_beyond|most_distance|fewest_similar|least_alike|similar_share|least_propensity|most_missing|widest)",
     lambda c, r: float(getattr(c.made.document.rules, r[0]))),
    (r"answer\.horizon", lambda c, r: float(c.responses.horizon or np.nan)),
    (r"answer\.direction", lambda c, r: float(c.responses.direction)),
    (r"answer\.worthwhile", lambda c, r: float(c.worthwhile or np.nan)),
    (rf"answer\.options\.{N}\.(response)\.(mean|median)", answered),
    (rf"answer\.options\.{N}\.(response)\.(quantiles)\.{N}", answered),
    (rf"answer\.options\.{N}\.(benefit)\.(posterior)\.(mean|median)", answered),
    (rf"answer\.options\.{N}\.(benefit)\.(posterior)\.(quantiles)\.{N}", answered),
    (rf"answer\.options\.{N}\.(benefit)\.(above_zero|below_zero|worthwhile)", answered),
    (rf"answer\.inputs\.{N}\.number", recorded),
    (rf"sections\.expected_response\.options\.{N}\.estimate\.(mean|lower|upper)",
     lambda c, r: moments(c.values[int(r[0])])[r[1]]),
    (rf"sections\.expected_response\.options\.{N}\.icons", percent_of_100),
    (rf"sections\.expected_response\.options\.{N}\.person\.(mean|lower|upper)", people),
    (rf"sections\.differences\.comparisons\.{N}\.estimate\.(mean|lower|upper)",
     lambda c, r: moments(c.benefit(c.others[int(r[0])]))[r[1]]),
    (rf"sections\.differences\.comparisons\.{N}\.probabilities\.{N}\.value", probability),
    (rf"sections\.differences\.comparisons\.{N}\.density\.(x|y)\.{N}", density),
    (rf"sections\.differences\.comparisons\.{N}\.time_gained\.(mean|lower|upper)", gained),
    (r"sections\.differences\.worthwhile\.at", lambda c, r: float(c.worthwhile or np.nan)),
    (rf"sections\.survival\.options\.{N}\.curve\.(time|mean|lower|upper)\.{N}", lambda c, r: curve(c, r, "survival")),
    (rf"sections\.incidence\.options\.{N}\.curve\.(time|mean|lower|upper)\.{N}", lambda c, r: curve(c, r, "incidence")),
    (rf"sections\.(?:survival|incidence)\.options\.{N}\.style", lambda c, r: float(r[0])),
    (r"sections\.(?:survival|incidence)\.time_axis\.(low|high)",
     lambda c, r: {"low": 0.0, "high": float(c.responses.horizon or np.nan)}[r[0]]),
    (rf"sections\.(?:survival|incidence)\.time_axis\.ticks\.{N}\.at",
     lambda c, r: int(r[0]) / 4 * float(c.responses.horizon or np.nan)),
    (rf"sections\.moved\.rows\.{N}\.changes\.{N}\.(mean|lower|upper)",
     lambda c, r: moved(c, int(r[0]), int(r[1]), r[2])),
    (rf"sections\.trust\.points\.{N}\.raw\.{N}", trusted),
    (rf"sections\.numbers\.rows\.{N}\.raw\.{N}", lambda c, r: table_of_numbers(c)[int(r[0])][int(r[1])]),
    (rf"sections\.numbers\.spread\.{N}", left_to_chance),
    (rf"sections\.outcomes\.bars\.{N}\.counts\.{N}", of_100),
    (rf"sections\.validation\.rows\.{N}\.raw\.{N}", gate),
    (rf"sections\.validation\.panels\.{N}\.points\.{N}\.(predicted|observed|lower|upper)",
     lambda c, r: float(getattr(c.record.calibration[int(r[0])].points[int(r[1])], r[2]))),
)  # fmt: skip
AXIS = re.compile(rf"(.*\.axis)\.(?:(low|high)|ticks\.{N}\.at)")
# Written with so many decimals (curves, but for their ends), smoothed over bins (densities, of a height of 1), or made to add
# up to 100.
WRITTEN = {"curve": 0.5e-5, "density": 0.01, "counts": 1.0}


def account(case: Case, path: str) -> float | None:
    for pattern, handler in ACCOUNTS:
        if (match := re.fullmatch(pattern, path)) is not None:
            return handler(case, list(match.groups()))
    return None
