import polars as pl
import pytest

from experiments.sources import cohort_of, read_source, schema_of
from medresponse.core.errors import DataError, SpecError
from tests.experiments.real_data import CONF, source

SOURCES = sorted(path.stem for path in (CONF / "source").glob("*.yaml"))
ANALYSES = [(name, analysis) for name in SOURCES for analysis in source(name).get("analyses", {})]


@pytest.mark.parametrize(("name", "analysis"), ANALYSES)
def test_every_analysis_of_every_source_decodes(name, analysis):
    assert schema_of(source(name), analysis).outcomes


def test_an_analysis_replaces_the_entries_that_it_names():
    trial = source("ist")
    main, early = schema_of(trial), schema_of(trial, "early")
    assert early.feature_columns == main.feature_columns and early.treatment == main.treatment
    assert list(early.outcomes) == ["dead_14_days"] and not early.eligibility


def test_an_unknown_analysis_and_an_absent_folder_are_each_one_clear_message(tmp_path):
    with pytest.raises(SpecError, match="did you mean 'early'"):
        schema_of(source("ist"), "erly")
    with pytest.raises(DataError, match="no folder ist-stroke under data_root"):
        read_source(source("ist"), tmp_path, lambda folder: pl.DataFrame())


def test_a_column_that_an_analysis_needs_and_the_frame_lacks_is_a_finding():
    with pytest.raises(DataError, match="missing_column"):
        cohort_of(pl.DataFrame({"patient": ["a"], "aspirin": ["no"]}), schema_of(source("ist")))
