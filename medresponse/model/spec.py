"""`ModelSpec`: the whole model as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medresponse.cohort import BLOCKS
from medresponse.families import Family
from medresponse.priors import HalfNormal, Normal, Prior, ScalePrior


@dataclass(frozen=True, kw_only=True)
class MultipleImputation:
    """Missing features are drawn `imputations` times from a joint model; the posteriors are pooled."""

    imputations: int = 5

    def __post_init__(self) -> None:
        if self.imputations < 2:
            raise ValueError("imputations must be at least 2: one imputation hides what is not known")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What is modelled and what is believed beforehand; decodes from and to YAML.

    Parameters
    ----------
    family : Family
        Outcome family.
    blocks : mapping
        Block -> `Prior` of its prognostic coefficients. A block that is not named is not used.
    modifiers : mapping, optional
        Block -> `Prior` of its treatment-effect modification (the difference in a coefficient between any two
        treatments). By default every block in `blocks` with its prior shrunk twice as hard; an empty mapping
        means no modification.
    treatment : Prior
        Prior of the difference between any two treatments at the average patient.
    pooling : tuple of str
        Grouping columns with partially pooled intercepts and treatment effects.
    pooling_scale, pooling_treatment_scale : ScalePrior
        Prior of the standard deviation of those intercepts and of those treatment effects.
    centred : tuple of str
        Grouping columns whose intercepts are sampled as they are, not as multiples of their scale. The same
        posterior; mixes better where every group has much data, worse where groups are small.
    slopes : mapping
        Grouping column -> features whose coefficients vary over its groups, pooled towards the common one.
    slope_scale : ScalePrior
        Prior of the standard deviation of one feature's coefficients over groups.
    interactions : tuple of (str, str)
        Pairs of features with a product term, under the prior of the first one's block.
    leave_out : tuple of str
        Features not used.
    missing : MultipleImputation
        Strategy for missing features.
    confounding : str, optional
        Required for an observational cohort; ``"measured"`` states by name that only the listed features are
        adjusted for.
    """

    family: Family
    blocks: Mapping[str, Prior]
    modifiers: Mapping[str, Prior] | None = None
    treatment: Prior = Normal(sigma=1.0)
    pooling: tuple[str, ...] = ()
    pooling_scale: ScalePrior = HalfNormal(sigma=0.5)
    pooling_treatment_scale: ScalePrior = HalfNormal(sigma=0.25)
    centred: tuple[str, ...] = ()
    slopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slope_scale: ScalePrior = HalfNormal(sigma=0.2)
    interactions: tuple[tuple[str, str], ...] = ()
    leave_out: tuple[str, ...] = ()
    missing: MultipleImputation = field(default_factory=MultipleImputation)
    confounding: str | None = None

    def __post_init__(self) -> None:
        for block in (*self.blocks, *(self.modifiers or {})):
            if block not in BLOCKS:
                raise ValueError(f"no block {block!r}; valid are {', '.join(BLOCKS)}")
        extra = sorted(set(self.modifiers or {}) - set(self.blocks))
        if extra:
            raise ValueError(
                f"modifiers name {', '.join(extra)}, which blocks does not: a modifier needs its main term"
            )
        strangers = sorted(set(self.slopes) - set(self.pooling))
        if strangers:
            raise ValueError(
                f"slopes name {', '.join(strangers)}, which pooling does not: slopes need their intercepts"
            )
        loose = sorted(set(self.centred) - set(self.pooling))
        if loose:
            raise ValueError(f"centred names {', '.join(loose)}, which pooling does not")
        for name in ("pooling", "interactions", "leave_out"):
            entries = [frozenset(e) if isinstance(e, tuple) else e for e in getattr(self, name)]
            if len(set(entries)) < len(entries):
                raise ValueError(f"{name} names something twice")
        if self.confounding not in (None, "measured"):
            raise ValueError(f"confounding {self.confounding!r} is not known; valid is 'measured'")

    @property
    def modifier_priors(self) -> Mapping[str, Prior]:
        """Block -> prior of effect modification, defaults filled in."""
        if self.modifiers is None:
            return {block: prior.harder() for block, prior in self.blocks.items()}
        return self.modifiers
