"""Reading files: the same cohort from every format, and one clear message for every broken file."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from medresponse.cohort import Cohort, Schema
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError
from medresponse.readers import read

HEADER = b"patient,arm,time\n"


def bytes_of(frame: pl.DataFrame, name: str) -> bytes:
    stream = io.BytesIO()
    if name.endswith(".parquet"):
        frame.write_parquet(stream)
    else:
        frame.write_csv(stream, separator="\t" if ".tsv" in name else ",")
    return gzip.compress(stream.getvalue()) if name.endswith(".gz") else stream.getvalue()


def refusal(path: Path, schema: Schema, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, schema, **options)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None and (
        caught.value.__suppress_context__ or not caught.value.__context__
    )
    return caught.value


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz", "t.parquet", "T.CSV"])
def test_every_format_gives_the_same_cohort(
    name: str, trial_frame: pl.DataFrame, trial_cohort: Cohort, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(bytes_of(trial_frame, name.lower()))
    cohort = read(file, trial_cohort.schema)
    assert cohort.fingerprint == trial_cohort.fingerprint
    assert cohort.source == {"file": name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def test_a_schema_may_be_given_as_a_file(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any], trial_cohort: Cohort, tmp_path: Path
) -> None:
    trial_frame.write_csv(tmp_path / "t.csv")
    (tmp_path / "schema.yaml").write_text(yaml.safe_dump(plain_schema))
    assert read(tmp_path / "t.csv", tmp_path / "schema.yaml").fingerprint == trial_cohort.fingerprint
    assert read(str(tmp_path / "t.csv"), str(tmp_path / "schema.yaml")).n == 12


def test_windows_line_ends_a_byte_order_mark_and_empty_lines_do_not_matter(
    trial_frame: pl.DataFrame, trial_cohort: Cohort, tmp_path: Path
) -> None:
    text = bytes_of(trial_frame, "t.csv").replace(b"\n", b"\r\n")
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text + b"\r\n" + b"," * 13 + b"\r\n")
    assert read(tmp_path / "t.csv", trial_cohort.schema).fingerprint == trial_cohort.fingerprint


def test_text_where_a_number_is_needed_becomes_a_finding_with_ids(
    trial_frame: pl.DataFrame, trial_schema: Schema, tmp_path: Path
) -> None:
    trial_frame.with_columns(
        age=pl.when(pl.col("patient") == "P03")
        .then(pl.lit("SECRET"))
        .otherwise(pl.col("age").cast(pl.String))
    ).write_csv(tmp_path / "t.csv")
    error = refusal(tmp_path / "t.csv", trial_schema)
    assert (
        error.code == "not_numeric" and "P03" in str(error) and "t.csv does not fit its schema" in str(error)
    )


def test_what_the_file_writes_for_missing_is_missing(
    trial_frame: pl.DataFrame, trial_schema: Schema, tmp_path: Path
) -> None:
    ages = pl.Series("age", ["", ".", "NA", " NA "] + ["50"] * 8)
    trial_frame.with_columns(ages).write_csv(tmp_path / "t.csv")
    assert read(tmp_path / "t.csv", trial_schema).table["age"].null_count() == 4
    assert refusal(tmp_path / "t.csv", trial_schema, missing_values=("",)).code == "not_numeric"


def test_a_declared_level_is_never_missing(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any], tmp_path: Path
) -> None:
    plain_schema["features"]["lifestyle"]["smoking"]["levels"] += ["NA"]
    smoking = pl.Series("smoking", ["NA"] * 4 + ["never", "former", "current", "."] * 2)
    trial_frame.with_columns(smoking).write_csv(tmp_path / "t.csv")
    values = read(tmp_path / "t.csv", from_plain(Schema, plain_schema)).table["smoking"]
    assert values.null_count() == 2 and (values == "NA").sum() == 4


def test_leading_zeros_and_quoted_separators_are_kept(
    trial_frame: pl.DataFrame, trial_schema: Schema, tmp_path: Path
) -> None:
    trial_frame.with_columns(
        pl.Series("patient", [f"00{i}" for i in range(10, 22)]), pl.lit("north, upper").alias("site")
    ).write_csv(tmp_path / "t.csv")
    cohort = read(tmp_path / "t.csv", trial_schema)
    assert cohort.patients[0] == "0010" and cohort.table["site"][0] == "north, upper"


def test_columns_without_a_name_are_called_by_their_position(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any], tmp_path: Path
) -> None:
    lines = bytes_of(trial_frame, "t.csv").decode().splitlines()
    (tmp_path / "t.csv").write_text("\n".join([lines[0] + ",,", *(line + ",a,b" for line in lines[1:])]))
    error = refusal(tmp_path / "t.csv", from_plain(Schema, plain_schema))
    assert error.code == "undeclared_column" and "column_15" in str(error) and "column_16" in str(error)
    plain_schema["ignore"] += ["column_15", "column_16"]
    assert read(tmp_path / "t.csv", from_plain(Schema, plain_schema)).n == 12


def test_prediction_needs_no_outcome(trial_frame: pl.DataFrame, trial_schema: Schema, tmp_path: Path) -> None:
    trial_frame.drop("arm", "time", "status").write_csv(tmp_path / "t.csv")
    assert read(tmp_path / "t.csv", trial_schema, for_prediction=True).n == 12
    assert refusal(tmp_path / "t.csv", trial_schema).code == "missing_column"


PARQUET = bytes_of(pl.DataFrame({"patient": ["SECRET"] * 50}), "t.parquet")


@pytest.mark.parametrize(
    ("name", "data", "code", "message"),
    [
        ("t.csv", b"", "empty_file", "t.csv is empty"),
        ("t.csv", b" \n\n", "empty_file", "is empty"),
        ("t.parquet", b"", "empty_file", "is empty"),
        ("t.csv.gz", b"", "empty_file", "is empty"),
        ("t.csv.gz", gzip.compress(b"", mtime=0), "empty_file", "is empty"),
        ("t.csv", HEADER, "cohort_findings", "empty_table"),
        ("t.xlsx", b"PK\x03\x04", "unknown_format", "convert it"),
        ("t", HEADER, "unknown_format", "convert it"),
        ("t.gz", HEADER, "unknown_format", "convert it"),
        ("t.csv", PARQUET, "file_not_as_named", "is a Parquet file"),
        ("t.csv", b"PK\x03\x04SECRET", "file_not_as_named", "Excel workbook"),
        ("t.csv", b"\xd0\xcf\x11\xe0SECRET", "file_not_as_named", "old Excel"),
        ("t.csv", gzip.compress(HEADER, mtime=0), "file_not_as_named", "gzip"),
        ("t.csv", b"\n <!DOCTYPE html>SECRET", "file_not_as_named", "web page"),
        ("t.csv", b'{"SECRET": 1}', "file_not_as_named", "JSON"),
        ("t.csv", b"\xff\xfe" + "SECRET".encode("utf-16-le"), "file_not_as_named", "UTF-16"),
        ("t.csv", "patient,arm".encode("utf-16-le"), "file_not_as_named", "UTF-16"),
        ("t.csv", HEADER + b"P1,SECRET\x00,1\n", "file_not_as_named", "NUL"),
        ("t.csv", HEADER + b"P1,SECRET\xe9,1\n", "file_not_as_named", "not UTF-8"),
        ("t.csv.gz", HEADER, "file_not_as_named", "not gzip"),
        ("t.csv.gz", gzip.compress(HEADER * 99, mtime=0)[:-12], "file_damaged", "decompressed"),
        ("t.csv.gz", gzip.compress(HEADER, mtime=0)[:12] + b"\xff" * 30, "file_damaged", "decompressed"),
        ("t.parquet", HEADER, "file_not_as_named", "named .parquet but is none"),
        ("t.parquet", PARQUET[:-9], "file_damaged", "breaks off"),
        ("t.parquet", PARQUET[:4] + PARQUET[40:], "file_damaged", "cannot be read"),
        ("t.parquet", b"PAR1" + b"\xff" * 200 + PARQUET[-60:], "file_damaged", "cannot be read"),
        (
            "t.csv",
            HEADER + b"P1,a,1\nP2,a\nP3,SECRET,1,2\n",
            "malformed_text",
            r"2 line\(s\) have fewer or more",
        ),
        ("t.csv", HEADER + b'P1,"SECRET,1\nP2,a,1\n', "malformed_text", "quote is not closed"),
        ("t.csv", HEADER + b'P1,"SECRET"x,1\n', "malformed_text", "quote"),
        ("t.csv", b"patient,arm,time\rP1,SECRET,1\rP2,b,2\r", "malformed_text", "line ends"),
        (
            "t.csv",
            b"patient,arm,arm\nP1,SECRET,1\n",
            "malformed_text",
            r"1 column name\(s\) in its header stand twice",
        ),
        ("t.csv", b"patient;arm;time\nP1;SECRET;1\n", "no_header", "separator"),
        ("t.csv", b"P1,SECRET,1\nP2,SECRET,2\n", "no_header", "header"),
    ],
)
def test_a_broken_file_gets_one_clear_message_without_its_contents(
    name: str, data: bytes, code: str, message: str, trial_schema: Schema, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    error = refusal(tmp_path / name, trial_schema)
    assert error.code == code
    assert re.search(message, str(error))


def test_a_file_that_is_not_there_is_refused(trial_schema: Schema, tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv", trial_schema).code == "no_such_file"
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder" in str(refusal(tmp_path / "folder.csv", trial_schema))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_file_beyond_the_limit_is_refused(
    name: str, trial_frame: pl.DataFrame, trial_schema: Schema, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(bytes_of(trial_frame, name))
    assert refusal(tmp_path / name, trial_schema, max_bytes=600).code == "too_large"


def test_a_small_file_that_decompresses_to_a_large_one_is_refused(
    trial_schema: Schema, tmp_path: Path
) -> None:
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"0" * 2**24))
    assert refusal(tmp_path / "bomb.csv.gz", trial_schema, max_bytes=2**20).code == "too_large"
