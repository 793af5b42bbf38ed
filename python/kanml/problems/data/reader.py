"""Reading blocks while others are in use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["Reader", "read_ahead"]

Block = TypeVar("Block")


def read_ahead(read: Callable[[int], Block], indices: Sequence[int]) -> Iterator[Block]:
    """Yield ``read(i)`` for each index; a thread reads the next one while one is in use."""
    if len(indices) < 2:
        for i in indices:  # `map` would take a StopIteration of `read` for its end
            yield read(i)
        return
    with ThreadPoolExecutor(1) as reader:  # which ends with the iterator, also early
        waiting = reader.submit(read, indices[0])
        for i in indices[1:]:
            block = waiting.result()
            waiting = reader.submit(read, i)
            yield block
            del block  # before the next but one is read
        yield waiting.result()


class Reader(Generic[Block]):
    """Single blocks on demand, of which those in use and the next one are kept."""

    def __init__(self) -> None:
        self._lock, self._reads = threading.Lock(), threading.Lock()
        self._kept: dict[int, Future[Block]] = {}
        self.process = os.getpid()  # a fork has no threads, and perhaps a lock that is never freed

    def blocks(
        self, indices: Sequence[int], following: int | None, read: Callable[[int], Block]
    ) -> list[Block]:
        """Return blocks, and begin to read the one that is probably wanted after them.

        Blocks are read one at a time. One that could not be read is tried anew in the next call.
        `read` (index -> block) is not kept, since what it belongs to may hold this reader.
        """
        wanted = [*indices, *([] if following is None else [following])]
        with self._lock:
            kept = {i: future for i, future in self._kept.items() if not _failed(future)}
            futures = {i: kept[i] if i in kept else Future[Block]() for i in wanted}
            missing = {i: future for i, future in futures.items() if i not in kept}
            if missing:  # before they are kept: nobody may wait for what no thread reads
                threading.Thread(target=self._fill, args=(missing, read), daemon=True).start()
            self._kept = futures
        return [futures[i].result() for i in indices]

    def _fill(self, missing: dict[int, Future[Block]], read: Callable[[int], Block]) -> None:
        try:
            for i in list(missing):
                with self._reads:
                    missing[i].set_result(read(i))
                del missing[i]  # so that a block that is no longer wanted is freed
        except BaseException as error:  # raised again where a block is wanted: the first comes last
            for future in reversed(missing.values()):
                future.set_exception(error)


def _failed(future: Future[Block]) -> bool:
    return future.done() and future.exception() is not None
