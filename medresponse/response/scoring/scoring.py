"""`score`: a population's responses, part by part, in bounded memory and without PyMC."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.cluster import LOCAL
from medresponse.core.codec import to_plain
from medresponse.core.errors import DataError, SpecError
from medresponse.core.machine import available_cores
from medresponse.readers import CohortParts, Parts, parquet_parts, read, zarr_parts
from medresponse.response.predict import Patients, encode_patients
from medresponse.response.responses import Responses, responses_of
from medresponse.response.scoring.memory import check_memory
from medresponse.response.scoring.scores import Layout, Scores, Unfinished, rows_sha256, table_of
from medresponse.response.scoring.summaries import Summaries
from medresponse.response.scoring.workers import Workers, cluster_workers, threads

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
    cluster: str | None = None,
    overwrite: bool = False,
) -> Scores:
    """Summarise the responses of a population under every treatment, into a folder.

    Patients are scored in parts of 32,768 in the order of their ids. Neither the order of the file, nor `cores` or `cluster`,
    changes a byte of the result. A part is kept once it is finished: after an interrupt, a full disk or a part that does not fit the
    schema, the same call goes on from there, and rows that were corrected meanwhile are scored again.

    Parameters
    ----------
    fit : Fit
    patients : Cohort, str or Path
        A Parquet file or a Zarr group (`readers.zarr_parts`) is read part by part; other files that `medresponse.read` takes
        are held in memory.
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
    cluster : str, optional
        Score on a Ray cluster (extra ``cluster``) instead: ``host:port`` of its head, ``auto`` for the one that this machine
        belongs to, or ``local`` for `cores` processes here. Patients are read and results written by this process alone,
        so that the machines need no common folder. What a worker was doing when it was killed is done again.
    overwrite : bool
        Whether to replace a result that is there, and to discard finished parts of another question, or of another
        version of this package, whose parts are refused otherwise.

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
    ClusterError
        If the cluster does not answer, or its workers die; finished parts are kept.
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
    at_once = cores or available_cores()
    if cluster in (None, LOCAL):
        processes = 1 if cluster is None else at_once
        check_memory(asked.fit, cores=at_once, processes=processes, interpolates=summaries.interpolates)
    unfinished = Unfinished(Path(out), _question(summaries), overwrite=overwrite)
    parts = _parts(patients, fit, unfinished)
    with _workers(summaries, cluster, at_once) as workers:
        n_patients = _run(summaries, parts, unfinished, workers)
    if not n_patients:
        raise DataError("the rules of eligibility leave nobody: check what they keep", code="nobody_eligible")
    counts = {"patients": n_patients, "excluded": parts.n_rows - n_patients}
    unfinished.finish(len(parts), counts, layout=layout)
    return Scores(Path(out), n_patients, counts["excluded"], asked.treatments, summaries.columns)


def _workers(summaries: Summaries, cluster: str | None, cores: int) -> AbstractContextManager[Workers]:
    if cluster is None:
        return threads(summaries, cores)
    return cluster_workers(summaries, cluster, workers=cores)


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
    if Path(patients).suffix.lower() == ".zarr":
        return zarr_parts(patients, fit.schema)
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


def _run(summaries: Summaries, parts: Parts, unfinished: Unfinished, workers: Workers) -> int:
    """Score every part that is not there yet and return the number of patients; the next parts are read meanwhile."""
    started, n_patients = time.perf_counter(), 0
    waiting: list[Callable[[], None]] = []
    for part in range(len(parts)):
        cohort = _read(parts, part, unfinished)
        n_patients += cohort.n if cohort else 0
        if (write := _submit(summaries, cohort, part, unfinished, workers)) is not None:
            waiting.append(write)
        if len(waiting) >= workers.parts_ahead:
            waiting.pop(0)()
            log.info("%d of %d parts, %.1f s", part, len(parts), time.perf_counter() - started)
    for write in waiting:
        write()
    return n_patients


def _read(parts: Parts, part: int, unfinished: Unfinished) -> Cohort | None:
    """Return one part's patients; where they do not fit the schema, it is said that parts before them are kept."""
    try:
        return parts.read(part)
    except DataError as error:
        kept = sum(unfinished.file(before).is_file() for before in range(part))
        words = f"part {part + 1} of {len(parts)}: {error.args[0]}\n{kept} finished part(s) are kept, and the same call goes on from them"
        raise DataError(words, code=error.code, findings=error.findings) from error


def _submit(
    summaries: Summaries, cohort: Cohort | None, part: int, unfinished: Unfinished, workers: Workers
) -> Callable[[], None] | None:
    """Begin to score a part and return what waits for it and writes it; None if its scores are there."""
    rows = rows_sha256(cohort) if cohort else ""
    if unfinished.has(part, rows):
        return None
    asked = summaries.asked
    patients = encode_patients(asked.fit, cohort) if cohort else _nobody(asked.fit)
    wait = workers.submit(patients)

    def write() -> None:
        unfinished.write(part, rows, table_of(patients.ids, asked.treatments, summaries.columns, wait()))

    return write
