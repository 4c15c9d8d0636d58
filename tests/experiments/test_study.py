import json
from types import SimpleNamespace

import pytest

from experiments import families
from experiments import run as entry
from experiments.study import RESULTS, Study, is_finished, open_folder, require_whole
from experiments.summary import summary
from medresponse.core.errors import FitError, OutputExistsError, SpecError
from medresponse.core.manifest import verify_manifest
from medresponse.core.registry import registered
from medresponse.families import Family
from medresponse.validation import Estimate
from tests.experiments.test_configs import composed


def config(tmp_path, **changes):
    return composed("experiment=actg320", "size=ci") | {"output": str(tmp_path / "out")} | changes


def of_chains(found):
    return SimpleNamespace(diagnostics=SimpleNamespace(chains=found, chains_asked=4))


@pytest.mark.parametrize("chains", [(4, 4, 2), (4, 2, 4), (4, 4)])
def test_a_study_stops_where_one_of_its_fits_was_stopped_even_in_the_last(chains):
    require_whole([of_chains(4)] * 3, 3)
    with pytest.raises(KeyboardInterrupt):
        require_whole([of_chains(n) for n in chains], 3)


def test_a_fit_stopped_before_its_first_chain_ends_the_run_as_any_other_interrupt(tmp_path, capsys):
    nothing = FitError("interrupted before any chain had finished; nothing to keep", code="interrupted")
    assert [entry.ended(error, tmp_path) for error in (KeyboardInterrupt(), nothing)] == [130, 130]
    assert capsys.readouterr().err.count("go on with existing=continue") == 2
    assert entry.ended(SpecError("no such knob"), tmp_path) == 2


def test_an_output_folder_that_exists_is_refused_unless_told(tmp_path):
    open_folder(config(tmp_path))
    folder = open_folder(config(tmp_path))  # what a run refused at once has left: nothing
    (folder / "kept.txt").write_text("kept")
    with pytest.raises(OutputExistsError, match="existing=continue"):
        open_folder(config(tmp_path))
    assert (open_folder(config(tmp_path, existing="continue")) / "kept.txt").is_file()
    assert not (open_folder(config(tmp_path, existing="replace")) / "kept.txt").exists()


def test_a_finished_study_has_a_manifest_that_verifies(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDRESPONSE_KERNELS", "off")
    study = Study(config(tmp_path), open_folder(config(tmp_path)))
    study.record("x", Estimate(1.0, 0.1, "1"))
    study.finish()
    manifest = verify_manifest(study.folder)
    assert {"metrics.json", "config.yaml"} <= set(manifest["files"])
    for fact in (
        "config_sha256",
        "lock_sha256",
        "code_sha256",
        "data_sha256",
        "seed",
        "sampler",
        "machine",
        "versions",
    ):
        assert fact in manifest
    assert manifest["compile_cache"] == "off"  # the policy in force


def test_reproduction_fails_when_a_metric_has_moved(tmp_path, monkeypatch, capsys):
    recorded = json.loads((RESULTS / "actg320" / "metrics.json").read_text())

    class Moved:
        @staticmethod
        def run(study):
            for name, entry_ in recorded.items():
                shift = 10 * entry_["mcse"] + 0.1 if name == "hazard_ratio" else 0.0
                study.record(name, Estimate(entry_["value"] + shift, entry_["mcse"], entry_["unit"]))

    monkeypatch.setattr(entry, "importlib", SimpleNamespace(import_module=lambda name: Moved))
    assert entry.run(config(tmp_path, action="reproduce")) == 1
    assert "BREACH" in capsys.readouterr().out


def test_an_unknown_experiment_is_one_clear_message(tmp_path):
    with pytest.raises(SpecError, match="did you mean 'actg320'"):
        entry.run(config(tmp_path, name="actg32"))


@pytest.mark.parametrize(
    "folder", sorted(path for path in RESULTS.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_recorded_results_are_as_they_were_written(folder):
    verify_manifest(folder)


def test_the_results_page_is_what_the_summary_prints():
    page = RESULTS.parents[1] / "docs" / "results.md"
    assert page.read_text(encoding="utf-8") == summary()


def test_the_families_page_is_what_its_command_prints_and_has_every_family():
    page = (RESULTS.parents[1] / "docs" / "families.md").read_text(encoding="utf-8")
    assert page == families.page()
    assert set(families.ROWS) == set(registered(Family))


def test_the_demo_recovers_the_published_hazard_ratio():
    metrics = json.loads((RESULTS / "actg320" / "metrics.json").read_text())
    for name, published in {
        "hazard_ratio": 0.50,
        "hazard_ratio_lower": 0.33,
        "hazard_ratio_upper": 0.77,
    }.items():
        # The published figure is rounded to two digits.
        assert metrics[name]["value"] == pytest.approx(published, abs=0.005 + 4 * metrics[name]["mcse"])


def test_a_finished_run_is_not_made_again_and_another_is_not_overwritten(tmp_path):
    own = config(tmp_path, existing="continue")
    study = Study(own, open_folder(own))
    assert not is_finished(own, study.folder)
    study.record("x", Estimate(1.0, 0.1, "1"))
    study.finish()
    assert is_finished(own, study.folder)
    assert is_finished(own | {"existing": "refuse"}, study.folder)
    with pytest.raises(OutputExistsError, match="existing=replace"):
        is_finished(own | {"seed": 1}, study.folder)
