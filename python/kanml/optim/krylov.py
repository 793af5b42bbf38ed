"""A least-squares model in a subspace, where a triangle of all parameters would be too large.

The subspace is a preconditioned Krylov space that grows column by column. With orthonormal columns
of V (n, k), those of J V are made orthonormal as well, J V = U R. For steps p = V y the model
|J p + r|^2 is |R y + c|^2 plus a constant, with c = U^T r: a triangle with k columns, which gives
the damped steps of all dampings. The next column is M g, with the gradient g of the damped problem
at its best step so far, and a preconditioner M; a column takes a product with J and one with J^T.
These are the iterates of preconditioned conjugate gradients for one damping. All columns are made
orthogonal to all earlier ones, so lengths are those of the parameters whatever M is, and rounding
does not repeat the leading directions.

The direction of the last step is the first column, and the gradient the next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from kanml._validation import require_memory
from kanml.optim.base import Coarser
from kanml.optim.least_squares import SumOfSquares
from kanml.optim.matrices import DampedSteps, Triangle, negligible
from kanml.optim.preconditioner import Diagonals
from kanml.optim.vectors import EPSILON, Vector, operations

__all__ = ["subspace"]

WORTH = 0.5  # what a column must gain, relative to the average gain of all
FEWEST = 5  # columns before their gain is looked at
FLOAT64_BYTES = 8


def subspace(
    function: SumOfSquares,
    theta: Vector,
    gradient: Vector,
    radius: float,
    columns: int,
    last: Vector | None = None,
    damping: float = 0.0,
    coarser: Sequence[Coarser] = (),
) -> tuple[Triangle, tuple[Vector, ...]]:
    """Return the triangle of J V, and the columns of V.

    Parameters
    ----------
    function : SumOfSquares
    theta, gradient : vector (n,)
        The parameters, and the gradient there; not zero.
    radius : float
        The length of the step for which the subspace is made.
    columns : int
        The largest number of columns.
    last : vector (n,), optional
        The last step.
    damping : float
        That of the last step.
    coarser : sequence of Coarser
        The maps from grid to grid, from the present one to the coarsest.

    Returns
    -------
    triangle : Triangle
        With k columns.
    basis : tuple of k vectors (n,)

    Raises
    ------
    ValueError
        If there is not enough memory for U.
    """
    found = _Subspace(function, theta, gradient, columns)
    if last is not None:
        found.add(last)
    found.add(gradient)
    if not found.can_grow:
        return found.triangle(), tuple(found.basis)
    precondition = Diagonals(function, theta, found.images[0], damping, coarser)
    before = 0.0
    while found.can_grow:
        decrease, damped = found.best(radius)
        count = len(found.basis)
        if count >= FEWEST and count * (decrease - before) <= WORTH * decrease:
            break
        before = decrease
        if not found.add(precondition(damped())):
            break
    return found.triangle(), tuple(found.basis)


class _Subspace:
    """V, U, R and c, column by column."""

    def __init__(
        self, function: SumOfSquares, theta: Vector, gradient: Vector, columns: int
    ) -> None:
        self.function, self.theta, self.most = function, theta, columns
        self.on, self.epsilon = operations(theta), EPSILON[theta.dtype]
        self.slope = self.on.scaled(0.5, gradient)  # J^T r
        self.basis: list[Vector] = []  # V
        self.images: list[Vector] = []  # U
        self.factor: list[list[float]] = []  # the columns of R, each to its diagonal entry
        self.c: list[float] = []

    @property
    def can_grow(self) -> bool:
        """Whether another column fits, and those there are finite and not zero."""
        length = self.factor[-1][-1] if self.factor else 0.0
        return len(self.basis) < self.most and 0 < length < math.inf

    def add(self, direction: Vector) -> bool:
        """Add what is new in a direction; return whether there was something."""
        on = self.on
        length = on.norm(direction)
        if not 0 < length < math.inf:
            return False
        new, _ = self._orthogonal(on.scaled(1 / length, direction), self.basis)
        length = on.norm(new)
        if not length > math.sqrt(self.epsilon):
            return False
        new = on.scaled(1 / length, new)
        image = self.function.jvp(self.theta, new)
        if not self.images:
            needed = self.most * image.shape[0] * FLOAT64_BYTES
            require_memory(needed, f"{self.most} columns of {image.shape[0]} residuals need")
        image, above = self._orthogonal(image, self.images)
        length = on.norm(image)
        largest = max((abs(column[-1]) for column in self.factor), default=0.0)
        if length <= negligible(self.theta.shape[0], self.epsilon) * largest:
            return False
        known = sum(entry * c for entry, c in zip(above, self.c, strict=True))
        self.basis.append(new)
        self.factor.append([*above, length])
        self.c.append((on.dot(new, self.slope) - known) / length if length > 0 else 0.0)
        self.images.append(on.scaled(1 / length, image) if 0 < length < math.inf else image)
        return True

    def best(self, radius: float) -> tuple[float, Callable[[], Vector]]:
        """Return the decrease of the step within a radius, and what computes the gradient there.

        It is half the gradient of the damped problem.
        """
        steps = DampedSteps(self.triangle())
        (damping,) = steps.dampings([radius])
        (numbers,), _, (decrease,) = steps.solve([damping])
        y = numbers.tolist()

        def gradient() -> Vector:
            on = self.on
            along = on.full(0.0, self.images[0])
            for i, image in enumerate(self.images):
                entry = sum(self.factor[j][i] * y[j] for j in range(i, len(y)))
                along = on.axpy(entry, image, along)
            total = on.axpy(1.0, self.slope, self.function.vjp(self.theta, along))
            for entry, column in zip(y, self.basis, strict=True):
                total = on.axpy(damping * entry, column, total)
            return total

        return float(decrease), gradient

    def triangle(self) -> Triangle:
        """Return the triangle of J V."""
        rows = self.images[0].shape[0] if self.images else 0
        return Triangle.of_factor(self.factor, self.c, rows, self.epsilon)

    def _orthogonal(self, vector: Vector, columns: list[Vector]) -> tuple[Vector, list[float]]:
        """Return what is orthogonal to columns, and the rest in terms of them.

        The second time removes what rounding left.
        """
        on, entries = self.on, [0.0] * len(columns)
        for _ in range(2):
            for i, column in enumerate(columns):
                entry = on.dot(column, vector)
                entries[i] += entry
                vector = on.axpy(-entry, column, vector)
        return vector, entries
