"""What moved a patient's estimate away from the average patient's: Shapley values of the inputs, draw by draw."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from medresponse.core.links import Link, Linked
from medresponse.core.rng import stream
from medresponse.features import PROPENSITY
from medresponse.response import shapley
from medresponse.response.predict import LinearParts, linear_parts
from medresponse.response.responses import Responses

NOT_RECORDED = "(inputs not recorded)"
OTHERS = "(all other inputs)"
MOST_APART = shapley.MOST_EXACT
_MOST_COMPARED = 64
DRAWS = 500


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """How far each input moves one patient's responses from those of the average patient.

    Parameters
    ----------
    patient : str
    inputs : tuple of str
        Features whose values are known; then, where there are any, `PROPENSITY` (a propensity score that the model adjusts for),
        `NOT_RECORDED` (all features that are missing, at their likely values given the others) and `OTHERS` (inputs that were
        taken together).
    treatments : tuple of str
    reference : str
    direction : int
        What a difference from the reference is multiplied by so that positive is better (or just higher).
    unit : str
    draws : numpy.ndarray
        Changes in the response, shape (input, treatment, draw). They sum over inputs to the patient's response less
        `average`, in every draw.
    average : numpy.ndarray
        Response of the average patient at this patient's site, shape (treatment, draw).
    """

    patient: str
    inputs: tuple[str, ...]
    treatments: tuple[str, ...]
    reference: str
    direction: int
    unit: str
    draws: np.ndarray = field(repr=False)
    average: np.ndarray = field(repr=False)

    def benefits(self, treatment: str) -> np.ndarray:
        """Return the changes in a treatment's benefit against the reference, shape (input, draw)."""
        k, reference = (self.treatments.index(name) for name in (treatment, self.reference))
        return np.asarray(self.direction * (self.draws[:, k] - self.draws[:, reference]))

    def apart(self, inputs: Collection[str]) -> Contributions:
        """Return the contributions of some inputs, and the sum of all others as `OTHERS` if there are any."""
        kept = [i for i, name in enumerate(self.inputs) if name in inputs]
        rest = [i for i in range(len(self.inputs)) if i not in kept]
        names = tuple(self.inputs[i] for i in kept)
        if not rest:
            return self
        joined = np.concatenate([self.draws[kept], self.draws[rest].sum(axis=0, keepdims=True)])
        return Contributions(
            patient=self.patient, inputs=(*names, OTHERS), treatments=self.treatments, reference=self.reference,
            direction=self.direction, unit=self.unit, draws=joined, average=self.average,
        )  # fmt: skip

    def table(self, *, level: float = 0.95) -> pl.DataFrame:
        """Return ``feature, treatment, change, lower, upper``: posterior means and equal-tailed intervals.

        One row for each treatment, and with two or more treatments rows ``treatment = "benefit:<name>"`` for the change in
        benefit against the reference.
        """
        names, values = self.summary(level=level)
        labels = {
            "feature": [name for name in self.inputs for _ in names],
            "treatment": list(names) * len(self.inputs),
        }
        return pl.DataFrame(
            labels | dict(zip(("change", "lower", "upper"), values.reshape(3, -1), strict=True))
        )

    def summary(self, *, level: float = 0.95) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the numbers of `table`: the names in its column ``treatment``, and an array of shape (3, input, name).

        The first dim is posterior mean, lower and upper end of the interval.
        """
        others = [name for name in self.treatments if name != self.reference]
        names = (*self.treatments, *(f"benefit:{name}" for name in others))
        changes = np.concatenate([self.draws, *(self.benefits(name)[:, None] for name in others)], axis=1)
        tail = (1 - level) / 2
        lower, upper = np.quantile(changes, [tail, 1 - tail], axis=-1)
        return names, np.stack([changes.mean(axis=-1), lower, upper])


def contributions(
    responses: Responses, patient: str, *, draws: int | None = DRAWS, most_apart: int = MOST_APART
) -> Contributions:
    """Return how far each input moves a patient's responses from those of the average patient.

    Inputs join the average patient one after the other until the patient is complete; an input's contribution is the change on
    the outcome's scale when it joins, averaged over all orders (its Shapley value). An input that has not joined has its
    columns at their training averages; a product of two inputs joins with the later of them. They are associations inside the
    model, not causes, and say how the model comes to its estimate rather than what would follow if an input were changed.

    Where the response is a line in the predictor (identity link, no trees or hinges) the values are computed in closed form:
    the coefficient times the distance from the mean, a product shared by halves. Elsewhere they are exact over all coalitions of
    the inputs that move the patient most, with all other inputs taken together as one more; or, if more are asked to be kept
    apart, sampled (see `medresponse.response.shapley`), with orders from the patient's own stream that are the same for all
    posterior draws and treatments.

    Parameters
    ----------
    responses : Responses
    patient : str
    draws : int, optional
        At most this many posterior draws, evenly thinned; None for all. An interval's end from 500 has a Monte Carlo error of
        about 0.1 standard deviations.
    most_apart : int
        Of more inputs, those that move responses and benefits least are taken together as `OTHERS`. Beyond the default values
        are sampled: with 24 pairs of orders an error of up to some tenths of the change is possible on a strongly curved scale.

    Raises
    ------
    UnknownPatientError
        If there is no such patient.
    """
    chosen = responses.select([patient])
    if draws is not None:
        chosen = replace(chosen, fit=chosen.fit.thinned(draws))
    game = _game(chosen)
    link = _identity(chosen)
    if link is not None:
        names, changes, average = game.names, _closed(game, link), game.response(game.joined([()]))[0]
    else:
        if len(game.names) > most_apart:
            game = _merged(game, most_apart)
        names, value = game.names, _Remembering(game)
        rng = stream(chosen.seed, "orders of inputs", patient)
        changes = shapley.shapley_values(value, len(names), rng=rng)
        average = value.nobody
    return Contributions(
        patient=patient, inputs=names, treatments=chosen.treatments, reference=chosen.basis.reference,
        direction=chosen.direction or 1, unit=chosen.unit, draws=changes, average=average,
    )  # fmt: skip


@dataclass(frozen=True)
class _Game:
    """Inputs that may join, the inputs that each column waits for, and the response with some columns joined."""

    responses: Responses
    parts: LinearParts
    names: tuple[str, ...]
    owners: tuple[frozenset[str], ...]

    def joined(self, sets: Iterable[Collection[str]]) -> np.ndarray:
        """Return which columns are as they are once some inputs have joined, shape (set, column)."""
        return np.array([[own.issubset(some) for own in self.owners] for some in sets], dtype=bool)

    def response(self, columns: np.ndarray) -> np.ndarray:
        """Return the response with some columns joined, shape (set of columns, treatment, draw)."""
        fit = self.responses.fit
        family, eta = fit.spec.family, self.parts.predictors(columns)
        return self.responses.factor * family.response(
            self.responses.estimand, eta, fit.family_draws(), fit.constants
        )


class _Remembering:
    """The value of coalitions (coalition, input), keeping that of nobody, which is the first."""

    nobody: np.ndarray

    def __init__(self, game: _Game) -> None:
        self._game = game
        needs = np.array([[name in own for name in game.names] for own in game.owners], dtype=float)
        self._needs = needs.reshape(len(game.owners), len(game.names))

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        # A column joins with the last of its inputs.
        found = self._game.response(~((~coalitions).astype(float) @ self._needs.T > 0))
        self.nobody = found[0]
        return found


def _game(responses: Responses) -> _Game:
    encoding, codes = responses.fit.encoding, responses.patients.codes[0]
    missing = {name for name, code in zip(encoding.names, codes, strict=True) if np.isnan(code)}
    owners = tuple(
        frozenset(NOT_RECORDED if name in missing else name for name in features) or frozenset({PROPENSITY})
        for features in encoding.column_features
    )
    present = frozenset().union(*owners)
    names = tuple(name for name in (*encoding.names, PROPENSITY, NOT_RECORDED) if name in present)
    parts = linear_parts(responses.fit, responses.patients, 0, seed=responses.seed)
    return _Game(responses, parts, names, owners)


def _identity(responses: Responses) -> Link | None:
    """Return the link where the response is a line in the columns."""
    fit = responses.fit
    if fit.forests is not None or not isinstance(fit.spec.family, Linked):
        return None
    link = fit.spec.family.link(responses.estimand, fit.family_draws(), fit.constants)
    return link if link is not None and link.name == "identity" else None


def _closed(game: _Game, link: Link) -> np.ndarray:
    """Return each input's own columns, and its share of those it has in common; shape (input, treatment, draw)."""
    position = {name: i for i, name in enumerate(game.names)}
    changes = np.zeros((len(game.names), *game.parts.average.shape[1:]))
    for own, column in zip(game.owners, game.parts.by_column[0], strict=True):
        for name in own:
            changes[position[name]] += column / len(own)
    return game.responses.factor * link.factor * changes


def _merged(game: _Game, most_apart: int) -> _Game:
    """Return the game in which the inputs that move least are one."""
    size = _sizes(game)
    apart = set(sorted(game.names, key=lambda name: -size[name])[: most_apart - 1])
    owners = tuple(frozenset(name if name in apart else OTHERS for name in own) for own in game.owners)
    return replace(game, names=(*(name for name in game.names if name in apart), OTHERS), owners=owners)


def _sizes(game: _Game) -> dict[str, float]:
    """Return how far each input moves the response or a benefit on average over draws, at the treatment it moves most.

    The mean of what it adds to nobody and to everybody else; of very many inputs, for those only that move the linear
    predictors most.
    """
    names, fit = game.names, game.responses.fit
    if len(names) > _MOST_COMPARED and fit.forests is None:
        linear = dict.fromkeys(names, 0.0)
        for own, far in zip(
            game.owners, np.abs(game.parts.by_column.mean(axis=-1)).max(axis=(0, 2)), strict=True
        ):
            linear |= {name: linear[name] + float(far) for name in own}
        names = tuple(sorted(names, key=lambda name: -linear[name])[:_MOST_COMPARED])
    every = set(game.names)
    sets = [(), every, *({name} for name in names), *(every - {name} for name in names)]
    means = game.response(game.joined(sets)).mean(axis=-1)
    added = (means[2 : 2 + len(names)] - means[0] + means[1] - means[2 + len(names) :]) / 2
    reference = added[:, [game.responses.treatment_position(game.responses.basis.reference)]]
    far = np.abs(np.concatenate([added, added - reference], axis=1)).max(axis=1)
    return dict.fromkeys(game.names, 0.0) | dict(zip(names, far.tolist(), strict=True))
