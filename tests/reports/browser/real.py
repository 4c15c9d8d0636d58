"""A real browser for tests: what to install, and one Chromium that opens files and says what it saw."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
A4 = (794, 1123)  # of a page on paper, in CSS pixels
NARROW = (360, 740)  # of a small telephone


def missing() -> str:
    """What is not there of what a browser test needs, in words; empty if all is."""
    absent = [] if shutil.which("node") else ["Node.js"]
    if not any(map(shutil.which, NAMES)):
        absent.append("Chromium")
    if not all((HERE / "node_modules" / name).is_dir() for name in ("axe-core", "playwright-core")):
        absent.append("the packages of tests/reports/browser/package.json")
    return f"{' and '.join(absent)} not found: run `make browser`" if absent else ""


@dataclass(frozen=True)
class Seen:
    """What the browser saw of one page.

    `steps` holds a value a step; `requests` everything the page asked for beside itself; `refused` what its own policy
    blocked; `errors` and `dialogs` what scripts did; `axe` the audit, if it was asked for.
    """

    steps: list[Any]
    requests: list[str]
    refused: list[str]
    errors: list[str]
    dialogs: list[str]
    axe: dict[str, Any] | None

    @property
    def quiet(self) -> bool:
        """Whether nothing was requested, blocked, thrown or popped up."""
        return not (self.requests or self.refused or self.errors or self.dialogs)


class Browser:
    """One headless Chromium, driven by ``driver.mjs``; a context manager."""

    def __init__(self) -> None:
        chromium = next(filter(None, map(shutil.which, NAMES)))
        self._process = subprocess.Popen(
            ["node", "driver.mjs", chromium], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            encoding="utf-8",
        )  # fmt: skip

    def visit(
        self,
        file: Path,
        *steps: list[str],
        size: tuple[int, int] = A4,
        script: bool = True,
        axe: bool = False,
        picture: Path | None = None,
    ) -> Seen:
        """Open a file in a fresh profile, take the steps that ``driver.mjs`` lists, and tell what was seen."""
        request = {
            "open": str(file.resolve()), "width": size[0], "height": size[1], "script": script, "steps": steps, "axe": axe,
            "picture": picture and str(picture.resolve()),
        }  # fmt: skip
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser ended; its message is above"
        answer = json.loads(line)
        assert "failed" not in answer, answer["failed"]
        return Seen(**answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)
