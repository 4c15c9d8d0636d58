"""What is known of a simulated cohort: the truth that recovered responses are scored against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from medresponse.core.errors import DataError, SpecError

FITTED = (
    "fitted"  # kind of a cohort drawn from a generator that was learned from data: it has no causal truth
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """True responses of one outcome.

    Parameters
    ----------
    mean : numpy.ndarray
        E[Y(k) | x] given what can be observed, shape (patient, treatment): the ``mu_x`` of a scenario. Never a
        realised outcome, which no model can know.
    treatments : tuple of str
        The reference first.
    patients : tuple of str, optional
        Ids in the order of `mean`; `Responses` of other patients, or in another order, are refused then.
    received : numpy.ndarray, optional
        Position of the treatment each patient received, shape (patient,).
    propensity : numpy.ndarray, optional
        True probability of each treatment given x, shape (patient, treatment).
    outcomes : numpy.ndarray, optional
        One realised outcome under each treatment, shape (patient, treatment), its random part independent of that of the
        outcome which was observed: else a model that has learnt the noise of its training patients scores better than the truth.
    groups : mapping
        Name (a subgroup, ``site``) -> label of each patient, None where it is not known.
    direction : int
        +1 if a higher response is better, -1 if lower is.

    Raises
    ------
    DataError
        If an array is not of the shape stated or not finite, or there are no patients.
    """

    mean: np.ndarray
    treatments: tuple[str, ...]
    patients: tuple[str, ...] | None = None
    received: np.ndarray | None = None
    propensity: np.ndarray | None = None
    outcomes: np.ndarray | None = None
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    direction: int = 1

    def __post_init__(self) -> None:
        shape = (len(self.mean), len(self.treatments))
        if len(self.treatments) < 2:
            raise SpecError("truth: one treatment only; benefits need at least two", code="single_arm")
        if not shape[0]:
            raise DataError("truth: no patients")
        for name in ("mean", "propensity", "outcomes"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != shape:
                raise DataError(
                    f"truth.{name}: shape {values.shape} found, (patient, treatment) = {shape} needed"
                )
            if not np.isfinite(values).all():
                raise DataError(f"truth.{name}: {int((~np.isfinite(values)).sum())} value(s) are not finite")
        for name, labels in {"received": self.received, "patients": self.patients, **self.groups}.items():
            if labels is not None and len(labels) != shape[0]:
                raise DataError(f"truth.{name}: {len(labels)} patients found, {shape[0]} needed")
        if self.direction not in (-1, 1):
            raise SpecError("truth.direction: +1 (higher is better) or -1 (lower is better)")

    @property
    def n(self) -> int:
        """Patients."""
        return len(self.mean)

    def of(self, rows: np.ndarray) -> Known:
        """Return the truth of some patients, by their positions or a mask of shape (patient,)."""
        kept = np.arange(self.n)[rows]

        def cut(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else np.asarray(values)[kept]

        return replace(
            self,
            mean=self.mean[kept],
            patients=None if self.patients is None else tuple(self.patients[i] for i in kept),
            received=cut(self.received),
            propensity=cut(self.propensity),
            outcomes=cut(self.outcomes),
            groups={name: np.asarray(labels)[kept] for name, labels in self.groups.items()},
        )


def known(
    truth: Any, *, endpoint: str | None = None, received: np.ndarray | None = None,
    groups: Mapping[str, np.ndarray] | None = None, direction: int | None = None, **where: Any,
) -> Known:  # fmt: skip
    """Return what a scenario's truth says of one endpoint.

    Parameters
    ----------
    truth : Truth
        With ``data``, a Dataset of ``mu_x`` (patient, treatment, endpoint[, ...]) and, where they are defined,
        ``propensity`` (patient, treatment) and ``y_new`` (as ``mu_x``).
    endpoint : str, optional
        May be left out if there is one.
    received, groups
        As for `Known`.
    direction : int, optional
        As for `Known`; left out, what the truth's ``signs`` say of the endpoint, +1 where it has none.
    **where
        Labels on further dimensions of ``mu_x`` (``horizon=24``).

    Raises
    ------
    DataError
        If there is no truth, or it is of kind ``fitted``: a generator learned from patients knows no causal effect.
    SpecError
        If there is no such endpoint or label, or one is left open.
    """
    if truth is None:
        raise DataError(
            "the cohort comes without truth; causal scores need a mechanistic scenario", code="no_truth"
        )
    data = getattr(truth, "data", truth)
    kind = getattr(truth, "kind", None) or getattr(data, "attrs", {}).get("kind")
    if FITTED in (kind, getattr(truth, "source", {}).get("kind")):
        raise DataError(
            "what was given is of kind 'fitted': a generator learned from patients has no true effects to score against; "
            "use a mechanistic scenario",
            code="no_truth",
        )
    if "mu_x" not in getattr(data, "data_vars", ()):
        raise DataError(
            f"{type(truth).__name__} holds no mu_x, the mean response under each treatment: causal scores need the truth of a "
            "mechanistic scenario",
            code="no_truth",
        )
    labels = {**({"endpoint": endpoint} if endpoint is not None else {}), **where}
    mean = _cut(data, "mu_x", labels)
    if direction is None:
        own = mean.coords["endpoint"].item() if "endpoint" in mean.coords else None
        direction = getattr(truth, "signs", {}).get(own, 1)
    return Known(
        mean=mean.values.astype(float),
        treatments=tuple(str(t) for t in mean["treatment"].values),
        patients=tuple(str(p) for p in mean["patient"].values) if "patient" in mean.coords else None,
        received=received,
        propensity=_cut(data, "propensity", labels).values.astype(float) if "propensity" in data else None,
        outcomes=_cut(data, "y_new", labels).values.astype(float) if "y_new" in data else None,
        groups=groups or {},
        direction=direction,
    )


def _cut(data: Any, name: str, labels: Mapping[str, Any]) -> Any:
    values = data[name]
    for dim in [d for d in values.dims if d not in ("patient", "treatment")]:
        valid = values[dim].values.tolist() if dim in values.coords else list(range(values.sizes[dim]))
        if dim not in labels and len(valid) > 1:
            raise SpecError(f"truth: which {dim}? {name} has {', '.join(map(str, valid))}")
        label = labels.get(dim, valid[0])
        if label not in valid:
            raise SpecError(f"truth: no {dim} {label!r}; valid are {', '.join(map(str, valid))}")
        values = values.isel({dim: valid.index(label)})
    return values.transpose("patient", "treatment")
