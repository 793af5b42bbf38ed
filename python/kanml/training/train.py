"""Multilevel training: solve on a grid, refine it exactly, continue (Algorithm 1 of the paper)."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kanml._validation import choice, integer, threads
from kanml.network import Network
from kanml.optim import LBFGS, Optimizer
from kanml.problems import Problem
from kanml.problems.unknowns import starting_values
from kanml.training.callbacks import Callback, TrainingState, checked_callbacks
from kanml.training.history import History
from kanml.training.interrupts import CtrlC
from kanml.training.run import Run, Status, Transfer
from kanml.training.tries import RESTARTS

__all__ = ["RESTARTS", "Result", "TrainingState", "train"]


@dataclass(frozen=True, repr=False)
class Result:
    """What training returns.

    Attributes
    ----------
    network : Network
        The trained network, on the finest grid reached. With a validation problem, the one with the
        least validation loss. Else, after Ctrl-C, the one with the least loss since the loss last
        became another function (with minibatches, that is the last network), and the last good one
        where the loss diverged.
    history : History
        The starts that were tried, and one row for the best of them and for each step.
    status : {"completed", "stopped", "interrupted", "diverged"}
        All levels done; a callback returned true; Ctrl-C; the loss became NaN or infinite, or a
        layer with ``extrapolation="error"`` refused a value.
    message : str
        The status in words.
    unknowns : dict of str to float
        What the unknowns of the problem became, with the network.
    levels : tuple of Network
        At the end of each level, coarse to fine; the last one is `network`. With a validation
        problem the best of each level, without those at the end that did not improve.
    problem : Problem
        A copy of the problem as training left it: its minibatch, attention, points.
    """

    network: Network
    history: History
    status: Status
    message: str
    unknowns: dict[str, float]
    levels: tuple[Network, ...]
    problem: Problem

    def __repr__(self) -> str:
        last = self.history.last
        return (
            f"<Result: {self.status} after {last['step']} steps, loss {last['loss']:.3g}, "
            f"{self.network.n_parameters} parameters>"
        )


def train(
    net: Network,
    problem: Problem,
    schedule: Sequence[int],
    optimizer: Optimizer[Any] | None = None,
    *,
    transfer_state: Transfer = "prolong",
    validation: Problem | None = None,
    restarts: int = RESTARTS,
    callbacks: Iterable[Callback | Callable[[TrainingState], object]] = (),
    progress: bool = True,
    resume: str | os.PathLike[str] | None = None,
    num_threads: int | None = None,
) -> Result:
    """Train a network on a sequence of refined grids.

    Solves for ``schedule[0]`` steps on the network's own grid, cuts every knot interval in two
    (the function, and with it the loss, stays the same), solves for ``schedule[1]`` steps, and so
    on. A level ends early where its optimizer can make no further progress. No argument is changed:
    the run works on a copy of the problem.

    Ctrl-C does not raise: training ends after the evaluation in progress, at the earliest the
    first on all samples, with the status "interrupted". A second Ctrl-C breaks off what is in
    progress.

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
    validation : Problem, optional
        A second problem, for instance a `Regression` of rows held out, evaluated as it stands after
        each step: its loss says which network is best. Each level then ends by returning to its
        best state, with the optimizer's memory of that moment, and training ends at a level whose
        steps did not lower this loss. See `EarlyStopping` for ending levels early.
    restarts : int
        How many other starts are tried at most, where the parameters of `net` are those that its
        constructor drew (`Network.fresh`). All are trained for a few steps of L-BFGS, whatever the
        optimizer, on the coarsest grid and on a part of the samples, the better half of them for
        more, and so on; training begins with what became of the best. They are as many as cost no
        more than all steps of the schedule: none for a short schedule. ``history.tries`` lists
        them. Callbacks see what comes after. With 0 training begins at the parameters of `net`.
    callbacks : iterable of Callback or function
        Functions are called with a `TrainingState` after every step; a true return value stops
        training. A `Callback` also sees the run before the first step and at its end.
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
        If an argument is not of its form, or a level of the schedule cannot be built;
        FileNotFoundError if there is no file to resume from.

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
    with CtrlC() as ctrl_c:  # first of all: an interrupt waits until there is a result
        told = checked_callbacks(callbacks)
        run = _run(
            net,
            problem,
            schedule,
            LBFGS() if optimizer is None else optimizer,
            transfer_state=transfer_state,
            validation=validation,
            restarts=restarts,
            num_threads=num_threads,
            ctrl_c=ctrl_c,
        )
        if resume is not None:
            run.resume(resume)
        run.run(told, progress)
        return _result(run)


def _run(
    net: Network,
    problem: Problem,
    schedule: Sequence[int],
    optimizer: Optimizer[Any],
    *,
    transfer_state: Transfer,
    validation: Problem | None,
    restarts: int,
    num_threads: int | None,
    ctrl_c: CtrlC,
) -> Run:
    """Check the arguments of `train`, and return the run at its start."""
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {net!r}")
    _require_problem(problem, "problem")
    starting_values(problem.unknowns, "problem.unknowns")
    if not isinstance(schedule, Iterable):
        raise TypeError(f"schedule must be a sequence of integers, got {schedule!r}")
    steps = [integer(s, f"schedule[{i}]", 0) for i, s in enumerate(schedule)]
    if not steps:
        raise ValueError("schedule must have at least one level, got none")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an Optimizer, for instance LBFGS(), got {optimizer!r}")
    choice(transfer_state, "transfer_state", ("prolong", "reset"))
    if validation is not None:
        _require_problem(validation, "validation")
        known, trained = list(validation.unknowns), list(problem.unknowns)
        if known and known != trained:
            raise ValueError(f"validation must have the unknowns {trained}, got {known}")
    integer(restarts, "restarts", 0)
    threads(num_threads)
    return Run(
        net,
        problem,
        steps,
        optimizer,
        transfer_state=transfer_state,
        validation=validation,
        restarts=restarts,
        num_threads=num_threads,
        ctrl_c=ctrl_c,
    )


def _require_problem(problem: Problem, name: str) -> None:
    if not isinstance(problem, Problem):
        shown = reprlib.repr(problem)  # which shortens arrays
        raise TypeError(f"{name} must be a Problem, for instance a Regression, got {shown}")


def _result(run: Run) -> Result:
    status, message = run.ending
    levels = run.networks()
    return Result(
        network=levels[-1],
        history=run.history,
        status=status,
        message=message,
        unknowns=run.unknowns(run.kept().parameters),
        levels=levels,
        problem=run.moment.problem,
    )
