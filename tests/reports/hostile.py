"""Text that an attacker or an accident could put into a cohort, and a report that holds it wherever data can reach."""

from __future__ import annotations

import functools
from dataclasses import replace

import polars as pl

from medresponse.cohort import cohort_from_frame
from medresponse.reports import Evidence, Harm, Rate, Report, report
from medresponse.response import respond
from tests.reports import trials
from tests.reports.validated import record_of

# A script that runs leaves `ran` behind; a request that is made names an address that answers nobody.
HOSTILE = (
    "<script>window.ran=1;alert(1)</script>", '"><img src=http://127.0.0.1:9/a onerror=window.ran=1>', "{{ 7*7 }}{% for x in y %}",
    '=HYPERLINK("http://127.0.0.1:9/")', "../../etc/passwd", "\u202egnp.exe", "</style><b>", "--><svg/onload=window.ran=1>",
    "'; } body { background: url(http://127.0.0.1:9/b) } /*", "</title><base href=//127.0.0.1:9>", "a\x00b\nc", "javascript:window.ran=1",
    "</script><script>window.ran=1//",
)  # fmt: skip


@functools.cache
def hostile_report(text: str) -> Report:
    """A report in which `text` stands in the patient's id and in every name, label, level, unit-free word and source."""
    levels = {"0": {"label": text}, "1": {"label": f"{text} again"}}
    schema = trials.trial_schema(
        name=text, source=text,
        treatment={"column": "arm", "reference": "0", "assignment": "randomised", "levels": levels},
        outcomes={
            "os": {
                "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False,
                "unit": "day", "event_label": text, "free_label": f"no {text}",
            }
        },
        features={
            "history": {f"{text}age": {"type": "continuous", "unit": "year", "label": text}},
            "lifestyle": {f"{text}smoking": {"type": "categorical", "levels": [text, "never"], "label": f"{text}!"}},
        },
    )  # fmt: skip
    frame = trials.trial_frame(30).drop("cd4", "sex")
    smoking = pl.Series([text, "never"] * 15)
    frame = frame.with_columns(smoking=smoking).rename({"age": f"{text}age", "smoking": f"{text}smoking"})
    trained = cohort_from_frame(frame, schema)
    cohort = replace(trained, table=trained.table.with_columns(patient=pl.lit(text) + pl.col("patient")))
    fit = trials.fake_survival_fit(trained)
    fit = replace(fit, provenance=replace(fit.provenance, flow=((text, 40),)))
    responses = respond(fit, cohort, horizon=300)
    return report(
        responses, cohort, patient=f"{text}T-001", worthwhile=0.05, reference=trained,
        evidence=[Evidence(name=text, value=text, detail=text)],
        validation=record_of(responses, 0.05, population=text, method=text),
        harms=[Harm(name=text, rates={"1": Rate(mean=0.1, lower=0.05, upper=0.2)}, source=text, horizon=text)],
    )  # fmt: skip
