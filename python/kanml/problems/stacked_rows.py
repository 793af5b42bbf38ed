"""The rows of all terms of a loss: the residuals of least squares, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import FloatArray, real_array, require_memory, rounded
from kanml.network import Network
from kanml.optim.matrices import Triangle
from kanml.parallel import Communicator
from kanml.problems.penalty import Penalty
from kanml.problems.processes import below_one_another, together

__all__ = ["RowsOfTerm", "StackedRows"]


@dataclass(frozen=True, eq=False)
class RowsOfTerm:
    """The rows of a term at samples.

    Attributes
    ----------
    core : _core.RowTermFloat32 or _core.RowTermFloat64
    count : int
        Their number.
    is_affine : bool
        Whether they are affine in the outputs of the network and their derivatives.
    """

    core: Any
    count: int
    is_affine: bool


class StackedRows:
    """The rows of all terms below one another, in all processes, and those of penalties at the end.

    J is the matrix of their derivatives with respect to the parameters of the network, followed by
    those with respect to the unknowns.

    Parameters
    ----------
    terms : sequence of RowsOfTerm
        Those of this process; the ranks follow one another.
    scales : sequence of float
        The factor of the rows of each term.
    communicator : Communicator
    penalties : sequence of Penalty

    Attributes
    ----------
    is_affine : bool
        Whether all rows are affine in the outputs of the network and their derivatives, or, those
        of penalties, in the parameters of each layer.
    """

    def __init__(
        self,
        terms: Sequence[RowsOfTerm],
        scales: Sequence[float],
        communicator: Communicator,
        penalties: Sequence[Penalty],
    ) -> None:
        self._terms = list(zip(terms, scales, strict=True))
        self._arguments = [term.core for term in terms], list(scales)
        self._communicator, self._penalties = communicator, tuple(penalties)
        affine = [term.is_affine for term in terms] + [part.is_affine for part in penalties]
        self.is_affine = all(affine)
        own = np.array([sum(term.count for term in terms)], dtype=np.float64)
        self._heights = [round(float(height[0])) for height in communicator.gathered(own)]

    def count(self, net: Network) -> int:
        """Return the number of rows."""
        return sum(self._heights) + sum(self._of_penalties(net))

    def residuals(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> FloatArray:
        """Return the residuals (m,)."""
        rows = partial(net._rows, *self._arguments, unknowns, False, num_threads)
        residuals, _ = together(self._communicator, rows)
        of_penalties = [rounded(part.residuals(net), net.dtype) for part in self._penalties]
        return np.concatenate([self._of_all(residuals), *of_penalties])

    def jacobian(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> FloatArray:
        """Return J (m, n)."""
        shape = self.count(net), net.n_parameters + len(unknowns)
        require_memory(
            net.dtype.itemsize * shape[0] * shape[1],
            f"a Jacobian of {shape[0]} residuals and {shape[1]} parameters needs",
        )
        rows = partial(net._rows, *self._arguments, unknowns, True, num_threads)
        _, jacobian = together(self._communicator, rows)
        jacobian = self._of_all(jacobian)
        if not self._penalties:
            return jacobian
        whole = np.zeros(shape, net.dtype)
        whole[: len(jacobian)] = jacobian
        of_penalties = np.concatenate([part.jacobian(net) for part in self._penalties])
        whole[len(jacobian) :, : net.n_parameters] = rounded(of_penalties, net.dtype)
        return whole

    def jvp(
        self,
        net: Network,
        unknowns: Sequence[float],
        direction: npt.ArrayLike,
        num_threads: int | None,
    ) -> FloatArray:
        """Return J v (m,) for a direction v (n,)."""
        v = _vector(direction, "direction", net.n_parameters + len(unknowns), net)
        push = partial(net._push, *self._arguments, unknowns, v, num_threads)
        along = self._of_all(together(self._communicator, push))
        of_penalties = [rounded(part.jvp(net, v), net.dtype) for part in self._penalties]
        return np.concatenate([along, *of_penalties])

    def vjp(
        self,
        net: Network,
        unknowns: Sequence[float],
        cotangent: npt.ArrayLike,
        num_threads: int | None,
    ) -> FloatArray:
        """Return J^T u (n,) for a cotangent u (m,)."""
        u = _vector(cotangent, "cotangent", self.count(net), net)
        heights = [*self._heights, *self._of_penalties(net)]
        parts = np.split(u, np.cumsum(heights)[:-1])
        mine = parts[self._communicator.rank]
        pull = partial(net._pull, *self._arguments, unknowns, mine, num_threads)
        total = self._communicator.total(together(self._communicator, pull))
        for penalty, part in zip(self._penalties, parts[len(self._heights) :], strict=True):
            total[: net.n_parameters] += penalty.vjp(net, part)
        return rounded(total, net.dtype)

    def triangle(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> Triangle:
        """Return the triangle of all rows."""
        of_terms = self._of_terms(0, net, unknowns, num_threads)
        return of_terms.merged(part.triangle(net, len(unknowns)) for part in self._penalties)

    def triangle_of(
        self, part: slice, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> Triangle:
        """Return the triangle of all rows, with the columns of some parameters alone.

        Parameters
        ----------
        part : slice
            All parameters of the last layer that has some.
        net, unknowns, num_threads
            As in `triangle`.
        """
        layer = next(block.layer for block in net.blocks if block.slice.start == part.start)
        of_terms = self._of_terms(layer, net, unknowns, num_threads)
        of_terms = of_terms.of_columns(slice(0, part.stop - part.start))
        return of_terms.merged(
            penalty.triangle(net, 0).of_columns(part) for penalty in self._penalties
        )

    def _of_terms(
        self, first_layer: int, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> Triangle:
        """Return the triangle of the terms of all processes, with columns of layers from one on."""
        n = len(unknowns) + sum(
            math.prod(block.shape) for block in net.blocks if block.layer >= first_layer
        )
        require_memory(8 * (n + 1) ** 2, f"least squares with {n} parameters need")
        reduce = partial(net._triangle, *self._arguments, unknowns, first_layer, num_threads)
        matrix = together(self._communicator, reduce)
        epsilon = float(np.finfo(net.dtype).eps)
        parts = zip(self._communicator.one_by_one(matrix), self._heights, strict=True)
        triangles = (Triangle(part, height, epsilon) for part, height in parts)
        return next(triangles).merged(triangles)

    def triangles(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> tuple[Triangle, ...]:
        """Return the triangle of each term, and that of each penalty."""
        parts = [
            StackedRows([term], [scale], self._communicator, ()).triangle(
                net, unknowns, num_threads
            )
            for term, scale in self._terms
        ]
        parts += [part.triangle(net, len(unknowns)) for part in self._penalties]
        return tuple(parts)

    def _of_penalties(self, net: Network) -> list[int]:
        """Return the number of rows of each penalty."""
        return [part.n_rows(net) for part in self._penalties]

    def _of_all(self, rows: FloatArray) -> FloatArray:
        return below_one_another(self._communicator, rows, self._heights)


def _vector(value: npt.ArrayLike, name: str, size: int, net: Network) -> FloatArray:
    array = real_array(value, name, net.dtype)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got shape {array.shape}")
    return array
