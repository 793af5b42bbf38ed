"""Exact transfer between nested spline spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kanml import _core
from kanml._validation import FloatArray
from kanml.operators import LinearOperator, Map, apply_along_axis_0
from kanml.splines import SplineSpace

__all__ = ["BlockProlongation", "Prolongation", "prolongation"]


class Prolongation(LinearOperator):
    """The matrix P with which a coarse spline is written in a finer space.

    Made by `prolongation`. ``P @ c`` are the fine coefficients of the spline with the coarse
    coefficients `c`; ``P.T @ g`` restricts a gradient; `dual` carries a gradient to the fine space.
    """

    def __init__(self, shape: tuple[int, int], apply: Map, transpose: Map, dual: Map) -> None:
        super().__init__(shape, apply, transpose)
        self._dual = dual

    def dual(self, g: object) -> FloatArray:
        """Carry gradients to the fine space: ``P (P^T P)^{-1} g``.

        Of all fine gradients that `P.T` restricts to `g`, this is the smallest. A step s and a
        gradient y keep their product: ``(P @ s) @ P.dual(y) == s @ y``.

        Parameters
        ----------
        g : array_like, shape (columns, ...)

        Returns
        -------
        ndarray, shape (rows, ...)
        """
        return apply_along_axis_0(self._dual, g, self.shape[1], self.shape)

    def second_moment(self, v: object) -> FloatArray:
        """Carry mean squares of gradients to the fine space.

        The gradient of a coefficient is an integral over the support of its basis function, which
        shrinks in the ratio ``columns / rows``; so these squares shrink by the square of it.
        Their roots are interpolated like coefficients.

        Parameters
        ----------
        v : array_like, shape (columns, ...)
            Nonnegative.

        Returns
        -------
        ndarray, shape (rows, ...)
        """
        return apply_along_axis_0(self._second_moment, v, self.shape[1], self.shape)

    def curvature(self, h: object) -> FloatArray:
        """Carry the diagonal of a Hessian to the fine space.

        A diagonal entry is an integral of the square of a basis function: it shrinks once in the
        ratio ``columns / rows``. Otherwise as in `second_moment`.

        Parameters
        ----------
        h : array_like, shape (columns, ...)
            Nonnegative.

        Returns
        -------
        ndarray, shape (rows, ...)
        """
        return apply_along_axis_0(self._curvature, h, self.shape[1], self.shape)

    def _second_moment(self, v: FloatArray) -> FloatArray:
        return self._squares(v, (self.shape[1] / self.shape[0]) ** 2)

    def _curvature(self, h: FloatArray) -> FloatArray:
        return self._squares(h, self.shape[1] / self.shape[0])

    def _squares(self, x: FloatArray, factor: float) -> FloatArray:
        squares: FloatArray = x.dtype.type(factor) * np.square(self._apply(np.sqrt(x)))
        return squares


def prolongation(coarse: SplineSpace, fine: SplineSpace) -> Prolongation:
    """Return the prolongation between two nested spline spaces.

    A fine coefficient is the blossom of the coarse polynomial piece at the knots inside the
    support of its basis function (the Oslo algorithm: Cohen, Lyche and Riesenfeld, 1980); where
    both grids are uniform and the fine one has twice the intervals, the rows are the binomials
    ``2^-k C(k + 1, s)``.

    Parameters
    ----------
    coarse, fine : SplineSpace
        Of one degree and domain; every coarse breakpoint is a fine one.

    Returns
    -------
    Prolongation
        A linear operator of shape (fine.dim, coarse.dim).

    Raises
    ------
    ValueError
        If the spaces are not nested.

    Examples
    --------
    >>> import kanml
    >>> coarse = kanml.SplineSpace.uniform(0, 1, intervals=2, degree=1)
    >>> kanml.prolongation(coarse, coarse.refine()) @ [0.0, 1.0, 0.0]
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    for name, space in (("coarse", coarse), ("fine", fine)):
        if not isinstance(space, SplineSpace):
            raise TypeError(f"{name} must be a SplineSpace, got {space!r}")
    if coarse.degree != fine.degree:
        raise ValueError(
            f"coarse and fine must have one degree, got {coarse.degree} and {fine.degree}"
        )
    try:
        core = _core.Prolongation(coarse._core, fine._core)
    except ValueError as error:
        raise ValueError(
            f"fine = {fine!r} is no refinement of coarse = {coarse!r}: {error}"
        ) from None
    return Prolongation(
        (core.rows, core.columns), core.apply, core.apply_transpose, core.apply_dual
    )


class BlockProlongation(Prolongation):
    """The prolongation of a flat parameter vector: one map a part, side by side.

    Parameters
    ----------
    parts : sequence of (int, Prolongation or None)
        For each part in order the number of columns m of its matrix of parameters, and the
        prolongation along the rows of that matrix, or None where the part is m numbers that stay
        as they are.
    """

    def __init__(self, parts: Sequence[tuple[int, Prolongation | None]]) -> None:
        self._parts = [(m, p) for m, p in parts]
        columns = sum(m * (1 if p is None else p.shape[1]) for m, p in self._parts)
        rows = sum(m * (1 if p is None else p.shape[0]) for m, p in self._parts)
        super().__init__(
            (rows, columns),
            lambda x: self._map(x, 1, lambda p: p._apply),
            lambda x: self._map(x, 0, lambda p: p._apply_transpose),
            lambda x: self._map(x, 1, lambda p: p._dual),
        )

    def _second_moment(self, v: FloatArray) -> FloatArray:
        return self._map(v, 1, lambda p: p._second_moment)

    def _curvature(self, h: FloatArray) -> FloatArray:
        return self._map(h, 1, lambda p: p._curvature)

    def _map(self, x: FloatArray, side: int, method: Callable[[Prolongation], Map]) -> FloatArray:
        """Map every part of x, of which `side` says whether it counts columns (1) or rows (0)."""
        results = []
        start = 0
        for m, part in self._parts:
            size = m * (1 if part is None else part.shape[side])
            piece = x[start : start + size]
            start += size
            if part is None:
                results.append(piece)
            else:
                # (rows of the part, m, vectors): the part acts on its rows alone.
                columns = np.ascontiguousarray(piece).reshape(part.shape[side], -1)
                results.append(method(part)(columns).reshape(-1, x.shape[1]))
        return np.concatenate(results) if results else x.copy()
