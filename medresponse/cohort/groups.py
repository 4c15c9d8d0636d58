"""Groups of features (gene, pathway) must nest: what shrinks together is decided once."""

from __future__ import annotations

from collections.abc import Mapping

from medresponse.cohort.feature import Feature
from medresponse.core.errors import SchemaError


def check_groups(features: Mapping[str, Mapping[str, Feature]]) -> None:
    """Refuse paths whose groups overlap.

    Raises
    ------
    SchemaError
        With code ``overlapping_groups``: if a name stands at two depths (a gene named like a pathway), or one
        group lies within different coarser groups.
    """
    depth_of: dict[str, int] = {}
    above: dict[str, tuple[str, ...]] = {}
    for block, columns in features.items():
        for name, feature in columns.items():
            where = f"features.{block}.{name}.path"
            for depth, group in enumerate(feature.path):
                known = depth_of.setdefault(group, depth)
                if known != depth:
                    raise _overlap(
                        f"{where}: {group} is a group at depth {known + 1} and at depth {depth + 1} (1 is the "
                        f"finest); give one of them another name, for example '{group} (group)'"
                    )
                coarser = feature.path[depth + 1 :]
                if above.setdefault(group, coarser) != coarser:
                    raise _overlap(
                        f"{where}: {group} lies within {_words(coarser)} here and within "
                        f"{_words(above[group])} elsewhere; groups that shrink together may not overlap: "
                        "choose one for all of its features"
                    )


def _words(groups: tuple[str, ...]) -> str:
    return ", ".join(groups) or "no coarser group"


def _overlap(message: str) -> SchemaError:
    return SchemaError(message, code="overlapping_groups")
