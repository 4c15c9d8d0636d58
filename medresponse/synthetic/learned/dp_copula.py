"""A Gaussian copula under differential privacy: noisy histograms, and noisy cross-products of normal scores.

After DPCopula (Li, Xiong & Jiang 2014, EDBT, doi 10.5441/002/edbt.2014.43), with Gaussian noise in both steps. Bounds and
levels come from the schema or the user, never from the data; noise and the conversion to (epsilon, delta) are OpenDP's.
Two tables are neighbours if one has one patient more. Steps add up in zero-concentrated privacy (Bun & Steinke 2016, Lemma
2.3): each patient adds 1 to one bin of every histogram (L2 sensitivity sqrt(columns)), then a clipped vector of scores of norm
B whose products above the diagonal have L2 norm at most B^2 sqrt((1 - 1 / columns) / 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from medresponse.core.errors import SpecError
from medresponse.core.registry import register
from medresponse.synthetic.learned.base import Columns, Generator
from medresponse.synthetic.learned.bins import Bins, bins_of
from medresponse.synthetic.learned.columns import Layout
from medresponse.synthetic.mechanisms.knobs import between, each_between, knobs

_GRID = 64  # integer steps of one standard deviation, so that sensitivities hold exactly
_NORM = 1.25  # squared norm at which a patient's scores are clipped, per column; its mean is 1 at most
_LARGEST = 0.95  # correlation
_SIMULATED = 20_000  # patients, to see what clipping does


@register(Generator, "dp_copula")
@knobs("", Generator)
@dataclass(frozen=True, kw_only=True)
class DPCopula:
    """Learn with noise that hides whether any one patient was there. Needs the extra ``privacy`` (OpenDP).

    At a few hundred patients and an epsilon of 1 the noise is larger than what there is to learn: in the experiment ``learned``
    (343 and 783 patients) a single draw may turn a treatment effect around, or double it; at 5, the mean of many draws keeps most
    of it, and one may still lose it. Measure that with `assess_generator` before any use. The noise is never seeded: a known seed would undo it, so that two runs differ.
    Not hidden: how many patients you draw, and a refusal to learn, which is decided by looking at the data.

    Parameters
    ----------
    epsilon : float
        Privacy loss, greater than 0, of all that is learned together.
    delta : float
        Between 0 and 1; well below one in the number of patients.
    bounds : mapping, optional
        Column -> smallest and largest possible value, known without the data: needed for numbers without a range in the
        schema, and used instead of it. Of times after a late entry, and ends of intervals, the bounds of the difference.
    bins : int
        Equal bins of a column of numbers on the scale of its transform, at least 2.
    margins : float
        Share of the privacy loss that goes to the histograms, between 0 and 1.
    """

    epsilon: float
    delta: float = 1e-6
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bins: int = 8
    margins: float = 0.5

    def __post_init__(self) -> None:
        between("epsilon", self.epsilon, 0.0, np.inf, open_low=True, open_high=True)
        between("delta", self.delta, 0.0, 1.0, open_low=True, open_high=True)
        between("margins", self.margins, 0.0, 1.0, open_low=True, open_high=True)
        between("bins", self.bins, 2, 10_000)
        if not isinstance(self.bounds, Mapping):
            raise SpecError(
                f"bounds: {type(self.bounds).__name__} found; legal is a mapping of columns to their smallest and largest "
                "possible value",
                code="knob_out_of_range",
            )
        for column, ends in self.bounds.items():
            each_between(f"bounds.{column}", ends, -np.inf, np.inf, n=2, open_low=True, open_high=True)
            if not ends[0] < ends[1]:
                raise SpecError(
                    f"bounds.{column}: {ends!r} found; legal are two rising numbers", code="knob_out_of_range"
                )

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> DPSampler:
        """Learn from encoded columns; `rng` serves what is done with the noisy sums, not their noise."""
        bins = bins_of(layout, bounds=self.bounds, n_bins=self.bins)
        rho = loss_of(self.epsilon, self.delta)
        counts = noisy_counts([one.count(columns[one.name]) for one in bins], rho=self.margins * rho)
        patients = max(float(np.mean([own.sum() for own in counts])), 1.0)
        shares = tuple(_shares(own, one.n) for one, own in zip(bins, counts, strict=True))
        scores = [_mean_scores(one, own) for one, own in zip(bins, shares, strict=True)]
        coded = np.column_stack(
            [s[one.codes(columns[one.name])] for one, s in zip(bins, scores, strict=True)]
        )
        products, noise = noisy_products(coded, rho=(1 - self.margins) * rho)
        scale = patients * _expected(shares, scores, rng)
        return DPSampler(bins, shares, _correlation(products / scale, noise / scale))


@dataclass(frozen=True)
class DPSampler:
    """Bins, the share of each (the last is that of missing values), and correlations."""

    bins: tuple[Bins, ...]
    shares: tuple[np.ndarray, ...]
    correlation: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        """Return `n` patients."""
        root = np.linalg.cholesky(self.correlation)
        u = ndtr(rng.standard_normal((n, len(root))) @ root.T)
        made = {}
        for j, (one, shares) in enumerate(zip(self.bins, self.shares, strict=True)):
            known = shares[:-1] / shares[:-1].sum()
            chosen = np.minimum(np.searchsorted(np.cumsum(known), u[:, j], side="right"), len(known) - 1)
            missing = rng.uniform(size=n) < shares[-1]
            made[one.name] = one.values(chosen, missing, rng)
        return made


def opendp() -> Any:
    """Return OpenDP's prelude.

    Raises
    ------
    SpecError
        If the library is not installed.
    """
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise SpecError("dp_copula needs OpenDP: pip install 'medresponse[privacy]'") from error
    dp.enable_features("contrib")
    return dp


def _gaussian(size: int, scale: float) -> Any:
    """Return OpenDP's discrete Gaussian mechanism on vectors of whole numbers."""
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"), size=size)
    return dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=scale)


def epsilon_of(rho: float, delta: float) -> float:
    """Return the epsilon of a loss `rho` in zero-concentrated privacy, at `delta`."""
    unit = _gaussian(1, 1.0)  # at sensitivity sqrt(2 rho), its loss is rho
    return float(opendp().c.make_zCDP_to_approxDP(unit).map(float(np.sqrt(2 * rho))).epsilon(delta))


def loss_of(epsilon: float, delta: float) -> float:
    """Return the largest loss in zero-concentrated privacy that is (epsilon, delta), by bisection from below."""
    low, high = 0.0, epsilon
    while epsilon_of(high, delta) < epsilon:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon_of(middle, delta) <= epsilon else (low, middle)
    return low


def noisy_counts(counts: list[np.ndarray], *, rho: float) -> list[np.ndarray]:
    """Return histograms, one a column, with noise at a total loss of `rho`."""
    sensitivity = float(np.sqrt(len(counts)))
    flat = np.concatenate(counts)
    noisy = _release(flat, sensitivity, rho)
    return np.split(noisy, np.cumsum([len(own) for own in counts])[:-1])


def noisy_products(scores: np.ndarray, *, rho: float) -> tuple[np.ndarray, float]:
    """Return sums of products of scores (patient, column), above the diagonal, with noise; and the noise's standard deviation."""
    d = scores.shape[1]
    bound = np.sqrt(_NORM * d) * _GRID
    clipped = np.trunc(scores * _GRID * _clipping(scores)[:, None]).astype(np.int64)
    upper = np.triu_indices(d, 1)
    sensitivity = float(bound**2 * np.sqrt((1 - 1 / d) / 2))
    if not len(upper[0]):
        return np.zeros((d, d)), 0.0
    products = np.zeros((d, d))
    products[upper] = _release((clipped.T @ clipped)[upper], sensitivity, rho) / _GRID**2
    return products + products.T, sensitivity / np.sqrt(2 * rho) / _GRID**2


def _release(exact: np.ndarray, sensitivity: float, rho: float) -> np.ndarray:
    """Add noise at a loss of `rho`, as OpenDP's map of the mechanism confirms."""
    # A hair more noise than the formula says, for OpenDP rounds losses up.
    mechanism = _gaussian(len(exact), sensitivity / np.sqrt(2 * rho) * (1 + 1e-9))
    if mechanism.map(sensitivity) > rho:
        raise AssertionError("the mechanism's loss is larger than planned")
    return np.array(mechanism([int(v) for v in exact]), dtype=float)


def _shares(counts: np.ndarray, n_bins: int) -> np.ndarray:
    """Return noisy counts as shares, of missing values last; bins are never quite empty, so that every one has a score."""
    positive = np.append(np.maximum(counts, 0.0), np.zeros(n_bins + 1 - len(counts)))
    positive[:-1] += max(positive[:-1].sum(), 1.0) * 1e-6
    return positive / positive.sum()


def _clipping(scores: np.ndarray) -> np.ndarray:
    """Return the factor that brings each patient's scores to at most the largest norm, shape (patient,)."""
    length = np.linalg.norm(scores, axis=1)
    return np.minimum(1.0, np.sqrt(_NORM * scores.shape[1]) / np.maximum(length, 1e-12))


def _expected(
    shares: Sequence[np.ndarray], scores: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Return how much a patient adds to each product, for each unit of a small correlation, shape (column, column).

    That is the mean of the product of squared scores, weighted by clipping (the derivative at independence); bins and
    missing values attenuate, and are counted here, by patients drawn from the noisy histograms.
    """
    drawn = np.column_stack(
        [rng.choice(s, size=_SIMULATED, p=p) for p, s in zip(shares, scores, strict=True)]
    )
    squares = drawn**2
    return (squares * (_clipping(drawn) ** 2)[:, None]).T @ squares / _SIMULATED + 1e-3


def _mean_scores(one: Bins, shares: np.ndarray) -> np.ndarray:
    """Return the mean normal score of each bin, 0 for missing values."""
    cuts = np.concatenate([[0.0], np.cumsum(shares[:-1] / shares[:-1].sum())]).clip(0.0, 1.0)
    cuts[-1] = 1.0
    return np.append(-np.diff(norm.pdf(ndtri(cuts))) / np.diff(cuts), 0.0)


def _correlation(noisy: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return correlations shrunken by what noise adds to their square, and made positive definite."""
    upper = np.triu_indices(len(noisy), 1)
    found = noisy[upper]
    square = float((found**2).mean()) if len(found) else 1.0
    signal = max(0.0, 1 - float((noise[upper] ** 2).mean()) / max(square, 1e-12)) if len(found) else 1.0
    full = np.eye(len(noisy))
    full[upper] = np.clip(signal * found, -_LARGEST, _LARGEST)
    full = full + np.triu(full, 1).T
    values, vectors = np.linalg.eigh(full)
    fixed = (vectors * np.maximum(values, 0.01)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(fixed))
    return fixed * np.outer(scale, scale)
