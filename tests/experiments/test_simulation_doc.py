from experiments.simulation_doc import page, recorded
from experiments.study import ROOT


def test_the_page_is_what_its_command_prints():
    assert (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8") == page()


def test_the_page_has_every_study_and_says_which_fits_do_not_converge():
    assert page().count("Fits that fail a diagnostic") == len(recorded()) >= 2
