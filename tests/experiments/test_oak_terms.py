from experiments.oak_terms import _figure


def test_every_panel_names_its_own_specs():
    rows = {
        "pfs": [("linear", 0.0, 0.0, 0.0, 0.0), ("gaussian_process", 1.0, 1.0, 0.5, 0.4), ("trees", -3.0, 1.0, -2.0, 1.0)],
        "os": [("linear", 0.0, 0.0, 0.0, 0.0), ("trees", -2.0, 1.0, -1.0, 1.0)],
    }  # fmt: skip
    panels = _figure(rows).axes
    assert [[text.get_text() for text in axes.get_yticklabels()] for axes in panels] == [
        ["linear", "gaussian process", "trees"],
        ["linear", "trees"],
    ]
