from experiments.learned_doc import COHORTS, page
from experiments.study import ROOT


def test_the_page_is_what_its_command_prints():
    assert (ROOT / "docs" / "learned.md").read_text(encoding="utf-8") == page()


def test_every_generator_stands_between_the_controls_of_each_cohort():
    for name in (
        "copies of real patients",
        "each column on its own",
        "sequential trees",
        "differential privacy, ε = 1",
    ):
        assert sum(
            line.startswith(f"| {name}") or name in line.split("|")[1]
            for line in page().split("\n")
            if line.startswith("|")
        ) == len(COHORTS)


def test_risks_beyond_the_limit_are_bold_and_nothing_else_is():
    cells = [c.split()[0] for row in page().split("\n") if row.startswith("| ") for c in row.split("|")[6:-1]]
    numbers = [c for c in cells if c.strip("*-").replace(".", "").isdigit()]
    assert len(numbers) == 2 * 6 * 6
    assert all(c.startswith("**") == (float(c.strip("*")) > 0.09) for c in numbers)
