"""The loss of a term at a point: one program of the core for its value and all derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import Float64Array, FloatArray
from kanml.expressions import (
    Expression,
    Graph,
    Leaf,
    Program,
    as_number,
    partials,
    replaced,
    split,
)
from kanml.network.derivatives import DirectionSet, Word
from kanml.problems.batches import Rows

__all__ = ["Place", "PointArrays", "PointLoss", "word"]

Coefficient: TypeAlias = tuple[int, int, int]
"""The numbers of a place, of a plane of Taylor coefficients there, and of an output."""


class Place:
    """The fields that a loss reads at one of its points: outputs of the network, and derivatives.

    Parameters
    ----------
    needed : iterable of Leaf
        The leaves of the loss.
    outputs : mapping of str to int
        The number of each output, by the name that it has at this place.
    inputs : mapping of str to int
        The same of the inputs.
    """

    def __init__(
        self, needed: Iterable[Leaf], outputs: Mapping[str, int], inputs: Mapping[str, int]
    ) -> None:
        self.outputs, self.inputs = outputs, inputs
        self.derivatives = [
            leaf for leaf in needed if leaf.kind == "derivative" and leaf.name in outputs
        ]
        self.along = DirectionSet(word(leaf) for leaf in self.derivatives)


@dataclass(frozen=True, eq=False)
class PointArrays:
    """Points in the form that the core reads, and what a loss needs of them besides the network.

    Attributes
    ----------
    places : list of (ndarray, list of int, ndarray)
        The points (N, n_in), with the orders and vectors of the directions.
    columns : list of ndarray, shape (N,)
        What depends on the points alone.
    """

    places: list[tuple[FloatArray, list[int], FloatArray]]
    columns: list[FloatArray]


class PointLoss:
    """A loss at one point with its derivatives, in which no point and no network occur.

    Parameters
    ----------
    loss : Expression
        Of derivatives, coordinates, arrays, columns and unknowns.
    components : sequence of Expression
        What is returned besides the loss, such as the residuals of which it is a function.
    places : sequence of Place
    unknowns : sequence of str
        All unknowns of the problem.
    columns : sequence of Leaf
        The leaves for columns that are given for each evaluation.
    """

    def __init__(
        self,
        loss: Expression,
        components: Sequence[Expression],
        places: Sequence[Place],
        unknowns: Sequence[str],
        columns: Sequence[Leaf] = (),
    ) -> None:
        self.places = tuple(places)
        planes = _Planes(self.places)
        scalars = [Leaf("unknown", name) for name in unknowns]
        varying = [*planes.sums, *scalars]
        slopes = dict(zip(varying, partials(loss, varying), strict=True))
        by_plane = planes.slopes(slopes)
        results = [loss, *components, *by_plane.values(), *(slopes[scalar] for scalar in scalars)]
        rest, self._columns = split(replaced(results, planes.fields(loss._graph)))
        self._formulas = [leaf for leaf, column in self._columns.items() if not _is_leaf(column)]
        self._computed = Program(self._columns[leaf] for leaf in self._formulas)
        program = Program(rest, [*planes.coefficients, *self._columns, *columns, *scalars])
        self.core = _core.PointLoss(
            program.core,
            list(planes.coefficients.values()),
            len(self._columns) + len(columns),
            len(scalars),
            len(components),
            [planes.coefficients[plane] for plane in by_plane],
        )
        self.n_planes = sum(place.along.n_planes for place in self.places)

    def arrays(
        self,
        places: Sequence[Float64Array],
        letters: Mapping[str, FloatArray],
        values: Mapping[Leaf, Float64Array],
        dtype: npt.DTypeLike,
    ) -> PointArrays:
        """Return what the loss reads of points, with the columns computed.

        Parameters
        ----------
        places : sequence of ndarray, shape (N, n_in)
            The points at each place.
        letters : mapping of str to ndarray, shape (n_in,) or (N, n_in)
            The vector of each letter.
        values : mapping of Leaf to ndarray, shape (N,)
            The coordinates by their leaves.
        dtype : {float64, float32}
        """
        scalar = np.dtype(dtype)
        inputs = [points.astype(scalar, order="C", copy=False) for points in places]
        computed = self._computed.evaluate(values, len(places[0]))
        columns = dict(zip(self._formulas, computed, strict=True))
        for leaf, column in self._columns.items():
            if isinstance(column._what, Leaf):
                columns[leaf] = values[column._what]
        return PointArrays(
            [
                (x, place.along.orders, place.along.vectors(letters, x.shape[1], scalar))
                for place, x in zip(self.places, inputs, strict=True)
            ],
            [columns[leaf].astype(scalar, copy=False) for leaf in self._columns],
        )

    def term(
        self,
        arrays: PointArrays,
        rows: Rows,
        columns: Sequence[FloatArray] = (),
        where: str = "",
    ) -> Any:
        """Return a term of the core.

        Parameters
        ----------
        arrays : PointArrays
        rows : slice or ndarray of int, shape (n,)
            The points of the batch: all of them, or some.
        columns : sequence of ndarray, shape (N,)
            Those that the evaluation gives, in the dtype of the arrays.
        where : str
            The beginning of messages about a point.
        """
        x, _, _ = arrays.places[0]
        kind: Any = _core.TermFloat32 if x.dtype == np.float32 else _core.TermFloat64
        chosen = None if isinstance(rows, slice) else rows
        n = len(x) if chosen is None else len(chosen)
        return kind(self.core, n, chosen, arrays.places, [*arrays.columns, *columns], where)


class _Planes:
    """The Taylor coefficients at all places, and the fields that are sums of them.

    Attributes
    ----------
    coefficients : dict of Leaf to Coefficient
    sums : dict of Leaf to list of (Leaf, float)
        For each field the coefficients and factors that add up to it.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.coefficients: dict[Leaf, Coefficient] = {}
        self.sums: dict[Leaf, list[tuple[Leaf, float]]] = {}
        for p, place in enumerate(places):
            for field in place.derivatives:
                output = place.outputs[field.name]
                self.sums[field] = []
                for plane, factor in place.along.summands[tuple(sorted(word(field)))]:
                    leaf = Leaf("plane", f"{output}", f"{p}.{plane}")
                    self.coefficients[leaf] = (p, plane, output)
                    self.sums[field].append((leaf, factor))

    def fields(self, graph: Graph) -> dict[Leaf, Expression]:
        """Return the fields as expressions of coefficients."""
        zero = graph.expression(0.0)
        return {
            field: sum((factor * graph.leaf(plane) for plane, factor in parts), zero)
            for field, parts in self.sums.items()
        }

    def slopes(self, of_fields: Mapping[Leaf, Expression]) -> dict[Leaf, Expression]:
        """Return derivatives with respect to coefficients, except those that are 0 everywhere.

        Parameters
        ----------
        of_fields : mapping of Leaf to Expression
            The derivatives with respect to the fields.
        """
        slopes: dict[Leaf, Expression] = {}
        for field, parts in self.sums.items():
            for plane, factor in parts:
                part = factor * of_fields[field]
                slopes[plane] = slopes[plane] + part if plane in slopes else part
        return {plane: slope for plane, slope in slopes.items() if as_number(slope) != 0}


def word(leaf: Leaf) -> Word:
    """Return the letters of a derivative."""
    return tuple(leaf.letters)


def _is_leaf(column: Expression) -> bool:
    return isinstance(column._what, Leaf)
