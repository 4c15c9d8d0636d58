import pytest

from experiments.forest import forest

ROWS = {
    "low": {"plain": (1.0, 0.5, 2.0), "shrunken": (1.0, 0.8, 1.3)},
    "high": {"plain": (2.0, 1.0, 4.0), "shrunken": (1.5, 1.0, 2.0)},
}


def test_rows_run_downwards_and_estimates_differ_in_marker():
    axes = forest(ROWS, xlabel="ratio", reference=1.0).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["low", "high"]
    points = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    assert [line.get_xdata()[0] for line in points] == [1.0, 1.0, 2.0, 1.5]
    assert points[0].get_ydata()[0] > points[1].get_ydata()[0] > points[2].get_ydata()[0]
    assert points[0].get_marker() != points[1].get_marker()


@pytest.mark.parametrize(("log", "scale"), [(False, "linear"), (True, "log")])
def test_ratios_can_have_a_logarithmic_axis(log, scale):
    assert forest(ROWS, xlabel="ratio", log=log).axes[0].get_xscale() == scale
