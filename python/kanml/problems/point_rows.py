"""The rows of a term at a point: one program of the core for their values and all derivatives."""

from __future__ import annotations

from collections.abc import Sequence

from kanml import _core
from kanml.expressions import Expression, Leaf, leaves
from kanml.problems.point_program import Place, PointProgram

__all__ = ["PointRows"]


class PointRows(PointProgram):
    """The rows of least squares at one point, each with its derivatives.

    Parameters
    ----------
    rows : sequence of Expression
        Of derivatives, coordinates, arrays, columns and unknowns.
    places, unknowns, columns
        As in `PointProgram`.

    Attributes
    ----------
    n_rows : int
    is_affine : bool
        Whether the rows are affine in what they read of the network, for fixed unknowns.
    """

    terms = _core.RowTermFloat64, _core.RowTermFloat32

    def __init__(
        self,
        rows: Sequence[Expression],
        places: Sequence[Place],
        unknowns: Sequence[str],
        columns: Sequence[Leaf] = (),
    ) -> None:
        super().__init__(places, unknowns, columns)
        self.n_rows = len(rows)
        self.is_affine = True
        results, differentiated = [*rows], []
        for row in rows:
            slopes, by_unknowns = self._slopes(row)
            self.is_affine &= all(leaf.kind != "derivative" for leaf in leaves(slopes.values()))
            results += [*slopes.values(), *by_unknowns]
            differentiated.append(list(slopes))
        program = self._lower(results)
        self.core = _core.PointRows(program, *self._reads(), differentiated)
