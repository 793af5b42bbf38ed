"""Powers of ReLUs as a basis of splines, and the change of basis to and from B-splines."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import Float64Array, real_array
from kanml.splines.operators import InvertibleOperator, made_by
from kanml.splines.space import SplineSpace

__all__ = ["ReluTransform", "relu_basis", "relu_transform"]


class ReluTransform(InvertibleOperator):
    """The matrix A with which B-splines are combinations of ReLU powers; see `relu_transform`.

    Attributes
    ----------
    condition : float
        The largest entry of ``|A^-T| |A^T| 1`` (Skeel's condition number). A relative error e in
        the weights w causes an error of up to ``condition * e`` in the coefficients u, relative to
        the largest of them.
    """

    def __init__(self, space: SplineSpace) -> None:
        try:
            core = _core.ReluTransform(space._core)
        except ValueError as error:
            raise ValueError(f"no change of basis for {space!r}: {error}") from None
        self.space = space
        self.condition = core.condition
        super().__init__(
            core.dim,
            core.apply,
            core.apply_transpose,
            core.solve,
            core.solve_transpose,
            check_solve=self._warn_about_rounding,
        )
        made_by(self, ReluTransform, space)

    def lost(self, dtype: npt.DTypeLike) -> float:
        """Return the relative error of the coefficients after rounding the weights to a dtype."""
        return self.condition * float(np.finfo(dtype).eps) / 2

    def _warn_about_rounding(self, dtype: np.dtype[Any]) -> None:
        if self.lost(dtype) >= 1:
            warnings.warn(
                f"{dtype.name} cannot hold the ReLU weights of {self.space!r}: rounding the "
                f"right-hand side may change the solution by {self.lost(dtype):.0e} of its size",
                RuntimeWarning,
                stacklevel=3,
            )


def relu_transform(space: SplineSpace) -> ReluTransform:
    """Return the change of basis A between B-splines and powers of ReLUs: ``b = A psi``.

    The functions ``psi_j(x) = max(x - knots[j], 0)**degree``, j = 0 .. dim - 1, are a basis of the
    same splines on the domain. A is upper triangular with degree + 2 entries in each row,

        ``A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l = i..i+r, l != j} (t_j - t_l)``,  r = degree + 1,

    the weights of a divided difference; on uniform knots of spacing h they are
    ``(-1)^{j-i} C(r, j-i) / (degree! h^degree)``. If u are B-spline coefficients and w ReLU weights
    of one function, then ``w = A.T @ u`` and ``u = A.T.solve(w)``; the gradients with respect to
    them satisfy ``g_u = A @ g_w``.

    Parameters
    ----------
    space : SplineSpace

    Returns
    -------
    ReluTransform
        A linear operator of shape (dim, dim) with ``@``, ``T``, ``solve``, ``inverse`` and
        ``toarray``. It acts along axis 0 of float64 or float32 arrays and computes in float64.
        Products and solutions are accurate to a few rounding errors of ``|A| |x|`` and
        ``|A^-1| |x|``. Solving warns if rounding the right-hand side alone may change every digit.

    Raises
    ------
    ValueError
        If an entry of A or of its inverse is outside the range of float64.
    TypeError
        If `space` is not a `SplineSpace`.

    Notes
    -----
    Southworth, Actor, Harper and Cyr, arXiv:2603.04827, section 3; the paper's recursion (5) gives
    the same numbers.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(0, 3, intervals=3, degree=1)
    >>> A = kanml.relu_transform(space)
    >>> A.toarray()
    array([[ 1., -2.,  1.,  0.],
           [ 0.,  1., -2.,  1.],
           [ 0.,  0.,  1., -2.],
           [ 0.,  0.,  0.,  1.]])
    >>> A.T.solve(A.T @ [1.0, 2.0, 3.0, 4.0])
    array([1., 2., 3., 4.])
    """
    if not isinstance(space, SplineSpace):
        raise TypeError(f"space must be a SplineSpace, got {space!r}")
    return ReluTransform(space)


def relu_basis(space: SplineSpace, x: npt.ArrayLike) -> Float64Array:
    """Return the powers of ReLUs ``max(x - knots[j], 0)**degree``.

    Parameters
    ----------
    space : SplineSpace
        Its first `dim` knots are used, and its degree is the power.
    x : array_like, shape (N,)
        Points inside or outside the domain; NaN gives NaN.

    Returns
    -------
    ndarray, shape (N, dim)

    Raises
    ------
    ValueError
        If `x` is not one-dimensional.
    TypeError
        If `space` is not a `SplineSpace`, or `x` does not hold real numbers.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(0, 2, intervals=2, degree=2)
    >>> kanml.relu_basis(space, [0.5])  # knots -2, -1, 0, 1
    array([[6.25, 2.25, 0.25, 0.  ]])
    """
    if not isinstance(space, SplineSpace):
        raise TypeError(f"space must be a SplineSpace, got {space!r}")
    points = real_array(x, "x")
    if points.ndim != 1:
        raise ValueError(f"x must have shape (N,), got shape {points.shape}")
    powers: Float64Array = np.maximum(points[:, None] - space.knots[: space.dim], 0) ** space.degree
    return powers
