"""Specs with hinges: read from plain data, and refused where they make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.strict_yaml import load_yaml
from medresponse.families import Gaussian
from medresponse.model import Hinges, ModelSpec, PropensityScore, SumOfHinges, Trees
from medresponse.priors import Normal
from medresponse.terms import Spline


def spec_of(**fields: Any) -> ModelSpec:
    plain: dict[str, Any] = {"family": Gaussian(), "blocks": {"lifestyle": Normal(sigma=0.5)}}
    return ModelSpec(**(plain | {"hinges": Hinges(blocks=("history",))} | fields))


def test_a_spec_with_hinges_decodes_from_what_it_encodes_to() -> None:
    spec = spec_of(
        hinges=Hinges(blocks=("history",), prognostic=SumOfHinges(expected=8.0), predictive=None, order=2)
    )
    assert from_plain(ModelSpec, to_plain(spec)) == spec


def test_a_spec_with_hinges_decodes_from_yaml_with_defaults_for_what_it_leaves_out() -> None:
    text = "family: {kind: gaussian}\nblocks: {}\nhinges: {blocks: [history], order: 2, predictive: {expected: 2.0}}\n"
    hinges = from_plain(ModelSpec, load_yaml(text)).hinges
    assert hinges == Hinges(blocks=("history",), order=2, predictive=SumOfHinges(expected=2.0))


def test_blocks_in_hinges_are_used_and_searched() -> None:
    spec = spec_of(confounding=PropensityScore())
    assert spec.used_blocks == ("lifestyle", "history") and spec.searches
    assert not spec.curve_terms  # hinges bend the score themselves


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hinges": Hinges(blocks=("lifestyle",))}, "blocks and hinges both name lifestyle"),
        ({"trees": Trees(blocks=("history",))}, "trees and hinges both name history"),
        ({"terms": {"age": Spline()}}, "terms and hinges do not go together"),
    ],
)
def test_a_block_is_linear_in_trees_or_in_hinges(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"blocks": ()}, "names no block"),
        ({"blocks": ("histroy",)}, "no block 'histroy'; valid are"),
        ({"blocks": ("history", "history")}, "names a block twice"),
        ({"blocks": ("history",), "order": 0}, "order, knots and min_patients must be at least 1"),
        ({"blocks": ("history",), "knots": 0}, "order, knots and min_patients must be at least 1"),
    ],
)
def test_hinges_that_mean_nothing_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hinges(**fields)


@pytest.mark.parametrize("fields", [{"expected": 0.0}, {"scale": -1.0}, {"scale": float("inf")}])
def test_a_sum_needs_a_positive_number_and_scale(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        SumOfHinges(**fields)


def test_an_unknown_entry_of_hinges_is_named() -> None:
    with pytest.raises(SpecError, match=r"hinges.*knot"):
        from_plain(
            ModelSpec,
            {"family": {"kind": "gaussian"}, "blocks": {}, "hinges": {"blocks": ["history"], "knot": 3}},
        )
