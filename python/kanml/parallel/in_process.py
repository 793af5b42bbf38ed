"""Communicators of threads in one process, for trials without a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from kanml._validation import Float64Array, integer
from kanml.parallel.communicator import Communicator

__all__ = ["in_threads"]

Result = TypeVar("Result")


class _Meeting:
    """Where the threads of a group leave their arrays for one another."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.arrays: list[Float64Array] = [np.empty(0)] * size
        self._lock = threading.Lock()
        self._meetings = [0] * size  # that each thread has come to
        self._ended: set[int] = set()

    def come(self, rank: int) -> None:
        """Begin a meeting; raise BrokenBarrierError if one of the others will not come."""
        with self._lock:
            self._meetings[rank] += 1
            missing = any(self._meetings[other] < self._meetings[rank] for other in self._ended)
        if missing:
            self.barrier.abort()
        self.barrier.wait()

    def end(self, rank: int) -> None:
        """Note that a thread comes no more; stop those that wait for it."""
        with self._lock:
            self._ended.add(rank)
            missed = any(count > self._meetings[rank] for count in self._meetings)
        if missed:
            self.barrier.abort()


class _InThread(Communicator):
    def __init__(self, meeting: _Meeting, rank: int, size: int) -> None:
        self._meeting, self.rank, self.size = meeting, rank, size

    def gathered(self, array: Float64Array) -> list[Float64Array]:
        meeting = self._meeting
        meeting.arrays[self.rank] = array.copy()
        meeting.come(self.rank)
        arrays = list(meeting.arrays)
        meeting.barrier.wait()  # nobody leaves the next array before all have read these
        return arrays


def in_threads(size: int, function: Callable[[Communicator], Result]) -> list[Result]:
    """Call a function in several threads, each with the communicator of its rank.

    Parameters
    ----------
    size : int
        The number of threads.
    function : callable
        Communicator -> result.

    Returns
    -------
    list
        The results by rank.

    Raises
    ------
    BaseException
        What the function raised in the lowest rank that failed; the others are stopped.
    RuntimeError
        If a thread ended while others waited for it.

    Examples
    --------
    >>> from kanml.parallel import in_threads
    >>> in_threads(3, lambda communicator: float(communicator.total([communicator.rank])[0]))
    [3.0, 3.0, 3.0]
    """
    meeting = _Meeting(integer(size, "size", 1))
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def run(rank: int) -> None:
        try:
            results[rank] = function(_InThread(meeting, rank, size))
        except threading.BrokenBarrierError:
            pass  # another one failed, or ended
        except BaseException as error:  # raised again below
            errors[rank] = error
            meeting.barrier.abort()
        finally:
            meeting.end(rank)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:  # such as KeyboardInterrupt
        meeting.barrier.abort()
        for thread in threads:
            thread.join()
        raise
    if errors:
        raise errors[min(errors)]
    if len(results) < size:
        raise RuntimeError("a thread ended while others waited for it in a communicator")
    return [results[rank] for rank in range(size)]
