"""Multilevel training: solve on a grid, refine it exactly, go on (Algorithm 1 of the paper)."""

from __future__ import annotations

import math
import os
import reprlib
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from tqdm import tqdm

from kanml._validation import FloatArray, choice, integer, threads
from kanml.checkpoint import Snapshot, load_snapshot, run_fingerprint
from kanml.geometry import geometry_maps, transfer_maps
from kanml.history import History
from kanml.network import Network
from kanml.optim import LBFGS, Geometry, Optimizer, State
from kanml.problems import Problem

__all__ = ["Callback", "Result", "TrainingState", "train"]


@dataclass(frozen=True)
class TrainingState:
    """What a callback sees after an accepted step.

    Attributes
    ----------
    network : Network
        With the parameters after the step.
    level : int
        0 on the coarsest grid.
    step, level_step : int
        Accepted steps in all, and on this level.
    loss : float
        At the present parameters.
    history : History
        So far; it goes on growing.
    unknowns : dict of str to float
        The unknowns of the problem at present.
    snapshot : callable
        Returns all that is needed to continue from here, as a `Snapshot`.
    """

    network: Network
    level: int
    step: int
    level_step: int
    loss: float
    history: History
    unknowns: dict[str, float]
    snapshot: Callable[[], Snapshot]


Transfer: TypeAlias = Literal["prolong", "reset"]
Callback: TypeAlias = Callable[[TrainingState], object]


@dataclass(frozen=True)
class Result:
    """What training returns.

    Attributes
    ----------
    network : Network
        The trained network, on the finest grid reached; the best so far where training was
        interrupted, the last good one where the loss diverged.
    history : History
        The start, and one row a step.
    status : {"completed", "stopped", "interrupted", "diverged"}
        All levels done; a callback returned true; Ctrl-C; the loss became NaN or infinite.
    message : str
        The status in words.
    unknowns : dict of str to float
        What the unknowns of the problem became, with the network.
    levels : tuple of Network
        At the end of each level, coarse to fine; the last one is `network`.
    """

    network: Network
    history: History
    status: Literal["completed", "stopped", "interrupted", "diverged"]
    message: str
    unknowns: dict[str, float]
    levels: tuple[Network, ...]


def train(
    net: Network,
    problem: Problem,
    schedule: Sequence[int],
    optimizer: Optimizer[Any] | None = None,
    *,
    transfer_state: Transfer = "prolong",
    callbacks: Iterable[Callback] = (),
    progress: bool = True,
    resume: str | os.PathLike[str] | None = None,
    num_threads: int | None = None,
) -> Result:
    """Train a network on a sequence of refined grids.

    Solves for ``schedule[0]`` steps on the network's own grid, cuts every knot interval in two
    (the function, and with it the loss, stays the same), solves for ``schedule[1]`` steps, and so
    on. A level ends early where its optimizer can make no further progress.

    Parameters
    ----------
    net : Network
        On the coarsest grid.
    problem : Problem
        What is minimised, for instance a `Regression`.
    schedule : sequence of int
        Steps on each level, coarse to fine. A single entry trains on one grid.
    optimizer : Optimizer
        `LBFGS()` by default.
    transfer_state : {"prolong", "reset"}
        What becomes of the optimizer's memory at a refinement: carried to the finer grid, steps by
        P and gradients by a right inverse of P^T, or emptied.
    callbacks : iterable of callable
        Called with a `TrainingState` after every step; a true return value stops training.
    progress : bool
        Whether to show a progress bar on the standard error.
    resume : path-like, optional
        A file that the `Checkpoint` callback of a run with the same arguments wrote: training
        continues from it, bit for bit.
    num_threads : int, optional
        Threads of an evaluation. The result does not depend on it.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, TypeError
        If an argument is not of its form; FileNotFoundError if there is no file to resume from.

    Notes
    -----
    Algorithm 1 of Southworth, Actor, Harper and Cyr, *Multilevel Training for Kolmogorov Arnold
    Networks*, arXiv:2603.04827: nested iteration, one pass, no cycles.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> problem = kanml.Regression(x, np.exp(x) * np.sin(5 * x))
    >>> net = kanml.KAN([1, 1], degree=3, intervals=4)
    >>> result = kanml.train(net, problem, schedule=[20, 20, 20], progress=False)
    >>> result.status, result.network.layers[0].spaces[0].intervals
    ('completed', 16)
    >>> bool(result.history.loss[-1] < 1e-7)
    True
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {net!r}")
    if not callable(getattr(problem, "value_and_gradient", None)):
        shown = reprlib.repr(problem)  # which shortens arrays
        raise TypeError(f"problem must be a Problem, for instance a Regression, got {shown}")
    if not isinstance(schedule, Iterable):
        raise TypeError(f"schedule must be a sequence of integers, got {schedule!r}")
    steps = [integer(s, f"schedule[{i}]", 0) for i, s in enumerate(schedule)]
    if not steps:
        raise ValueError("schedule must have at least one level, got none")
    optimizer = LBFGS() if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an Optimizer, for instance LBFGS(), got {optimizer!r}")
    choice(transfer_state, "transfer_state", ("prolong", "reset"))
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a sequence of callables, got {callbacks!r}")
    callbacks = tuple(callbacks)
    for i, callback in enumerate(callbacks):
        if not callable(callback):
            raise TypeError(f"callbacks[{i}] must be callable, got {callback!r}")
    threads(num_threads)
    run = _Run(net, problem, steps, optimizer, transfer_state, num_threads)
    if resume is not None:
        run.restore(load_snapshot(resume, run.optimizer, run.fingerprint))
    with _progress_bar(sum(steps), progress) as bar:
        return run.run(callbacks, bar)


class _Diverged(Exception):
    """The loss or its gradient is not finite."""


class _Run:
    """One training run; `state` is evaluated whenever the loop comes round."""

    def __init__(
        self,
        net: Network,
        problem: Problem,
        schedule: list[int],
        optimizer: Optimizer[Any],
        transfer_state: Transfer,
        num_threads: int | None,
    ) -> None:
        self.net = net
        self.problem = problem
        self.schedule = schedule
        self.optimizer = optimizer
        self.transfer_state = transfer_state
        self.num_threads = num_threads
        self.fingerprint = run_fingerprint(
            net, problem.fingerprint(), repr(optimizer), repr(schedule), transfer_state
        )
        # The vector that is trained: the network's parameters, then the problem's unknowns.
        unknowns: dict[str, float] = getattr(problem, "unknowns", {})
        self.names = tuple(unknowns)
        start = np.array(list(unknowns.values()), dtype=net.dtype)
        self.geometry = self.maps()
        self.require_finest_level()
        self.level = 0
        self.coarser: tuple[Network, ...] = ()  # at the end of each level before
        self.state: State = optimizer.init(np.concatenate([net.parameters, start]))
        self.history = History()
        self.best = (math.inf, self.state.parameters)
        self.started = time.perf_counter()

    def run(self, callbacks: tuple[Callback, ...], bar: tqdm[Any]) -> Result:
        try:
            if not len(self.history):
                self.evaluate(self.state)
            while True:
                self.show(bar)
                if self.level_is_done():
                    if self.level + 1 == len(self.schedule):
                        return self.result("completed", self.state.finished or "all steps are done")
                    self.refine()
                    continue
                if self.step() and self.stopped_by(callbacks):
                    self.show(bar)
                    return self.result("stopped", "a callback stopped the training")
        except _Diverged as error:
            return self.result("diverged", str(error))
        except KeyboardInterrupt:
            # States are immutable: whatever the interrupt broke off, self.best is whole.
            message = "interrupted from the keyboard; the network is the best so far"
            return self.result("interrupted", message, self.best[1])

    def stopped_by(self, callbacks: tuple[Callback, ...]) -> bool:
        if not callbacks:  # then nobody looks at the view, a copy of the parameters
            return False
        view = self.view()
        return any([callback(view) for callback in callbacks])  # every callback is called

    def function(self, theta: FloatArray) -> tuple[float, FloatArray]:
        return self.problem.value_and_gradient(*self.split(theta), num_threads=self.num_threads)

    def split(self, theta: FloatArray) -> tuple[Any, ...]:
        """Return the network and, if the problem has any, its unknowns."""
        n = self.net.n_parameters
        net = self.net.with_parameters(theta[:n])
        return (net, theta[n:]) if self.names else (net,)

    def unknowns(self, theta: FloatArray) -> dict[str, float]:
        """Return the unknowns of the problem by name."""
        return dict(zip(self.names, theta[self.net.n_parameters :].tolist(), strict=True))

    def maps(self) -> Geometry | None:
        """Return the maps of the optimizer's geometry on the present grid."""
        if self.optimizer.geometry is None:
            return None
        return geometry_maps(self.net, self.optimizer.geometry, len(self.names))

    def require_finest_level(self) -> None:
        """Refuse before the first step what a refinement would refuse: see `Network.to_basis`."""
        bases = {block.kind for block in self.net.blocks}
        if "relu" in bases or "relu" in (self.optimizer.geometry or ""):
            finest = (
                self.net.refine(2 ** (len(self.schedule) - 1)) if self.schedule[1:] else self.net
            )
            geometry_maps(finest, self.optimizer.geometry)

    def level_is_done(self) -> bool:
        return self.state.level_step >= self.schedule[self.level] or bool(self.state.finished)

    def step(self) -> bool:
        """Go on by one step; return whether one was accepted."""
        state = self.optimizer.step(self.function, self.state, self.geometry)
        if state.step == self.state.step:  # nothing was accepted: the level is finished
            self.state = state
            return False
        if self.problem.advance(*self.split(state.parameters)):
            state = state.stale()
        self.evaluate(state)
        return True

    def refine(self) -> None:
        fine = self.net.refine()
        maps = transfer_maps(self.net, fine, self.optimizer.geometry, len(self.names))
        state = self.optimizer.transfer(self.state, maps, self.transfer_state)
        coarser = (*self.coarser, self.split(self.state.parameters)[0])
        loss, parameters = self.best
        best = (loss, maps.parameters(parameters))
        self.coarser, self.best, self.net = coarser, best, fine
        self.geometry = self.maps()
        self.level += 1
        self.state = state  # the same function: still the last good one, should evaluation fail
        self.evaluate(state)

    def evaluate(self, state: State) -> None:
        """Make an evaluated state the present one, and write its row of the history."""
        state = self.optimizer.evaluate(self.function, state)
        if state.value is None or state.gradient is None:
            raise TypeError(f"{self.optimizer!r} did not evaluate its state")
        if not (math.isfinite(state.value) and np.isfinite(state.gradient).all()):
            finite = math.isfinite(state.value)
            what = (
                "the gradient became NaN or infinite"
                if finite
                else f"the loss became {state.value}"
            )
            where = f"after step {state.step}; the network is the last finite one"
            if not len(self.history):
                self.record(state, state.value)
                where = "before the first step: it is that of the network which was given"
            raise _Diverged(f"{what} {where}")
        self.state = state
        if state.value < self.best[0]:
            self.best = (state.value, state.parameters)
        self.record(state, state.value)

    def record(self, state: State, loss: float) -> None:
        """Write the row of a state."""
        losses = getattr(self.problem, "losses", None)
        terms = {}
        if losses is not None:
            terms = losses(*self.split(state.parameters), num_threads=self.num_threads)
        self.history.append(
            level=self.level,
            step=state.step,
            loss=loss,
            seconds=time.perf_counter() - self.started,
            evaluations=state.evaluations,
            ascents=state.ascents,
            terms=terms,
        )

    def view(self) -> TrainingState:
        return TrainingState(
            network=self.split(self.state.parameters)[0],
            level=self.level,
            step=self.state.step,
            level_step=self.state.level_step,
            loss=self.history.last["loss"],
            history=self.history,
            unknowns=self.unknowns(self.state.parameters),
            snapshot=self.snapshot,
        )

    def snapshot(self) -> Snapshot:
        loss, parameters = self.best
        return Snapshot(
            network=self.split(self.state.parameters)[0],
            coarser=self.coarser,
            optimizer_state=self.state,
            level=self.level,
            best_parameters=parameters,
            best_loss=loss,
            problem_state=self.problem.state(),
            history=History.from_arrays(self.history.arrays()),
            fingerprint=self.fingerprint,
        )

    def restore(self, snapshot: Snapshot) -> None:
        self.net = snapshot.network
        self.coarser = snapshot.coarser
        self.geometry = self.maps()
        self.level = snapshot.level
        self.state = snapshot.optimizer_state
        self.best = (snapshot.best_loss, snapshot.best_parameters)
        self.problem.restore(snapshot.problem_state)
        self.history = snapshot.history
        self.started = time.perf_counter() - float(self.history.seconds[-1])

    def result(
        self,
        status: Literal["completed", "stopped", "interrupted", "diverged"],
        message: str,
        parameters: FloatArray | None = None,
    ) -> Result:
        """Return the result, with the present parameters if no others are given."""
        theta = self.state.parameters if parameters is None else parameters
        network, unknowns = self.split(theta)[0], self.unknowns(theta)
        levels = (*self.coarser, network)
        return Result(network, self.history, status, message, unknowns, levels)

    def show(self, bar: tqdm[Any]) -> None:
        done = sum(self.schedule[: self.level]) + self.state.level_step
        bar.set_postfix_str(
            f"level {self.level + 1}/{len(self.schedule)}, loss {self.history.last['loss']:.3e}",
            refresh=False,
        )
        bar.update(done - bar.n)


def _progress_bar(total: int, progress: bool) -> tqdm[Any]:
    # On a terminal the bar moves often; in a log file a line every other second is enough.
    interval = 0.1 if sys.stderr.isatty() else 2.0
    return tqdm(total=total, disable=not progress, unit="step", mininterval=interval)
