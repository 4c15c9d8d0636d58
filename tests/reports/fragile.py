"""Responses that fail for chosen patients, to be sent to other processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from medresponse.response import Responses


@dataclass(frozen=True, kw_only=True)
class Fragile(Responses):
    """Raises for one patient, with a word that must not get out, and ends the process for another."""

    raises: str = ""
    dies: str = ""

    def select(self, ids: Sequence[str]) -> Responses:
        if self.raises in ids:
            raise ValueError("age 51, a patient's value")
        if self.dies in ids:
            os._exit(9)
        return super().select(ids)
