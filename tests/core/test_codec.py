"""Frozen dataclasses to plain data and back, with errors that name the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pytest

from medresponse.core import registry
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean, is_kind, look_up, name_of, register, registered


class Shape(Protocol):
    """A kind of part that only these tests know."""

    @property
    def area(self) -> float: ...


@dataclass(frozen=True)
class Square:
    side: float = 1.0

    @property
    def area(self) -> float:
        return self.side**2

    def __post_init__(self) -> None:
        if self.side <= 0:
            raise ValueError("side must be positive")


@dataclass(frozen=True)
class Pair:
    """A part that holds other parts."""

    first: Shape
    second: Shape = field(default_factory=Square)

    @property
    def area(self) -> float:
        return self.first.area + self.second.area


@dataclass(frozen=True)
class Metric:
    number: float
    kind: Literal["metric"] = "metric"


@dataclass(frozen=True)
class Words:
    text: str
    kind: Literal["words"] = "words"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    title: str
    shapes: Mapping[str, Shape]
    size: tuple[int, int] = (1, 2)
    tags: tuple[str, ...] = ()
    scale: float | None = None
    weight: str | int | float | bool = 1
    note: Metric | Words | None = None
    mode: Literal["light", "dark"] = "light"
    anything: Any = None


@pytest.fixture(autouse=True)
def shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the shapes for one test only."""
    monkeypatch.setattr(registry, "_PARTS", {})
    monkeypatch.setattr(registry, "_NAMES", {})
    register(Shape, "square")(Square)
    register(Shape, "pair")(Pair)
    yield


DRAWING = Drawing(
    title="t",
    shapes={"a": Square(2.0), "b": Pair(Square(), Pair(Square(3.0)))},
    tags=("x", "y"),
    scale=2.0,
    weight=True,
    note=Words("hello"),
    anything={"free": [1, None]},
)


def test_what_goes_out_comes_back() -> None:
    assert from_plain(Drawing, to_plain(DRAWING)) == DRAWING


def test_plain_data_holds_short_names_and_no_tuples() -> None:
    plain = to_plain(DRAWING)
    assert plain["shapes"]["a"] == {"kind": "square", "side": 2.0}
    assert plain["size"] == [1, 2] and plain["note"] == {"text": "hello", "kind": "words"}


def test_what_is_left_out_takes_its_default() -> None:
    assert from_plain(Drawing, {"title": "t", "shapes": {}}) == Drawing(title="t", shapes={})


def test_a_protocol_decodes_by_kind() -> None:
    assert from_plain(Shape, {"kind": "square", "side": 2}) == Square(2.0)  # type: ignore[type-abstract]


def test_whole_numbers_are_floats_where_floats_are_needed() -> None:
    scale = from_plain(Drawing, {"title": "t", "shapes": {}, "scale": 3}).scale
    assert scale == 3.0 and isinstance(scale, float)


@pytest.mark.parametrize("weight", [1, 1.5, "1", True])
def test_a_choice_of_scalars_keeps_the_type_that_was_written(weight: Any) -> None:
    decoded = from_plain(Drawing, {"title": "t", "shapes": {}, "weight": weight}).weight
    assert decoded == weight and type(decoded) is type(weight)


def test_keys_that_are_not_text_become_canonical_text() -> None:
    plain = {"title": "t", "shapes": {2.0: {"kind": "square"}, False: {"kind": "square"}}}
    assert set(from_plain(Drawing, plain).shapes) == {"2", "false"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"shapes": {"a": {"kind": "squar"}}},
            "drawing.shapes.a.kind: no Shape called 'squar'; did you mean 'square'?",
        ),
        ({"shapes": {"a": {"kind": "zzz"}}}, "no Shape called 'zzz'; valid are: pair, square"),
        ({"shapes": {"a": {}}}, "drawing.shapes.a.kind: no Shape called None"),
        (
            {"shapes": {"a": {"kind": "square", "sid": 1}}},
            "drawing.shapes.a.sid: unknown entry; did you mean 'side'?",
        ),
        ({"shapes": {"a": {"kind": "pair"}}}, "drawing.shapes.a.first: missing; every Pair needs it"),
        (
            {"shapes": {"a": {"kind": "pair", "first": 3}}},
            "drawing.shapes.a.first: expected a mapping, found int",
        ),
        ({"shapes": {"a": {"kind": "square", "side": -1}}}, "drawing.shapes.a: side must be positive"),
        (
            {"shapes": {"a": {"kind": "square", "side": "1"}}},
            "drawing.shapes.a.side: expected float, found str",
        ),
        (
            {"shapes": {"a": {"kind": "square", "side": True}}},
            "drawing.shapes.a.side: expected float, found bool",
        ),
        ({"shapes": []}, "drawing.shapes: expected a mapping, found list"),
        ({"titel": "x"}, "drawing.titel: unknown entry; did you mean 'title'?"),
        ({"title": 3}, "drawing.title: expected str, found int; put it in quotes"),
        ({"size": [1]}, "drawing.size: has 1 entries, needs 2"),
        ({"size": [1, True]}, "drawing.size[1]: expected int, found bool"),
        ({"size": "12"}, "drawing.size: expected a list, found str"),
        ({"tags": ["a", None]}, "drawing.tags[1]: expected str, found NoneType"),
        ({"scale": "big"}, "drawing.scale: expected float, found str"),
        ({"weight": []}, "drawing.weight: expected str or int or float or bool, found list"),
        ({"mode": "drak"}, "drawing.mode: 'drak' is not allowed; did you mean 'dark'?"),
        (
            {"note": {"kind": "word", "text": "x"}},
            "drawing.note.kind: 'word' is not allowed; did you mean 'words'?",
        ),
        ({"note": {"kind": "words", "txt": "x"}}, "drawing.note.txt: unknown entry; did you mean 'text'?"),
        ({"note": {"text": 5}}, "drawing.note.text: expected str, found int"),
    ],
)
def test_an_error_names_the_path_and_the_nearest_valid_choice(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_plain(Drawing, {"title": "t", "shapes": {}} | change)
    assert message in str(caught.value)


def test_a_missing_entry_is_named() -> None:
    with pytest.raises(SpecError, match=r"\[spec\] picture\.title: missing; every Drawing needs it"):
        from_plain(Drawing, {"shapes": {}}, path="picture")


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="Shape 'square' is registered already"):
        register(Shape, "square")(Pair)


def test_the_registry_answers_by_kind_and_by_class() -> None:
    assert dict(registered(Shape)) == {"square": Square, "pair": Pair}
    assert is_kind(Shape) and not is_kind(Square)
    assert name_of(Pair) == "pair" and name_of(Drawing) is None
    assert look_up(Shape, "pair", path="x") is Pair


def test_a_near_miss_is_suggested_and_a_far_one_is_answered_with_the_list() -> None:
    assert did_you_mean("sqare", ["square", "pair"]) == "did you mean 'square'?"
    assert did_you_mean("Kg", ["g", "kg"]) == "did you mean 'kg'?"
    assert did_you_mean(None, ["square", "pair"]) == "valid are: pair, square"
