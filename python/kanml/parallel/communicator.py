"""Sums, counts and maxima over several processes, in the order of their ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = ["ALONE", "Communicator"]


class Communicator(ABC):
    """Processes that evaluate one loss together, each at samples of its own.

    All of them call the same methods in the same order. Results are added up in the order of the
    ranks, so that all processes have the same bits, and the same in every run.

    Attributes
    ----------
    rank, size : int
        The number of this process, from 0 on, and the number of all processes.
    """

    rank: int
    size: int

    @abstractmethod
    def gathered(self, array: Float64Array) -> list[Float64Array]:
        """Return the arrays of all processes, which have the same shape, by rank."""

    def total(self, array: npt.ArrayLike) -> Float64Array:
        """Return the sum over all processes."""
        first, *others = self.gathered(np.asarray(array, dtype=np.float64))
        result = first.copy()
        for other in others:
            result += other
        return result

    def largest(self, array: npt.ArrayLike) -> Float64Array:
        """Return the maximum over all processes, entry by entry; NaN if there is a NaN."""
        every = self.gathered(np.asarray(array, dtype=np.float64))
        result: Float64Array = np.max(every, axis=0)
        return result


class _Alone(Communicator):
    """A single process."""

    rank, size = 0, 1

    def gathered(self, array: Float64Array) -> list[Float64Array]:
        return [array]


ALONE = _Alone()
