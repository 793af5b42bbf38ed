"""Checkpoints: all that a training run needs to continue as if nothing had happened."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanml import io
from kanml._validation import integer
from kanml.history import History
from kanml.network import Network, describe_network, network_from
from kanml.optim import Optimizer, State

if TYPE_CHECKING:
    from kanml.training import TrainingState

__all__ = ["Checkpoint", "Snapshot"]


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
    best_parameters : ndarray
        The vector that was trained, network and unknowns, where the loss was least so far, on this
        level's grid.
    best_loss : float
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
    best_parameters: npt.NDArray[Any]
    best_loss: float
    problem_state: dict[str, Any]
    history: History
    fingerprint: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot to a file, atomically."""
        arrays = {
            "network": self.network.parameters,
            "best_parameters": self.best_parameters,
            **{f"coarser.{level}": net.parameters for level, net in enumerate(self.coarser)},
            **{f"history.{name}": column for name, column in self.history.arrays().items()},
        }
        values = {}
        for field in dataclasses.fields(self.optimizer_state):
            value = getattr(self.optimizer_state, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"state.{field.name}"] = value
            else:
                values[field.name] = value
        description = {
            "kind": "checkpoint",
            "network": describe_network(self.network),
            "coarser": [describe_network(net) for net in self.coarser],
            "level": self.level,
            "best_loss": self.best_loss,
            "optimizer_state": values,
            "problem_state": self.problem_state,
            "fingerprint": self.fingerprint,
        }
        io.write(path, description, arrays)


def load_snapshot(
    path: str | os.PathLike[str], optimizer: Optimizer[Any], fingerprint: str
) -> Snapshot:
    """Read a snapshot of the run with this fingerprint.

    Raises
    ------
    ValueError
        If the file is damaged, or belongs to a run that was started with other arguments.
    """
    description, arrays = io.read(path, "checkpoint")
    if description.get("fingerprint") != fingerprint:
        raise ValueError(
            f"{os.fspath(path)!r} belongs to another run: network, problem, schedule, optimizer "
            "and transfer_state must be those of the run that wrote it"
        )
    with io.believing(path):
        return _snapshot(description, arrays, optimizer)


def _snapshot(
    description: dict[str, Any], arrays: dict[str, npt.NDArray[Any]], optimizer: Optimizer[Any]
) -> Snapshot:
    network = network_from(description["network"], arrays["network"])
    coarser = tuple(
        network_from(described, arrays[f"coarser.{level}"])
        for level, described in enumerate(description["coarser"])
    )
    state_type = type(optimizer.init(network.parameters))
    fields = dict(description["optimizer_state"])
    fields.update(
        (name.removeprefix("state."), array)
        for name, array in arrays.items()
        if name.startswith("state.")
    )
    if fields.keys() != {field.name for field in dataclasses.fields(state_type)}:
        raise ValueError(f"a {state_type.__name__} cannot have just the fields {sorted(fields)}")
    columns = {
        name.removeprefix("history."): array
        for name, array in arrays.items()
        if name.startswith("history.")
    }
    return Snapshot(
        network=network,
        coarser=coarser,
        optimizer_state=state_type(**fields),
        level=description["level"],
        best_parameters=arrays["best_parameters"],
        best_loss=description["best_loss"],
        problem_state=description["problem_state"],
        history=History.from_arrays(columns),
        fingerprint=description["fingerprint"],
    )


def run_fingerprint(net: Network, *parts: str) -> str:
    """Return a digest of the network that training starts from, and of further descriptions."""
    digest = hashlib.sha256(repr(describe_network(net)).encode())
    digest.update(net.parameters.tobytes())
    for part in parts:
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()


class Checkpoint:
    """A callback that writes the state of training to a file, every so many steps.

    Give the same path to ``kanml.train(..., resume=path)`` to continue: the run goes on bit for
    bit as if it had not been interrupted. The file is replaced atomically.

    Parameters
    ----------
    path : path-like
    every : int
        Steps between two writings.

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

    def __call__(self, state: TrainingState) -> None:
        """Write the file if it is time."""
        if state.step % self.every == 0:
            state.snapshot().save(self.path)
