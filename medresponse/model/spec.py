"""`ModelSpec`: the whole model as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medresponse.cohort import BLOCKS
from medresponse.families import Family
from medresponse.features import PROPENSITY
from medresponse.model.hinges import Hinges
from medresponse.model.trees import Trees
from medresponse.priors import Exchangeable, HalfNormal, Normal, Prior, ScalePrior, TreatmentStructure
from medresponse.terms import Spline, Term


@dataclass(frozen=True, kw_only=True)
class MultipleImputation:
    """Missing features are drawn `imputations` times from a joint model; the posteriors are pooled.

    So are the true values of features that come with a standard error of measurement.

    Parameters
    ----------
    imputations : int
    shifts : mapping
        Feature -> amount added to its imputed values, at fit and at prediction: how far the missing may differ from
        what the observed say of them (missing not at random). For a continuous feature in its unit after the schema's
        transform; for a binary, ordinal or dosage feature in standard deviations of its latent normal.
    cycles : int
        How many times imputed values are redrawn given the outcome's own model at a posterior draw of a short fit of each
        imputation, before the fit proper (see `inference.redrawing`); with 0 they stay those of the joint model.
    """

    imputations: int = 5
    shifts: Mapping[str, float] = field(default_factory=dict)
    cycles: int = 2

    def __post_init__(self) -> None:
        if self.imputations < 2:
            raise ValueError("imputations must be at least 2: one imputation hides what is not known")
        if self.cycles < 0:
            raise ValueError(
                "cycles must be 0 (imputations by the joint model alone) or the number of times that they are redrawn"
            )


@dataclass(frozen=True, kw_only=True)
class PropensityScore:
    """Propensity score as a covariate of the outcome model: a line and a curve over its log odds.

    Robins, Mark & Newey (1992), Biometrics 48:479; Zheng & Little (2005), J Off Stat 21:1 (penalised spline of
    propensity prediction). The features themselves stay in the model.

    Parameters
    ----------
    prior : Prior
        Of the line.
    curve : Term, optional
        Of the deviation from the line; only with two treatments, where there is one score.
    """

    prior: Prior = Normal(sigma=1.0)
    curve: Term | None = field(default_factory=Spline)


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
    treatments : TreatmentStructure
        How the effects of several treatments are pooled: exchangeable, by drug class, or ordered by dose.
    terms : mapping
        Feature -> `Term`: a curve over the feature, added to its linear part.
    modifier_terms : mapping
        Feature -> `Term`: a curve over the feature, added to its modification of the treatment effect. Needs an
        entry in `terms`, whose basis it shares. None by default: a curved modification is rarer still.
    trees : Trees, optional
        Sums of regression trees over blocks that `blocks` does not name. Drawn by Gibbs steps, so the linear terms beside
        them need normal priors with fixed scales, and the family a latent normal outcome.
    hinges : Hinges, optional
        Sums of products of hinges over blocks that neither `blocks` nor `trees` names; drawn by Gibbs steps too.
    pooling : tuple of str
        Grouping columns with partially pooled intercepts and treatment effects; several cross. ``a/b`` pools over
        groups of `b` within `a`.
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
    confounding : str or PropensityScore, optional
        Required for an observational cohort; ``"measured"`` states by name that only the listed features are
        adjusted for, `PropensityScore` adjusts for the score made of them as well.
    """

    family: Family
    blocks: Mapping[str, Prior]
    modifiers: Mapping[str, Prior] | None = None
    treatment: Prior = Normal(sigma=1.0)
    treatments: TreatmentStructure = field(default_factory=Exchangeable)
    terms: Mapping[str, Term] = field(default_factory=dict)
    modifier_terms: Mapping[str, Term] = field(default_factory=dict)
    trees: Trees | None = None
    hinges: Hinges | None = None
    pooling: tuple[str, ...] = ()
    pooling_scale: ScalePrior = HalfNormal(sigma=0.5)
    pooling_treatment_scale: ScalePrior = HalfNormal(sigma=0.25)
    centred: tuple[str, ...] = ()
    slopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slope_scale: ScalePrior = HalfNormal(sigma=0.2)
    interactions: tuple[tuple[str, str], ...] = ()
    leave_out: tuple[str, ...] = ()
    missing: MultipleImputation = field(default_factory=MultipleImputation)
    confounding: str | PropensityScore | None = None

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
        straight = sorted(set(self.modifier_terms) - set(self.terms))
        if straight:
            raise ValueError(
                f"modifier_terms name {', '.join(straight)}, which terms does not: a modifier needs its main term"
            )
        taken = dict.fromkeys(self.blocks, "blocks")
        for name, part in (("trees", self.trees), ("hinges", self.hinges)):
            if part is None:
                continue
            both = sorted(set(taken) & set(part.blocks))
            if both:
                raise ValueError(
                    f"{taken[both[0]]} and {name} both name {', '.join(both)}: a block is linear, in trees or in hinges"
                )
            if self.terms:
                raise ValueError(f"terms and {name} do not go together: {name} find curves by themselves")
            taken |= dict.fromkeys(part.blocks, name)
        if isinstance(self.confounding, str) and self.confounding != "measured":
            raise ValueError(
                f"confounding {self.confounding!r} is not known; valid are 'measured' and a propensity score"
            )

    @property
    def modifier_priors(self) -> Mapping[str, Prior]:
        """Block -> prior of effect modification, defaults filled in."""
        if self.modifiers is None:
            return {block: prior.harder() for block, prior in self.blocks.items()}
        return self.modifiers

    @property
    def curve_terms(self) -> Mapping[str, Term]:
        """Feature (or the propensity score) -> term of its curve."""
        score = self.confounding
        if isinstance(score, PropensityScore) and score.curve is not None and not self.searches:
            return {**self.terms, PROPENSITY: score.curve}
        return self.terms

    @property
    def used_blocks(self) -> tuple[str, ...]:
        """Blocks whose features the model uses, linearly, in trees or in hinges."""
        parts = (part for part in (self.trees, self.hinges) if part is not None)
        return (*self.blocks, *(block for part in parts for block in part.blocks))

    @property
    def searches(self) -> bool:
        """Whether the form of the functions is unknown too (trees, hinges), so that the `Gibbs` engine draws it."""
        return self.trees is not None or self.hinges is not None
