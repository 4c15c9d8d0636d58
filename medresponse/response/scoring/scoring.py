"""`score`: a population's responses, part by part, in bounded memory and without PyMC."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.codec import to_plain
from medresponse.core.errors import DataError, SpecError
from medresponse.core.machine import available_cores
from medresponse.readers import CohortParts, Parts, parquet_parts, read
from medresponse.response.predict import Patients, encode_patients
from medresponse.response.responses import Responses, responses_of
from medresponse.response.scoring.memory import check_memory
from medresponse.response.scoring.predictors import tiles
from medresponse.response.scoring.scores import Layout, Scores, Unfinished, rows_sha256, table_of
from medresponse.response.scoring.summaries import Summaries

if TYPE_CHECKING:
    from medresponse.inference import Fit

log = logging.getLogger("medresponse.response")


def score(
    fit: Fit,
    patients: Cohort | str | Path,
    out: str | Path,
    *,
    horizon: float | None = None,
    unit: str | None = None,
    estimand: str | None = None,
    part: str | None = None,
    against: str | None = None,
    worthwhile: float = 0.0,
    losses: Mapping[str, float | np.ndarray] | None = None,
    level: float | None = 0.95,
    draws: int | None = 4000,
    seed: int | None = None,
    layout: Layout = "parquet",
    cores: int | None = None,
    overwrite: bool = False,
) -> Scores:
    """Summarise the responses of a population under every treatment, into a folder.

    Patients are scored in parts of 32,768 in the order of their ids. Neither the order of the file nor `cores` changes a byte
    of the result. A part is kept once it is finished: after an interrupt, a full disk or a part that does not fit the
    schema, the same call goes on from there, and rows that were corrected meanwhile are scored again.

    Parameters
    ----------
    fit : Fit
    patients : Cohort, str or Path
        A Parquet file is read part by part; other files that `medresponse.read` takes are held in memory.
    out : str or Path
        Folder for the result.
    horizon, unit, estimand, part, draws, seed
        As for `medresponse.respond`.
    against, worthwhile
        As for `medresponse.contrast`.
    losses : mapping, optional
        Treatment -> what it costs the patient whatever the response, in the unit of the responses: a number, or draws of
        shape (draw,). Treatments that are not named cost nothing.
    level : float, optional
        Probability of the equal-tailed intervals; None leaves all quantiles out, which take most of the time.
    layout : str
        ``parquet``, or ``zarr``: arrays (patient, treatment).
    cores : int, optional
        Threads; all available cores by default.
    overwrite : bool
        Whether to replace a result that is there, and to discard finished parts of another question.

    Returns
    -------
    Scores
        Columns, in float32 and in the unit of the responses: ``mean, sd, lower, median, upper`` of each mean response; and
        where treatments can be compared ``benefit, benefit_sd, benefit_lower, benefit_upper, p_benefit, p_worthwhile,
        p_worse`` against the reference (null for itself), ``p_best`` (probability that none has a higher utility, shared
        among equals), ``utility`` (direction x response - loss) and ``regret`` (utility lost on average by not taking the
        treatment that is best in each draw).

    Raises
    ------
    DataError, SpecError, UnknownTreatmentError
        As `medresponse.read`, `respond` and `contrast`.
    OutputExistsError, StorageError, MemoryLimitError
        If the result is there already, or cannot be written; or the draws cannot fit in memory.
    """
    asked = responses_of(
        fit, _nobody(fit), horizon=horizon, unit=unit, estimand=estimand, part=part, draws=draws, seed=seed
    )
    if asked.fit.n_draws < 2:
        raise SpecError("scores need two draws or more", code="draws")
    summaries = Summaries(
        asked=asked, reference=asked.treatment_position(against or asked.basis.reference), worthwhile=worthwhile,
        losses=_losses(asked, losses or {}), level=level,
    )  # fmt: skip
    threads = cores or available_cores()
    check_memory(asked.fit, cores=threads)
    unfinished = Unfinished(Path(out), _question(summaries), overwrite=overwrite)
    parts = _parts(patients, fit, unfinished)
    n_patients = _run(summaries, parts, unfinished, threads)
    if not n_patients:
        raise DataError("the rules of eligibility leave nobody: check what they keep", code="nobody_eligible")
    counts = {"patients": n_patients, "excluded": parts.n_rows - n_patients}
    unfinished.finish(len(parts), counts, layout=layout)
    return Scores(Path(out), n_patients, counts["excluded"], asked.treatments, summaries.columns)


def _nobody(fit: Fit) -> Patients:
    groups: dict[str, tuple[str, ...]] = {grouping.column: () for grouping in fit.layout.groupings}
    return Patients((), np.empty((0, len(fit.encoding.features))), groups)


def _losses(asked: Responses, losses: Mapping[str, float | np.ndarray]) -> np.ndarray:
    table = np.zeros((len(asked.treatments), asked.fit.n_draws), dtype=np.float32)
    for treatment, loss in losses.items():
        if np.shape(loss) not in ((), (asked.fit.n_draws,)) or not np.isfinite(loss).all():
            raise SpecError(
                f"losses.{treatment}: one finite number, or one for each of the {asked.fit.n_draws} draws that are used",
                code="losses",
            )
        table[asked.treatment_position(treatment)] = loss
    return table


def _parts(patients: Cohort | str | Path, fit: Fit, unfinished: Unfinished) -> Parts:
    if isinstance(patients, Cohort):
        return CohortParts(patients)
    if Path(patients).suffix.lower() == ".parquet":
        return parquet_parts(patients, fit.schema, scratch=unfinished.scratch)
    return CohortParts(read(patients, fit.schema, for_prediction=True))


def _question(summaries: Summaries) -> dict[str, Any]:
    """Return everything, but for the patients, that the numbers follow from."""
    asked, fit = summaries.asked, summaries.asked.fit
    digest = hashlib.sha256()
    for holder in (fit.posterior, *(() if fit.forests is None else (fit.forests,))):
        for name in sorted(map(str, holder.data_vars)):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(holder[name].values).tobytes())
    for plain in (fit.spec, fit.encoding, fit.layout):
        digest.update(json.dumps(to_plain(plain), sort_keys=True).encode())
    return {
        "estimand": to_plain(asked.estimand), "title": asked.title, "unit": asked.unit, "direction": asked.direction,
        "treatments": list(asked.treatments), "columns": list(summaries.columns),
        "reference": asked.treatments[summaries.reference], "worthwhile": summaries.worthwhile, "level": summaries.level,
        "losses_sha256": hashlib.sha256(summaries.losses.tobytes()).hexdigest(), "draws": fit.n_draws, "seed": asked.seed,
        "fit": {
            "cohort": fit.provenance.cohort_name, "created_utc": fit.provenance.created_utc, "draws_sha256": digest.hexdigest()
        },
    }  # fmt: skip


def _run(summaries: Summaries, parts: Parts, unfinished: Unfinished, cores: int) -> int:
    """Score every part that is not there yet and return the number of patients; the next part is read meanwhile."""
    from threadpoolctl import threadpool_limits

    started, n_patients = time.perf_counter(), 0
    summaries.prepare()
    waiting: list[Callable[[], None]] = []
    pool = ThreadPoolExecutor(cores)
    try:
        with threadpool_limits(1, user_api="blas"):  # threads of ours, one product each
            for part in range(len(parts)):
                cohort = parts.read(part)
                n_patients += cohort.n if cohort else 0
                if (write := _submit(summaries, cohort, part, unfinished, pool)) is not None:
                    waiting.append(write)
                if len(waiting) > 1:
                    waiting.pop(0)()
                    log.info("%d of %d parts, %.1f s", part, len(parts), time.perf_counter() - started)
            for write in waiting:
                write()
    finally:
        pool.shutdown(cancel_futures=True)
    return n_patients


def _submit(
    summaries: Summaries, cohort: Cohort | None, part: int, unfinished: Unfinished, pool: ThreadPoolExecutor
) -> Callable[[], None] | None:
    """Begin to score a part and return what waits for it and writes it; None if its scores are there."""
    rows = rows_sha256(cohort) if cohort else ""
    if unfinished.has(part, rows):
        return None
    asked = summaries.asked
    patients = encode_patients(asked.fit, cohort) if cohort else _nobody(asked.fit)
    own = list(tiles(asked.fit, patients))
    futures: list[Future[np.ndarray]] = [pool.submit(summaries.of, tile) for tile in own]

    def write() -> None:
        values = np.empty((len(patients.ids), len(asked.treatments), len(summaries.columns)))
        for tile, future in zip(own, futures, strict=True):
            values[tile.rows] = future.result()
        unfinished.write(part, rows, table_of(patients.ids, asked.treatments, summaries.columns, values))

    return write
