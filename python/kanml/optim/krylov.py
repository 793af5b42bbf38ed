"""A least-squares model in a subspace, where a triangle of all parameters would be too large.

The bidiagonalisation of G. H. Golub and W. Kahan, started from the gradient (C. C. Paige and
M. A. Saunders, LSQR, ACM Trans. Math. Softw. 8, 1982, "Bidiag 2"), gives orthonormal columns of
V (n, k) and U (m, k) and an upper bidiagonal B with J V = U B, from k products with J and with J^T.
For steps p = V y the model |J p + r|^2 is |B y + c|^2 plus a constant, with c = U^T r: a triangle
with k columns, which gives the damped steps of all dampings. They are the iterates of LSQR on each
of the damped problems. New columns of V are made orthogonal to all earlier ones, without which
rounding would repeat the leading singular values.

The direction of the last step joins them as one more column w, orthogonal to the others. With the
next column v of V and its coupling, J^T U = V B^T + coupling v e_k^T, so U^T J w has one entry that
is not zero, coupling (v.w) e_k: B stays bidiagonal.
"""

from __future__ import annotations

import math

from kanml.optim.least_squares import SumOfSquares
from kanml.optim.matrices import DampedSteps, Triangle, negligible
from kanml.optim.vectors import EPSILON, Vector, operations

__all__ = ["subspace"]

ACCURACY = 0.1  # of a step: the gradient of its damped problem relative to that of the function
CHECKS = 10  # columns between two looks at the accuracy


def subspace(
    function: SumOfSquares,
    theta: Vector,
    gradient: Vector,
    radius: float,
    columns: int,
    last: Vector | None = None,
) -> tuple[Triangle, tuple[Vector, ...]]:
    """Return the triangle of J V, and the columns of V.

    Parameters
    ----------
    function : SumOfSquares
    theta, gradient : vector (n,)
        The parameters, and the gradient there; not zero.
    radius : float
        The length up to which damped steps have to be accurate.
    columns : int
        The largest number of columns.
    last : vector (n,), optional
        The last step.

    Returns
    -------
    triangle : Triangle
        With k columns.
    basis : tuple of k vectors (n,)
    """
    found = _Bidiagonalisation(function, theta, gradient)
    most = columns - (last is not None)
    while found.grow() and len(found.basis) < most:
        if len(found.basis) % CHECKS == 0 and found.error(radius) <= ACCURACY:
            break
    if last is not None:
        found.join(last)
    return found.triangle(), tuple(found.basis)


class _Bidiagonalisation:
    """V, the diagonals of B, and c, column by column."""

    def __init__(self, function: SumOfSquares, theta: Vector, gradient: Vector) -> None:
        self.function, self.theta = function, theta
        self.on, self.epsilon = operations(theta), EPSILON[theta.dtype]
        self.slope: float = self.on.norm(gradient) / 2  # |J^T r|
        self.rows = 0
        self.basis: list[Vector] = []
        self.diagonal: list[float] = []
        self.above: list[float] = []
        self.c: list[float] = []
        self.left = gradient  # the last column of U, once there is one
        self.next = self.on.scaled(0.5 / self.slope, gradient)  # the next one of V
        self.coupling: float = 0.0  # of the next column with the last

    def grow(self) -> bool:
        """Add a column; return whether there is another."""
        if not self._add(self.next, self.coupling):
            return False
        on = self.on
        right = self.function.vjp(self.theta, self.left)
        right = self._orthogonal(on.axpy(-self.diagonal[-1], self.basis[-1], right))
        self.coupling = on.norm(right)
        if not self.coupling > self._negligible():
            self.coupling = 0.0
            return False
        self.next = on.scaled(1 / self.coupling, right)
        return True

    def join(self, direction: Vector) -> None:
        """Add what is new in a direction as the last column."""
        on = self.on
        length = on.norm(direction)
        if not 0 < length < math.inf:
            return
        new = self._orthogonal(on.scaled(1 / length, direction))
        length = on.norm(new)
        if length > math.sqrt(self.epsilon):
            new = on.scaled(1 / length, new)
            self._add(new, self.coupling * on.dot(self.next, new))

    def _add(self, v: Vector, coupling: float) -> bool:
        """Add a column to V, and to U and B what belongs to it; return whether U has one more."""
        on = self.on
        left = self.function.jvp(self.theta, v)
        self.rows = left.shape[0]
        if self.basis:
            left = on.axpy(-coupling, self.left, left)
        length = on.norm(left)
        if self.basis and not length > self._negligible():
            return False
        self.basis.append(v)
        self.diagonal.append(length)
        self.above.append(coupling)
        before = -coupling * self.c[-1] if self.c else self.slope
        self.c.append(before / length if length > 0 else 0.0)
        if not 0 < length < math.inf:
            return False
        self.left = on.scaled(1 / length, left)
        return True

    def _orthogonal(self, vector: Vector) -> Vector:
        """Return what is orthogonal to V; the second time removes what rounding left."""
        on = self.on
        for _ in range(2):
            for column in self.basis:
                vector = on.axpy(-on.dot(column, vector), column, vector)
        return vector

    def _negligible(self) -> float:
        largest = max(*self.diagonal, *self.above, 0.0)
        return negligible(self.theta.shape[0], self.epsilon) * largest

    def triangle(self) -> Triangle:
        """Return the triangle of J V."""
        return Triangle.bidiagonal(self.diagonal, self.above[1:], self.c, self.rows, self.epsilon)

    def error(self, radius: float) -> float:
        """Return the gradient of the damped problem at its step, relative to that at 0."""
        steps = DampedSteps(self.triangle())
        (numbers,), _, _ = steps.solve(steps.dampings([radius]))
        last = float(numbers[-1])
        return self.coupling * self.diagonal[-1] * abs(last) / self.slope
