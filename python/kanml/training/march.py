"""Evolutions, slab after slab in time: each begins with the solution at the end of the last."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import (
    Float64Array,
    FloatArray,
    absolute_path,
    finite,
    integer,
    real_array,
    warn,
)
from kanml.devices import Device
from kanml.layers import Affine
from kanml.network import Network
from kanml.optim import Optimizer
from kanml.problems import PINN, Problem
from kanml.problems.pinn.term import Residual
from kanml.training.callbacks import Callback, Checkpoint, TrainingState, checked_callbacks
from kanml.training.history import History
from kanml.training.logger import Logger
from kanml.training.result import Result
from kanml.training.settings import Optimizers, Transfer, steps_of
from kanml.training.snapshot import Snapshot
from kanml.training.train import train
from kanml.training.tries import RESTARTS

__all__ = ["March", "MarchError", "Slab", "march"]

SlabProblem: TypeAlias = Callable[[float, float, "Slab | None"], Problem]
"""Start and end of a slab, and the slab before it -> its problem."""


@dataclass(frozen=True, repr=False)
class Slab:
    """The solution on one interval of time.

    Attributes
    ----------
    start, end : float
    network : Network
        It takes times of this interval, as they are.
    unknowns : dict of str to float
    history : History
    problem : Problem
    """

    start: float
    end: float
    network: Network
    unknowns: dict[str, float]
    history: History
    problem: Problem

    def __call__(self, points: npt.ArrayLike, *, num_threads: int | None = None) -> FloatArray:
        """Return the solution at points (N, d), with the transform of a PINN applied."""
        if isinstance(self.problem, PINN):
            return self.problem.solution(
                self.network, points, self.unknowns, num_threads=num_threads
            )
        return self.network(points, num_threads=num_threads)

    def evaluate(
        self, points: npt.ArrayLike, function: Residual, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return an expression of the solution and its derivatives, as `PINN.evaluate` does.

        Raises
        ------
        TypeError
            If the problem is no PINN.
        """
        if not isinstance(self.problem, PINN):
            raise TypeError(f"a {type(self.problem).__name__} has no fields: only a PINN has")
        return self.problem.evaluate(
            self.network, points, function, self.unknowns, num_threads=num_threads
        )

    def __repr__(self) -> str:
        return f"<Slab from {self.start} to {self.end}, {self.history}>"


@dataclass(frozen=True, repr=False)
class March:
    """The result of `march`.

    Attributes
    ----------
    slabs : tuple of Slab
        Those that were finished, in the order of time.
    status : {"completed", "interrupted", "diverged"}
        The reason for the end: all slabs are done, Ctrl-C, or training diverged.
    message : str
        The status in words.
    time : int
        The column of points that holds the time.
    unfinished : Slab or None
        The slab that was interrupted or diverged, as training left it; not one of `slabs`.
    """

    slabs: tuple[Slab, ...]
    status: Literal["completed", "interrupted", "diverged"]
    message: str
    time: int
    unfinished: Slab | None = None

    def __call__(self, points: npt.ArrayLike, *, num_threads: int | None = None) -> FloatArray:
        """Return the solution at points (N, d), each in its slab; ends belong to the earlier one.

        Raises
        ------
        ValueError
            If a time is in none of the slabs.
        """
        return self._by_slab(points, lambda slab, p: slab(p, num_threads=num_threads))

    def evaluate(
        self, points: npt.ArrayLike, function: Residual, *, num_threads: int | None = None
    ) -> FloatArray:
        """Return an expression of the solution and its derivatives, as `PINN.evaluate` does."""
        return self._by_slab(
            points, lambda slab, p: slab.evaluate(p, function, num_threads=num_threads)
        )

    def _by_slab(
        self, points: npt.ArrayLike, values: Callable[[Slab, Float64Array], FloatArray]
    ) -> FloatArray:
        """Return values at points, each from its slab."""
        array = real_array(points, "points")
        if not self.slabs:
            raise ValueError(f"no slab was finished: {self.message}")
        n_in = self.slabs[0].network.n_in
        if array.ndim != 2 or array.shape[1] != n_in or len(array) == 0:
            raise ValueError(
                f"points must have shape (N, {n_in}) with N >= 1, got shape {array.shape}"
            )
        times, ends = array[:, self.time], np.array([slab.end for slab in self.slabs])
        outside = ~((times >= self.slabs[0].start) & (times <= ends[-1]))
        if outside.any():
            raise ValueError(
                f"times of points must lie in [{self.slabs[0].start}, {ends[-1]}], "
                f"got {times[outside.argmax()]}"
            )
        number = np.searchsorted(ends, times)
        parts = {int(i): values(self.slabs[i], array[number == i]) for i in np.unique(number)}
        first = next(iter(parts.values()))
        out = np.empty((len(array), first.shape[1]), first.dtype)
        for i, part in parts.items():
            out[number == i] = part
        return out

    def __repr__(self) -> str:
        return f"<March: {self.status} after {len(self.slabs)} slabs>"


class MarchError(RuntimeError):
    """An error in a slab after the first; the error itself is its cause.

    Parameters
    ----------
    message : str
    result : March
        The slabs before.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> def slab(start, end, before):
    ...     t = np.linspace(start, end, 20)[:, None]
    ...     return kanml.Regression(t, np.sqrt(2 - t))
    >>> net = kanml.KAN([1, 1], domain=(0, 1))
    >>> with np.errstate(invalid="ignore"):
    ...     try:
    ...         kanml.march(net, slab, [0, 1, 2, 3], schedule=[20], progress=False)
    ...     except kanml.MarchError as error:
    ...         print(f"{len(error.result.slabs)} slabs; {error}")
    2 slabs; slab 3 of 3, from 2.0 to 3.0: ValueError: y must be finite, got y[1, 0] = nan
    """

    def __init__(self, message: str, result: March) -> None:
        super().__init__(message)
        self.result = result


def march(
    net: Network,
    problem: SlabProblem,
    times: Sequence[float],
    schedule: int | Sequence[int],
    optimizer: Optimizers | None = None,
    *,
    time: int = 0,
    transfer_state: Transfer = "prolong",
    restarts: int = RESTARTS,
    callbacks: Iterable[Callback | Callable[[TrainingState], object]] = (),
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    every: int = 100,
    device: str | Device | None = None,
    num_threads: int | None = None,
) -> March:
    """Solve an evolution slab after slab in time, where errors grow too much for one network.

    The first slab is trained coarse to fine by `train`. Each further one begins with the network of
    the one before, moved in time, and takes the steps of the last level on the finest grid.

    Parameters
    ----------
    net : Network
        The network of the first slab, on the coarsest grid.
    problem : callable
        Returns the `Problem` of a slab: ``problem(start, end, before)``, where `before` is the
        `Slab` before it, or None for the first. ``before(points)`` is the solution there, and
        ``before.evaluate(points, lambda u: (u, u.t))`` has its derivatives too, for the initial
        condition at points with the time `start`.
    times : sequence of float
        The ends of the slabs: the start of the first, then the end of each, increasing.
    schedule : sequence of int, or int
        The steps on each level of the first slab; the last entry is also that of all further slabs.
        There is no "auto", since all slabs have the grid of the first one's last level. For that,
        and for `validation` or a `communicator`, call `train` for each slab.
    optimizer : Optimizer, name, or sequence of them
        As in `train`; further slabs use that of the last level.
    time : int
        The input of the network that is the time.
    transfer_state, restarts
        As in `train`, for the first slab.
    callbacks : iterable of Callback or function
        As in `train`, for each slab. A true return value ends the slab, and the next one begins.
    progress : bool
        Whether to show a progress bar for each slab.
    folder : path-like, optional
        A folder for checkpoints, which is created if it does not exist. Called again with the same
        arguments, `march` continues from them, bit for bit.
    every : int
        The number of steps between two checkpoints.
    device : {"cpu", "cuda", "cuda:0", "cuda:1", ...}, optional
        As in `train`.
    num_threads : int, optional
        The number of threads of an evaluation. The result does not depend on it.

    Returns
    -------
    March
        With one network a slab. After Ctrl-C it has the slabs that were finished.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, or the first slab cannot be trained.
    MarchError
        If anything else goes wrong after a slab was finished. Its `result` has the slabs before.

    Examples
    --------
    An oscillation, in two slabs:

    >>> import kanml
    >>> import numpy as np
    >>> def slab(start, end, before):
    ...     t = np.linspace(start, end, 40)[:, None]
    ...     initial = [1.0, 0.0]  # u and u.t
    ...     if before is not None:
    ...         initial = before.evaluate(t[:1], lambda u: (u, u.t))[0]
    ...     value, slope = initial
    ...     return kanml.PINN("t", [
    ...         kanml.Term("ode", t, lambda u: u.tt + u),
    ...         kanml.Term("initial", t[:1], lambda u: (u - value, u.t - slope)),
    ...     ])
    >>> net = kanml.KAN([1, 1], degree=5, intervals=4, domain=(0, 2))
    >>> result = kanml.march(net, slab, [0, 2, 4], schedule=[200], progress=False)
    >>> bool(abs(result([[4.0]])[0, 0] - np.cos(4.0)) < 1e-3)
    True
    """
    if not callable(problem):
        raise TypeError(f"problem must be a function of start, end and slab, got {problem!r}")
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {net!r}")
    if isinstance(schedule, str):
        raise TypeError(
            "schedule must be an integer or a sequence of integers, the steps on each level of the "
            f"first slab, of which all others take the last, got {schedule!r}"
        )
    levels = steps_of(schedule)
    ends = _times(times)
    time = integer(time, "time", 0, net.n_in - 1)
    every = integer(every, "every", 1)
    files = None if folder is None else Files(absolute_path(folder, "folder"), every)
    common: dict[str, Any] = {
        "progress": progress,
        "device": device,
        "num_threads": num_threads,
    }
    observers = checked_callbacks(callbacks)
    first = {"transfer_state": transfer_state, "restarts": restarts}
    slabs: list[Slab] = []
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        where = f"slab {number + 1} of {len(ends) - 1}, from {start} to {end}"
        before = slabs[-1] if slabs else None
        try:
            if before is None:
                steps, methods, begin, more = levels, optimizer, net, first
            else:
                steps, methods = levels[-1:], _last(optimizer)
                begin, more = _moved(net, before, time, (start, end), ends[:2]), {}
            posed = problem(start, end, before)
            options = {**common, **more, "optimizer": methods}
            seen_by = [c.of_slab(number) if isinstance(c, Logger) else c for c in observers]
            result = _trained(begin, posed, steps, options, seen_by, files, number)
        except KeyboardInterrupt:
            if before is None:
                raise
            return March(tuple(slabs), "interrupted", f"interrupted in {where}", time)
        except Exception as error:
            if before is None:
                raise
            done = March(tuple(slabs), "diverged", f"an error in {where}", time)
            raise MarchError(f"{where}: {type(error).__name__}: {error}", done) from error
        slab = Slab(start, end, result.network, result.unknowns, result.history, result.problem)
        if result.status in ("interrupted", "diverged"):
            return March(tuple(slabs), result.status, f"{where}: {result.message}", time, slab)
        slabs.append(slab)
    return March(tuple(slabs), "completed", "all slabs are done", time)


class Files:
    """The checkpoints of a march: one for each finished slab, and one for that in progress."""

    def __init__(self, folder: Path, every: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.every = folder, every

    def finished(self, number: int) -> Path:
        """Return the file of a finished slab."""
        return self.folder / f"slab-{number + 1}.finished"

    def unfinished(self, number: int) -> Path:
        """Return the file of a slab in progress."""
        return self.folder / f"slab-{number + 1}.checkpoint"


class Stop(Callback):
    """A callback that ends a run before its first step."""

    def begin(self, state: TrainingState) -> bool:
        """Stop."""
        return True


class Keep(Callback):
    """A callback that keeps the end of a run."""

    snapshot: Snapshot | None = None

    def end(self, state: TrainingState) -> None:
        """Keep the moment."""
        self.snapshot = state.snapshot()


def _trained(
    net: Network,
    problem: Problem,
    schedule: Sequence[int],
    options: dict[str, Any],
    callbacks: Sequence[Callback],
    files: Files | None,
    number: int,
) -> Result:
    """Return the result of a slab: trained, continued, or read if it was finished."""
    if files is None:
        return train(net, problem, schedule, callbacks=callbacks, **options)
    finished, unfinished = files.finished(number), files.unfinished(number)
    if finished.exists():
        options = {**options, "progress": False}
        return train(net, problem, schedule, callbacks=[Stop()], resume=finished, **options)
    keep = Keep()
    result = train(
        net,
        problem,
        schedule,
        callbacks=[*callbacks, Checkpoint(unfinished, files.every), keep],
        resume=unfinished if unfinished.exists() else None,
        **options,
    )
    if result.status in ("completed", "stopped") and keep.snapshot is not None:
        try:
            keep.snapshot.save(finished)
            unfinished.unlink(missing_ok=True)
        except OSError as error:
            where = f"no checkpoint of slab {number + 1} in {str(finished)!r}"
            warn(f"{where}: {error}", RuntimeWarning)
    return result


def _moved(
    net: Network,
    before: Slab,
    time: int,
    to: tuple[float, float],
    first: Sequence[float],
) -> Network:
    """Return the network of the slab before, with another interval of time.

    An `Affine` layer maps the interval onto that of the first slab, which the network was made for.
    """
    layers = before.network.layers[len(before.network.layers) - len(net.layers) :]
    onto = Affine.normalising(to[:1], to[1:], (first[0], first[1]))
    scale, shift = np.ones(net.n_in), np.zeros(net.n_in)
    scale[time], shift[time] = onto.scale.item(), onto.shift.item()
    shifted = Network([Affine(scale, shift), *layers], dtype=net.dtype)
    return shifted.with_parameters(before.network.parameters)


def _last(optimizer: Optimizers | None) -> Optimizers | None:
    """Return the optimizer of the last level."""
    if optimizer is None or isinstance(optimizer, (str, Optimizer)):
        return optimizer
    return optimizer[-1]


def _times(times: Sequence[float]) -> list[float]:
    """Return the ends of the slabs."""
    ends = finite(real_array(times, "times"), "times")
    if ends.ndim != 1 or ends.size < 2 or not (np.diff(ends) > 0).all():
        raise ValueError(f"times must be two or more increasing numbers, got {times!r}")
    found: list[float] = ends.tolist()
    return found
