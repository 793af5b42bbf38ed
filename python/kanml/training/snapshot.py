"""Snapshots: the content of a checkpoint, with which a run continues as if it had not stopped."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml.network import Network, files
from kanml.optim import State, Vector
from kanml.problems import Problem
from kanml.training.history import History
from kanml.training.moment import Moment
from kanml.training.objective import Objective
from kanml.training.settings import Settings

__all__ = ["Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds of a moment of a training run, between two steps.

    Attributes
    ----------
    network : Network
        The network on the present level.
    coarser : tuple of Network
        The networks at the end of each earlier level.
    optimizer_state : State
        Parameters, loss and gradient, and the optimizer's memory.
    level : int
    best : State
        The best state so far, on the grid of this level. With a validation problem it is a whole
        state of this level, to return to; without one it holds parameters alone.
    best_value : float
        Its loss, on the validation problem if there is one.
    problem_state : dict
        Everything that the problem's `advance` changes.
    history : History
    fingerprint : str
        Two digests: of the settings that all processes have in common, and of all of this one.
    processes : tuple of dict
        If there are several, what each has of its own: ``{"fingerprint": ..., "problem": ...}``.
        Only the first process has them.
    """

    network: Network
    coarser: tuple[Network, ...]
    optimizer_state: State
    level: int
    best: State
    best_value: float
    problem_state: dict[str, Any]
    history: History
    fingerprint: str
    processes: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, moment: Moment, history: History, objective: Objective) -> Snapshot:
        """Return what is needed to continue a run from a moment; `load_moment` reverses it.

        All processes have to call it.
        """
        settings, state = objective.settings, _plain_state(moment.problem)
        return cls(
            network=objective.network(moment.net, moment.state.parameters),
            coarser=moment.coarser,
            optimizer_state=moment.state.with_vectors(_as_array),
            level=moment.level,
            best=moment.best.with_vectors(_as_array),
            best_value=moment.best_value,
            problem_state=state,
            history=history.part(0, moment.rows),
            fingerprint=f"{settings.outline} {settings.fingerprint}",
            processes=_processes(settings, state),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot to a file, atomically."""
        files.write(path, *self._content())

    def rehearse_saving(self, path: str | os.PathLike[str]) -> None:
        """Raise what saving would raise, without changing the file."""
        files.rehearse(path, *self._content())

    def _content(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        state_values, state_arrays = _fields(self.optimizer_state)
        best_values, best_arrays = _fields(self.best)
        description = {
            "kind": "checkpoint",
            "level": self.level,
            "state": state_values,
            "best": best_values,
            "best_value": self.best_value,
            "problem": self.problem_state,
            "fingerprint": self.fingerprint,
            **({"processes": list(self.processes)} if self.processes else {}),
        }
        arrays = {
            **{f"state.{name}": array for name, array in state_arrays.items()},
            **{f"best.{name}": array for name, array in best_arrays.items()},
            **{f"coarser.{level}": net.parameters for level, net in enumerate(self.coarser)},
            **{f"history.{name}": column for name, column in self.history.arrays().items()},
        }
        return description, arrays


def _processes(settings: Settings, state: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return what each of several processes has of its own, in the first of them."""
    if settings.processes.size == 1:
        return ()
    own = {"fingerprint": settings.fingerprint, "problem": state}
    return tuple(map(json.loads, settings.processes.collected(json.dumps(own))))


def _fields(state: State) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the fields of a state that are plain values, and those that are arrays.

    A tuple of m vectors (k,) becomes an array (m, k); one of numbers is a plain value.
    """
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    for name, value in fields.items():
        if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
            fields[name] = np.stack(value)
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return {name: value for name, value in fields.items() if name not in arrays}, arrays


def _plain_state(problem: Problem) -> dict[str, Any]:
    """Return the state of a problem, if a file can hold it."""
    state = problem.state()
    try:
        json.dumps(state)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"state of {type(problem).__name__} must return plain values for JSON: {error}"
        ) from None
    return state


def _as_array(vector: Vector) -> Vector:
    """Return a vector, which may be on a device, as a read-only array."""
    array = np.asarray(vector)
    array.setflags(write=False)
    return array
