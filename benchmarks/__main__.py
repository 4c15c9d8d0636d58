"""Time imports, the demo's fit and scoring: `make bench`. Printed, and kept in benchmarks/results.json."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from medresponse.core.atomic import write_text
from medresponse.core.machine import described
from medresponse.core.provenance import versions

REPEATS = 5


def main() -> None:
    """Run every benchmark and write medians with ranges."""
    results = {
        "import medresponse": _repeat(lambda: _python("import medresponse")),
        "medresponse --help": _repeat(lambda: _python("import medresponse.cli as c; c.main(['--help'])")),
        "bare python start": _repeat(lambda: _python("pass")),
    }
    results |= _fit_and_score()
    facts = {"hardware": described(), "versions": versions()}
    for name, entry in results.items():
        print(f"{name:48} median {entry['median']:8.3f} s   range {entry['min']:.3f} to {entry['max']:.3f}")
    file = Path(__file__).with_name("results.json")
    write_text(
        file, json.dumps({"command": "make bench", "seconds": results, "machine": facts}, indent=1) + "\n"
    )
    file.chmod(0o644)


def _fit_and_score() -> dict[str, dict[str, float]]:
    import medresponse as mr
    from medresponse.families import PiecewiseExponential
    from medresponse.priors import Normal

    cohort = mr.read_example("actg320")
    spec = mr.ModelSpec(
        family=PiecewiseExponential(cuts=(28, 56, 84, 112, 168, 224, 280)),
        blocks={"history": Normal(pooled=True), "lifestyle": Normal(pooled=True)},
    )
    started = time.perf_counter()
    fits = [mr.fit(spec, cohort, seed=1)]
    first = time.perf_counter() - started
    refit = _repeat(lambda: fits.append(mr.fit(spec, cohort, seed=len(fits) + 1)))
    score = _repeat(lambda: mr.respond(fits[0], cohort, horizon=300).summary())
    return {
        "first fit of ACTG 320 in a process, compilation included": _spread([first]),
        "refit, 4 x (1,000 + 1,000)": refit,
        "responses of 1,151 patients x 2 x 4,000 draws": score,
    }


def _python(code: str) -> None:
    subprocess.run(
        [sys.executable, "-c", f"try:\n {code}\nexcept SystemExit: pass"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _repeat(work: Callable[[], object]) -> dict[str, float]:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return _spread(seconds)


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}


if __name__ == "__main__":
    main()
