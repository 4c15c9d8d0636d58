"""Where intervals stop meaning what they say: benefits in patients like and unlike those studied, against a known truth.

A linear model learns from each of several made-up populations whose surfaces have steps or are curved, whose patients
choose treatments, or who come from other sites. It then meets new patients, some moved away from the studied ones. By
each measure of applicability: do the 95% intervals of the benefit hold the truth, how large are errors, and how many
patients does a threshold cost?
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from experiments.abstention_tables import (
    LEVEL,
    WORDS,
    by_gaps,
    by_measure,
    by_rule,
    by_verdict,
    by_width,
    figure,
    rounded,
    thresholds,
)
from experiments.simulation import spec_for
from experiments.study import Study, require_whole
from medresponse.cohort import Cohort
from medresponse.core.codec import from_plain
from medresponse.core.rng import derive_seed, stream
from medresponse.decisions import AbstentionRules, judge
from medresponse.inference import Fit, fit_many
from medresponse.reports import IndexFigure, IndexTable, write_index
from medresponse.response import Responses, Studied, benefit_of, measure, respond, studied
from medresponse.response.applicability import distance_ratio
from medresponse.synthetic.scenario import Scenario, Sites, scenario
from medresponse.synthetic.simulation import Trial, simulate
from medresponse.validation import known


def run(study: Study) -> None:
    """Fit every world of every scenario, score new patients by their measures, and write tables, figure and metrics."""
    rules = from_plain(AbstentionRules, study.config["abstention"], path="abstention")
    parts, gaps = [], []
    for name in study.config["scenarios"]:
        for n in study.config["patients"]["studied"]:
            scored, gapped = _scenario(study, name, n, rules)
            parts.append(scored)
            gaps.append(gapped)
    scores, with_gaps = pl.concat(parts), pl.concat(gaps)
    tables = {measured: by_measure(study, scores, measured) for measured in WORDS}
    for measured, table in tables.items():
        study.table(rounded(table), caption=f"Benefits by {WORDS[measured]}")
    study.table(
        thresholds(study, tables, rules), caption="Thresholds by the stated criterion, and the default rules"
    )
    figure(study, tables, rules)
    study.table(
        rounded(by_verdict(study, scores)),
        caption="What the rules together let through, and what they withhold",
    )
    study.table(
        rounded(by_rule(study, scores)),
        caption="Patients and options that each rule withholds, of new patients like the studied ones",
    )
    study.table(
        rounded(by_gaps(study, with_gaps)), caption="Benefits by the share of inputs that are missing"
    )
    study.table(
        rounded(by_width(study, scores)),
        caption="Intervals that include so many worthwhile differences to the better and as many to the worse",
    )
    write_index(
        [], study.folder, title="When an estimate is withheld",
        intro="Made-up patients. Coverage of 95% intervals for benefits and their errors, by how far patients are from those "
        "a linear model learned from.",
        figures=[IndexFigure(title=n, caption=c, svg=svg, alt=alt) for n, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables], overwrite=True,
    )  # fmt: skip


def _scenario(study: Study, name: str, n: int, rules: AbstentionRules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one row a new patient and option: its measures, its interval and the truth; and the same with gaps."""
    config, size = study.config, study.config["patients"]
    worlds = range(1, config["worlds"][config["size"]["name"]] + 1)
    seeds = {world: derive_seed(study.seed, name, world) for world in worlds}
    trials = {
        world: {shift: simulate(scenario_of(name, n, world, shift), seed=seeds[world]) for shift in config["shifts"]}
        for world in worlds
    }  # fmt: skip
    cohorts = [trials[world][config["shifts"][0]].cohort for world in worlds]
    spec = spec_for(config["model"], trials[1][config["shifts"][0]])
    if not scenario(name).sites.n:
        spec = replace(spec, pooling=())
    fits = fit_many(
        spec, cohorts, outcome="score", engine=study.engine, seed=study.seed, checkpoint=study.folder / ".chains"
    )  # fmt: skip
    require_whole(fits, len(cohorts))
    label = f"{name}_n{n}"
    study.cohorts[label], study.fits[label] = cohorts[0].fingerprint, fits[-1]
    study.record(f"{label}.fits_that_fail_diagnostics", float(sum(not f.diagnostics.passed for f in fits)))
    rows, gapped = [], []
    for world, fitted, cohort in zip(worlds, fits, cohorts, strict=True):
        training = studied(fitted, cohort)
        for shift, trial in trials[world].items():
            new = _first(trial.held_out, size["new"])
            rows.append(
                _scored(fitted, training, new, rules).with_columns(shift=pl.lit(shift), world=pl.lit(world))
            )
        like = _first(trials[world][config["shifts"][0]].held_out, size["with_gaps"])
        for share in (0.0, *config["gaps"]):
            holes = (_with_gaps(like[0], share, seeds[world]), like[1])
            gapped.append(_benefits(fitted, holes).with_columns(gap=pl.lit(share), world=pl.lit(world)))
    named = pl.lit(label).alias("scenario")
    return pl.concat(rows).with_columns(named), pl.concat(gapped).with_columns(named)


def scenario_of(name: str, n: int, world: int, shift: float) -> Scenario:
    """Return a scenario with new patients of other sites, whose inputs are moved; sites without effects if it had none."""
    found = scenario(name, n=n, world=world)
    sites = (
        replace(found.sites, shift=shift) if found.sites.n else Sites(n=2, held_out=1, icc=0.0, shift=shift)
    )
    return replace(found, sites=sites)


def _first(trial: Trial | None, n: int) -> tuple[Cohort, np.ndarray]:
    """Return the first patients and their true mean responses."""
    assert trial is not None
    return trial.cohort.select(trial.cohort.patients[:n]), known(trial.truth, endpoint="score").mean[:n]


def _benefits(
    fitted: Fit, new: tuple[Cohort, np.ndarray], responses: Responses | None = None
) -> pl.DataFrame:
    """Return one row a patient and option: true benefit, its estimate and 95% interval."""
    cohort, truth = new
    responses = responses or respond(fitted, cohort, draws=1000)
    others = list(range(1, len(responses.treatments)))

    def summarise(values: np.ndarray) -> np.ndarray:
        benefit = benefit_of(values, 0, others, 1)
        bounds = np.quantile(benefit, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
        return np.stack([benefit.mean(axis=-1), *bounds], axis=-1)

    found = responses.reduce(summarise).reshape(-1, 3)
    return pl.DataFrame(
        {
            "true": (truth[:, 1:] - truth[:, :1]).ravel(),
            "estimate": found[:, 0],
            "lower": found[:, 1],
            "upper": found[:, 2],
        }
    )


def _scored(
    fitted: Fit, training: Studied, new: tuple[Cohort, np.ndarray], rules: AbstentionRules
) -> pl.DataFrame:
    """Return benefits with the measures of each patient and option, and which rules withhold them."""
    cohort = new[0]
    responses = respond(fitted, cohort, draws=1000)
    measures = measure(responses, training=training, similar_share=rules.similar_share)
    verdicts = judge(responses, cohort, rules, training=training, measures=measures, allow_unconverged=True)
    others = len(responses.treatments) - 1
    assert measures.similar is not None
    both = np.minimum(measures.similar[:, 1:], measures.similar[:, :1])
    shares = measures.similar / training.counts
    alike = np.minimum(shares[:, 1:], shares[:, :1])
    rarer = np.ones_like(both)
    if measures.propensity is not None:
        rarer = np.minimum(measures.propensity[:, 1:], measures.propensity[:, :1])
    codes = [
        sorted({r.code for j in (0, k) for r in v.reasons(j)}) for v in verdicts for k in range(1, others + 1)
    ]
    return _benefits(fitted, new, responses).with_columns(
        beyond=np.repeat(measures.beyond.max(axis=1), others),
        distance=np.repeat([distance_ratio(fitted, float(d)) for d in measures.distance], others),
        similar=both.ravel(), alike=alike.ravel(), propensity=rarer.ravel(), codes=pl.Series(codes, dtype=pl.List(pl.String)),
        shown=np.array([v.compared[k] for v in verdicts for k in range(1, others + 1)]),
    )  # fmt: skip


def _with_gaps(cohort: Cohort, share: float, seed: int) -> Cohort:
    """Return a cohort in which each patient lacks a share of the features, others for each."""
    names = list(cohort.schema.feature_columns)
    ranks = stream(seed, "gaps").random((cohort.n, len(names))).argsort(axis=1).argsort(axis=1)
    gone = ranks < round(share * len(names))
    blank = [
        pl.when(pl.Series(gone[:, j])).then(None).otherwise(pl.col(name)).alias(name)
        for j, name in enumerate(names)
    ]
    return replace(cohort, table=cohort.table.with_columns(blank))
