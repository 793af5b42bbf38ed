"""Splines at Gauss points: what the integral of the square of their derivatives is made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.splines.operators import LinearOperator, made_by
from kanml.splines.space import SplineSpace

__all__ = ["at_gauss_points", "bending"]


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
    rows, _ = at_gauss_points(space, derivative=2)
    return made_by(rows, bending, space)


def at_gauss_points(space: SplineSpace, derivative: int) -> tuple[LinearOperator, Float64Array]:
    """Return the values of a derivative at Gauss points, times the roots of their weights.

    They integrate the square of the derivative exactly, over the domain.

    Parameters
    ----------
    space : SplineSpace
    derivative : int
        Its order, 0 to degree.

    Returns
    -------
    operator : LinearOperator, shape (intervals * (degree + 1 - derivative), dim)
        From coefficients to these values.
    roots : ndarray, shape (intervals * (degree + 1 - derivative),)
        The roots of the weights.
    """
    values, roots = _weighted(space, derivative)
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

    return LinearOperator((n * points, space.dim), apply, apply_transpose), roots.ravel()


def _weighted(space: SplineSpace, derivative: int) -> tuple[Float64Array, Float64Array]:
    """Return a derivative of the functions that are not zero in an interval, and roots of weights.

    Returns
    -------
    weighted : ndarray, shape (intervals, points, degree + 1)
        At Gauss points, times the roots of their weights.
    roots : ndarray, shape (intervals, points)
    """
    nodes, weights = np.polynomial.legendre.leggauss(space.degree + 1 - derivative)
    halves = np.diff(space.breakpoints)[:, None] / 2
    x = space.breakpoints[:-1, None] + halves * (1 + nodes)
    _, values = space.basis(x.ravel(), derivative)
    roots = np.sqrt(halves * weights)
    weighted: Float64Array = roots[..., None] * values.reshape(*x.shape, space.order)
    return weighted, roots
