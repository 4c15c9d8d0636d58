import pytest

from experiments.choices import check_choices
from experiments.scenario_groups import store
from medresponse.core.errors import SpecError
from medresponse.synthetic.scenario import scenarios

store()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("scenario=s99", "scenario: no 's99'; valid are: " + ", ".join(scenarios())),
        (
            "scenario/assignment=cluster",
            "scenario/assignment: no 'cluster'; valid are: observational, rct, s01_null_rct",
        ),
        ("scenario@scenarios.one=s1", "scenario: no 's1'"),
        ("size=tiny", "size: no 'tiny'; valid are: ci, full, smoke"),
        ("sead=3", "sead: no setting 'sead'; did you mean 'seed'?"),
        ("engine.drws=3", "engine.drws: no setting 'drws' in engine; did you mean 'draws'?"),
        (
            "scenario.missing.rate=0.3",
            "scenario.missing.rate: no setting 'rate' in scenario.missing; it has none",
        ),
        ("scenario.n=100", "scenario.n: no setting 'n' in scenario; "),  # it is `patients` that counts
        ("scenario/foo=3", "no setting 'scenario/foo'; did you mean 'scenario'?"),
        ("+spec=[actg175,none_such]", "spec: no 'none_such'; valid are: actg175"),
    ],
)
def test_what_a_group_does_not_have_is_refused_with_its_choices(override, message):
    with pytest.raises(SpecError) as refused:
        check_choices(["experiment=simulation", override])
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_an_experiment_must_be_named():
    with pytest.raises(SpecError, match="experiment: missing; valid are: abstention"):
        check_choices(["size=smoke"])
    with pytest.raises(SpecError, match="experiment: no 'simulaton'; valid are: abstention"):
        check_choices(["experiment=simulaton"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["experiment=simulation", "scenario=s02_linear_rct", "scenario/assignment=rct", "seed=3", "patients.smoke=[20]"],
        ["experiment=semi_synthetic", "source@cohort=file", "size=ci", "~spec", "--config-path=elsewhere"],
        ["experiment=simulation", "scenario/assignment=observational", "scenario.assignment.root=0.5", "+scenario.new=1"],
        ["experiment=simulation", "hydra.verbose=true"],
        ["--help"],
        ["experiment=simulation", "scenario={"],
    ],
)  # fmt: skip
def test_all_else_is_left_to_hydra(arguments):
    check_choices(arguments)
