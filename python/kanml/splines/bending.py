"""The second derivative of splines at Gauss points: what the integral of its square is made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.splines.operators import LinearOperator, made_by
from kanml.splines.space import SplineSpace

__all__ = ["bending"]


def bending(space: SplineSpace) -> LinearOperator:
    """Return the operator B with ``|B c|^2`` the integral of ``phi''(x)^2`` over the domain.

    The square of phi'' is a polynomial of degree ``2 degree - 4`` in every interval, which
    ``degree - 1`` Gauss points integrate exactly. A row of B c is phi'' at one of them, times the
    root of its weight.

    Parameters
    ----------
    space : SplineSpace
        Of degree 2 at least.

    Returns
    -------
    LinearOperator, shape (intervals * (degree - 1), dim)

    Examples
    --------
    The integral of the square of ``(x^2)'' = 2`` over [0, 3]:

    >>> from kanml.splines import SplineSpace
    >>> space = SplineSpace.uniform(0, 3, intervals=3, degree=2)
    >>> rows = bending(space) @ [-0.0, 0.0, 2.0, 6.0, 12.0]
    >>> float((rows**2).sum().round(12))
    12.0
    """
    values = _weighted(space)
    n, points, order = values.shape

    def windows(c: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield for j = 0, ..., degree the j-th nonzero function and coefficient of intervals."""
        for j in range(order):
            yield values[None, :, :, j, None], c[:, j : j + n]

    def apply(c: FloatArray) -> FloatArray:
        rows = sum(value * part[:, :, None] for value, part in windows(c))
        return np.asarray(rows, c.dtype).reshape(len(c), n * points, -1)

    def apply_transpose(r: FloatArray) -> FloatArray:
        c = np.zeros((len(r), space.dim, r.shape[2]))
        by_interval = r.reshape(len(r), n, points, -1)
        for value, part in windows(c):
            part += (value * by_interval).sum(axis=2)
        return c.astype(r.dtype, copy=False)

    return made_by(LinearOperator((n * points, space.dim), apply, apply_transpose), bending, space)


def _weighted(space: SplineSpace) -> Float64Array:
    """Return the second derivatives of the functions that are not zero in an interval.

    Returns
    -------
    ndarray, shape (intervals, degree - 1, degree + 1)
        At Gauss points, times the roots of their weights.
    """
    nodes, weights = np.polynomial.legendre.leggauss(space.degree - 1)
    halves = np.diff(space.breakpoints)[:, None] / 2
    x = space.breakpoints[:-1, None] + halves * (1 + nodes)
    _, values = space.basis(x.ravel(), derivative=2)
    roots = np.sqrt(halves * weights)
    weighted: Float64Array = roots[..., None] * values.reshape(*x.shape, space.order)
    return weighted
