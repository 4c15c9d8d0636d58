"""Named scenarios and their parts as Hydra groups; the Python values are the only source.

``scenario=s04_exp_poor_overlap scenario/assignment=rct scenario.assignment.block=8`` takes a scenario and replaces its
assignment whole: what the old kind alone knows is gone.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hydra.core.config_store import ConfigStore

from medresponse.core.codec import to_plain
from medresponse.core.registry import registered
from medresponse.synthetic.scenario import PARTS, Scenario, scenarios


def store() -> None:
    """Put every scenario, and every kind of every part, into Hydra's store."""
    config = ConfigStore.instance()
    for part, kind in PARTS.items():
        for name, cls in registered(kind).items():
            config.store(group=f"scenario/{part}", name=name, node=to_plain(cls()))
    for name, value in scenarios().items():
        for part in PARTS:
            config.store(group=f"scenario/{part}", name=name, node=to_plain(getattr(value, part)))
        # Not `n`: numbers of patients are the study's to state (`patients`), and one set here would be overruled.
        rest = {
            f.name: to_plain(getattr(value, f.name)) for f in fields(Scenario) if f.name not in (*PARTS, "n")
        }
        node: dict[str, Any] = {"defaults": [*({part: name} for part in PARTS), "_self_"], **rest}
        config.store(group="scenario", name=name, node=node)
