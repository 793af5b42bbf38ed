"""Sums, counts and maxima over several processes, in the order of their ranks."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = ["ALONE", "Communicator", "ProcessError", "failing_together", "in_order"]


class ProcessError(RuntimeError):
    """Another process failed or ended, or processes do not do the same.

    All processes that work together raise it, but the one that failed raises its own error.
    """


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

    def one_by_one(self, array: Float64Array) -> Iterator[Float64Array]:
        """Yield the arrays of all processes by rank, each valid until the next one is asked for."""
        yield from self.gathered(array)

    def total(self, array: npt.ArrayLike) -> Float64Array:
        """Return the sum over all processes."""
        return self._combined(np.add, np.asarray(array, dtype=np.float64))

    def largest(self, array: npt.ArrayLike) -> Float64Array:
        """Return the maximum over all processes, entry by entry; NaN if there is a NaN."""
        return self._combined(np.maximum, np.asarray(array, dtype=np.float64))

    def _combined(self, combine: np.ufunc, array: Float64Array) -> Float64Array:
        return in_order(combine, self.gathered(array))

    def texts(self, text: str) -> list[str]:
        """Return the texts of all processes, by rank."""
        content = np.frombuffer(text.encode(), np.uint8)
        sizes = self.gathered(np.array([content.size], np.float64))
        lengths = [round(float(size[0])) for size in sizes]
        padded = np.zeros(-(-max(lengths) // 8) * 8, np.uint8)
        padded[: content.size] = content
        parts = self.gathered(padded.view(np.float64))  # bits are carried, whatever they mean
        every = zip(parts, lengths, strict=True)
        return [part.view(np.uint8)[:length].tobytes().decode() for part, length in every]

    def collected(self, text: str) -> list[str]:
        """Return the texts of all processes in the first one, by rank; in others an empty list."""
        texts = self.texts(text)
        return [] if self.rank else texts

    def share(self, *arrays: npt.ArrayLike) -> Any:
        """Return the rows of arrays that belong to this process: every `size`-th, from `rank` on.

        Parameters
        ----------
        *arrays : array_like, shape (N, ...)
            The same in all processes.

        Returns
        -------
        ndarray or tuple of ndarray
            One for each array.

        Raises
        ------
        ValueError
            If arrays have different numbers of rows, or fewer than there are processes.

        Examples
        --------
        >>> import numpy as np
        >>> from kanml.parallel import in_threads
        >>> in_threads(2, lambda communicator: communicator.share(np.arange(5)).tolist())
        [[0, 2, 4], [1, 3]]
        """
        # A memory map stays one, so that its rows are not read.
        whole = [a if isinstance(a, np.memmap) else np.asarray(a) for a in arrays]
        shapes = [array.shape for array in whole]
        if not shapes or min(map(len, shapes)) == 0 or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(f"arrays must have the same number of rows, got shapes {shapes}")
        if shapes[0][0] < self.size:
            raise ValueError(f"{shapes[0][0]} rows are too few for {self.size} processes")
        parts = tuple(array[self.rank :: self.size] for array in whole)
        return parts if len(parts) > 1 else parts[0]

    def _announce(self, error: BaseException) -> None:  # noqa: B027
        """Tell the others, which wait for this process or soon will, that it failed."""


def failing_together(communicator: object) -> contextlib.AbstractContextManager[None]:
    """Return a context that ends in all processes by an error if it does so in one of them."""
    if isinstance(communicator, Communicator):
        return _failing_together(communicator)
    return contextlib.nullcontext()  # of a single process, or an argument to be refused


@contextlib.contextmanager
def _failing_together(communicator: Communicator) -> Iterator[None]:
    try:
        yield
        communicator.gathered(np.zeros(0))  # nobody leaves before all have done their part
    except ProcessError:  # all raise it
        raise
    except BaseException as error:
        communicator._announce(error)
        raise


def in_order(combine: np.ufunc, arrays: list[Float64Array]) -> Float64Array:
    """Return a sum or a maximum of arrays, taken in their order."""
    first, *others = arrays
    result = first.copy()
    for other in others:
        combine(result, other, out=result)
    return result


class _Alone(Communicator):
    """A single process."""

    rank, size = 0, 1

    def gathered(self, array: Float64Array) -> list[Float64Array]:
        return [array]


ALONE = _Alone()
