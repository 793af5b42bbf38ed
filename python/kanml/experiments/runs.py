"""Training runs of an experiment: interrupted they continue, finished they are kept."""

from __future__ import annotations

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
from kanml.training import Result, TrainingState, train

__all__ = ["Run", "run", "uninterrupted"]

MEASUREMENTS = 100  # of the error, in a run

Error = Callable[[Network], float]


def uninterrupted(result: Result) -> Result:
    """Return the result of a training; if Ctrl-C ended it, let it end the experiment as well."""
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
        Where the error was measured; the last one is the end.
    errors : ndarray
    """

    result: Result
    steps: npt.NDArray[np.int64]
    errors: Float64Array


class Recorder:
    """A callback that keeps a run in a folder, with its errors."""

    def __init__(self, folder: Path, schedule: Sequence[int], error: Error) -> None:
        self.checkpoint = folder / "checkpoint.kanml"
        self.folder, self.schedule, self.error = folder, schedule, error
        self.every = max(1, sum(schedule) // MEASUREMENTS)
        self.errors: dict[int, float] = {}
        if self.checkpoint.exists():
            _, arrays = files.read(self._errors_file, "errors")
            steps, errors = arrays["step"].tolist(), arrays["error"].tolist()
            self.errors = dict(zip(steps, errors, strict=True))

    @property
    def _errors_file(self) -> Path:
        return self.folder / "errors.kanml"

    def __call__(self, state: TrainingState) -> None:
        """Measure and write, every so many steps and at the end of each level."""
        level_ends = state.level_step == self.schedule[state.level]
        if state.step % self.every and not level_ends:
            return
        self.errors[state.step] = self.error(state.network)
        files.write(self._errors_file, {"kind": "errors"}, self.arrays())
        state.snapshot().save(self.checkpoint)  # last: what it needs is there

    def arrays(self) -> dict[str, Any]:
        """Return the errors and where they were measured, in order."""
        steps = sorted(self.errors)
        return {
            "step": np.array(steps, dtype=np.int64),
            "error": np.array([self.errors[step] for step in steps], dtype=np.float64),
        }


def run(
    folder: Path,
    net: Network,
    problem: Problem,
    schedule: Sequence[int],
    optimizer: Optimizer[Any],
    error: Error,
) -> Run:
    """Train, or continue where a run in this folder stood; show the progress.

    The optimizer starts each level anew, as the ramped learning rates of the paper suggest.

    Parameters
    ----------
    folder : Path
        Made if it is not there; holds this run alone.
    net, problem, schedule, optimizer
        See `kanml.train`.
    error : callable
        Of a network, measured a hundred times.

    Raises
    ------
    ValueError, FileNotFoundError
        If what is in the folder belongs to a run with other arguments, or is not all there.
    KeyboardInterrupt
        If Ctrl-C ended the training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(folder, schedule, error)
    resume = recorder.checkpoint if recorder.checkpoint.exists() else None
    finished = sum(schedule) in recorder.errors
    result = uninterrupted(
        train(
            net,
            problem,
            schedule,
            optimizer,
            transfer_state="reset",
            restarts=0,
            callbacks=[recorder],
            resume=resume,
            progress=not finished,
        )
    )
    end = int(result.history.last["step"])
    if end not in recorder.errors:  # it diverged between two measurements
        recorder.errors[end] = error(result.network)
    recorded = recorder.arrays()
    return Run(result, recorded["step"], recorded["error"])
