"""Residuals of a traced term on a network, their sum of squares and its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from kanml._validation import Float64Array, FloatArray
from kanml.expressions import Leaf, Rows
from kanml.network import Network
from kanml.problems.pinn.collocation import Samples
from kanml.problems.pinn.traced import Place, TracedTerm, prefixed, word

__all__ = ["Evaluation", "LatestSums", "Sums"]


class Expansion:
    """Taylor coefficients of the network at some points, with their cotangents."""

    def __init__(
        self, place: Place, x: FloatArray, vectors: FloatArray, planes: FloatArray, tape: Any
    ) -> None:
        self.place, self.x, self.vectors, self.planes = place, x, vectors, planes
        self.tape = tape
        self.cotangents: FloatArray | None = None

    def fields(self) -> dict[Leaf, FloatArray | float]:
        """Return the derivatives and coordinates that the residual needs."""
        place = self.place
        fields: dict[Leaf, FloatArray | float] = {
            leaf: np.ascontiguousarray(
                place.along.derivative(word(leaf), self.planes)[:, place.outputs[leaf.name]]
            )
            for leaf in place.derivatives
        }
        for leaf in place.coordinates:
            fields[leaf] = np.ascontiguousarray(self.x[:, place.inputs[leaf.name]])
        return fields

    def add_cotangent(self, leaf: Leaf, cotangent: FloatArray) -> None:
        """Add the cotangent of a field, if it is a derivative at these points."""
        if leaf.name not in self.place.outputs:
            return
        if self.cotangents is None:
            self.cotangents = np.zeros_like(self.planes)
        column = self.cotangents[:, :, self.place.outputs[leaf.name]]
        self.place.along.add_cotangent(word(leaf), cotangent, column)

    def gradient(self, net: Network, num_threads: int | None) -> FloatArray | float:
        """Return the gradient with respect to the parameters."""
        if self.cotangents is None:
            return 0.0
        orders = self.place.along.orders
        gradient, _ = net._planes_vjp(
            self.x, orders, self.vectors, self.cotangents, False, num_threads, self.tape
        )
        return gradient


class Sums(NamedTuple):
    """The sums of one term over its batch.

    Attributes
    ----------
    squares : float
        The sum of squares of the residuals, including attention.
    gradient : ndarray, shape (net.n_parameters + number of unknowns,)
        The gradient of that sum.
    residuals : ndarray, shape (n, components), or None
        The residuals themselves, if attention needs them.
    """

    squares: float
    gradient: Float64Array
    residuals: FloatArray | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation of a term, with working memory of its own.

    Parameters
    ----------
    traced : TracedTerm
    net : Network
    unknowns : ndarray, shape (number of unknowns,)
    samples : Samples
    num_threads : int, optional
    """

    traced: TracedTerm
    net: Network
    unknowns: Float64Array
    samples: Samples
    num_threads: int | None = None

    @property
    def name(self) -> str:
        """The name of the term."""
        return self.traced.term.name

    @property
    def factor(self) -> float:
        """The factor of the sum of squares in the loss."""
        return self.traced.factor(self.samples.count, self.samples.stands_for)

    def scaled_residuals(self) -> Float64Array:
        """Return the residuals as a vector r such that ``r @ r`` is the term's part of the loss."""
        residuals = self.residuals().astype(np.float64)
        if self.samples.attention is not None:
            residuals *= self.samples.attention[self.samples.rows]
        return (math.sqrt(self.factor) * residuals).ravel()

    def magnitude(self, points: Float64Array) -> FloatArray:
        """Return the magnitude (m,) of the residual at other points (m, d)."""
        elsewhere = replace(self, samples=Samples(points, slice(0, len(points))))
        magnitude: FloatArray = np.linalg.norm(elsewhere.residuals(), axis=1)
        return magnitude

    def residuals(self) -> FloatArray:
        """Return the residuals (n, components), without attention."""
        chunks = [np.stack(self._residuals(rows), axis=1) for rows in self.samples.chunks()]
        return np.concatenate(chunks)

    def squares(self) -> float:
        """Return the sum of squares, as `sums` does."""
        total = 0.0
        for rows in self.samples.chunks():
            total += _sum_of_squares(self._weighted(self._residuals(rows), rows))
        return total

    def sums(self, refuse: bool) -> Sums:
        """Return the sum of squares, its gradient and the residuals.

        Parameters
        ----------
        refuse : bool
            Whether to raise ValueError for a residual that is not finite although its fields are.
        """
        traced, net = self.traced, self.net
        total, kept_residuals = 0.0, []
        n, count = net.n_parameters, len(traced.components)
        gradient = np.zeros(n + len(self.unknowns))
        tapes = [net._tape() for _ in traced.places]
        for rows in self.samples.chunks():
            expansions = self._expansions(rows, tapes)
            values = self._values(expansions)
            results = traced.program.evaluate(values, rows, net.dtype)
            residuals, computed = results[:count], iter(results[count:])
            if refuse:
                self._refuse(residuals, expansions)
            if self.samples.attention is not None:
                kept_residuals.append(np.stack(residuals, axis=1))
            weighted = self._weighted(residuals, rows)
            total += _sum_of_squares(weighted)
            cotangents = [2 * e for e in self._weighted(weighted, rows)]
            for c, leaf, slope in traced.slopes:
                factor = next(computed) if slope is None else net.dtype.type(slope)
                leaf_cotangent = cotangents[c] * factor
                if leaf.kind == "unknown":
                    unknown = n + traced.unknowns.index(leaf.name)
                    gradient[unknown] += np.sum(leaf_cotangent, dtype=np.float64)
                else:
                    for expansion in expansions:
                        expansion.add_cotangent(leaf, leaf_cotangent)
            for expansion in expansions:
                gradient[:n] += expansion.gradient(net, self.num_threads)
        return Sums(total, gradient, np.concatenate(kept_residuals) if kept_residuals else None)

    def _residuals(self, rows: Rows) -> list[FloatArray]:
        """Return the components of the residual at a chunk of points, without attention."""
        values = self._values(self._expansions(rows, [None] * len(self.traced.places)))
        return self.traced.value_program.evaluate(values, rows, self.net.dtype)

    def _expansions(self, rows: Rows, tapes: Sequence[Any]) -> list[Expansion]:
        """Return the network's Taylor coefficients at a chunk of points, and at their partners."""
        traced, net = self.traced, self.net
        letters = {
            letter: vector[rows] if vector.ndim == 2 else vector
            for letter, vector in traced.letters.items()
        }
        result = []
        points = (self.samples.points, self.samples.partner)
        for place, at, tape in zip(traced.places, points, tapes, strict=False):
            assert at is not None
            x = at[rows].astype(net.dtype, copy=False)
            vectors = place.along.vectors(letters, net.n_in, net.dtype)
            try:
                planes = net._planes(x, place.along.orders, vectors, self.num_threads, tape)
            except ValueError as error:  # its message counts the samples of this chunk
                counted = "samples of a minibatch"
                if isinstance(rows, slice):
                    counted = f"sample 0 is point {rows.start}"
                raise prefixed(error, traced.where, f" ({counted})") from error
            result.append(Expansion(place, x, vectors, planes, tape))
        return result

    def _values(self, expansions: Sequence[Expansion]) -> dict[Leaf, FloatArray | float]:
        """Return the arguments of the programs."""
        values: dict[Leaf, FloatArray | float] = {}
        for expansion in expansions:
            values |= expansion.fields()
        for name, value in zip(self.traced.unknowns, self.unknowns, strict=True):
            values[Leaf("unknown", name)] = float(value)
        return values

    def _weighted(self, residuals: Sequence[FloatArray], rows: Rows) -> Sequence[FloatArray]:
        """Return residuals times their attention."""
        if self.samples.attention is None:
            return residuals
        attention = self.samples.attention[rows].astype(residuals[0].dtype)
        return [attention[:, c] * r for c, r in enumerate(residuals)]

    def _refuse(self, residuals: Sequence[FloatArray], expansions: Sequence[Expansion]) -> None:
        """Raise ValueError for a residual that is not finite although its fields are."""
        if not all(np.isfinite(expansion.planes).all() for expansion in expansions):
            return
        for c, r in enumerate(residuals):
            (bad,) = np.nonzero(~np.isfinite(r))
            if bad.size:
                i = int(bad[0])
                raise ValueError(
                    f"{self.traced.where}the residual {self.traced.components[c]!r} is {r[i]} at "
                    f"the point {expansions[0].x[i].tolist()}, where the network and its "
                    "derivatives are finite"
                )


@dataclass(frozen=True, eq=False)
class LatestSums:
    """The latest result of `PINN.sums`, which `losses` and `advance` use at the same parameters.

    Attributes
    ----------
    evaluations : sequence of Evaluation
        Those of the terms.
    sums : mapping of str to Sums
        Their results by name.
    """

    evaluations: Sequence[Evaluation]
    sums: Mapping[str, Sums]

    def answer(self, evaluations: Sequence[Evaluation]) -> bool:
        """Say whether these evaluations would have the same results."""
        pairs = list(zip(self.evaluations, evaluations, strict=True))
        (one, other), *_ = pairs  # all terms are evaluated at one network
        return (
            all(a.samples is b.samples for a, b in pairs)
            and one.net._same_as(other.net)
            and np.array_equal(one.unknowns, other.unknowns)
        )


def _sum_of_squares(columns: Iterable[FloatArray]) -> float:
    """Return the sum over all entries, in double precision."""
    wide = (column.astype(np.float64, copy=False) for column in columns)
    return sum(float(np.dot(column, column)) for column in wide)
