r"""The command line: the same verbs as the public page.

    medresponse check trial.csv --schema schema.yaml
    medresponse fit trial.csv --schema schema.yaml --spec spec.yaml --seed 7 --out trial.fit
    medresponse respond trial.fit new.csv --horizon 300 --out responses.parquet
    medresponse score trial.fit population.parquet --horizon 300 --worthwhile 0.02 --out scores
    medresponse validate trial.fit trial.csv --horizon 300 --worthwhile 0.02 --out trial.validation.json
    medresponse report trial.fit trial.csv --horizon 300 --worthwhile 0.02 --validation trial.validation.json \
        --all --format html --format pdf --out reports
    medresponse document trial.fit trial.csv --horizon 300 --facts facts.yaml --validation trial.validation.json --out reports
    medresponse verify trial.fit

Exit codes: 0 done, 1 a validation that fails its gates, 2 bad input or a refused request (one message on stderr), 3 reports
were made but not for every patient (each failure on stderr and in batch.json), 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from medresponse.cli.arguments import parser
from medresponse.core.errors import MedresponseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # One core a chain: BLAS threads below it only compete. Set before numpy loads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("medresponse").setLevel(logging.WARNING if options.quiet else logging.INFO)
    try:
        return int(options.run(options) or 0)
    except MedresponseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: [{error.errno}] {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return 130
