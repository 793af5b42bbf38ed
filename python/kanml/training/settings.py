"""The settings of a training run."""

from __future__ import annotations

import copy
import hashlib
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from kanml._validation import choice, integer, require_memory, threads
from kanml.multilevel.geometry import geometry_maps
from kanml.network import Network
from kanml.network.network import describe_network
from kanml.optim import Optimizer
from kanml.parallel import Communicator
from kanml.problems import Problem
from kanml.problems.unknowns import starting_values

__all__ = ["Settings", "Transfer"]

Transfer: TypeAlias = Literal["prolong", "reset"]


@dataclass(frozen=True, eq=False)
class Settings:
    """The checked arguments of `kanml.train` that determine a run.

    Attributes
    ----------
    net : Network
        The network on the coarsest grid.
    problem : Problem
        A copy of the problem before the run.
    schedule : tuple of int
        The steps on each level.
    optimizer : Optimizer
    transfer_state : {"prolong", "reset"}
    validation : Problem or None
        A copy.
    restarts : int
    communicator : Communicator or None
        The processes that train together; None: this one alone.
    num_threads : int or None

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a level of the schedule cannot be built.
    """

    net: Network
    problem: Problem
    schedule: Sequence[int]
    optimizer: Optimizer[Any]
    transfer_state: Transfer
    validation: Problem | None
    restarts: int
    communicator: Communicator | None
    num_threads: int | None

    def __post_init__(self) -> None:
        if not isinstance(self.net, Network):
            raise TypeError(f"net must be a Network, got {self.net!r}")
        _require_problem(self.problem, "problem")
        object.__setattr__(self, "problem", self._own(self.problem))
        object.__setattr__(self, "schedule", _steps(self.schedule))
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(
                f"optimizer must be an Optimizer, for instance LBFGS(), got {self.optimizer!r}"
            )
        choice(self.transfer_state, "transfer_state", ("prolong", "reset"))
        if self.validation is not None:
            _require_problem(self.validation, "validation")
            object.__setattr__(self, "validation", self._own(self.validation))
            self._require_same_unknowns(list(self.validation.unknowns))
        integer(self.restarts, "restarts", 0)
        threads(self.num_threads)
        if len(self.schedule) > 1:
            self._require_last_level()
        if self.communicator is not None:
            self._require_same_arguments(self.communicator)

    def _own(self, problem: Problem) -> Problem:
        """Return a copy of a problem, over the processes that train together."""
        if self.communicator is None:
            return copy.copy(problem)
        if not isinstance(self.communicator, Communicator):
            raise TypeError(f"communicator must be a Communicator, got {self.communicator!r}")
        return problem.distributed(self.communicator)

    def _require_same_unknowns(self, validated: list[str]) -> None:
        trained = list(self.problem.unknowns)
        if validated and validated != trained:
            raise ValueError(f"validation must have the unknowns {trained}, got {validated}")

    def _require_same_arguments(self, communicator: Communicator) -> None:
        """Raise ValueError in all processes unless they begin the same run."""
        digest = self._start()
        for problem in (self.problem, self.validation):
            unknowns = None if problem is None else dict(problem.unknowns)
            digest.update(f"{type(problem).__name__} {unknowns}".encode())
        ours = np.frombuffer(digest.digest(), dtype=np.uint8).astype(np.float64)
        others = communicator.gathered(ours)
        differing = [rank for rank, theirs in enumerate(others) if (theirs != others[0]).any()]
        if differing:
            raise ValueError(
                "all processes must call train with the same network, unknowns, schedule and "
                f"options: those of process {differing[0]} are not those of process 0"
            )

    def _require_last_level(self) -> None:
        """Raise now what the refinement to the last level would raise."""
        levels = len(self.schedule)
        try:
            finest = self.net._refined_shape(levels - 1)
            geometry_maps(finest, self.optimizer.geometry)
            numbers = finest.n_parameters * self.optimizer.vectors(sum(self.schedule))
            require_memory(numbers * finest.dtype.itemsize, f"{self.optimizer!r} needs")
        except (ValueError, MemoryError) as error:
            raise ValueError(
                f"schedule has {levels} levels, but the last of them is impossible: {error}"
            ) from error

    def grids(self, level: int) -> list[Network]:
        """Return the given network, refined to each level up to this one."""
        networks = [self.net]
        for _ in range(level):
            networks.append(networks[-1].refine())
        return networks

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything but callbacks that determines the course of a run."""
        digest = self._start()
        digest.update(b"\0" + _fingerprint(self.problem).encode())
        if self.validation is not None:
            digest.update(b"\0" + _fingerprint(self.validation).encode())
        return digest.hexdigest()

    def _start(self) -> hashlib._Hash:
        """Return a digest of everything but problems and callbacks."""
        digest = hashlib.sha256(repr(describe_network(self.net)).encode())
        digest.update(self.net.parameters.tobytes())
        for part in (
            repr(self.optimizer),
            repr(list(self.schedule)),
            self.transfer_state,
            str(self.restarts),
        ):
            digest.update(b"\0" + part.encode())
        return digest


def _fingerprint(problem: Problem) -> str:
    digest = problem.fingerprint()
    if not isinstance(digest, str):
        raise TypeError(
            f"fingerprint of {type(problem).__name__} must return a string, got {digest!r}"
        )
    return digest


def _require_problem(problem: Problem, name: str) -> None:
    if not isinstance(problem, Problem):
        shown = reprlib.repr(problem)  # shortens arrays
        raise TypeError(f"{name} must be a Problem, for instance a Regression, got {shown}")
    starting_values(problem.unknowns, f"{name}.unknowns")


def _steps(schedule: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(schedule, Iterable):
        raise TypeError(f"schedule must be a sequence of integers, got {schedule!r}")
    steps = tuple(integer(s, f"schedule[{i}]", 0) for i, s in enumerate(schedule))
    if not steps:
        raise ValueError("schedule must have at least one level, got none")
    return steps
