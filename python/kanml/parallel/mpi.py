"""Processes of MPI, through mpi4py, which is imported only when a communicator is made."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from kanml._validation import Float64Array
from kanml.parallel.communicator import Communicator, ProcessError, in_order

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm, Request

__all__ = ["MPI"]

# Every exchange begins with a packet of each process. It says how that process is, how many numbers
# it exchanges, and what they are if they fit.
PACKET = 64
GOING, FAILED, ENDED = range(3)
SPIN, LONGEST = 1e-4, 1e-2  # seconds
GRACE = 3.0  # seconds in which other processes have to notice a failure


class MPI(Communicator):
    """The processes that ``mpiexec`` or ``srun`` started, as a communicator for `kanml.train`.

    Make one at the beginning of a program, before anything that can fail in one process alone: it
    waits for all of them. Sums are taken in the order of the ranks, so that all processes have the
    same bits, and the same in every run with as many processes. A program that was started without
    ``mpiexec`` is the only process.

    What a process raises within `train` ends `train` in all of them: the others raise a
    `kanml.parallel.ProcessError` with its message. If they do not come to notice within three
    seconds, or if a process ends by an error that nothing caught, it aborts all of them.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm, optional
        The processes; all by default. kanml sends its messages through a duplicate, so they do not
        mix with those of the program.

    Attributes
    ----------
    rank, size : int
        The number of this process, from 0 on, and the number of all processes.

    Raises
    ------
    ModuleNotFoundError
        If mpi4py is not installed.
    TypeError
        If `comm` is no communicator of mpi4py.

    Examples
    --------
    A program for ``mpiexec -n 4 python script.py``::

        processes = kanml.MPI()
        x, y = processes.share(np.load("x.npy"), np.load("y.npy"))  # a quarter of the rows
        net = kanml.KAN([2, 5, 1], seed=0)
        result = kanml.train(net, kanml.Regression(x, y), [100, 100], communicator=processes)
        if processes.rank == 0:
            result.network.save("trained.kanml")
    """

    def __init__(self, comm: Intracomm | None = None) -> None:
        try:
            from mpi4py import MPI as mpi
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "kanml.MPI needs mpi4py: python -m pip install 'kanml[mpi]'", name=error.name
            ) from None
        given = mpi.COMM_WORLD if comm is None else comm
        if not isinstance(given, mpi.Intracomm):
            raise TypeError(f"comm must be a communicator of mpi4py, got {comm!r}")
        self._comm = given.Dup()
        self.rank, self.size = self._comm.rank, self._comm.size
        self._process, self._is_over = os.getpid(), mpi.Is_finalized
        self._ended: int | None = None  # the rank of a process that has come to its end
        if self.size > 1:
            atexit.register(self._end)  # before mpi4py finalises MPI, which waits for all

    # Exchanges

    def gathered(self, array: Float64Array) -> list[Float64Array]:
        """Return the arrays of all processes, which have the same shape, by rank."""
        if self.size == 1:
            return [array]
        if array.size <= PACKET - 2:
            packets = self._exchange(GOING, array)
            return [packet[2 : 2 + array.size].reshape(array.shape) for packet in packets]
        every = np.empty((self.size, *array.shape))  # first: what may fail precedes an exchange
        self._exchange(GOING, array)
        wait(self._comm.Iallgather(np.ascontiguousarray(array), every))
        return list(every)

    def one_by_one(self, array: Float64Array) -> Iterator[Float64Array]:
        """Yield the arrays of all processes by rank, each valid until the next one is asked for."""
        if self.size == 1 or array.size <= PACKET - 2:
            yield from self.gathered(array)
            return
        mine, other = np.ascontiguousarray(array), np.empty(array.shape)
        self._exchange(GOING, array)
        for rank in range(self.size):
            part = mine if rank == self.rank else other
            wait(self._comm.Ibcast(part, root=rank))
            yield part

    def collected(self, text: str) -> list[str]:
        """Return the texts of all processes in the first one, by rank; in others an empty list."""
        content = np.frombuffer(text.encode(), np.uint8)
        lengths = [round(float(n[0])) for n in self.gathered(np.array([content.size], np.float64))]
        every = np.empty(0 if self.rank else sum(lengths), np.uint8)
        wait(self._comm.Igatherv(content, [every, lengths]))
        ends = np.cumsum(lengths)[:-1]
        return [] if self.rank else [part.tobytes().decode() for part in np.split(every, ends)]

    def _combined(self, combine: np.ufunc, array: Float64Array) -> Float64Array:
        """Return a sum or a maximum in the order of the ranks.

        Each process has a block of a large array to combine, so that it needs memory for two
        arrays, however many processes there are.
        """
        if self.size == 1 or array.size <= PACKET - 2:
            return super()._combined(combine, array)
        ends = [array.size * (rank + 1) // self.size for rank in range(self.size)]
        starts = [0, *ends[:-1]]
        counts = [end - start for start, end in zip(starts, ends, strict=True)]
        own = counts[self.rank]
        mine, blocks = np.ascontiguousarray(array), np.empty((self.size, own))
        result = np.empty(array.shape)
        self._exchange(GOING, array)
        received = [own] * self.size, [own * rank for rank in range(self.size)]
        wait(self._comm.Ialltoallv([mine, (counts, starts)], [blocks, received]))
        block = in_order(combine, list(blocks))
        wait(self._comm.Iallgatherv(block, [result, (counts, starts)]))
        return result

    def _exchange(self, status: int, array: Float64Array, text: str = "") -> Float64Array:
        """Return the packets of all processes, shape (size, PACKET).

        Raises
        ------
        ProcessError
            If others failed or ended while this one is going, or sizes of arrays differ.
        """
        self._require_all()
        packet = np.zeros(PACKET)
        packet.view(np.int64)[:2] = status, array.size
        if array.size <= PACKET - 2:
            packet[2 : 2 + array.size] = array.ravel()
        message = text.encode()[: 8 * (PACKET - 2)]
        packet.view(np.uint8)[16 : 16 + len(message)] = np.frombuffer(message, np.uint8)
        packets = np.empty((self.size, PACKET))
        wait(self._comm.Iallgather(packet, packets))
        statuses, sizes = packets.view(np.int64)[:, :2].T.tolist()
        if ENDED in statuses:
            self._ended = statuses.index(ENDED)
        if status == GOING:
            self._require_all_going(statuses, sizes, packets)
        return packets

    def _require_all_going(
        self, statuses: list[int], sizes: list[int], packets: Float64Array
    ) -> None:
        for rank, status in enumerate(statuses):
            if status == FAILED:
                content = packets[rank].view(np.uint8)[16:].tobytes().rstrip(b"\0")
                raise ProcessError(f"process {rank} failed: {content.decode(errors='replace')}")
        self._require_all()
        for rank, size in enumerate(sizes):
            if size != sizes[0]:
                raise ProcessError(
                    "all processes must call the same functions in the same order: process "
                    f"{rank} exchanges {size} numbers, process 0 {sizes[0]}"
                )

    def _require_all(self) -> None:
        if self._ended is not None:
            raise ProcessError(f"process {self._ended} ended while others waited for it")

    # Failures

    def _announce(self, error: BaseException) -> None:
        """Tell the others that this process failed; abort all if they do not answer soon."""
        if self.size == 1 or self._ended is not None:
            return
        timer = threading.Timer(GRACE, self._abort, [error])
        timer.daemon = True
        try:
            timer.start()
        except (RuntimeError, MemoryError):  # of the system, which may be why this process failed
            self._abort(error)
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        self._exchange(FAILED, np.zeros(0), text)
        timer.cancel()

    def _abort(self, error: BaseException | None) -> NoReturn:
        """End all processes at once."""
        said = f"kanml: process {self.rank} of {self.size} failed; all are ended\n"
        if error is not None:
            said = (
                "".join(traceback.format_exception(type(error), error, error.__traceback__)) + said
            )
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os.write(2, said.encode())  # where the program may have replaced or closed sys.stderr
        self._comm.Abort(1)
        raise SystemExit(1)  # Abort does not return

    def _end(self) -> None:
        """Tell the others that this process has come to its end, whatever they still wait for."""
        child = os.getpid() != self._process
        if child or self._is_over() or self._ended is not None:  # then no one answers
            return
        uncaught = getattr(sys, "last_value", None)
        if uncaught is not None and not isinstance(uncaught, ProcessError):
            self._abort(None)  # Python has shown the error
        self._exchange(ENDED, np.zeros(0))

    def __repr__(self) -> str:
        return f"<MPI: process {self.rank} of {self.size}>"


def wait(request: Request) -> None:
    """Wait for an exchange.

    Calls of MPI that wait keep a processor busy. There may be more processes than processors, or
    threads of other processes that still compute, so this one soon begins to sleep, for a part of
    the time that it has waited already.
    """
    begun = time.perf_counter()
    while not request.Test():
        waited = time.perf_counter() - begun
        if waited > SPIN:
            time.sleep(min(waited / 8, LONGEST))
