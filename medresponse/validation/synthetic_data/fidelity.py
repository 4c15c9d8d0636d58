"""How much made-up patients are like real ones: margins, correlations, and whether a forest can tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import ks_2samp

from medresponse.validation.synthetic_data.space import Block

_TREES = 100
_FOLDS = 5


def marginal_distances(real: Sequence[Block], made: Sequence[Block]) -> dict[str, float]:
    """Return each column's distance, 0 to 1: Kolmogorov-Smirnov for numbers, total variation for levels.

    The difference in the share that is missing counts if it is the larger; a missing level is a level.
    """
    return {a.column.name: _distance(a, b) for a, b in zip(real, made, strict=True)}


def _distance(a: Block, b: Block) -> float:
    if a.column.levels:
        shares = [
            np.bincount(x.values + 1, minlength=len(a.column.levels) + 1) / len(x.values) for x in (a, b)
        ]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)
    known = [x.values[~np.isnan(x.values)] for x in (a, b)]
    gap = abs(len(known[0]) / len(a.values) - len(known[1]) / len(b.values))
    if not all(map(len, known)):
        return gap
    return max(gap, float(ks_2samp(*known, method="asymp").statistic))


def correlation_distance(real: Sequence[Block], made: Sequence[Block]) -> float:
    """Return the mean absolute difference of correlations over pairs of columns, levels by one indicator each."""
    owner, tables = [], []
    for blocks in (real, made):
        parts = [b.coordinates[:, 1:-1] if len(b.column.levels) == 2 else b.coordinates for b in blocks]
        tables.append(np.column_stack(parts))
        owner = [i for i, part in enumerate(parts) for _ in range(part.shape[1])]
    varies = np.all([t.std(axis=0) > 0 for t in tables], axis=0)
    of = np.array(owner)[varies]
    pairs = np.triu(of[:, None] != of[None, :])
    if not pairs.any():
        return 0.0
    one, two = (np.corrcoef(t[:, varies], rowvar=False) for t in tables)
    return float(np.abs(one - two)[pairs].mean())


def detection_auc(real: np.ndarray, made: np.ndarray, *, seed: int) -> float:
    """Return the area under the ROC curve of a forest that tells made-up from real patients, in five folds; 0.5 is best."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x = np.vstack([real, made])
    y = np.repeat([0, 1], [len(real), len(made)])
    forest = RandomForestClassifier(_TREES, random_state=seed)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    return float(roc_auc_score(y, cross_val_predict(forest, x, y, cv=folds, method="predict_proba")[:, 1]))
