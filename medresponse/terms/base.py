"""What a non-linear term must offer: a basis learned from training values, and a prior of its coefficients."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from medresponse.features.basis import Basis


@runtime_checkable
class Term(Protocol):
    """A smooth function of one feature, added to the linear one that the feature's block already has.

    The function is a sum of fixed basis functions, so that a term adds columns to the design and everything
    behind the design (compression, scoring, contributions) stays as it is.
    """

    def learn(self, values: np.ndarray) -> Basis:
        """Return the basis for one standardised column, from its training values, shape (patient,)."""
        ...

    def coefficients(self, name: str, *, basis: Basis, copies: int, dims: str) -> Any:
        """Add the coefficients of `copies` functions over one basis to the current PyMC model.

        Parameters
        ----------
        name, dims : str
            Variable name and its dimension.
        basis : Basis
        copies : int
            Functions that share the term's scale: 1 for prognosis, one a treatment contrast for modification.

        Returns
        -------
        tensor
            Shape (copies * basis.size,), copy-major.
        """
        ...
