"""Arrays that moves of products of hinges work on, and numbers that they share with what is written in Python."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

SPARSE = 0.5  # Dirichlet count of a feature
DEGREES = 3.0  # of the t law of coefficients, and of what is known of their scale beforehand
LEAST = 1e-4  # variance of a product that can be used
DONE, STALE, FULL = (
    0,
    1,
    2,
)  # how moves ended: all made; to be solved from scratch; no room for one product more
_REMEMBERED = 100_000_000  # bytes of parents' moments that are kept
_SLOTS = 2000  # for these, at most


class Table(NamedTuple):
    """Factors of feature columns, and the patients between two knots.

    Factors of one column stand together: steps at each knot, then, if they are in, the line, then the hinges above and
    those below each knot. Each column with factors has one bin more than knots.

    Parameters
    ----------
    x : numpy.ndarray
        Feature columns, shape (column, patient).
    column, feature, shape, knot, log_share : numpy.ndarray
        Of each factor, as in `Factors`.
    first_factor, first_bin : numpy.ndarray
        Where each column with factors starts among factors and bins, and the end of the last.
    fullest : numpy.ndarray
        Bin that is left out of each such column's lists of patients, -1 for none.
    first_patient : numpy.ndarray
        Where each bin starts among patients, and the end of the last.
    single, level : numpy.ndarray
        Whether all patients of a bin have one value, and which.
    patients, values : numpy.ndarray
        Patients of the bins, and their values of the column.
    """

    x: np.ndarray
    column: np.ndarray
    feature: np.ndarray
    shape: np.ndarray
    knot: np.ndarray
    log_share: np.ndarray
    first_factor: np.ndarray
    first_bin: np.ndarray
    fullest: np.ndarray
    first_patient: np.ndarray
    single: np.ndarray
    level: np.ndarray
    patients: np.ndarray
    values: np.ndarray


class LawArrays(NamedTuple):
    """What is fixed of the products' prior, and what is drawn.

    Parameters
    ----------
    times : numpy.ndarray
        What each part's products are multiplied by, shape (part, patient).
    square : numpy.ndarray
        Mean square of these, shape (part,).
    banned : numpy.ndarray
        Factors that no effect may use.
    expected, typical, order_counts : numpy.ndarray
        Prior means of numbers of choices, prior scales of coefficients (both: prognosis, effects) and Dirichlet counts of orders.
    min_patients : int
    rate, scale, weights, orders, log_factors : numpy.ndarray
        As in `Law`.
    shares : numpy.ndarray
        Probability of each factor.
    """

    times: np.ndarray
    square: np.ndarray
    banned: np.ndarray
    expected: np.ndarray
    typical: np.ndarray
    order_counts: np.ndarray
    min_patients: int
    rate: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    orders: np.ndarray
    log_factors: np.ndarray
    shares: np.ndarray


class StateArrays(NamedTuple):
    """Columns with normal priors and a target they are to explain, with room for more.

    Parameters
    ----------
    rows : numpy.ndarray
        Columns as rows, shape (column, patient): the fixed ones, then one a product.
    gram : numpy.ndarray
        Their products with each other, summed over patients by the precision of their errors.
    inverse, solution : numpy.ndarray
        Posterior covariance of the coefficients and their mean.
    right : numpy.ndarray
        The columns' products with the target.
    precision : numpy.ndarray
        Prior precision of each coefficient.
    target, weight, weighted, residual : numpy.ndarray
        Target, precision of each patient's error, their product, and the target less what columns explain; shape (patient,).
    part, size, factors : numpy.ndarray
        Of each product: part, number of factors, and these in ascending order, then -1; at its column's place.
    mean, sd, local, log_prior : numpy.ndarray
        What it is standardised by, the own variance of its coefficient in units of the common one, and its log prior odds.
    filled : numpy.ndarray
        Number of columns that are in, shape (1,).
    n_fixed : int
    """

    rows: np.ndarray
    gram: np.ndarray
    inverse: np.ndarray
    solution: np.ndarray
    right: np.ndarray
    precision: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    weighted: np.ndarray
    residual: np.ndarray
    part: np.ndarray
    size: np.ndarray
    factors: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    local: np.ndarray
    log_prior: np.ndarray
    filled: np.ndarray
    n_fixed: int


class Room(NamedTuple):
    """Room for what a move computes; means and inverse standard deviations of factors beside parents are kept.

    Parameters
    ----------
    values, vector, left, other : numpy.ndarray
        Shape (patient,): a column that may be put in, and others.
    cross, solved, lacking, solution, death, worth, parents : numpy.ndarray
        Shape (column,).
    inverse : numpy.ndarray
        Shape (column, column).
    square : numpy.ndarray
        The column's product with itself, shape (1,).
    factors : numpy.ndarray
        Factors of a product, shape (order,).
    chances, informed : numpy.ndarray
        Shape (factor,).
    sums : numpy.ndarray
        Shape (3, bin).
    keys, means, inverse_sds : numpy.ndarray
        Size and factors of each remembered parent, and what is remembered, shape (parent, factor).
    counts, sizes, used : numpy.ndarray
        Squares and numbers by kind, and numbers of orders and of features.
    """

    values: np.ndarray
    vector: np.ndarray
    left: np.ndarray
    other: np.ndarray
    cross: np.ndarray
    solved: np.ndarray
    lacking: np.ndarray
    solution: np.ndarray
    death: np.ndarray
    worth: np.ndarray
    parents: np.ndarray
    inverse: np.ndarray
    square: np.ndarray
    factors: np.ndarray
    chances: np.ndarray
    informed: np.ndarray
    sums: np.ndarray
    keys: np.ndarray
    means: np.ndarray
    inverse_sds: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    used: np.ndarray


def make_room(table: Table, *, order: int, columns: int) -> Room:
    """Return room for moves of products of at most so many factors, and for so many columns."""
    n, factors = table.x.shape[1], len(table.column)
    bins = int(np.diff(table.first_bin).max()) if factors else 0
    features = int(table.feature.max()) + 1 if factors else 0
    slots = min(max(_REMEMBERED // (16 * max(factors, 1)), 1), _SLOTS)
    numbers, indices = partial(np.zeros, dtype=float), partial(np.zeros, dtype=np.int64)
    return Room(
        values=numbers(n), vector=numbers(n), left=numbers(n), other=numbers(n), cross=numbers(columns),
        solved=numbers(columns), lacking=numbers(columns), solution=numbers(columns), death=numbers(columns),
        worth=numbers(columns), parents=indices(columns), inverse=numbers((columns, columns)), square=numbers(1),
        factors=indices(order), chances=numbers(factors), informed=numbers(factors), sums=numbers((3, bins)),
        keys=np.full((slots, order), -1), means=numbers((slots, factors)), inverse_sds=numbers((slots, factors)),
        counts=numbers((2, 2)), sizes=numbers(order), used=numbers(features),
    )  # fmt: skip


def make_state(n: int, *, fixed: int, columns: int, order: int) -> StateArrays:
    """Return arrays of a state of `n` patients with so many fixed columns and room for `columns` with them."""
    numbers, indices = partial(np.zeros, dtype=float), partial(np.zeros, dtype=np.int64)
    return StateArrays(
        rows=numbers((columns, n)), gram=numbers((columns, columns)), inverse=numbers((columns, columns)),
        solution=numbers(columns), right=numbers(columns), precision=numbers(columns), target=numbers(n),
        weight=np.ones(n), weighted=numbers(n), residual=numbers(n), part=indices(columns), size=indices(columns),
        factors=np.full((columns, order), -1), mean=numbers(columns), sd=numbers(columns), local=numbers(columns),
        log_prior=numbers(columns), filled=np.array([fixed]), n_fixed=fixed,
    )  # fmt: skip


def kinds(form: type[tuple[Any, ...]], text: str) -> tuple[Any, ...]:
    """Return a form's kinds of arrays, as `compiled` takes them, from the letters and dimensions of each."""
    return form(*(kind if kind == "i8" else f"{kind[:-1]}[{kind[-1]}]" for kind in text.split()))


TABLE = kinds(Table, "f82 i81 i81 i81 f81 f81 i81 i81 i81 u81 b11 f81 u41 f81")
LAW = kinds(LawArrays, "f82 f81 b11 f81 f81 f81 i8 f81 f81 f81 f81 f81 f81")
STATE = kinds(StateArrays, "f82 f82 f82 f81 f81 f81 f81 f81 f81 f81 i81 i81 i82 f81 f81 f81 f81 i81 i8")
ROOM = kinds(
    Room, "f81 f81 f81 f81 f81 f81 f81 f81 f81 f81 i81 f82 f81 i81 f81 f81 f82 i82 f82 f82 f82 f81 f81"
)
