from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from medresponse.core.errors import DataError
from medresponse.core.plain_csv import write_csv


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x")', "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1"]
)
def test_what_a_spreadsheet_would_run_is_not_written(text: str, tmp_path: Path) -> None:
    for table in (pl.DataFrame({"patient": ["P1", text]}), pl.DataFrame({text: [1]})):
        with pytest.raises(DataError, match=r"1 text\(s\) begin as a formula does") as caught:
            write_csv(table, tmp_path / "out.csv")
        assert "patient" not in table.columns or text not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_everything_else_is_written_as_it_is(tmp_path: Path) -> None:
    texts = ["P-1", "-1", "+2.5", "-1e-3", "a=b", None, "<b>", ""]
    table = pl.DataFrame({"patient": texts, "mean": [-0.5] * len(texts)})
    write_csv(table, tmp_path / "out.csv")
    assert pl.read_csv(tmp_path / "out.csv", schema=table.schema)["patient"].to_list() == texts
