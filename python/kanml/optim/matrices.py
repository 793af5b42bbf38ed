"""All that optimizers do with dense matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanml import _core
from kanml._validation import Float64Array, integer, number, threads
from kanml.optim.vectors import EPSILON

__all__ = ["DampedSteps", "Triangle", "negligible"]


@dataclass(frozen=True, eq=False)
class Triangle:
    """The rows of a sum of squares, reduced to the triangular factor of a QR factorisation.

    For the Jacobian J (m, n) of residuals r (m,), the matrix [J r] is Q times an upper triangle ::

        [R  c   ]
        [0  rest]

    with orthonormal columns of Q. So for every step p, |J p + r|^2 = |R p + c|^2 + rest^2: the
    triangle says all that Gauss-Newton methods ask of the rows, however many they are.

    Parameters
    ----------
    matrix : array_like (n + 1, n + 1)
        The upper triangle in float64, zero below the diagonal. Diagonal entries may have any sign.
        Entries need not be finite.
    rows : int
        The number m of rows that are in it.
    epsilon : float
        The machine epsilon of the dtype in which the rows were computed.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.optim import Triangle
    >>> jacobian, residuals = np.array([[3.0, 1.0], [4.0, 2.0], [0.0, 5.0]]), np.ones(3)
    >>> triangle = Triangle.of(jacobian, residuals)
    >>> triangle.gradient.round(6)  # that of |r|^2
    array([14., 16.])
    >>> triangle.with_rows(jacobian, residuals).rows
    6
    """

    matrix: Float64Array
    rows: int
    epsilon: float

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64, order="C")
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) == 0:
            raise ValueError(f"matrix must have shape (n + 1, n + 1), got shape {matrix.shape}")
        if np.tril(matrix, -1).any():
            i, j = (int(k) for k in np.argwhere(np.tril(matrix, -1))[0])
            raise ValueError(
                f"matrix must be zero below the diagonal, got matrix[{i}, {j}] = {matrix[i, j]}"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "rows", integer(self.rows, "rows", 0))
        number(self.epsilon, "epsilon", "a number in (0, 1)", lambda epsilon: 0 < epsilon < 1)

    @classmethod
    def of(cls, jacobian: NDArray[Any], residuals: NDArray[Any]) -> Triangle:
        """Return the triangle of rows.

        Parameters
        ----------
        jacobian : ndarray (m, n)
            In float32 or float64. The factorisation is in float64.
        residuals : ndarray (m,)

        Returns
        -------
        Triangle

        Raises
        ------
        TypeError
            If the Jacobian has another dtype.
        ValueError
            If the shapes do not fit.
        """
        if jacobian.ndim != 2:
            raise ValueError(f"jacobian must have shape (m, n), got shape {jacobian.shape}")
        n = jacobian.shape[1]
        empty = cls(np.zeros((n + 1, n + 1)), 0, EPSILON[np.dtype(np.float64)])
        return empty.with_rows(jacobian, residuals)

    @classmethod
    def unknown(cls, n: int) -> Triangle:
        """Return a triangle of n columns where no row can be computed: of NaN."""
        matrix = np.triu(np.full((n + 1, n + 1), math.nan))
        return cls(matrix, 0, EPSILON[np.dtype(np.float64)])

    @classmethod
    def of_factor(
        cls, columns: Sequence[Sequence[float]], c: Sequence[float], rows: int, epsilon: float
    ) -> Triangle:
        """Return the triangle of a given R and c; its `rest` is left 0.

        Parameters
        ----------
        columns : sequence of n sequences of floats
            Column j of R, down to its diagonal entry, has j + 1 entries.
        c : sequence of n floats
        rows, epsilon
            As in `Triangle`.
        """
        n = len(columns)
        matrix = np.zeros((n + 1, n + 1))
        for j, column in enumerate(columns):
            matrix[: j + 1, j] = column
        matrix[:n, n] = c
        return cls(matrix, rows, epsilon)

    def with_rows(self, jacobian: NDArray[Any], residuals: NDArray[Any]) -> Triangle:
        """Return the triangle of these rows and more of them.

        Parameters
        ----------
        jacobian : ndarray (m, n)
        residuals : ndarray (m,)

        Returns
        -------
        Triangle
            With the coarser `epsilon` of both.

        Raises
        ------
        TypeError, ValueError
            See `of`.
        """
        if jacobian.dtype not in EPSILON:
            raise TypeError(f"jacobian must be float32 or float64, got dtype {jacobian.dtype}")
        if jacobian.ndim != 2 or jacobian.shape[1] != self.n:
            raise ValueError(f"jacobian must have shape (m, {self.n}), got shape {jacobian.shape}")
        m = len(jacobian)
        if residuals.shape != (m,):
            raise ValueError(
                f"residuals must have shape ({m},) like the rows of the Jacobian, "
                f"got shape {residuals.shape}"
            )
        panel = np.empty((m, self.n + 1))
        panel[:, :-1], panel[:, -1] = jacobian, residuals
        epsilon = max(self.epsilon, EPSILON[jacobian.dtype])
        return Triangle(_folded(self.matrix, panel), self.rows + m, epsilon)

    def merged(self, others: Iterable[Triangle]) -> Triangle:
        """Return the triangle of all rows of this one and of others, added in their order.

        Parameters
        ----------
        others : iterable of Triangle
            With as many columns.

        Returns
        -------
        Triangle
            With the coarsest `epsilon` of all.

        Raises
        ------
        ValueError
            If another has a different number of columns.
        """
        merged = self
        for other in others:
            if other.n != self.n:
                raise ValueError(
                    f"triangles must have {self.n} columns beside the residual, got {other.n}"
                )
            merged = Triangle(
                _folded(merged.matrix, other.matrix),
                merged.rows + other.rows,
                max(merged.epsilon, other.epsilon),
            )
        return merged

    def times(self, factors: Sequence[float]) -> Triangle:
        """Return the triangle of the columns of J, each times a factor (n,), and r."""
        return Triangle(self.matrix * [*factors, 1.0], self.rows, self.epsilon)

    def of_columns(self, part: slice) -> Triangle:
        """Return the triangle of some columns of J, and r."""
        if (part.start, part.stop) == (0, self.n):
            return self
        columns = np.column_stack([self.matrix[:, part], self.matrix[:, -1]])
        empty = np.zeros((columns.shape[1], columns.shape[1]))
        return Triangle(_folded(empty, columns), self.rows, self.epsilon)

    def projected(self, part: slice) -> Triangle:
        """Return the triangle of the other columns of J, and r, less their projections on a part.

        The projection is on the range of the columns of that part. These may depend on each other,
        up to rounding, and the projection must not see that. So each is lengthened in a dimension
        of its own, by more than what is `negligible`. That leaves a part d^2 / (d^2 + s^2) of what
        belongs to a singular value s, if d is the length.
        """
        chosen = self.matrix[:, part]
        m = chosen.shape[1]
        others = np.delete(self.matrix, part, axis=1)
        # An exponent of 1 serves as well, and the exact projection off the singular vectors that
        # count costs more than it gains.
        own = negligible(self.n, self.epsilon) ** 0.75 * float(np.linalg.norm(chosen)) * np.eye(m)
        panel = np.block([[chosen, others], [own, np.zeros((m, others.shape[1]))]])
        factor = _folded(np.zeros((self.n + 1, self.n + 1)), np.ascontiguousarray(panel))
        return Triangle(factor[m:, m:], self.rows, self.epsilon)

    def is_finite(self) -> bool:
        """Say whether all entries are finite."""
        return bool(np.isfinite(self.matrix).all())

    @property
    def n(self) -> int:
        """The number of parameters."""
        return len(self.matrix) - 1

    @property
    def R(self) -> Float64Array:
        """The triangular factor (n, n) of the Jacobian."""
        return self.matrix[:-1, :-1]

    @property
    def c(self) -> Float64Array:
        """The part (n,) of the residual, Q^T r, that steps can change."""
        return self.matrix[:-1, -1]

    @property
    def rest(self) -> float:
        """The length, up to its sign, of the part of the residual that no step changes."""
        return float(self.matrix[-1, -1])

    @property
    def lengths(self) -> list[float]:
        """The lengths (n,) of the columns of the Jacobian."""
        found: list[float] = np.linalg.norm(self.R, axis=0).tolist()
        return found

    @property
    def gradient(self) -> Float64Array:
        """The gradient 2 J^T r (n,) of the sum of squares."""
        return 2 * (self.c @ self.R)


def _folded(triangle: Float64Array, panel: Float64Array) -> Float64Array:
    """Return the triangle (n, n) of the rows of one and of a panel (m, n)."""
    return _core.fold_triangle(triangle, panel, threads())


def negligible(n: int, epsilon: float) -> float:
    """Return the size, relative to the largest, of singular values that may be rounding.

    Rows with n entries that are each rounded a few times change singular values by some epsilon
    times their Frobenius norm, which is at most sqrt(n) times the largest. The number of rows does
    not matter: in float32, max(m, n) epsilon would exceed 1 % for 100,000 rows.
    """
    return 4 * math.sqrt(n) * epsilon


class DampedSteps:
    """The steps p that minimise |R p + c|^2 + damping |p|^2, for many dampings at little cost.

    Singular values that are `negligible` beside the largest count as zero; steps have no component
    there.

    Parameters
    ----------
    triangle : Triangle
        With finite entries and at least one parameter.

    Attributes
    ----------
    rank : int
        The number of singular values of R that count.
    largest, smallest : float
        The largest of them, and the smallest; 0 if the rank is.
    """

    def __init__(self, triangle: Triangle) -> None:
        n = triangle.n
        # The core compares with max(rows, n) epsilon.
        epsilon = negligible(n, triangle.epsilon) / n
        self._steps = _core.DampedSteps(triangle.matrix, 0, epsilon, threads())
        self.rank = self._steps.rank
        self.largest, self.smallest = self._steps.largest, self._steps.smallest

    def solve(self, dampings: Sequence[float]) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Return the steps (k, n), their lengths (k,), and by how much |R p + c|^2 falls (k,)."""
        found: tuple[Float64Array, Float64Array, Float64Array] = self._steps.solve(dampings)
        return found

    def dampings(self, radii: Sequence[float]) -> list[float]:
        """Return the damping of the step of each length; 0 where the undamped one is shorter."""
        found: list[float] = self._steps.dampings(radii)
        return found
