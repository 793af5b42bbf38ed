"""Exact transfer between nested spline spaces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from kanml import _core
from kanml._validation import FloatArray, choice
from kanml.splines.operators import LinearOperator, Map, apply_along_axis_0, blockwise, made_by
from kanml.splines.polynomials import lagrange
from kanml.splines.space import SplineSpace
from kanml.splines.twofold import Twofold, fractions

__all__ = ["BlockProlongation", "Prolongation", "prolongation"]


class Prolongation(LinearOperator):
    """The matrix P with which a coarse spline is written in a finer space.

    Made by `prolongation`. ``P @ c`` are the fine coefficients of the spline with the coarse
    coefficients `c`; ``P.T @ g`` restricts a gradient; `dual` carries a gradient to the fine space.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        apply: Map,
        transpose: Map,
        dual: Map,
        second_moment: Map,
        curvature: Map,
    ) -> None:
        super().__init__(shape, apply, transpose)
        self._dual = dual
        self._second_moment = second_moment
        self._curvature = curvature

    def dual(self, g: object) -> FloatArray:
        """Carry gradients to the fine space, such that ``P.T @ P.dual(g) == g``.

        The product of a step s and a gradient y is preserved: ``(P @ s) @ P.dual(y) == s @ y``. In
        the B-spline basis this is ``P (P^T P)^{-1} g``, the smallest of all fine gradients that
        `P.T` restricts to `g`. In the ReLU basis, where the gradient with respect to a weight
        depends smoothly on its knot, `g` is interpolated between the knots.

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

        Their square roots are interpolated. The gradient with respect to a B-spline coefficient is
        an integral over the support of its basis function, which shrinks by ``columns / rows``, so
        its square shrinks by the square of that ratio. For ReLU weights nothing shrinks.

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

        A diagonal entry is an integral of the square of a basis function, so for B-splines it
        shrinks by ``columns / rows``. Otherwise this is `second_moment`.

        Parameters
        ----------
        h : array_like, shape (columns, ...)
            Nonnegative.

        Returns
        -------
        ndarray, shape (rows, ...)
        """
        return apply_along_axis_0(self._curvature, h, self.shape[1], self.shape)


def prolongation(coarse: SplineSpace, fine: SplineSpace, *, basis: str = "spline") -> Prolongation:
    """Return the prolongation between two nested spline spaces.

    A fine coefficient is the blossom of the coarse polynomial piece at the knots inside the
    support of its basis function (the Oslo algorithm: Cohen, Lyche and Riesenfeld, 1980). If both
    grids are uniform and the fine one has twice the intervals, the rows hold the binomials
    ``2^-k C(k + 1, s)``. In the basis of ReLU powers a weight stays with its knot and new knots get
    zero. The first degree + 1 functions are polynomials on the domain; Lagrange interpolation in
    their knots expresses them in those of the fine space.

    Parameters
    ----------
    coarse, fine : SplineSpace
        Of the same degree and domain; every coarse breakpoint is also a fine one.
    basis : {"spline", "relu"}
        What the coefficients belong to: B-splines, or powers of ReLUs (see `relu_transform`).

    Returns
    -------
    Prolongation
        A linear operator of shape (fine.dim, coarse.dim).

    Raises
    ------
    ValueError
        If the spaces are not nested, or `basis` is unknown.
    TypeError
        If `coarse` or `fine` is not a `SplineSpace`.

    Examples
    --------
    >>> import kanml
    >>> coarse = kanml.SplineSpace.uniform(0, 1, intervals=2, degree=1)
    >>> kanml.prolongation(coarse, coarse.refine()) @ [0.0, 1.0, 0.0]
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    choice(basis, "basis", ("spline", "relu"))
    for name, space in (("coarse", coarse), ("fine", fine)):
        if not isinstance(space, SplineSpace):
            raise TypeError(f"{name} must be a SplineSpace, got {space!r}")
    if coarse.degree != fine.degree:
        raise ValueError(
            f"coarse and fine must have the same degree, got {coarse.degree} and {fine.degree}"
        )
    try:
        core = _core.Prolongation(coarse._core, fine._core)
    except ValueError as error:
        raise ValueError(
            f"fine = {fine!r} is no refinement of coarse = {coarse!r}: {error}"
        ) from None
    made = _relu_prolongation(coarse, fine) if basis == "relu" else _spline_prolongation(core)
    return made_by(made, partial(prolongation, basis=basis), coarse, fine)


def _spline_prolongation(core: _core.Prolongation) -> Prolongation:
    ratio = core.columns / core.rows
    return Prolongation(
        (core.rows, core.columns),
        core.apply,
        core.apply_transpose,
        core.apply_dual,
        second_moment=_interpolating_roots(core.apply, ratio**2),
        curvature=_interpolating_roots(core.apply, ratio),
    )


def _interpolating_roots(interpolate: Map, factor: float) -> Map:
    """Return the map that interpolates the square roots of its argument, and squares them again."""

    def apply(x: FloatArray) -> FloatArray:
        squares: FloatArray = x.dtype.type(factor) * np.square(interpolate(np.sqrt(x)))
        return squares

    return apply


def _relu_prolongation(coarse: SplineSpace, fine: SplineSpace) -> Prolongation:
    """Return the prolongation of ReLU weights between nested spaces.

    On the domain max(x - t_j, 0)^k = (x - t_j)^k for the knots t_0 .. t_k up to the lower end, and
    as a polynomial of degree k in t_j this is sum_l L_l(t_j) (x - t'_l)^k with the Lagrange
    polynomials L_l of the fine knots t'_0 .. t'_k.
    """
    ends = slice(None, coarse.degree + 1)
    # Large terms of opposite signs cancel; so only the result is rounded.
    coarse_ends, fine_ends = (fractions(s.knots[ends]) for s in (coarse, fine))
    polynomials = Twofold(lagrange(fine_ends, coarse_ends))
    polynomials_back = Twofold(lagrange(coarse_ends, fine_ends))
    # Nested breakpoints agree up to rounding: take the nearest one.
    halfway = 0.5 * (fine.breakpoints[1:] + fine.breakpoints[:-1])
    kept = coarse.degree + np.searchsorted(halfway, coarse.breakpoints[1:-1])

    # Linear interpolation in the knots. At the upper end it reaches zero: a ReLU there vanishes.
    nodes = np.append(coarse.knots[: coarse.dim], coarse.domain[1])
    left = np.clip(
        np.searchsorted(nodes, fine.knots[: fine.dim], side="right") - 1, 0, coarse.dim - 1
    )
    weight = np.clip((fine.knots[: fine.dim] - nodes[left]) / (nodes[left + 1] - nodes[left]), 0, 1)

    def apply(x: FloatArray) -> FloatArray:
        y = np.zeros((x.shape[0], fine.dim, x.shape[2]), x.dtype)
        y[:, ends] = polynomials.product(x[:, ends])
        y[:, kept] = x[:, coarse.degree + 1 :]
        return y

    def transpose(g: FloatArray) -> FloatArray:
        return np.concatenate([polynomials.transposed_product(g[:, ends]), g[:, kept]], axis=1)

    def interpolate(g: FloatArray) -> FloatArray:
        padded = np.concatenate([g, np.zeros_like(g[:, :1])], axis=1)
        right_share = weight[:, None].astype(g.dtype)
        interpolated: FloatArray = padded[:, left] * (1 - right_share)
        interpolated += padded[:, left + 1] * right_share
        return interpolated

    def dual(g: FloatArray) -> FloatArray:
        y = interpolate(g)
        y[:, ends] = polynomials_back.transposed_product(g[:, ends])
        y[:, kept] = g[:, coarse.degree + 1 :]
        return y

    squares = _interpolating_roots(interpolate, 1.0)
    return Prolongation((fine.dim, coarse.dim), apply, transpose, dual, squares, squares)


class BlockProlongation(Prolongation):
    """The prolongation of a flat parameter vector, part by part.

    Parameters
    ----------
    parts : sequence of (copies, m, Prolongation or None)
        See `blockwise`.
    """

    def __init__(self, parts: Sequence[tuple[int, int, Prolongation | None]]) -> None:
        def size(axis: int) -> int:
            return sum(copies * m * (1 if p is None else p.shape[axis]) for copies, m, p in parts)

        super().__init__(
            (size(0), size(1)),
            blockwise(parts, lambda p: p._apply, of_rows=False),
            blockwise(parts, lambda p: p._apply_transpose, of_rows=True),
            blockwise(parts, lambda p: p._dual, of_rows=False),
            blockwise(parts, lambda p: p._second_moment, of_rows=False),
            blockwise(parts, lambda p: p._curvature, of_rows=False),
        )
        made_by(self, BlockProlongation, parts)
