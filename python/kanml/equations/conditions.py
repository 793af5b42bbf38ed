"""What a solution satisfies, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = ["Condition", "lies_at", "sides"]

Part = Mapping[str, float]
"""A part of the domain: the inputs that are fixed there, and their values."""

ROUNDING = 8 * float(np.finfo(np.float64).eps)  # of coordinates, which are of order one


@dataclass(frozen=True)
class Condition:
    """A residual, and where it vanishes.

    Attributes
    ----------
    residual : callable
        As that of a `Term`.
    parts : sequence of mapping of str to float
        Parts of the domain, each given by the inputs that are fixed there; all of it by default.
    directions : callable, optional
        Takes points (N, d) to the `directions` of a `Term`.
    opposite : mapping of str to float
        Inputs that are different at the partners of the points, for periodic conditions.
    """

    residual: Callable[..., Any]
    parts: tuple[Part, ...] = ({},)
    directions: Callable[[Float64Array], Mapping[str, npt.ArrayLike]] | None = None
    opposite: Part | None = None

    def require_points(self, points: Float64Array, name: str, inputs: str) -> None:
        """Raise ValueError if a point lies on none of the parts.

        Parameters
        ----------
        points : ndarray, shape (N, d)
        name : str
            Of the points, for the error.
        inputs : str
            A letter for each column.
        """
        on_some = np.zeros(len(points), dtype=bool)
        for part in self.parts:
            on_this = np.ones(len(points), dtype=bool)
            for letter, value in part.items():
                on_this &= lies_at(points[:, inputs.index(letter)], value)
            on_some |= on_this
        if not on_some.all():
            row = int(np.argmin(on_some))
            where = " or ".join(map(_in_words, self.parts))
            if self.opposite is not None:
                where += f" (their partners, where {_in_words(self.opposite)}, are added)"
            raise ValueError(
                f"{name} must lie where {where}, got {name}[{row}] = {points[row].tolist()}"
            )


def lies_at(coordinates: Float64Array, value: float) -> npt.NDArray[np.bool_]:
    """Say which coordinates are this value, up to rounding."""
    return np.abs(coordinates - value) <= ROUNDING


def sides(domain: Mapping[str, tuple[float, float]]) -> tuple[Part, ...]:
    """Return the sides of a box where one of these inputs is at an end of its range."""
    return tuple({letter: end} for letter, ends in domain.items() for end in ends)


def _in_words(part: Part) -> str:
    return " and ".join(f"{letter} = {value:g}" for letter, value in part.items())
