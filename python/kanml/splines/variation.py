"""How far a spline departs from its mean: what its variance over the domain is made of."""

from __future__ import annotations

import numpy as np

from kanml._validation import FloatArray
from kanml.splines.bending import at_gauss_points
from kanml.splines.operators import LinearOperator, made_by
from kanml.splines.space import SplineSpace

__all__ = ["variation"]


def variation(space: SplineSpace) -> LinearOperator:
    """Return the operator V with ``|V c|^2`` the variance of phi over the domain.

    This is the mean of ``(phi(x) - mean)^2`` over the domain, where `mean` is that of phi. A row of
    V c is what is squared here at a Gauss point, times the root of its share of the domain.

    Parameters
    ----------
    space : SplineSpace

    Returns
    -------
    LinearOperator, shape (intervals * (degree + 1), dim)

    Examples
    --------
    The variance of x over [0, 6]:

    >>> from kanml.splines import SplineSpace
    >>> space = SplineSpace.uniform(0, 6, intervals=3, degree=1)
    >>> rows = variation(space) @ [0.0, 2.0, 4.0, 6.0]
    >>> float((rows**2).sum().round(12))
    3.0
    """
    values, roots = at_gauss_points(space, derivative=0)
    length = float(np.sqrt(space.breakpoints[-1] - space.breakpoints[0]))
    shares = (roots / length)[None, :, None]  # their squares add up to 1

    def centred(rows: FloatArray) -> FloatArray:
        mean = (shares * rows).sum(axis=1, keepdims=True)
        return np.asarray((rows - shares * mean) / length, rows.dtype)

    operator = LinearOperator(
        values.shape,
        lambda c: centred(values._apply(c)),
        lambda r: values._apply_transpose(centred(r)),
    )
    return made_by(operator, variation, space)
