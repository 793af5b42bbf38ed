"""Snapshots: all that a training run needs to continue as if nothing had happened."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kanml._validation import integer
from kanml.network import Network, files
from kanml.network.network import describe_network
from kanml.optim import Optimizer, State
from kanml.optim.base import require_parameters
from kanml.training.history import History

__all__ = ["Snapshot", "load_snapshot", "run_fingerprint"]

Arrays = Mapping[str, npt.NDArray[Any]]
AnyState = TypeVar("AnyState", bound=State)


@dataclass(frozen=True)
class Snapshot:
    """A moment of a training run, between two steps.

    Attributes
    ----------
    network : Network
        On the present level.
    coarser : tuple of Network
        At the end of each level before.
    optimizer_state : State
        Parameters, loss and gradient, and the optimizer's memory.
    level : int
    best : State
        The best so far, on this level's grid: with a validation problem of this level, as it was;
        else its parameters alone.
    best_value : float
        Its loss, on the validation problem if there is one.
    problem_state : dict
        What the problem's `advance` changes.
    history : History
    fingerprint : str
        Digest of what the run was started with.
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot to a file, atomically."""
        files.write(path, *self._content())

    def rehearse_saving(self, path: str | os.PathLike[str]) -> None:
        """Raise what saving would raise, and leave the file as it is."""
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
        }
        arrays = {
            **{f"state.{name}": array for name, array in state_arrays.items()},
            **{f"best.{name}": array for name, array in best_arrays.items()},
            **{f"coarser.{level}": net.parameters for level, net in enumerate(self.coarser)},
            **{f"history.{name}": column for name, column in self.history.arrays().items()},
        }
        return description, arrays


def _fields(state: State) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the fields of a state that are plain values, and those that are arrays."""
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    arrays = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return {name: value for name, value in fields.items() if name not in arrays}, arrays


def load_snapshot(
    path: str | os.PathLike[str],
    start: Network,
    schedule: Sequence[int],
    optimizer: Optimizer[Any],
    fingerprint: str,
    *,
    n_unknowns: int,
    validated: bool,
) -> Snapshot:
    """Read a snapshot of the run with this fingerprint.

    Raises
    ------
    ValueError
        If the file is damaged, belongs to a run that was started with other arguments, or holds
        what no such run could have written.
    """
    description, arrays = files.read(path, "checkpoint")
    if description.get("fingerprint") != fingerprint:
        raise ValueError(
            f"{os.fspath(path)!r} belongs to another run: network, problem, schedule, optimizer, "
            "transfer_state, validation and restarts must be those of the run that wrote it"
        )
    with files.believing(path):
        level = integer(description["level"], "level", 0, len(schedule) - 1)
        *coarser, network = _networks(start, level)
        state_type = type(optimizer.init(start.parameters))
        state = _state(state_type, description["state"], _within("state.", arrays))
        best_type = state_type if validated else State
        snapshot = Snapshot(
            network=network.with_parameters(state.parameters[: network.n_parameters]),
            coarser=_with_parameters(coarser, _within("coarser.", arrays)),
            optimizer_state=state,
            level=level,
            best=_state(best_type, description["best"], _within("best.", arrays)),
            best_value=description["best_value"],
            problem_state=description["problem"],
            history=History.from_arrays(_within("history.", arrays)),
            fingerprint=fingerprint,
        )
        for saved in (snapshot.optimizer_state, snapshot.best):
            expected, given = network.n_parameters + n_unknowns, saved.parameters
            if given.shape != (expected,) or given.dtype != start.dtype:
                raise ValueError(
                    f"level {level} has {expected} parameters in {start.dtype}, "
                    f"got shape {given.shape} in {given.dtype}"
                )
        if not (validated or (snapshot.best.value is None and snapshot.best.gradient is None)):
            raise ValueError("without validation the best state holds its parameters alone")
        optimizer.require_sound(state)
        _require_row_of_state(snapshot, schedule)
        _require_row_of_best(snapshot, optimizer, validated)
    return snapshot


def _within(prefix: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _networks(start: Network, level: int) -> list[Network]:
    """Return the start on all grids up to a level."""
    networks = [start]
    for _ in range(level):
        networks.append(networks[-1].refine())
    return networks


def _with_parameters(networks: Sequence[Network], arrays: Arrays) -> tuple[Network, ...]:
    if arrays.keys() != {str(level) for level in range(len(networks))}:
        raise ValueError(f"{len(networks)} coarser levels cannot be {sorted(arrays)}")
    found = [net.with_parameters(arrays[str(i)]) for i, net in enumerate(networks)]
    for level, net in enumerate(found):
        if arrays[str(level)].dtype != net.dtype or not np.isfinite(net.parameters).all():
            raise ValueError(f"parameters of level {level} must be finite numbers in {net.dtype}")
    return tuple(found)


def _state(kind: type[AnyState], values: Mapping[str, Any], arrays: Arrays) -> AnyState:
    names = {field.name for field in dataclasses.fields(kind)}
    if (values.keys() | arrays.keys()) != names or values.keys() & arrays.keys():
        raise ValueError(
            f"a {kind.__name__} has the fields {sorted(names)}, got {sorted([*values, *arrays])}"
        )
    for array in arrays.values():
        array.setflags(write=False)
    fields: dict[str, Any] = {**values, **arrays}
    return kind(**fields)


def _require_row_of_state(snapshot: Snapshot, schedule: Sequence[int]) -> None:
    """Raise ValueError unless the last row of the history is that of the state."""
    state, history, level = snapshot.optimizer_state, snapshot.history, snapshot.level
    last = history.last
    before = int(history.step[history.level == level][0]) if last["level"] == level else 0
    expected = {
        "level": level,
        "step": state.step,
        "loss": state.value,
        "ascents": state.ascents,
        "evaluations": state.evaluations,
    }
    if state.finished:  # a search that failed adds evaluations, and no row
        expected["evaluations"] = min(state.evaluations, last["evaluations"])
    if state.level_step != state.step - before or any(last[n] != v for n, v in expected.items()):
        raise ValueError(f"the last row {last} is not that of the state, {expected}")
    taken = [int(np.ptp(history.step[history.level == i])) for i in range(level + 1)]
    if any(steps > asked for steps, asked in zip(taken, schedule, strict=False)):
        raise ValueError(f"the history has {taken} steps on its levels, of {list(schedule)}")


def _require_row_of_best(snapshot: Snapshot, optimizer: Optimizer[Any], validated: bool) -> None:
    """Raise ValueError unless the best state has its row in the history."""
    best, value, history = snapshot.best, snapshot.best_value, snapshot.history
    if validated:
        optimizer.require_sound(best)
    else:
        require_parameters(best)
    if validated != ("validation" in history.last):
        raise ValueError("the history must have a column for the validation loss if a run has one")
    rows = history.step == best.step
    column = history.loss
    if validated:
        rows &= history.level == snapshot.level
        column = np.where(np.isfinite(history.validation), history.validation, math.inf)
    found = isinstance(value, float) and (column[rows] == value).any()
    if not found or best.step > snapshot.optimizer_state.step:
        raise ValueError(f"no row of the history has the best loss, {value!r} at step {best.step}")


def run_fingerprint(net: Network, *parts: str) -> str:
    """Return a digest of the network that training starts from, and of further descriptions."""
    digest = hashlib.sha256(repr(describe_network(net)).encode())
    digest.update(net.parameters.tobytes())
    for part in parts:
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()
