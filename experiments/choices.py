"""What a command line may choose and set: checked before Hydra composes, whose own message is many lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean

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
    """Refuse a choice that a group does not have, a setting that the experiment does not have, and the lack of an experiment.

    Options, and overrides that do not parse, are left to Hydra.

    Raises
    ------
    SpecError
        Naming the group or setting, what was found and what is valid.
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
    if asks:
        _check_settings(parsed)


def _check_settings(parsed: Sequence[Override]) -> None:
    """Refuse to change what the chosen configuration does not hold."""
    chosen = [override for override in parsed if choices(override.key_or_group)]
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = OmegaConf.to_container(
                compose("config", overrides=[str(override.input_line) for override in chosen])
            )
    except HydraException:
        return
    for override in parsed:
        key = override.key_or_group
        if override in chosen or override.is_add() or override.is_force_add() or key.split(".")[0] == "hydra":
            continue
        held: object = composed
        for i, name in enumerate(key.split(".")):
            if not isinstance(held, dict) or name not in held:
                above = ".".join(key.split(".")[:i])
                entries = [str(entry) for entry in held if entry != "kind"] if isinstance(held, dict) else []
                valid = did_you_mean(name, entries) if entries else "it has none"
                raise SpecError(f"{key}: no setting {name!r}{f' in {above}' if above else ''}; {valid}")
            held = held[name]
