"""What the reference problems share: points of their domain, and the errors of a network."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, finite, integer, number, real_array

__all__ = ["ReferenceProblem", "cospi", "sinpi"]


class ReferenceProblem(ABC):
    """A partial differential equation whose solution is known.

    Subclasses are frozen dataclasses of the parameters of the equation: two of the same
    parameters are equal, and what was computed for one serves the other.

    Attributes
    ----------
    inputs, outputs : str
        A letter for each column of the points, and of the solution.
    domain : tuple of (float, float)
        The ends of each input, in the order of `inputs`.
    """

    inputs: ClassVar[str]
    outputs: ClassVar[str] = "u"
    domain: ClassVar[tuple[tuple[float, float], ...]]

    def solution(self, points: npt.ArrayLike) -> Float64Array:
        """Return the solution at points of the domain.

        Parameters
        ----------
        points : array_like, shape (N, d)
            A column for each letter of `inputs`.

        Returns
        -------
        ndarray, shape (N, 1)

        Raises
        ------
        ValueError
            If `points` has another shape, or one of them is not in the domain.
        """
        return self._values(*self._columns(points))[:, None]

    def grid(self, n: int | Sequence[int] = 201) -> Float64Array:
        """Return the points of an equispaced grid that includes the boundary.

        Parameters
        ----------
        n : int, or one int for each input
            Points in each direction, at least two.

        Returns
        -------
        ndarray, shape (N, d)
            The last input varies fastest.
        """
        axes = [
            np.linspace(*ends, count)
            for ends, count in zip(self.domain, self._counts(n), strict=True)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))

    def relative_l2(
        self, net: Callable[[Float64Array], FloatArray], n: int | Sequence[int] = 201
    ) -> float:
        """Return ``||net - u|| / ||u||``, in the Euclidean norm over the points of ``grid(n)``.

        Parameters
        ----------
        net : Network, or any callable
            Takes points of shape (N, d) to values of shape (N, 1).
        n : int, or one int for each input
            Of the grid.
        """
        error, exact = self._errors(net, n)
        return float(np.linalg.norm(error) / np.linalg.norm(exact))

    def maximum_error(
        self, net: Callable[[Float64Array], FloatArray], n: int | Sequence[int] = 201
    ) -> float:
        """Return the largest ``|net - u|`` over the points of ``grid(n)``.

        Parameters
        ----------
        net : Network, or any callable
            Takes points of shape (N, d) to values of shape (N, 1).
        n : int, or one int for each input
            Of the grid.
        """
        error, _ = self._errors(net, n)
        return float(abs(error).max())

    @abstractmethod
    def _values(self, *columns: Float64Array) -> Float64Array:
        """Return the solution, shape (N,), at the columns of valid points."""

    def _errors(
        self, net: Callable[[Float64Array], FloatArray], n: int | Sequence[int]
    ) -> tuple[Float64Array, Float64Array]:
        points, exact = _on_grid(self, self._counts(n))
        values = real_array(net(points), "the values of net")
        if values.shape != exact.shape:
            raise ValueError(
                f"net must return an array of shape {exact.shape} for points of shape "
                f"{points.shape}, got shape {values.shape}"
            )
        return values - exact, exact

    def _counts(self, n: int | Sequence[int]) -> tuple[int, ...]:
        counts = tuple(n) if isinstance(n, Sequence) else (n,) * len(self.domain)
        if len(counts) != len(self.domain):
            raise ValueError(f"n must hold {len(self.domain)} integers, got {n!r}")
        return tuple(integer(count, "n", 2) for count in counts)

    def _columns(self, points: npt.ArrayLike) -> tuple[Float64Array, ...]:
        """Return the columns of points that lie in the domain."""
        array = real_array(points, "points")
        if array.ndim != 2 or array.shape[1] != len(self.inputs):
            raise ValueError(
                f"points must have shape (N, {len(self.inputs)}), a column for each of "
                f"{', '.join(self.inputs)}, got shape {array.shape}"
            )
        finite(array, "points")
        for i, (letter, (low, high)) in enumerate(zip(self.inputs, self.domain, strict=True)):
            outside = np.flatnonzero((array[:, i] < low) | (array[:, i] > high))
            if outside.size:
                row = outside[0]
                raise ValueError(
                    f"points must have {letter} in [{low:g}, {high:g}], "
                    f"got points[{row}, {i}] = {array[row, i]}"
                )
        return tuple(np.ascontiguousarray(array[:, i]) for i in range(array.shape[1]))

    def _require_positive(self, *names: str) -> None:
        """Let fields of the dataclass be positive floats."""
        for name in names:
            value = number(getattr(self, name), name, "a positive number", lambda v: v > 0)
            object.__setattr__(self, name, value)

    def _require_integer(self, name: str, minimum: int = 1) -> None:
        """Let a field of the dataclass be an int of at least `minimum`."""
        object.__setattr__(self, name, integer(getattr(self, name), name, minimum))


@functools.lru_cache(maxsize=8)
def _on_grid(
    problem: ReferenceProblem, counts: tuple[int, ...]
) -> tuple[Float64Array, Float64Array]:
    """Return the points of a grid and the solution there, both read-only."""
    points = problem.grid(counts)
    exact = problem.solution(points)
    for array in (points, exact):
        array.setflags(write=False)
    return points, exact


def sinpi(x: Float64Array) -> Float64Array:
    """Return sin(pi x), exactly zero at integers and accurate relative to itself near them."""
    rest = x - 2 * np.rint(x / 2)  # in [-1, 1], without rounding
    folded = np.where(abs(rest) > 0.5, np.copysign(1.0, rest) - rest, rest)
    values: Float64Array = np.sin(math.pi * folded)
    return values


def cospi(x: Float64Array) -> Float64Array:
    """Return cos(pi x), exactly one in size at integers."""
    rest = abs(x - 2 * np.rint(x / 2))  # in [0, 1]
    return sinpi(0.5 - rest)
