"""Which Taylor coefficients give a set of partial derivatives, and how.

The core computes Taylor coefficients y_1, ..., y_K along directions: y_m is 1/m! times the m-th
derivative along the direction v. A pure derivative needs one direction. A mixed one is a
combination of derivatives of its order along sums of directions (polarisation). If each letter x_i
occurs alpha_i times, K times in all, then

    d^alpha = 2^-K sum_j (-1)^|j| prod_i C(alpha_i, j_i) y_K(sum_i (alpha_i - 2 j_i) x_i),

the sum over 0 <= j_i <= alpha_i (R. Kan, From moments of sum to moments of product, J. Multivariate
Anal. 99, 2008, Proposition 1, for symmetric forms). Directions that are multiples of each other
count once, since y_K(c v) = c^K y_K(v).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kanml._validation import FloatArray

__all__ = ["DirectionSet", "Word"]

Word: TypeAlias = tuple[str, ...]
"""The letters of a derivative, in any order; none for the value."""

Combination: TypeAlias = tuple[tuple[str, int], ...]
"""A direction: sorted letters with coprime integer factors, the first of them positive."""


@dataclass(frozen=True)
class Direction:
    """A direction along which the coefficients of orders 1 to `order` are computed."""

    combination: Combination
    order: int


class DirectionSet:
    """The directions that a set of derivatives needs, and how the derivatives are combined.

    Parameters
    ----------
    words : iterable of Word

    Attributes
    ----------
    directions : tuple of Direction
        The directions for which the core computes coefficients, besides the value.
    summands : mapping of Word to list of (int, float)
        The planes and factors whose products sum to a derivative. Plane 0 is the value; the orders
        of each direction follow in turn.

    Examples
    --------
    >>> along = DirectionSet([("x", "x"), ("t",)])
    >>> [(direction.combination, direction.order) for direction in along.directions]
    [((('x', 1),), 2), ((('t', 1),), 1)]
    >>> along.summands[("x", "x")]
    [(2, 2.0)]
    """

    def __init__(self, words: Iterable[Word]) -> None:
        canonical = [tuple(sorted(word)) for word in words]
        needed: dict[Combination, int] = {}
        sums = {word: _combination_of(word, canonical) for word in canonical}
        for parts in sums.values():
            for combination, order, _ in parts:
                if order > 0:
                    needed[combination] = max(order, needed.get(combination, 0))
        self.directions = tuple(Direction(c, order) for c, order in needed.items())
        starts = itertools.accumulate((d.order for d in self.directions), initial=1)
        first = dict(zip(needed, starts, strict=False))
        self.summands: dict[Word, list[tuple[int, float]]] = {
            word: [
                (first[combination] + order - 1 if order > 0 else 0, factor)
                for combination, order, factor in parts
            ]
            for word, parts in sums.items()
        }

    @property
    def orders(self) -> list[int]:
        """The order of each direction."""
        return [direction.order for direction in self.directions]

    @property
    def n_planes(self) -> int:
        """The number of Taylor coefficients, including the value."""
        return 1 + sum(self.orders)

    def vectors(self, letters: Mapping[str, FloatArray], n_in: int, dtype: Any) -> FloatArray:
        """Return the directions as vectors.

        Parameters
        ----------
        letters : mapping of str to ndarray, shape (n_in,) or (N, n_in)
            The vector that each letter stands for.

        Returns
        -------
        ndarray, shape (M, n_in), or (M, N, n_in) if a letter in use has a vector for each point
        """
        if not self.directions:
            return np.zeros((0, n_in), dtype)
        vectors = [
            sum((factor * letters[letter] for letter, factor in d.combination), np.zeros(n_in))
            for d in self.directions
        ]
        array: FloatArray = np.array(np.broadcast_arrays(*vectors), dtype=dtype, order="C")
        return array

    def derivative(self, word: Word, planes: FloatArray) -> FloatArray:
        """Combine a derivative from the planes (n_planes, ...)."""
        summands = self.summands[tuple(sorted(word))]
        if len(summands) == 1 and summands[0][1] == 1:
            only: FloatArray = planes[summands[0][0]]
            return only
        result: FloatArray = np.zeros_like(planes[0])
        for plane, factor in summands:
            result += planes.dtype.type(factor) * planes[plane]
        return result

    def add_cotangent(self, word: Word, cotangent: FloatArray, planes: FloatArray) -> None:
        """Add the cotangent of a derivative to those of the planes: the adjoint of `derivative`."""
        for plane, factor in self.summands[tuple(sorted(word))]:
            planes[plane] += cotangent if factor == 1 else planes.dtype.type(factor) * cotangent


def _combination_of(word: Word, others: Sequence[Word]) -> list[tuple[Combination, int, float]]:
    """Return a derivative as a sum: direction, order of its Taylor coefficient, factor."""
    order = len(word)
    letters = sorted(set(word))
    if len(letters) <= 1:
        combination = tuple((letter, 1) for letter in letters)
        return [(combination, order, float(math.factorial(order)))]
    if order == 2 and all((letter, letter) in others for letter in letters):
        # The second derivatives along both letters are known; only that along their sum is new.
        both = tuple((letter, 1) for letter in letters)
        return [(both, 2, 1.0), *(((pair,), 2, -1.0) for pair in both)]
    counts = [word.count(letter) for letter in letters]
    sums: dict[Combination, float] = {}
    for chosen in itertools.product(*(range(count + 1) for count in counts)):
        factors = [count - 2 * j for count, j in zip(counts, chosen, strict=True)]
        divisor = math.gcd(*factors)
        if divisor == 0:
            continue
        if next(f for f in factors if f) < 0:
            divisor = -divisor
        combination = tuple(
            (letter, f // divisor) for letter, f in zip(letters, factors, strict=True) if f
        )
        weight = math.prod(math.comb(count, j) for count, j in zip(counts, chosen, strict=True))
        weight *= (-1) ** sum(chosen) * divisor**order
        sums[combination] = sums.get(combination, 0.0) + weight / 2**order
    return [(combination, order, factor) for combination, factor in sums.items() if factor]
