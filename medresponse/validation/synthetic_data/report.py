"""The report of one generator on one cohort: fidelity and disclosure together, with what was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

import polars as pl

from medresponse.core.atomic import require_absent, write_text
from medresponse.core.figure import svg_of

Verdict = Literal["invalid", "flagged", "unfaithful", "nothing flagged"]


@dataclass(frozen=True, kw_only=True)
class SyntheticReport:
    """What a battery of checks found, as aggregates; no patient's row is held.

    Parameters
    ----------
    settings : mapping
        Name of the ``generator`` with its knobs, and the ``seed`` of the assessment.
    cohort : str
        Name.
    patients, splits : int
        Of the cohort; random halves that were learned from.
    fidelity : polars.DataFrame
        ``measure, value, mcse, lower, upper, real, limit, flagged``: mean over splits with the middle 95% of them; `real` is the
        same measure of the patients learned from (null where there is none).
    effects : polars.DataFrame
        ``outcome, treatment, scale, real, real_sd, synthetic, difference, mcse, lower, upper, limit, flagged``: means over
        splits; `lower` and `upper` hold the middle 95% of the differences of single draws. Flagged if the difference exceeds
        `limit`, or single draws scatter too much.
    margins : polars.DataFrame
        ``column, distance, real``.
    disclosure : polars.DataFrame
        ``check, risk, mcse, lower, upper, control, control_lower, limit, flagged, sees``: excess of success on patients learned
        from, with its 95% interval; `control` is that of copies of real patients, `sees` whether it was noticed.
    cells : polars.DataFrame
        ``columns, cells, smallest, share_below_11`` of the real cohort; sizes of 1 to 10 are null.
    verdict : str
        ``invalid`` if the battery did not notice copies of real patients; ``flagged`` if a check found a leak;
        ``unfaithful`` if something of the real cohort is lost; else ``nothing flagged``, by these checks.
    reasons : tuple of str
    """

    settings: Mapping[str, str]
    cohort: str
    patients: int
    splits: int
    fidelity: pl.DataFrame
    effects: pl.DataFrame
    margins: pl.DataFrame
    disclosure: pl.DataFrame
    cells: pl.DataFrame
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def generator(self) -> str:
        """Name of the generator."""
        return self.settings["generator"]

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of the disclosure checks that ran."""
        return tuple(self.disclosure["check"].to_list())

    def risk(self, check: str) -> float:
        """Return the excess risk of one check."""
        return float(self.disclosure.row(by_predicate=pl.col("check") == check, named=True)["risk"])

    def measure(self, name: str) -> float:
        """Return one measure of fidelity."""
        return float(self.fidelity.row(by_predicate=pl.col("measure") == name, named=True)["value"])

    def figure(self) -> Any:
        """Return a matplotlib figure: excess risk of every check beside that of copies of real patients."""
        from matplotlib.figure import Figure

        rows = self.disclosure.reverse()
        figure = Figure(figsize=(7.2, 1.0 + 0.28 * rows.height), layout="constrained")
        axes = figure.subplots()
        for i, row in enumerate(rows.iter_rows(named=True)):
            axes.plot([row["lower"], row["upper"]], [i, i], color="#1b4f72", linewidth=1.5)
            axes.plot(row["risk"], i, "o", color="#1b4f72", label="" if i else self.generator)
            axes.plot(row["control"], i, "x", color="#9c4a00", label="" if i else "copies of real patients")
            axes.plot([row["limit"]] * 2, [i - 0.4, i + 0.4], color="#767676", linewidth=0.8, linestyle=":")
        axes.set(yticks=range(rows.height), yticklabels=rows["check"].to_list(), xlabel="excess risk")
        axes.legend(frameon=False, fontsize=8, loc="lower right")
        return figure

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the report as a web page of its own, atomically, owner-only.

        Raises
        ------
        OutputExistsError
            If the file is there and `overwrite` is not set.
        """
        require_absent(path, overwrite=overwrite)
        title = escape(f"{self.generator} on {self.cohort}")
        head = f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        write_text(path, f"{head}<body>{self._repr_html_()}</body></html>\n")
        return Path(path)

    def __repr__(self) -> str:
        return f"<SyntheticReport {self.generator} on {self.cohort}: {self.verdict}>"

    def _repr_html_(self) -> str:
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
        head = (
            f"<p><b>{escape(self.generator)} on {escape(self.cohort)}: {self.verdict}</b>; {self.patients} patients, "
            f"{self.splits} random halves; {escape(', '.join(f'{k} {v}' for k, v in self.settings.items()))}.<br>Checks that ran: {escape(', '.join(self.checks))}. They say nothing of attacks "
            f"that were not tried.</p><ul>{reasons}</ul>"
        )
        tables = {
            "Disclosure: excess risk of patients learned from": self.disclosure,
            "Treatment effects": self.effects,
            "Fidelity": self.fidelity,
            "Margins": self.margins,
            "Cells of the real cohort": self.cells,
        }
        with pl.Config(
            tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True
        ):
            shown = "".join(
                f"<p><b>{title}</b></p>{table.with_columns(pl.selectors.float().round(3))._repr_html_()}"
                for title, table in tables.items()
                if table.height
            )
        return head + shown + svg_of(self.figure())
