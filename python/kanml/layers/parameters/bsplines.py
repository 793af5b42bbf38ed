"""Coefficients of B-splines: what kernels read."""

from __future__ import annotations

import numpy.typing as npt

from kanml.layers.parameters.basis import Basis
from kanml.splines.operators import InvertibleOperator, identity
from kanml.splines.space import SplineSpace

__all__ = ["BSplines"]


class BSplines(Basis):
    """Coefficients of B-splines."""

    name = "spline"
    encoded = False

    def decoding(self, space: SplineSpace) -> InvertibleOperator:
        """Return the identity."""
        return identity(space.dim)

    def require_fit(self, dtype: npt.DTypeLike, where: str) -> None:
        """Do nothing: rounding the coefficients changes the splines no more than themselves."""
