from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from experiments.run import STUDIES
from experiments.scenario_groups import PARTS, store
from experiments.study import Study
from medresponse.cohort import Schema
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.strict_yaml import load_yaml
from medresponse.families import Family
from medresponse.inference import Engine, Gibbs
from medresponse.model import ModelSpec
from medresponse.synthetic.scenario import Scenario, scenarios

CONF = Path(__file__).parents[2] / "conf"
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


store()


def composed(*overrides):
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)


def test_every_study_has_an_experiment_and_the_reverse():
    assert sorted(STUDIES) == EXPERIMENTS


@pytest.mark.parametrize("size", ["full", "ci"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_and_decodes(name, size, tmp_path):
    study = Study(composed(f"experiment={name}", f"size={size}"), tmp_path)
    assert study.engine.chains == 4
    for spec in study.config["spec"]:
        decoded = study.spec(spec)
        assert from_plain(ModelSpec, to_plain(decoded)) == decoded


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_an_experiment_states_by_size_it_states_for_every_size(name):
    sizes = {path.stem for path in (CONF / "size").glob("*.yaml")}
    plain = load_yaml((CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8"))
    by_size = {
        key: set(value) for key, value in plain.items() if isinstance(value, dict) and sizes & set(value)
    }
    assert by_size == dict.fromkeys(by_size, sizes)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_full_run_uses_no_fewer_draws_than_a_reviewer_accepts(name, tmp_path):
    engine = Study(composed(f"experiment={name}"), tmp_path).engine
    assert (engine.draws, engine.tune, engine.chains) >= (1000, 1000, 4)


@pytest.mark.parametrize(
    "path", sorted((CONF / "spec" / "family").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_family_config_is_its_dataclass_and_nothing_else(path):
    plain = load_yaml(path.read_text(encoding="utf-8"))
    family = from_plain(Family, plain, path="spec.family")
    assert plain == to_plain(family)


@pytest.mark.parametrize("path", sorted((CONF / "engine").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_engine_config_holds_all_that_may_be_set_with_its_default(path):
    plain = load_yaml(path.read_text(encoding="utf-8"))
    assert plain == to_plain(from_plain(Engine, {"kind": plain["kind"]}, path="engine"))


@pytest.mark.parametrize("path", sorted((CONF / "source").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_source_schema_decodes(path):
    plain = load_yaml(path.read_text(encoding="utf-8"))
    if "schema" in plain:
        assert from_plain(Schema, plain["schema"]).outcomes


def test_size_ci_only_makes_a_run_cheaper():
    full, small = composed("experiment=actg320"), composed("experiment=actg320", "size=ci")
    assert full["spec"] == small["spec"] and full["seed"] == small["seed"]
    assert small["engine"] == full["engine"]  # `size.most` bounds what is used of it


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_size_ci_never_draws_more_than_the_full_size(name, tmp_path):
    full, small = (
        Study(composed(f"experiment={name}", f"size={size}"), tmp_path).engine for size in ("full", "ci")
    )
    assert (small.draws, small.tune) == (min(full.draws, 1500), min(full.tune, 1000))


def test_a_spec_with_trees_is_fitted_with_the_configured_gibbs_engine(tmp_path):
    study = Study(composed("experiment=oak_terms", "trees_engine.thin=7"), tmp_path)
    assert study.engine_for(study.spec("pfs_trees")) == Gibbs(thin=7)
    assert study.engine_for(study.spec("pfs_linear")) == study.engine
    unsaid = Study({key: value for key, value in study.config.items() if key != "trees_engine"}, tmp_path)
    assert unsaid.engine_for(study.spec("pfs_trees")) == Gibbs()


def test_an_engine_for_trees_is_not_taken_for_the_others_and_the_message_says_where_it_belongs(tmp_path):
    study = Study(composed("experiment=actg320", "engine=gibbs"), tmp_path)
    with pytest.raises(SpecError, match=r"'gibbs' is for trees .* \+engine@trees_engine=gibbs"):
        _ = study.engine
    assert composed("experiment=actg320", "+engine@trees_engine=gibbs")["trees_engine"]["kind"] == "gibbs"


@pytest.mark.parametrize("path", sorted((CONF / "engine").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_engine_config_is_its_dataclass_with_its_defaults(path):
    plain = load_yaml(path.read_text(encoding="utf-8"))
    engine = from_plain(Engine, plain, path="engine")
    assert engine == type(engine)()


@pytest.mark.parametrize("name", scenarios())
def test_every_scenario_composes_to_itself(name):
    config = composed("experiment=simulation", f"scenario={name}")
    assert from_plain(Scenario, config["scenario"]) == scenarios()[name]


def test_another_kind_replaces_a_part_whole():
    config = composed(
        "experiment=simulation",
        "scenario=s04_exp_poor_overlap",
        "scenario/assignment=rct",
        "scenario.assignment.block=9",
    )
    assert config["scenario"]["assignment"] == {"kind": "rct", "block": 9, "strata": [], "ratio": []}
    others = set(PARTS) - {"assignment"}
    whole = to_plain(scenarios()["s04_exp_poor_overlap"])
    assert {p: config["scenario"][p] for p in others} == {p: whole[p] for p in others}


def test_a_knob_of_another_kind_is_refused_by_name():
    config = composed("experiment=simulation", "scenario=s03_step_confounded", "+scenario.assignment.block=4")
    with pytest.raises(SpecError, match=r"scenario\.assignment\.block: no knob of observational but of rct"):
        from_plain(Scenario, config["scenario"])
