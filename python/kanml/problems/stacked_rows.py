"""The rows of all terms of a loss: the residuals of least squares, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, real_array, require_memory, rounded
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
    cores : iterable of _core.RowTermFloat32 or _core.RowTermFloat64
        Its samples in blocks, one block or several, each a term of the core.
    counts : sequence of int
        The number of rows of each block.
    is_affine : bool
        Whether they are affine in the outputs of the network and their derivatives.
    """

    cores: Iterable[Any]
    counts: Sequence[int]
    is_affine: bool


class StackedRows:
    """The rows of all terms below one another, in all processes, and those of penalties at the end.

    J is the matrix of their derivatives with respect to the parameters of the network, followed by
    those with respect to the unknowns.

    Parameters
    ----------
    terms : sequence of RowsOfTerm
        Those of this process; the ranks follow one another. All have the same number of blocks, and
        one block of each is in memory at a time.
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
        self._terms, self._scales = tuple(terms), list(scales)
        self._communicator, self._penalties = communicator, tuple(penalties)
        affine = [term.is_affine for term in terms] + [part.is_affine for part in penalties]
        self.is_affine = all(affine)
        self._own = [sum(counts) for counts in zip(*(t.counts for t in terms), strict=True)]
        own = np.array([sum(self._own)], dtype=np.float64)
        self._heights = [round(float(height[0])) for height in communicator.gathered(own)]

    def count(self, net: Network) -> int:
        """Return the number of rows."""
        return sum(self._heights) + sum(self._of_penalties(net))

    def residuals(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> FloatArray:
        """Return the residuals (m,)."""
        residuals = self._of_all(
            lambda cores: net._rows(cores, self._scales, unknowns, False, num_threads)[0]
        )
        of_penalties = [rounded(part.residuals(net), net.dtype) for part in self._penalties]
        return np.concatenate([residuals, *of_penalties])

    def jacobian(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> FloatArray:
        """Return J (m, n)."""
        shape = self.count(net), net.n_parameters + len(unknowns)
        require_memory(
            net.dtype.itemsize * shape[0] * shape[1],
            f"a Jacobian of {shape[0]} residuals and {shape[1]} parameters needs",
        )
        jacobian = self._of_all(
            lambda cores: net._rows(cores, self._scales, unknowns, True, num_threads)[1]
        )
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
        along = self._of_all(lambda cores: net._push(cores, self._scales, unknowns, v, num_threads))
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
        own = np.split(mine, np.cumsum(self._own)[:-1])
        pulled = together(
            self._communicator,
            lambda: sum(
                net._pull(cores, self._scales, unknowns, block, num_threads).astype(np.float64)
                for cores, block in zip(self._blocks(), own, strict=True)
            ),
        )
        total = self._communicator.total(pulled)
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
        epsilon = float(np.finfo(net.dtype).eps)

        def merged(matrices: Iterable[Float64Array], heights: Sequence[int]) -> Triangle:
            parts = zip(matrices, heights, strict=True)
            triangles = (Triangle(part, height, epsilon) for part, height in parts)
            return next(triangles).merged(triangles)

        def own() -> Float64Array:
            reduced = (
                net._triangle(cores, self._scales, unknowns, first_layer, num_threads)
                for cores in self._blocks()
            )
            return merged(reduced, self._own).matrix

        matrix = together(self._communicator, own)
        return merged(self._communicator.one_by_one(matrix), self._heights)

    def triangles(
        self, net: Network, unknowns: Sequence[float], num_threads: int | None
    ) -> tuple[Triangle, ...]:
        """Return the triangle of each term, and that of each penalty."""
        parts = [
            StackedRows([term], [scale], self._communicator, ()).triangle(
                net, unknowns, num_threads
            )
            for term, scale in zip(self._terms, self._scales, strict=True)
        ]
        parts += [part.triangle(net, len(unknowns)) for part in self._penalties]
        return tuple(parts)

    def _blocks(self) -> Iterator[list[Any]]:
        """Return the terms of the core, block after block."""
        return map(list, zip(*(term.cores for term in self._terms), strict=True))

    def _of_penalties(self, net: Network) -> list[int]:
        """Return the number of rows of each penalty."""
        return [part.n_rows(net) for part in self._penalties]

    def _of_all(self, compute: Callable[[list[Any]], FloatArray]) -> FloatArray:
        """Return what a function computes of each block, in the order of blocks and processes."""

        def own() -> FloatArray:
            parts = list(map(compute, self._blocks()))
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        rows = together(self._communicator, own)
        return below_one_another(self._communicator, rows, self._heights)


def _vector(value: npt.ArrayLike, name: str, size: int, net: Network) -> FloatArray:
    array = real_array(value, name, net.dtype)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got shape {array.shape}")
    return array
