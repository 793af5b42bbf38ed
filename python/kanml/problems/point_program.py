"""What a term computes at a point: expressions with their derivatives, as a program of the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

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

__all__ = ["Coefficient", "Place", "PointArrays", "PointProgram", "word"]

Coefficient: TypeAlias = tuple[int, int, int]
"""The numbers of a place, of a plane of Taylor coefficients there, and of an output."""


class Place:
    """The fields that a term reads at one of its points: outputs of the network, and derivatives.

    Parameters
    ----------
    needed : iterable of Leaf
        The leaves of its expressions.
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
    """Points in the form that the core reads, and what a program needs of them besides the network.

    Attributes
    ----------
    places : list of (ndarray, list of int, ndarray)
        The points (N, n_in), with the orders and vectors of the directions.
    columns : list of ndarray, shape (N,)
        What depends on the points alone.
    """

    places: list[tuple[FloatArray, list[int], FloatArray]]
    columns: list[FloatArray]


class PointProgram:
    """Expressions at one point with their derivatives, in which no point and no network occur.

    Parameters
    ----------
    places : sequence of Place
    unknowns : sequence of str
        All unknowns of the problem.
    columns : sequence of Leaf
        The leaves for columns that are given for each evaluation.

    Attributes
    ----------
    terms : (type, type)
        The terms of the core that have such a program, for float64 and float32.
    core : object
        The program for the core, with the numbers of what it reads and differentiates.
    n_planes : int
        The number of planes of Taylor coefficients at all places.
    """

    terms: ClassVar[tuple[Any, Any]]
    core: Any

    def __init__(
        self, places: Sequence[Place], unknowns: Sequence[str], columns: Sequence[Leaf]
    ) -> None:
        self.places = tuple(places)
        self.n_planes = sum(place.along.n_planes for place in self.places)
        self._planes = _Planes(self.places)
        self._scalars = [Leaf("unknown", name) for name in unknowns]
        self._given = tuple(columns)

    def _slopes(
        self, expression: Expression
    ) -> tuple[dict[Coefficient, Expression], list[Expression]]:
        """Return the derivatives with respect to coefficients, and to all unknowns.

        Those with respect to coefficients that are 0 everywhere are left out.
        """
        varying = [*self._planes.sums, *self._scalars]
        slopes = dict(zip(varying, partials(expression, varying), strict=True))
        return self._planes.slopes(slopes), [slopes[scalar] for scalar in self._scalars]

    def _lower(self, results: Sequence[Expression]) -> _core.Program:
        """Return the program of expressions, after splitting off the columns that they share."""
        graph = results[0]._graph
        rest, self._columns = split(replaced(results, self._planes.fields(graph)))
        self._formulas = [leaf for leaf, column in self._columns.items() if not _is_leaf(column)]
        self._computed = Program(self._columns[leaf] for leaf in self._formulas)
        first = [*self._planes.coefficients, *self._columns, *self._given, *self._scalars]
        return Program(rest, first).core

    def _reads(self) -> tuple[list[Coefficient], int, int]:
        """Return the coefficients that are read, and the numbers of columns and of unknowns."""
        coefficients = list(self._planes.coefficients.values())
        return coefficients, len(self._columns) + len(self._given), len(self._scalars)

    def arrays(
        self,
        places: Sequence[Float64Array],
        letters: Mapping[str, FloatArray],
        values: Mapping[Leaf, Float64Array],
        dtype: npt.DTypeLike,
    ) -> PointArrays:
        """Return what the expressions read of points, with the columns computed.

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
        vectors = [
            place.along.vectors(letters, points.shape[1], scalar)
            for place, points in zip(self.places, places, strict=True)
        ]
        columns = dict(zip(self._formulas, computed, strict=True))
        for leaf, column in self._columns.items():
            if isinstance(column._what, Leaf):
                columns[leaf] = values[column._what]
        used = [columns[leaf].astype(scalar, copy=False) for leaf in self._columns]
        given = {id(array) for array in (*places, *values.values())}
        for array in (*inputs, *vectors, *used):
            if id(array) not in given:  # what cannot change stays on a device
                array.setflags(write=False)
        orders = [place.along.orders for place in self.places]
        return PointArrays(list(zip(inputs, orders, vectors, strict=True)), used)

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
        kind = self.terms[x.dtype == np.float32]
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

    def slopes(self, of_fields: Mapping[Leaf, Expression]) -> dict[Coefficient, Expression]:
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
        return {
            self.coefficients[plane]: slope
            for plane, slope in slopes.items()
            if as_number(slope) != 0
        }


def word(leaf: Leaf) -> Word:
    """Return the letters of a derivative."""
    return tuple(leaf.letters)


def _is_leaf(column: Expression) -> bool:
    return isinstance(column._what, Leaf)
