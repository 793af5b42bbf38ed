"""Multilevel training: solve on a grid, refine it exactly, continue (Algorithm 1 of the paper)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from kanml._validation import using_threads
from kanml.devices import Device, find
from kanml.network import Network
from kanml.parallel import Communicator, failing_together
from kanml.problems import Problem
from kanml.training.agreement import require_same
from kanml.training.callbacks import Callback, Checkpoint, TrainingState, checked_callbacks
from kanml.training.interrupts import CtrlC
from kanml.training.result import Result
from kanml.training.run import Run
from kanml.training.settings import Optimizers, Schedule, Settings, Transfer
from kanml.training.tries import RESTARTS

__all__ = ["train"]


def train(
    net: Network,
    problem: Problem,
    schedule: Schedule,
    optimizer: Optimizers | None = None,
    *,
    transfer_state: Transfer = "prolong",
    validation: Problem | None = None,
    restarts: int = RESTARTS,
    callbacks: Iterable[Callback | Callable[[TrainingState], object]] = (),
    progress: bool = True,
    resume: str | os.PathLike[str] | None = None,
    communicator: Communicator | None = None,
    device: str | Device | None = None,
    num_threads: int | None = None,
) -> Result:
    """Train a network on a sequence of refined grids.

    It takes ``schedule[0]`` steps on the network's own grid, halves every knot interval, which
    changes neither the function nor the loss, takes ``schedule[1]`` steps, and so on. A level ends
    early if the optimizer can make no further progress. The arguments do not change: a run works on
    a copy of the problem.

    Ctrl-C does not raise. Training ends after the evaluation in progress, with the status
    "interrupted"; the first network is always evaluated on all samples, so that there is a
    result. A second Ctrl-C interrupts the work in progress as well, if this process trains alone.

    Parameters
    ----------
    net : Network
        The network on the coarsest grid.
    problem : Problem
        The loss to minimise: a `Regression`, a `PINN`, or your own class.
    schedule : sequence of int, int or "auto"
        The steps on each level, coarse to fine. A single number trains on one grid. With "auto", a
        level ends when the loss no longer falls, and refinement when it no longer pays; `message`
        of the result says why. The network is that of the level with the lowest loss at fresh
        samples, which ``history.fresh`` has.
    optimizer : Optimizer, name, or sequence of them
        One for all levels, or a sequence with one for each; `LBFGS()` by default. The names
        "lbfgs", "ssbroyden", "levenberg-marquardt" and "variable-projection" stand for optimizers
        with their defaults. An optimizer that differs from the one before starts without memory.
        With ``schedule="auto"``, the last of a sequence has all further levels.
    transfer_state : {"prolong", "reset"}
        Whether a refinement carries the optimizer's memory to the finer grid, steps by P and
        gradients by a right inverse of P^T, or empties it.
    validation : Problem, optional
        A second problem, for instance a `Regression` of held-out rows. It is evaluated after each
        step, and never advances. Its loss determines the best network. Each level ends by returning
        to its best state, with the optimizer's memory at that step. Training ends after a level
        whose steps did not lower this loss. `EarlyStopping` ends levels early.
    restarts : int
        The largest number of other starts that are tried before the first step, if the parameters
        of `net` are those that its constructor drew (`Network.fresh`). All are trained for a few
        steps of L-BFGS, whatever the optimizer, on the coarsest grid and on a part of the samples;
        the better half is trained for more, and so on. Training continues from the best. Fewer
        starts are tried if all would cost more than the steps of the schedule, and none if it is
        short. ``history.tries`` lists them. Callbacks are called only afterwards. With 0, training
        begins at the parameters of `net`.
    callbacks : iterable of Callback or function
        Functions are called with a `TrainingState` after every step; a true return value stops
        training. A `Callback` is also called before the first step and at the end.
    progress : bool
        Whether to show a progress bar on the standard error.
    resume : path-like, optional
        A file that the callback `Checkpoint` wrote in a run with the same arguments; training
        continues from it, bit for bit.
    communicator : Communicator, optional
        The processes that train together, such as `kanml.MPI()`. All call `train` with the same
        arguments, but each with samples of its own in `problem` and `validation`; means are those
        over all samples, and all processes get the same result. An error or Ctrl-C in one of them
        ends training in all. By default this process trains alone.
    device : {"cpu", "cuda", "cuda:0", "cuda:1", ...}, optional
        Where samples, parameters and the memory of the optimizer are, and the loss is evaluated; by
        default on the processors. Results on a GPU differ from those by rounding; two runs on one
        GPU are the same bit for bit. docs/gpu.md has what is still done on the processors.
    num_threads : int, optional
        The number of threads of the run: of its evaluations, of the optimizer, and of evaluations
        in callbacks that do not name one. The result does not depend on it.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, a level of the schedule cannot be built, or an optimizer
        needs a sum of squares and the loss is none.
    FileNotFoundError
        If there is no file to resume from.
    RuntimeError
        If there is no such GPU, or this build has no code for GPUs.
    MemoryError
        If samples, parameters and the memory of the optimizer do not fit in that of the GPU.
    kanml.parallel.ProcessError
        If another process failed, or the parameters of processes differ after a step.

    Warns
    -----
    UserWarning
        If an optimizer of least squares has fewer than twice as many rows as parameters on a level:
        before the run, or with "auto" on reaching the level.

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
    # First, so that an interrupt waits for a result
    with CtrlC() as ctrl_c, failing_together(communicator):
        checked = checked_callbacks(callbacks)
        settings = Settings(
            net=net,
            problem=problem,
            schedule=schedule,
            optimizer="lbfgs" if optimizer is None else optimizer,
            transfer_state=transfer_state,
            validation=validation,
            restarts=restarts,
            communicator=communicator,
            num_threads=num_threads,
            device=find(device),
        )
        if communicator is not None:
            files = [repr(callback) for callback in checked if isinstance(callback, Checkpoint)]
            resumed = "no file" if resume is None else "a file"
            require_same(
                communicator, {"resume": resumed, "the list of Checkpoint callbacks": f"{files}"}
            )
        for level in range(max(len(settings.levels), 1)):
            settings.warn_of_few_rows(level)
        run = Run(settings, ctrl_c)
        with using_threads(num_threads):
            if resume is not None:
                run.resume(resume)
            run.run(checked, progress)
        return run.result()
