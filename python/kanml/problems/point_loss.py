"""The loss of a term at a point: one program of the core for its value and all derivatives."""

from __future__ import annotations

from collections.abc import Sequence

from kanml import _core
from kanml.expressions import Expression, Leaf
from kanml.problems.point_program import Place, PointProgram

__all__ = ["PointLoss"]


class PointLoss(PointProgram):
    """A loss at one point with its derivatives.

    Parameters
    ----------
    loss : Expression
        Of derivatives, coordinates, arrays, columns and unknowns.
    components : sequence of Expression
        What is returned besides the loss, such as the residuals of which it is a function.
    places, unknowns, columns
        As in `PointProgram`.
    """

    terms = _core.TermFloat64, _core.TermFloat32

    def __init__(
        self,
        loss: Expression,
        components: Sequence[Expression],
        places: Sequence[Place],
        unknowns: Sequence[str],
        columns: Sequence[Leaf] = (),
    ) -> None:
        super().__init__(places, unknowns, columns)
        slopes, by_unknowns = self._slopes(loss)
        program = self._lower([loss, *components, *slopes.values(), *by_unknowns])
        self.core = _core.PointLoss(program, *self._reads(), len(components), list(slopes))
