"""YAML as a person reads it: ``no`` is the word no, and an entry written twice is an error.

YAML 1.1, which PyYAML follows, turns the unquoted words yes, no, on and off into booleans, so that a level
``No`` would never match the data. Here only true and false are booleans, as in YAML 1.2.

References
----------
YAML 1.2.2, core schema, https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from medresponse.core.errors import SchemaError

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """`yaml.SafeLoader` without the YAML 1.1 booleans and without silent duplicates."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (the base class's own attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping, refusing a key that stands in it twice."""
        written = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({str(key) for key in written if isinstance(key, str) and written.count(key) > 1})
        if twice:
            line = node.start_mark.line + 1
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} is written twice in the block at line {line}"
            )
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load_yaml(text: str) -> Any:
    """Return the plain data of a YAML document; raise `yaml.YAMLError` if it is none."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: str | Path, *, what: str) -> Any:
    """Return the plain data of a YAML file.

    Parameters
    ----------
    path : path
    what : str
        What the file should hold ("schema", "spec"), for the message.

    Raises
    ------
    SchemaError
        If the file is missing, is no YAML or writes an entry twice.
    """
    file = Path(path)
    if not file.is_file():
        raise SchemaError(f"no {what} file {file.name}; give the path of a YAML file", code="no_such_file")
    try:
        return load_yaml(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = getattr(error, "problem", None) or type(error).__name__
        raise SchemaError(
            f"{file.name} is not readable as YAML: {reason}", code="file_not_as_named"
        ) from error
