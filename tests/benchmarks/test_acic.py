from benchmarks.acic import FILE, page


def test_the_page_is_what_its_command_prints():
    kept = FILE.parents[1] / "docs" / "acic.md"
    assert kept.read_text(encoding="utf-8") == page()


def test_the_page_says_which_fits_do_not_converge():
    assert "passes this package's own diagnostics" in page()
