from __future__ import annotations

import pytest
import yaml

from medresponse.core.strict_yaml import load_yaml


def test_only_true_and_false_are_booleans() -> None:
    text = "[yes, No, on, OFF, y, n, true, False, TRUE]"
    assert load_yaml(text) == ["yes", "No", "on", "OFF", "y", "n", True, False, True]


def test_other_scalars_are_as_in_plain_yaml() -> None:
    text = "{a: 1, b: 1.5, c: null, d: '1', e: [~, .inf], f: {g: x}}"
    assert load_yaml(text) == yaml.safe_load(text)


def test_the_ordinary_loader_is_left_as_it_was() -> None:
    assert yaml.safe_load("yes") is True


def test_an_entry_written_twice_is_refused_by_name() -> None:
    with pytest.raises(yaml.YAMLError, match="age is written twice in the block at line 2"):
        load_yaml("history:\n  age: 1\n  sex: 2\n  age: 3\n")


def test_merged_entries_may_be_overridden() -> None:
    text = "base: &base {a: 1, b: 2}\nmore:\n  <<: *base\n  b: 3\n"
    assert load_yaml(text)["more"] == {"a": 1, "b": 3}


def test_python_objects_are_refused() -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml("!!python/object/apply:os.getcwd []")
