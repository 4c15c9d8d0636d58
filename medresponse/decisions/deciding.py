"""`decide`: expected utility, benefit and regret of every treatment for each patient, and what a rule chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import polars as pl

from medresponse.core.errors import DataError, SpecError
from medresponse.core.small_cells import shown
from medresponse.decisions.abstention import Verdict
from medresponse.decisions.base import Options, Rule, Utility
from medresponse.decisions.expected_utility import ExpectedUtility
from medresponse.decisions.harms import Harm
from medresponse.decisions.rules import HighestUtility
from medresponse.response import Responses, benefit_of, check_sides

_COLUMNS = (
    "response", "utility", "utility_lower", "utility_upper", "benefit", "benefit_lower", "benefit_upper", "p_benefit",
    "p_worthwhile", "p_worse", "p_best", "regret",
)  # fmt: skip
_OF_BENEFIT = ("benefit", "benefit_lower", "benefit_upper", "p_benefit", "p_worthwhile", "p_worse")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was found for each patient and treatment, and what the rule chose.

    For statisticians: a clinician's page names no winner, so that `p_best`, `regret` and `chosen` never stand on one.

    Parameters
    ----------
    responses : Responses
    utility : Utility
    harms : tuple of Harm
    rule : Rule
    reference : str
        Treatment that benefits are measured against.
    worthwhile : float
        Smallest worthwhile benefit in the responses' unit.
    level : float
        Of the intervals.
    table : polars.DataFrame
        One row a patient and treatment:

        ``response``
            Posterior mean response.
        ``utility``, ``utility_lower``, ``utility_upper``
            Expected utility and the interval of what is known of it.
        ``benefit``, ``benefit_lower``, ``benefit_upper``, ``p_benefit``, ``p_worthwhile``, ``p_worse``
            As in `medresponse.contrast`: on the response alone, without harms; null for the reference.
        ``p_best``
            Posterior probability that no treatment has a higher utility (shared among equals). It favours options of which
            little is known and says nothing of how much is at stake: read it beside `regret`.
        ``regret``
            ``E[max_j U_j - U_k]``: utility lost on average by taking k rather than the treatment one would take knowing the
            parameters. The smallest of a patient is the expected value of perfect information for that choice (Claxton 1999,
            J Health Econ 18:341).
        ``withheld``
            Whether the verdict on the patient withholds its estimate. The numbers stand here all the same, for whoever looks into
            it; a rule never leaves the reference for it.
        ``chosen``
            Whether the rule chooses it.
    losses : numpy.ndarray
        What each treatment costs by the utility whatever its response, shape (treatment, draw).
    """

    responses: Responses
    utility: Utility
    harms: tuple[Harm, ...]
    rule: Rule
    reference: str
    worthwhile: float
    level: float
    table: pl.DataFrame = field(repr=False)
    losses: np.ndarray = field(repr=False, compare=False)

    @property
    def chosen_idx(self) -> np.ndarray:
        """Position of the treatment chosen for each patient, shape (patient,)."""
        return self.matrix("chosen").argmax(axis=1)

    @property
    def abstained(self) -> np.ndarray:
        """Whether no treatment's comparison with the reference may be shown for a patient, shape (patient,)."""
        withheld, k = self.matrix("withheld"), self.responses.treatment_position(self.reference)
        return np.asarray(withheld[:, k] | np.delete(withheld, k, axis=1).all(axis=1))

    def chosen(self) -> pl.DataFrame:
        """Return ``patient, treatment``: what the rule gives each patient."""
        return self.table.filter("chosen").select("patient", "treatment")

    def matrix(self, column: str) -> np.ndarray:
        """Return one column of the table, shape (patient, treatment)."""
        return self.table[column].to_numpy().reshape(-1, len(self.responses.treatments))

    def overview(self) -> pl.DataFrame:
        """Return ``treatment, chosen, share, withheld, utility, regret``: how many get it, are refused it, and averages."""
        grouped = self.table.group_by("treatment", maintain_order=True)
        counts = (pl.col("chosen").sum(), pl.col("chosen").mean().alias("share"), pl.col("withheld").sum())
        return grouped.agg(*counts, pl.col("utility", "regret").mean())

    def __repr__(self) -> str:
        return (
            f"<Decision {type(self.rule).__name__} by {type(self.utility).__name__}: {len(self.responses.ids)} patients x "
            f"{len(self.responses.treatments)} treatments, {self.responses.title}>"
        )

    def _repr_html_(self) -> str:
        table, n = self.overview(), len(self.responses.ids)
        chosen = shown(table["chosen"].to_list())
        withheld = [shown((k, n - k))[0] for k in table["withheld"]]
        safe = [text.replace(",", "").isdigit() for text in chosen]
        share = pl.when(pl.Series(safe)).then(pl.col("share").round(3))
        table = table.with_columns(share.alias("share"), pl.col("utility", "regret").round(4))
        table = table.with_columns(chosen=pl.Series(chosen), withheld=pl.Series(withheld))
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p>{table._repr_html_()}"


def decide(
    responses: Responses,
    utility: Utility | None = None,
    *,
    rule: Rule | None = None,
    harms: Sequence[Harm] = (),
    worthwhile: float = 0.0,
    against: str | None = None,
    verdicts: Sequence[Verdict] = (),
    level: float = 0.95,
) -> Decision:
    """Weigh the treatments of each patient by a stated utility.

    Parameters
    ----------
    responses : Responses
    utility : Utility, optional
        `ExpectedUtility()` by default: the response alone, which is refused once harms are given without weights.
    rule : Rule, optional
        `HighestUtility()` by default.
    harms : sequence of Harm
        Rates of harms; those of a group count alike for all patients.
    worthwhile : float
        Smallest worthwhile benefit (MCID) in the responses' unit, declared before seeing data.
    against : str, optional
        Reference treatment; the schema's by default.
    verdicts : sequence of Verdict
        Of the same patients in the same order, as `judge` gives them. A treatment is chosen only if its estimate and the
        reference's are shown; a patient of whom none is stays on the reference, without a recommendation.
    level : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    Decision
        Made chunk by chunk: nothing of size patients x draws is held.

    Raises
    ------
    SpecError
        If there is a single treatment, no side of what is asked is the better one, a weight is missing or names nothing, or
        `worthwhile` is negative.
    UnknownTreatmentError
        If a treatment is not among the responses'.
    DataError
        If the verdicts are of other patients.
    """
    utility, rule = utility or ExpectedUtility(), rule or HighestUtility()
    check_sides(responses)
    if not worthwhile >= 0:
        raise SpecError(f"worthwhile: {worthwhile} found, 0 or more needed", code="worthwhile")
    utility.check(responses, harms)
    reference = against or responses.basis.reference
    position = responses.treatment_position(reference)
    estimated = _estimated(responses, verdicts)
    losses = utility.losses(responses, harms)
    parts = [
        _summarise(values, worth - losses, position, responses.direction, worthwhile, level)
        for _, values, worth in utility.worth(responses)
    ]
    found = dict(zip(_COLUMNS, np.moveaxis(np.concatenate(parts), -1, 0), strict=True))
    allowed = estimated & estimated[:, [position]]
    allowed[:, position] = True
    options = Options(
        utility=found["utility"], p_worthwhile=found["p_worthwhile"], allowed=allowed, reference=position,
        treatments=responses.treatments,
    )  # fmt: skip
    return Decision(
        responses=responses, utility=utility, harms=tuple(harms), rule=rule, reference=reference, worthwhile=worthwhile,
        level=level, table=_table(responses, found, ~estimated, rule.choose(options), reference), losses=losses,
    )  # fmt: skip


def _summarise(
    values: np.ndarray, utility: np.ndarray, reference: int, direction: int, worthwhile: float, level: float
) -> np.ndarray:
    """Return `_COLUMNS` stacked last, shape (patient, treatment, column), from draws (patient, treatment, draw)."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    benefit = benefit_of(values, reference, list(range(values.shape[1])), direction)
    highest = utility.max(axis=1, keepdims=True)
    best = utility == highest
    parts = [
        values.mean(axis=-1), utility.mean(axis=-1), *np.quantile(utility, tails, axis=-1),
        benefit.mean(axis=-1), *np.quantile(benefit, tails, axis=-1),
        (benefit > 0).mean(axis=-1), (benefit > worthwhile).mean(axis=-1), (benefit < 0).mean(axis=-1),
        (best / best.sum(axis=1, keepdims=True)).mean(axis=-1), (highest - utility).mean(axis=-1),
    ]  # fmt: skip
    return np.stack(parts, axis=-1)


def _estimated(responses: Responses, verdicts: Sequence[Verdict]) -> np.ndarray:
    """Return whether each estimate is shown, shape (patient, treatment)."""
    if not verdicts:
        return np.ones((len(responses.ids), len(responses.treatments)), dtype=bool)
    if tuple(verdict.patient for verdict in verdicts) != responses.ids:
        raise DataError(
            "verdicts and responses are of other patients, or in another order", code="patients_differ"
        )
    return np.array([verdict.shown for verdict in verdicts])


def _table(
    responses: Responses,
    found: dict[str, np.ndarray],
    withheld: np.ndarray,
    chosen: np.ndarray,
    reference: str,
) -> pl.DataFrame:
    names = responses.treatments
    labels = {
        "patient": np.repeat(responses.ids, len(names)).tolist(),
        "treatment": list(names) * len(responses.ids),
    }
    columns = {name: values.ravel() for name, values in found.items()}
    columns["withheld"] = withheld.ravel()
    columns["chosen"] = (chosen[:, None] == np.arange(len(names))).ravel()
    other = pl.when(pl.col("treatment") != reference)
    return pl.DataFrame(labels | columns).with_columns(
        other.then(pl.col(name)).alias(name) for name in _OF_BENEFIT
    )
