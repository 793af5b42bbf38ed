"""Diagonals on all grids, in place of the inverse of a damped Gauss-Newton matrix.

On a fine grid the columns of J have lengths of many orders of magnitude: they follow the number of
samples in the support of a spline, its layer, and the slopes behind it. A diagonal accounts for
that. What it cannot see is that many fine splines together form a coarse one. The matrix of a
coarser grid is P^T (J^T J + damping I) P exactly, and its diagonal does see it. The sum over all
grids (J. H. Bramble, J. E. Pasciak and J. Xu, Parallel multilevel preconditioners, Math. Comp. 55,
1990), ::

    M g = sum over grids of P D^-1 P^T g,    D = diag(P^T (J^T J + damping I) P),

is symmetric and positive definite, and takes no more than a few passes over a vector.

The diagonals are estimated. For vectors z and w of random signs, the entries of
P^T (J^T z + sqrt(damping) w) have the squares D on average. So a few products with J^T give the
diagonals on all grids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kanml.optim.base import Coarser
from kanml.optim.least_squares import SumOfSquares
from kanml.optim.vectors import EPSILON, Vector, operations

__all__ = ["PROBES", "Diagonals"]

PROBES = 8  # with a standard deviation of a half


class Diagonals:
    """The map M at some parameters.

    Parameters
    ----------
    function : SumOfSquares
    theta : vector (n,)
    residuals : vector (m,)
        Any vector like the residuals.
    damping : float
    coarser : sequence of Coarser
        The maps from grid to grid, from the present one to the coarsest.
    """

    def __init__(
        self,
        function: SumOfSquares,
        theta: Vector,
        residuals: Vector,
        damping: float,
        coarser: Sequence[Coarser] = (),
    ) -> None:
        self._coarser = coarser
        self._diagonals: list[Vector] = []
        on = operations(theta)
        for probe in range(PROBES):
            row = function.vjp(theta, on.signs(2 * probe, residuals))
            signs = on.signs(2 * probe + 1, theta)
            rows = self._on_all_grids(on.axpy(math.sqrt(damping), signs, row))
            totals = self._diagonals or [on.full(0.0, row) for row in rows]
            self._diagonals = [
                on.plus_product(total, row, row) for total, row in zip(totals, rows, strict=True)
            ]
        least = EPSILON[theta.dtype]  # relative to the largest
        self._diagonals = [
            on.axpy(1.0, on.full(least * on.max_abs(d) or 1.0, d), d) for d in self._diagonals
        ]

    def __call__(self, gradient: Vector) -> Vector:
        """Return M g (n,), up to a factor."""
        on = operations(gradient)
        parts = [
            on.quotient(part, diagonal)
            for part, diagonal in zip(self._on_all_grids(gradient), self._diagonals, strict=True)
        ]
        total = parts.pop()
        for grid in reversed(self._coarser):
            total = on.axpy(1.0, grid.prolong(total), parts.pop())
        return total

    def _on_all_grids(self, gradient: Vector) -> list[Vector]:
        gradients = [gradient]
        for grid in self._coarser:
            gradients.append(grid.restrict(gradients[-1]))
        return gradients
