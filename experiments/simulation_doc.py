"""Print the recorded simulations as Markdown: `python -m experiments.simulation_doc > docs/simulation.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from experiments.metrics import load_metrics, with_error
from experiments.study import RESULTS
from medresponse.validation import Estimate

STUDIES = {
    "simulation": "How many patients an answer takes",
    "simulation_models": "Models beside each other",
    "simulation_knobs": "One knob at a time",
    "semi_synthetic": "Patients made after a real cohort",
}
ABOUT = {
    "simulation": "`s02_linear_rct`, the model's own world: linear prognosis, effects that vary by half their average.",
    "simulation_models": "Three models of the same patients of `s02_linear_rct`: one effect for everybody (`average`), effects that vary under "
    "pooled normal priors (`linear`), and under a horseshoe (`sparse`).",
    "simulation_knobs": "Heterogeneity from none at all (`s01_null_rct`) to as large as the average effect; a cause of treatment and "
    "outcome that nobody recorded (`s05_hidden_confounder`) of 0, 0.3 and 0.7 standard deviations; overlap lacking in a box "
    "(`s04_exp_poor_overlap`) or not; drop-out tied to the response (`s10_missing_mnar`, features complete) of 20% and 65%, fitted to those who stayed.",
    "semi_synthetic": "Baseline features of GBSG-2 (686 patients), its rows resampled or drawn from a Gaussian copula learned from it; "
    "treatment and outcome as in `s02_linear_rct` (trial), `s03_step_confounded` (indication) and `s08_survival_nonph` (survival).",
}
COLUMNS = {
    "coverage": "coverage", "width": "width", "root_pehe": "error", "relative_root_pehe": "error / SD", "ate_bias": "bias",
    "average_coverage": "average's coverage", "average_width": "average's width", "power": "power",
    "false_heterogeneity": "false heterogeneity",
}  # fmt: skip
_NAME = re.compile(r"(?:(?P<label>\w+)\.)?n(?P<n>\d+)\.(?P<score>\w+)\.(?P<of>\w+_minus_\w+)")
_NEEDED = re.compile(r"(?:(?P<label>\w+)\.)?patients_for_(?P<score>\w+)\.(?P<of>\w+_minus_\w+)")


def recorded() -> dict[str, str]:
    """Return name -> title of the studies that have recorded results."""
    return {name: title for name, title in STUDIES.items() if (RESULTS / name / "metrics.json").is_file()}


def page() -> str:
    """Return the page."""
    parts = [
        "# Simulations where the truth is known",
        "Printed by `python -m experiments.simulation_doc` from `experiments/results/`. The model is linear, with pooled normal priors "
        "(`conf/models/by_outcome.yaml`) where nothing else is said. Means over seeds, Monte Carlo standard errors in brackets; none "
        "where all seeds gave one value, which says nothing of its error. *Coverage* and *width* are of 95% intervals for each patient's benefit; *error* is the root mean square of posterior mean less true benefit, *error / SD* "
        "the same over the standard deviation of true benefits (above 1, the average benefit for everybody would have been "
        "nearer); *bias* is of the average benefit; *power* the share of seeds whose interval for the average benefit excludes "
        "zero; *false heterogeneity* the share of patients whose benefit is called unlike the average where all are alike.",
    ]
    for name, title in recorded().items():
        metrics = load_metrics(RESULTS / name / "metrics.json")
        manifest = json.loads((RESULTS / name / "manifest.json").read_text(encoding="utf-8"))
        failed = int(sum(m.value for key, m in metrics.items() if key.endswith("fits_that_fail_diagnostics")))
        parts += [
            f"## {title}", ABOUT[name] + (FOUND[name](metrics) if name in FOUND else ""),
            f"`{manifest['command']}`. Fits that fail a diagnostic, and are scored all the same: {failed}.",
            _scores(metrics, "model" if name == "simulation_models" else "scenario"), *_needed(metrics),
        ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _knobs_found(metrics: Mapping[str, Estimate]) -> str:
    """Return in words what a hidden cause and surfaces of another shape do, means over both contrasts."""

    def covered(of: str) -> str:
        return f"{_mean(metrics, of, 'coverage'):.0%}"

    return (
        f" **What nobody recorded is what no model mends**: at a strength of 0.7, 95% intervals cover {covered('hidden_70.n250')} of "
        f"patients' benefits at 250 patients and {covered('hidden_70.n1000')} at 1,000, since they narrow around a wrong value; at 0.3 "
        f"the average benefit is {abs(_mean(metrics, 'hidden_30.n1000', 'ate_bias')):.1f} points too low. Where surfaces are exponential, a linear model's cover "
        f"{covered('overlap_full.n1000')} at 1,000 patients with overlap and {covered('overlap_one_term.n1000')} without."
    )


def _models_found(metrics: Mapping[str, Estimate]) -> str:
    """Return in words what each model's error and coverage are at most patients, both contrasts together."""
    sizes = {int(found["n"]) for found in map(_NAME.fullmatch, metrics) if found}
    largest, said = max(sizes), []
    for model in ("average", "linear", "sparse"):
        error, covered = (_mean(metrics, f"{model}.n{largest}", score) for score in ("root_pehe", "coverage"))
        said.append(f"`{model}` {error:.2f} and {covered:.0%}")
    return f" At {largest:,} patients error and coverage of patients' benefits, means over both drugs, are: {', '.join(said)}."


def _mean(metrics: Mapping[str, Estimate], of: str, score: str) -> float:
    """Return a score's mean over contrasts."""
    found = [
        m.value for name, m in metrics.items() if name.startswith(f"{of}.{score}.") and "_minus_" in name
    ]
    return sum(found) / len(found)


def _scores(metrics: Mapping[str, Estimate], head: str) -> str:
    rows: dict[tuple[str, int, str], dict[str, Estimate]] = {}
    for name, metric in metrics.items():
        named = _NAME.fullmatch(name)
        if named:
            key = (named["label"] or "", int(named["n"]), named["of"].replace("_minus_", " - "))
            rows.setdefault(key, {})[named["score"]] = metric
    columns = {
        score: words for score, words in COLUMNS.items() if any(score in found for found in rows.values())
    }
    lines = [f"| {head} | patients | benefit of | unit | " + " | ".join(columns.values()) + " |"]
    lines.append("|---" * (4 + len(columns)) + "|")
    for (label, n, of), found in sorted(rows.items(), key=lambda item: item[0]):
        cells = [_text(found.get(score)) for score in columns]
        lines.append(f"| {label or '–'} | {n} | {of} | {found['width'].unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _needed(metrics: Mapping[str, Estimate]) -> list[str]:
    """Return in words how many patients make intervals as narrow as a worthwhile benefit, where that is told."""
    words = []
    for name, metric in sorted(metrics.items()):
        found = _NEEDED.fullmatch(name)
        if found:
            whose = "the average benefit" if found["score"] == "average_width" else "one patient's benefit"
            label = f"{found['label']}: " if found["label"] else ""
            words.append(
                f"- {label}{whose} of {found['of'].replace('_minus_', ' - ')}: {with_error(metric.value, metric.mcse, digits=6)}"
            )
    if not words:
        return []
    return [
        "Patients until 95% intervals are as narrow as a worthwhile benefit (2 points of a score whose standard deviation is 10), "
        "by a line through the logs of widths and sizes; none is given beyond ten times the largest size:",
        "\n".join(words),
    ]


def _text(metric: Estimate | None) -> str:
    return "–" if metric is None else with_error(metric.value, metric.mcse)


# What is said in words of the scores.
FOUND = {"simulation_models": _models_found, "simulation_knobs": _knobs_found}


if __name__ == "__main__":
    print(page(), end="")
