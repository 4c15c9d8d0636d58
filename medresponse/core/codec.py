"""Frozen dataclasses <-> plain data (what YAML and JSON hold), with errors that name the path."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from medresponse.core.errors import SchemaError, SpecError
from medresponse.core.registry import did_you_mean, is_kind, look_up, name_of
from medresponse.core.text import canonical_text

Plain = Any  # what yaml.safe_load and json.loads return
_SCALARS = frozenset({str, float, int, bool})
_STATES_LEGAL: set[type] = set()


def states_legal[T: type](kind: T) -> T:
    """Mark a dataclass that refuses unknown fields and values of a wrong type itself, saying what is legal.

    Its messages begin with the name of the field, or with that of the part and the field, and get the rest of the path here.
    """
    _STATES_LEGAL.add(kind)
    return kind


def to_plain(value: object) -> Plain:
    """Return `value` as nested dicts, lists and scalars; registered parts get a ``kind`` key first."""
    if value is None or type(value) in _SCALARS:  # nearly everything, so asked first
        return value
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = name_of(type(value))
        plain: dict[str, Plain] = {} if name is None else {"kind": name}
        for field in field_names(value.__class__):
            plain[field] = to_plain(getattr(value, field))
        return plain
    return value


@functools.cache
def field_names(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields."""
    return tuple(field.name for field in dataclasses.fields(kind))


def from_plain[T](kind: type[T], plain: Plain, *, path: str | None = None) -> T:
    """Build a `kind` from plain data.

    Parameters
    ----------
    kind : type
        A dataclass, or a protocol with registered parts (then ``plain["kind"]`` chooses).
    plain : dict
        As `to_plain` returns it; missing keys take the field's default.
    path : str, optional
        Where `plain` sits in the whole document; the name of `kind` in lower case by default.

    Raises
    ------
    SpecError
        For an unknown key or part, a missing required key, or a value of the wrong type; the message
        starts with the dotted path of the offending entry.
    """
    return typing.cast(T, _decode(kind, plain, path or kind.__name__.lower()))


def _decode(kind: Any, plain: Plain, path: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any:
        return plain
    if origin in (Union, types.UnionType):
        return _decode_union(kind, plain, path)
    if origin is Literal:
        if plain not in typing.get_args(kind):
            valid = [str(option) for option in typing.get_args(kind)]
            raise SpecError(f"{path}: {plain!r} is not allowed; {did_you_mean(plain, valid)}")
        return plain
    if origin is tuple:
        return _decode_tuple(kind, plain, path)
    if origin in (dict, Mapping) or origin is types.MappingProxyType:
        _expect(plain, Mapping, path)
        item = typing.get_args(kind)[1]
        named = {key if isinstance(key, str) else canonical_text(key): value for key, value in plain.items()}
        return {key: _decode(item, value, f"{path}.{key}") for key, value in named.items()}
    if is_kind(kind):
        _expect(plain, Mapping, path)
        part = look_up(kind, plain.get("kind"), path=path)
        return _decode_dataclass(part, {k: v for k, v in plain.items() if k != "kind"}, path)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), plain, path)
    return _decode_scalar(kind, plain, path)


def _decode_dataclass(kind: type, plain: Plain, path: str) -> Any:
    _expect(plain, Mapping, path)
    if kind in _STATES_LEGAL:
        return _decode_stating(kind, plain, path)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in plain:
        if key not in fields:
            raise SpecError(f"{path}.{key}: unknown entry; {did_you_mean(key, list(fields))}")
    hints = _type_hints(kind)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in plain:
            raise SpecError(f"{path}.{name}: missing; every {kind.__name__} needs it")
    arguments = {key: _decode(hints[key], value, f"{path}.{key}") for key, value in plain.items()}
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{path}: {error}") from error
    except SchemaError as error:
        raise SchemaError(f"{path}.{error.args[0]}", code=error.code) from error


def _decode_stating(kind: type, plain: Mapping[str, Plain], path: str) -> Any:
    """Decode what the class cannot refuse itself, and let it refuse the rest in its own words."""
    hints, arguments, wrong = _type_hints(kind), {}, None
    for key, value in plain.items():
        nested = is_kind(hints.get(key)) or dataclasses.is_dataclass(hints.get(key))
        try:
            arguments[key] = _decode(hints[key], value, f"{path}.{key}") if key in hints else value
        except SpecError as error:
            if nested:
                raise
            wrong, arguments[key] = error, value
    try:
        made = kind(**arguments)
    except SpecError as error:
        above, _, own = path.rpartition(".")
        said = str(error.args[0])
        where = above if said.startswith(f"{own}.") else path
        raise SpecError(f"{where}.{said}" if where else said, code=error.code) from error
    if wrong is not None:
        raise wrong
    return made


@functools.cache
def _type_hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_union(kind: Any, plain: Plain, path: str) -> Any:
    options = typing.get_args(kind)
    if plain is None and type(None) in options:
        return None
    named = [option for option in options if option is not type(None)]
    records = {_tag_of(option): option for option in named if dataclasses.is_dataclass(option)}
    if isinstance(plain, Mapping) and records:
        return _decode(_pick(records, plain, path), plain, path)
    for option in named:
        try:
            return _decode(option, plain, path)
        except SpecError as error:
            if len(named) == 1:
                raise error
    expected = " or ".join(getattr(option, "__name__", str(option)) for option in named)
    raise SpecError(f"{path}: expected {expected}, found {type(plain).__name__}")


def _tag_of(record: Any) -> str:
    """Return the value that ``kind`` must have in one member of a union of dataclasses."""
    tags = typing.get_args(_type_hints(record).get("kind"))
    return str(tags[0]) if tags else str(record.__name__)


def _pick(records: Mapping[str, Any], plain: Mapping[str, Plain], path: str) -> Any:
    """Return the member of a union that `plain` means: by its ``kind``, else by the entries it shares."""
    if "kind" in plain and len(records) > 1:
        if plain["kind"] not in records:
            raise SpecError(
                f"{path}.kind: {plain['kind']!r} is not allowed; {did_you_mean(plain['kind'], records)}"
            )
        return records[plain["kind"]]
    return max(
        records.values(), key=lambda r: len({f.name for f in dataclasses.fields(r)}.intersection(plain))
    )


def _decode_tuple(kind: Any, plain: Plain, path: str) -> tuple[Any, ...]:
    _expect(plain, (list, tuple), path)
    arguments = typing.get_args(kind)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decode(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(plain))
    if len(plain) != len(arguments):
        raise SpecError(f"{path}: has {len(plain)} entries, needs {len(arguments)}")
    pairs = zip(arguments, plain, strict=True)
    return tuple(_decode(argument, item, f"{path}[{i}]") for i, (argument, item) in enumerate(pairs))


def _decode_scalar(kind: Any, plain: Plain, path: str) -> Any:
    if kind is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    if kind is int and isinstance(plain, bool):
        raise SpecError(f"{path}: expected int, found bool")
    if isinstance(plain, kind):
        return plain
    hint = "; put it in quotes" if kind is str and isinstance(plain, int | float) else ""
    raise SpecError(f"{path}: expected {getattr(kind, '__name__', kind)}, found {type(plain).__name__}{hint}")


def _expect(plain: Plain, kinds: type | tuple[type, ...], path: str) -> None:
    if not isinstance(plain, kinds):
        expected = "a mapping" if kinds is Mapping else "a list"
        raise SpecError(f"{path}: expected {expected}, found {type(plain).__name__}")
