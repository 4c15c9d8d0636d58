"""How much memory scoring takes, before it takes it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medresponse.core.errors import MemoryLimitError
from medresponse.core.machine import available_memory
from medresponse.response.scoring.interpolated import CELLS, DEGREE
from medresponse.response.scoring.predictors import LEAST, TILE_NUMBERS

if TYPE_CHECKING:
    from medresponse.inference import Fit

_FIXED = 200_000_000  # two parts of patients with their checks, and the compiler, as measured
_MEGABYTE = 1e6


def bytes_needed(fit: Fit, *, draws: int, cores: int, interpolates: bool = False) -> int:
    """Return about how many bytes `score` takes beyond the fit, whatever the number of patients.

    Slopes in float32, a second time in the order of completions, and in float64 while one treatment's are made; for each
    thread the draws of a tile, their float64 copy in families without a link, and copies that are sorted. Effects of all groups
    that the fit knows in float32, and in float64 while they are made. Polynomials, where responses are read off these, in as many
    intervals as there may be.
    """
    columns, treatments, lines = len(fit.layout.columns) + 1, len(fit.treatments), len(fit.predictors)
    slopes = columns * draws * (2 * 4 * treatments * lines + 3 * 8)
    tile = (TILE_NUMBERS + LEAST * treatments * draws) * (4 * lines + 8 * lines + 3 * 4)
    effects = sum(len(g.labels) * (treatments + len(g.slopes)) for g in fit.layout.groupings)
    groups = effects * draws * (4 * lines + 3 * 8)
    table = 8 * CELLS * treatments * draws * (DEGREE + 1) if interpolates else 0
    return _FIXED + slopes + cores * tile + groups + table


def check_memory(fit: Fit, *, cores: int, processes: int = 1, interpolates: bool = False) -> None:
    """Refuse what cannot fit: `cores` threads in all, in one process or several.

    Raises
    ------
    MemoryLimitError
        Saying how many draws would.
    """
    free = available_memory()
    each = partial(bytes_needed, fit, cores=cores // processes, interpolates=interpolates)
    needed = processes * each(draws=fit.n_draws)
    if free is None or needed <= free:
        return
    none = processes * each(draws=0)
    fits = int((free - none) / (needed - none) * fit.n_draws)
    advice = f"draws={fits} fits" if fits >= 2 else "no number of draws fits; give it more memory"
    raise MemoryLimitError(
        f"scoring {len(fit.layout.columns)} columns x {len(fit.treatments)} treatments x {fit.n_draws} draws takes about "
        f"{needed / _MEGABYTE:,.0f} MB, and {free / _MEGABYTE:,.0f} MB are free: {advice}"
    )
