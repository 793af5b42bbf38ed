"""The settings of a training run."""

from __future__ import annotations

import copy
import hashlib
import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from kanml._validation import choice, integer, require_memory, threads, warn
from kanml.devices import Device
from kanml.multilevel.geometry import geometry_maps
from kanml.network import Network
from kanml.network.network import describe_network
from kanml.optim import Optimizer, OptimizerName, as_optimizer
from kanml.parallel import ALONE, Communicator
from kanml.problems import Problem
from kanml.problems.unknowns import starting_values
from kanml.training.agreement import require_same, software

__all__ = ["Optimizers", "Schedule", "Settings", "Transfer", "steps_of"]

Schedule: TypeAlias = int | Sequence[int] | Literal["auto"]
Optimizers: TypeAlias = Optimizer[Any] | OptimizerName | Sequence[Optimizer[Any] | OptimizerName]
Transfer: TypeAlias = Literal["prolong", "reset"]

ENOUGH = 2  # rows for each parameter
NOT_OF_LEVELS = (str, bytes, bytearray, Set, Mapping)  # text and what has no order
MOST_STEPS = 2**40  # more than any run takes


@dataclass(frozen=True, eq=False)
class Settings:
    """The checked arguments of `kanml.train` that determine a run.

    Attributes
    ----------
    net : Network
        The network on the coarsest grid.
    problem : Problem
        A copy of the problem before the run.
    schedule : tuple of int or "auto"
        The steps on each level.
    optimizer : Optimizer, name, or sequence of them
        See `optimizers`.
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
    schedule: Schedule
    optimizer: Optimizers
    transfer_state: Transfer
    validation: Problem | None
    restarts: int
    communicator: Communicator | None
    num_threads: int | None
    device: Device | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.net, Network):
            raise TypeError(f"net must be a Network, got {self.net!r}")
        _require_problem(self.problem, "problem")
        if not self.auto:
            object.__setattr__(self, "schedule", steps_of(self.schedule))
        choice(self.transfer_state, "transfer_state", ("prolong", "reset"))
        if self.validation is not None:
            _require_problem(self.validation, "validation")
            self._require_same_unknowns(list(self.validation.unknowns))
        integer(self.restarts, "restarts", 0)
        threads(self.num_threads)
        optimizers = self.optimizers
        if self.communicator is not None:
            if not isinstance(self.communicator, Communicator):
                raise TypeError(f"communicator must be a Communicator, got {self.communicator!r}")
            kind = "the processors" if self.device is None else self.device.name.partition(":")[0]
            same = {"the kind of device": kind, "the software": software()}
            require_same(self.communicator, {**self._parts(), **same})
        for name in ("problem", "validation"):
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else self._own(given))
        for optimizer in optimizers:
            self._require_rows(optimizer)
        for level in reversed(range(max(len(self.levels), 1))):
            self.require_level(level)

    def _own(self, problem: Problem) -> Problem:
        """Return a copy of a problem, over the processes that train together."""
        if self.communicator is None:
            return copy.copy(problem)
        return problem.distributed(self.communicator)

    def _require_same_unknowns(self, validated: list[str]) -> None:
        trained = list(self.problem.unknowns)
        if validated and validated != trained:
            raise ValueError(f"validation must have the unknowns {trained}, got {validated}")

    def _parts(self) -> dict[str, str]:
        """Return what all processes have in common, by name."""
        parameters = hashlib.sha256(self.net.parameters.tobytes()).hexdigest()
        return {
            "the network": repr(describe_network(self.net)),
            "the digest of the parameters": parameters[:16],
            "the problem": _outline(self.problem),
            "the validation problem": _outline(self.validation),
            "schedule": repr(self.schedule),
            "optimizer": repr(self.optimizers),
            "transfer_state": repr(self.transfer_state),
            "restarts": repr(self.restarts),
        }

    @property
    def levels(self) -> tuple[int, ...]:
        """The steps on each level; empty for "auto"."""
        return self.schedule if isinstance(self.schedule, tuple) else ()

    @property
    def processes(self) -> Communicator:
        """The processes that train together; `ALONE` if there is no communicator."""
        return ALONE if self.communicator is None else self.communicator

    @property
    def speaks(self) -> bool:
        """Whether this process shows and writes what is the same in all."""
        return self.processes.rank == 0

    @property
    def auto(self) -> bool:
        """Whether a rule ends the levels."""
        return isinstance(self.schedule, str) and self.schedule == "auto"

    @property
    def steps(self) -> float:
        """The steps of the schedule on all levels; infinite for "auto"."""
        return math.inf if self.auto else sum(self.levels)

    @cached_property
    def optimizers(self) -> tuple[Optimizer[Any], ...]:
        """The optimizer of each level."""
        return _optimizers(self.optimizer, len(self.levels))

    def optimizer_of(self, level: int) -> Optimizer[Any]:
        """Return the optimizer of a level; with "auto" the last one has all further levels."""
        return self.optimizers[min(level, len(self.optimizers) - 1)]

    def _require_rows(self, optimizer: Optimizer[Any]) -> None:
        """Raise TypeError if an optimizer needs rows and the problem has none."""
        if not optimizer.needs_squares:
            return
        try:
            self.problem.n_rows(self.net)
        except TypeError as error:
            raise TypeError(
                f"{type(optimizer).__name__} needs a loss that is a sum of squares: {error}; "
                "LBFGS minimises any loss"
            ) from error
        if not optimizer.needs_linear:
            return
        try:
            self.problem.linear_parameters(self.net)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{type(optimizer).__name__} needs a loss that is linear least squares in the "
                f"parameters of the last layer: {error}; LevenbergMarquardt minimises any sum of "
                "squares"
            ) from error

    def warn_of_few_rows(self, level: int) -> None:
        """Warn if a level is the first where least squares have too few rows.

        These are fewer than twice as many as parameters. Such an optimizer solves for all
        parameters at once. Others move from the start by small steps, on minibatches even, whose
        rows say nothing of the whole: their users are not warned.
        """
        said = self._few_rows(level)
        if said and not any(self._few_rows(coarser) for coarser in range(level)) and self.speaks:
            warn(said, UserWarning)

    def _few_rows(self, level: int) -> str:
        """Say that a level has too few rows for least squares; an empty string if it has not."""
        if not self.optimizer_of(level).needs_squares:
            return ""
        net = self.net._refined_shape(level)
        parameters = net.n_parameters + len(self.problem.unknowns)
        rows = self.problem._of_equal_weight(self.problem.n_rows(net))
        if rows >= ENOUGH * parameters:
            return ""
        return (
            f"level {level} of the schedule has {parameters} parameters, but the loss only "
            f"{rows} rows: with fewer than {ENOUGH * parameters}, least squares may fit "
            "the rows and nothing between them; use more points, or fewer levels"
        )

    def require_level(self, level: int) -> Network:
        """Raise now what the refinement to a level, and the steps on it, would raise.

        Returns
        -------
        Network
            The grid of the level, with zero parameters.
        """
        optimizer = self.optimizer_of(level)
        try:
            net = self.net._refined_shape(level)
            geometry_maps(net, optimizer.geometry)
            steps = MOST_STEPS if self.auto else sum(self.levels[: level + 1])
            n = net.n_parameters + len(self.problem.unknowns)
            numbers = optimizer.numbers(n, steps)
            what = f"{optimizer!r} needs for {n} parameters"
            require_memory(numbers * net.dtype.itemsize, what)
        except (ValueError, MemoryError) as error:
            raise ValueError(f"level {level} of the schedule is impossible: {error}") from error
        return net

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

    @cached_property
    def outline(self) -> str:
        """A digest of what all processes have in common."""
        return hashlib.sha256(repr(self._parts()).encode()).hexdigest()

    def _start(self) -> hashlib._Hash:
        """Return a digest of everything but problems and callbacks."""
        digest = hashlib.sha256(repr(describe_network(self.net)).encode())
        digest.update(self.net.parameters.tobytes())
        for part in (
            repr(self.optimizers),
            repr(self.schedule),
            self.transfer_state,
            str(self.restarts),
        ):
            digest.update(b"\0" + part.encode())
        return digest


def _outline(problem: Problem | None) -> str:
    """Say what the problems of all processes have in common."""
    if problem is None:
        return "None"
    changes = "stays" if problem._fixed else "changes"
    unknowns = f" with the unknowns {dict(problem.unknowns)}" if problem.unknowns else ""
    return f"a {type(problem).__name__}{unknowns} whose loss {changes}"


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


def _optimizers(given: Optimizers, levels: int) -> tuple[Optimizer[Any], ...]:
    """Return one optimizer for each level; as many as there are, but one, for no levels."""
    if isinstance(given, (str, Optimizer)):
        return (as_optimizer(given, "optimizer"),) * max(levels, 1)
    if not isinstance(given, Sequence):
        raise TypeError(
            "optimizer must be an Optimizer, for instance LBFGS(), the name of one, or a sequence "
            f"of them with one for each level, got {given!r}"
        )
    optimizers = tuple(as_optimizer(one, f"optimizer[{i}]") for i, one in enumerate(given))
    if not optimizers or levels not in (0, len(optimizers)):
        raise ValueError(
            f"optimizer must have one entry for each of the {levels} levels of schedule, "
            f"got {len(optimizers)}"
        )
    return optimizers


def steps_of(schedule: object) -> tuple[int, ...]:
    """Return the steps on each level; a single number is that of the only one."""
    single = isinstance(schedule, NOT_OF_LEVELS) or getattr(schedule, "shape", None) == ()
    if single or not isinstance(schedule, Iterable):
        try:
            return (integer(schedule, "schedule", 0),)
        except TypeError:
            expected = 'an integer >= 0, a sequence of them or "auto"'
            raise TypeError(f"schedule must be {expected}, got {schedule!r}") from None
    steps = tuple(integer(s, f"schedule[{i}]", 0) for i, s in enumerate(schedule))
    if not steps:
        raise ValueError("schedule must have at least one level, got none")
    return steps
