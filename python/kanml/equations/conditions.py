"""Conditions on a solution, and where they hold."""

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

ROUNDING = 8 * float(np.finfo(np.float64).eps)  # error of coordinates, which are of order one


@dataclass(frozen=True)
class Condition:
    """A residual, and the part of the domain where it vanishes.

    Attributes
    ----------
    residual : callable
        See `Term`.
    parts : sequence of mapping of str to float
        Parts of the domain, each given by the inputs that are fixed there; by default the whole
        domain.
    directions : callable, optional
        Maps points (N, d) to the `directions` of a `Term`.
    opposite : mapping of str to float
        The inputs in which partners differ from the points, for periodic conditions.
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
            The name of the points in the message.
        inputs : str
            One letter for each column.
        """
        on_any_part = np.zeros(len(points), dtype=bool)
        for part in self.parts:
            on_part = np.ones(len(points), dtype=bool)
            for letter, value in part.items():
                on_part &= lies_at(points[:, inputs.index(letter)], value)
            on_any_part |= on_part
        if not on_any_part.all():
            row = int(np.argmin(on_any_part))
            where = " or ".join(map(_in_words, self.parts))
            if self.opposite is not None:
                where += f" (their partners, where {_in_words(self.opposite)}, are added)"
            raise ValueError(
                f"{name} must lie where {where}, got {name}[{row}] = {points[row].tolist()}"
            )


def lies_at(coordinates: Float64Array, value: float) -> npt.NDArray[np.bool_]:
    """Say which coordinates equal a value up to rounding."""
    return np.abs(coordinates - value) <= ROUNDING


def sides(domain: Mapping[str, tuple[float, float]]) -> tuple[Part, ...]:
    """Return the sides of a box on which one of these inputs is at an end of its range."""
    return tuple({letter: end} for letter, ends in domain.items() for end in ends)


def _in_words(part: Part) -> str:
    return " and ".join(f"{letter} = {value:g}" for letter, value in part.items())
