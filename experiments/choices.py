"""What a command line may choose: a group's choices are checked before Hydra composes, whose own message is many lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from medresponse.core.errors import SpecError

CONF = Path(__file__).resolve().parents[1] / "conf"


def choices(group: str) -> list[str]:
    """Return the names that ``group=`` may take, from the folder of configurations and Hydra's store; none if it is no group."""
    files = [path.stem for path in (CONF / group).glob("*.yaml")]
    try:
        stored = ConfigStore.instance().list(group)
    except OSError:
        stored = []
    return sorted({*files, *(name.removesuffix(".yaml") for name in stored if name.endswith(".yaml"))})


def check_choices(arguments: Sequence[str]) -> None:
    """Refuse a choice that a group does not have, and a command line without an experiment.

    Overrides that are no choice, and options, are left to Hydra.

    Raises
    ------
    SpecError
        Naming the group, what was found and every valid choice.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(
            [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
        )
    except HydraException:
        return
    for override in parsed:
        valid = choices(override.key_or_group)
        value = override.value()
        for chosen in value if isinstance(value, list) else [value]:
            if valid and chosen is not None and not override.is_delete() and str(chosen) not in valid:
                raise SpecError(f"{override.key_or_group}: no {str(chosen)!r}; valid are: {', '.join(valid)}")
    asks = all(argument not in ("--help", "-h", "--hydra-help", "--version") for argument in arguments)
    if asks and "experiment" not in {override.key_or_group for override in parsed}:
        raise SpecError(f"experiment: missing; valid are: {', '.join(choices('experiment'))}")
