"""Callbacks, which observe a run after each step and may end it."""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from kanml._validation import integer, path_in_folder, warn
from kanml.network import Network
from kanml.parallel import Communicator
from kanml.problems import Evaluation, Problem
from kanml.training.history import History
from kanml.training.snapshot import Snapshot

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "TrainingState",
    "checked_callbacks",
    "wishes",
]


class Wish(enum.Enum):
    """What a callback may return, besides a true value that stops training."""

    NEXT_LEVEL = "next level"


@dataclass(frozen=True, repr=False)
class TrainingState:
    """What a callback sees after an accepted step.

    Attributes
    ----------
    network : Network
        The network after the step.
    problem : Problem
        The problem after the step, with its present minibatch, attention and points.
    level : int
        0 on the coarsest grid.
    step, level_step : int
        Accepted steps of the run, and on this level.
    loss : float
        The loss after the step.
    evaluation : Evaluation
        The same with its gradient and its terms, of `problem`.
    validation : float or None
        The loss of the validation problem, if there is one.
    steps_since_best : int
        Steps since the best state; `kanml.train` says which is the best.
    history : History
        The history so far. It continues to grow.
    unknowns : dict of str to float
        The values of the problem's unknowns.
    snapshot : callable
        Returns everything that is needed to continue from here, as a `Snapshot`. All processes that
        train together have to call it.
    communicator : Communicator
        These processes; by default a single one, of rank 0.
    """

    network: Network
    problem: Problem
    level: int
    step: int
    level_step: int
    loss: float
    evaluation: Evaluation
    validation: float | None
    steps_since_best: int
    history: History
    unknowns: dict[str, float]
    snapshot: Callable[[], Snapshot]
    communicator: Communicator

    def __repr__(self) -> str:
        return f"<TrainingState: step {self.step}, level {self.level}, loss {self.loss:.3g}>"


class Callback:
    """An observer of a run from its beginning to its end, which may stop it.

    Derive a class from it and override the methods you need; by default they do nothing. If only
    the steps matter, a function is enough: `kanml.train` takes both.

    Examples
    --------
    Stop when the loss has fallen to a given part of its first value:

    >>> import kanml
    >>> import numpy as np
    >>> class Reduction(kanml.Callback):
    ...     def __init__(self, part):
    ...         self.part = part
    ...
    ...     def begin(self, state):
    ...         self.enough = self.part * state.loss
    ...
    ...     def __call__(self, state):
    ...         return state.loss < self.enough
    ...
    ...     def end(self, state):
    ...         print("small enough" if state.loss < self.enough else "not there yet")
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> problem = kanml.Regression(x, np.sin(3 * x))
    >>> net = kanml.KAN([1, 1], intervals=8)
    >>> result = kanml.train(net, problem, [50], callbacks=[Reduction(0.1)], progress=False)
    small enough
    >>> result.status
    'stopped'
    """

    def begin(self, state: TrainingState) -> object:
        """Observe the run before its first step; a true return value stops it.

        This is not called if the loss is not finite there.
        """
        return None

    def __call__(self, state: TrainingState) -> object:
        """Observe the run after a step; a true return value stops it."""
        return None

    def end(self, state: TrainingState) -> None:
        """Observe the run after its end, unless an exception ended it."""

    def _release(self, history: History) -> None:
        """Let go of a run, known by its history. It is over, perhaps by an exception."""


class FunctionCallback(Callback):
    """A function that is called after each step."""

    def __init__(self, function: Callable[[TrainingState], object]) -> None:
        self.function = function

    def __call__(self, state: TrainingState) -> object:
        return self.function(state)


def checked_callbacks(
    callbacks: Iterable[Callback | Callable[[TrainingState], object]],
) -> tuple[Callback, ...]:
    """Return callbacks, made of functions where necessary; TypeError for anything else."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a list of callbacks or functions, got {callbacks!r}")
    return tuple(_checked(callback, f"callbacks[{i}]") for i, callback in enumerate(callbacks))


def _checked(callback: object, name: str) -> Callback:
    if isinstance(callback, Callback):
        return callback
    # Other callable objects are rejected: methods like those of `Callback` would not be called.
    if inspect.isroutine(callback) or isinstance(callback, partial):
        return FunctionCallback(callback)
    raise TypeError(f"{name} must be a Callback or a function, got {callback!r}")


def wishes(answers: Iterable[object]) -> tuple[bool, bool]:
    """Return whether callbacks want to stop training, and whether they want the next level.

    Raises
    ------
    TypeError
        If an answer is neither true nor false, such as an array.
    """
    stop = next_level = False
    for i, answer in enumerate(answers):
        if answer is Wish.NEXT_LEVEL:
            next_level = True
            continue
        try:
            stop = bool(answer) or stop
        except (TypeError, ValueError) as error:
            shown = type(answer).__name__
            raise TypeError(
                f"callbacks[{i}] must return a true or a false value, got {shown}: {error}"
            ) from None
    return stop, next_level


class EarlyStopping(Callback):
    """A callback that ends a level when the validation loss no longer falls.

    Training then returns to the best state of the level and refines, or ends if the level has not
    improved on the one before: see `validation` of `kanml.train`.

    Parameters
    ----------
    patience : int
        The number of steps without a new lowest validation loss after which the level ends.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (150, 1))
    >>> y = np.sin(3 * x) + rng.normal(0, 0.3, x.shape)
    >>> result = kanml.train(
    ...     kanml.KAN([1, 1], intervals=2, data=x),
    ...     kanml.Regression(x[50:], y[50:]),
    ...     schedule=[100, 100, 100],
    ...     validation=kanml.Regression(x[:50], y[:50]),
    ...     callbacks=[kanml.EarlyStopping(patience=5)],
    ...     progress=False,
    ... )
    >>> held_out = np.mean((result.network(x[:50]) - y[:50]) ** 2)
    >>> bool(abs(held_out - result.history.validation.min()) < 1e-12)
    True
    """

    def __init__(self, patience: int) -> None:
        self.patience = integer(patience, "patience", 1)

    def begin(self, state: TrainingState) -> Wish | None:
        """Require a validation problem; say whether the level ends, as after a resumption."""
        if state.validation is None:
            raise ValueError(
                f"{self!r} needs a validation problem: kanml.train(..., validation=problem)"
            )
        return self(state)

    def __call__(self, state: TrainingState) -> Wish | None:
        """Say whether the level ends."""
        return Wish.NEXT_LEVEL if state.steps_since_best >= self.patience else None

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience})"


class Checkpoint(Callback):
    """A callback that writes the state of training to a file, every few steps and at the end.

    With ``kanml.train(..., resume=path)`` the run continues, bit for bit as if it had not been
    interrupted. The file is replaced atomically. A path that cannot be written is refused before
    the first step; a failure after that is a RuntimeWarning, and training continues. Runs at the
    same time need a file each. If several processes train together, all of them have this callback,
    and the first one writes the file.

    Parameters
    ----------
    path : path-like
        The file. Its folder must exist.
    every : int
        The number of steps between two writes.

    Raises
    ------
    ValueError, OSError
        If the file cannot be written.

    Examples
    --------
    >>> import kanml
    >>> checkpoint = kanml.Checkpoint("run.kanml", every=100)
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 100) -> None:
        self.path = path_in_folder(path, "path")
        self.every = integer(every, "every", 1)

    def begin(self, state: TrainingState) -> None:
        """Raise OSError if the path cannot be written, TypeError if no run could be continued."""
        kind = type(state.problem)
        if kind.advance is not Problem.advance and kind.state is Problem.state:
            raise TypeError(
                f"a run on a {kind.__name__} cannot be continued from a checkpoint: it overrides "
                "advance, so state and restore have to be overridden too"
            )
        snapshot = state.snapshot()
        if state.communicator.rank:
            return
        try:
            snapshot.rehearse_saving(self.path)
        except OSError as error:
            reason = error.strerror or error
            message = f"no checkpoint can be written to {str(self.path)!r}: {reason}"
            raise type(error)(message) from error

    def __call__(self, state: TrainingState) -> None:
        """Write the file if one is due."""
        if state.step % self.every == 0:
            self.end(state)

    def end(self, state: TrainingState) -> None:
        """Write the file."""
        snapshot = state.snapshot()
        if state.communicator.rank:
            return
        try:
            snapshot.save(self.path)
        except OSError as error:
            where = f"no checkpoint of step {state.step} in {str(self.path)!r}"
            warn(f"{where}: {error}", RuntimeWarning)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r}, every={self.every})"
