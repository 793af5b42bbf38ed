"""Callbacks: what looks at a run after each step, and may end it."""

from __future__ import annotations

import enum
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kanml._validation import integer
from kanml.network import Network
from kanml.problems import Problem
from kanml.training.history import History
from kanml.training.snapshot import Snapshot

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "TrainingState", "Wish"]


class Wish(enum.Enum):
    """What a callback may return to direct training, beside true for stopping it."""

    NEXT_LEVEL = "next level"


@dataclass(frozen=True)
class TrainingState:
    """What a callback sees after an accepted step.

    Attributes
    ----------
    network : Network
        With the parameters after the step.
    problem : Problem
        As it is now: with the present minibatch, attention and points.
    level : int
        0 on the coarsest grid.
    step, level_step : int
        Accepted steps in all, and on this level.
    loss : float
        At the present parameters.
    validation : float or None
        The loss of the validation problem there, if there is one.
    steps_since_best : int
        Steps since the best state: see `kanml.train` for what is best.
    history : History
        So far; it continues to grow.
    unknowns : dict of str to float
        The unknowns of the problem at present.
    snapshot : callable
        Returns all that is needed to continue from here, as a `Snapshot`.
    """

    network: Network
    problem: Problem
    level: int
    step: int
    level_step: int
    loss: float
    validation: float | None
    steps_since_best: int
    history: History
    unknowns: dict[str, float]
    snapshot: Callable[[], Snapshot]


Callback: TypeAlias = Callable[[TrainingState], object]


class EarlyStopping:
    """A callback that ends a level when the validation loss no longer falls.

    Training then returns to the best state of the level and refines, or ends if the level has not
    improved on the one before: see `validation` of `kanml.train`.

    Parameters
    ----------
    patience : int
        Steps without a new least validation loss, after which the level ends.

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
        """Require a validation problem; a run may continue from where a level was to end."""
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


class Checkpoint:
    """A callback that writes the state of training to a file, every few steps and at the end.

    Give the same path to ``kanml.train(..., resume=path)`` to continue: the run continues bit for
    bit as if it had not been interrupted. The file is replaced atomically. A path that cannot be
    written is refused before the first step; a later failure is a RuntimeWarning, and training
    continues.

    Parameters
    ----------
    path : path-like
    every : int
        Steps between two writings.

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
        self.path = Path(path)
        self.every = integer(every, "every", 1)
        if not self.path.parent.is_dir():
            raise ValueError(f"path must be in an existing folder, got {str(self.path)!r}")

    def begin(self, state: TrainingState) -> None:
        """Refuse a path that cannot be written."""
        try:
            state.snapshot().rehearse_saving(self.path)
        except OSError as error:
            reason = error.strerror or error
            message = f"no checkpoint can be written to {str(self.path)!r}: {reason}"
            raise type(error)(message) from error

    def __call__(self, state: TrainingState) -> None:
        """Write the file if it is time."""
        if state.step % self.every == 0:
            self.end(state)

    def end(self, state: TrainingState) -> None:
        """Write the file."""
        try:
            state.snapshot().save(self.path)
        except OSError as error:
            warnings.warn(
                f"no checkpoint of step {state.step} in {str(self.path)!r}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
