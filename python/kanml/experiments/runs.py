"""Training runs of an experiment, which are kept and continue after an interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array
from kanml.network import Network, files
from kanml.optim import Optimizer
from kanml.problems import Problem
from kanml.training import Callback, Result, TrainingState, train
from kanml.training.settings import Transfer

__all__ = ["Error", "ErrorCurve", "KeptRunError", "Run", "run", "uninterrupted"]

MEASUREMENTS = 100  # of the error in each run
CHECKPOINT = "checkpoint.kanml"

Error = Callable[[Network], float]


class KeptRunError(ValueError):
    """What a folder holds is no run that could be continued; the message names the folder."""


def uninterrupted(result: Result) -> Result:
    """Return the result of a training; if Ctrl-C ended it, end the experiment as well."""
    if result.status == "interrupted":
        raise KeyboardInterrupt
    return result


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    result : Result
    steps : ndarray of int
        The steps after which the error was measured; the last one is the end.
    errors : ndarray
        The error after each of these steps.
    """

    result: Result
    steps: npt.NDArray[np.int64]
    errors: Float64Array

    def error_at(self, step: int) -> float:
        """Return the error after a step, if it was measured, or else NaN."""
        measured = self.errors[self.steps == step]
        return float(measured[0]) if measured.size else math.nan


class ErrorCurve(Callback):
    """A callback that measures an error regularly, and at the end of each level.

    Parameters
    ----------
    schedule : sequence of int
        The schedule of the run.
    error : callable
        Returns the error of a network.
    measurements : int
        About how many there are, without those at the ends of levels.

    Attributes
    ----------
    errors : dict of int to float
        Errors by step.
    """

    def __init__(self, schedule: Sequence[int], error: Error, measurements: int) -> None:
        self.schedule, self.error = schedule, error
        self.every = max(1, sum(schedule) // measurements)
        self.errors: dict[int, float] = {}

    def __call__(self, state: TrainingState) -> None:
        """Measure the error if one is due."""
        self.measure(state)

    def measure(self, state: TrainingState) -> bool:
        """Measure the error if one is due, and return whether it was."""
        level_ends = state.level_step == self.schedule[state.level]
        if state.step % self.every and not level_ends:
            return False
        self.errors[state.step] = self.error(state.network)
        return True

    def arrays(self) -> tuple[npt.NDArray[np.int64], Float64Array]:
        """Return the steps after which the error was measured, in order, and the errors."""
        steps = sorted(self.errors)
        errors = [self.errors[step] for step in steps]
        return np.array(steps, dtype=np.int64), np.array(errors, dtype=np.float64)


class Recorder(ErrorCurve):
    """An error curve that is kept in a folder, with the state of the run at its last error."""

    def __init__(self, folder: Path, schedule: Sequence[int], error: Error) -> None:
        super().__init__(schedule, error, MEASUREMENTS)
        self.checkpoint = folder / CHECKPOINT
        self.folder = folder
        if self.checkpoint.exists():
            _, arrays = files.read(self._errors_file, "errors")
            steps, errors = arrays["step"].tolist(), arrays["error"].tolist()
            self.errors = dict(zip(steps, errors, strict=True))

    @property
    def _errors_file(self) -> Path:
        return self.folder / "errors.kanml"

    def __call__(self, state: TrainingState) -> None:
        """Measure and write the error if one is due."""
        if self.measure(state):
            steps, errors = self.arrays()
            files.write(self._errors_file, {"kind": "errors"}, {"step": steps, "error": errors})
            state.snapshot().save(self.checkpoint)  # last, since it needs the errors


def run(
    folder: Path,
    net: Network,
    problem: Problem,
    schedule: Sequence[int],
    optimizer: Optimizer[Any] | Sequence[Optimizer[Any]],
    error: Error,
    *,
    transfer_state: Transfer = "reset",
    restarts: int = 0,
) -> Run:
    """Train, or continue the run in this folder; show the progress.

    Parameters
    ----------
    folder : Path
        Holds this run alone; it is made if it does not exist.
    net, problem, schedule, optimizer, restarts
        See `kanml.train`.
    transfer_state : {"reset", "prolong"}
        See `kanml.train`. By default the optimizer restarts on each level.
    error : callable
        Returns the error of a network; it is called about a hundred times.

    Returns
    -------
    Run

    Raises
    ------
    KeptRunError
        If the folder holds a run with other arguments, or is incomplete.
    KeyboardInterrupt
        If Ctrl-C ended the training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_kept = (folder / CHECKPOINT).exists()
    try:
        recorder = Recorder(folder, schedule, error)
        finished = sum(schedule) in recorder.errors
        result = uninterrupted(
            train(
                net,
                problem,
                schedule,
                optimizer,
                transfer_state=transfer_state,
                restarts=restarts,
                callbacks=[recorder],
                resume=recorder.checkpoint if is_kept else None,
                progress=not finished,
            )
        )
    except (ValueError, FileNotFoundError) as reason:
        if not is_kept:
            raise
        raise KeptRunError(f"{reason}\nRemove {folder} to start this run again.") from reason
    end = int(result.history.last["step"])
    if end not in recorder.errors:  # it diverged between two measurements
        recorder.errors[end] = error(result.network)
    return Run(result, *recorder.arrays())
