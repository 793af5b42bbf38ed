"""Reading a checkpoint, which may hold anything, to continue the run that wrote it."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kanml._validation import integer
from kanml.network import Network, files
from kanml.optim import State
from kanml.optim.base import require_parameters
from kanml.parallel import ProcessError
from kanml.problems import Problem
from kanml.training.history import History
from kanml.training.moment import Moment
from kanml.training.objective import Objective
from kanml.training.settings import Settings
from kanml.training.snapshot import Snapshot

__all__ = ["load_moment"]

FINEST = 20  # which no run reaches that chooses its levels

Arrays = Mapping[str, npt.NDArray[Any]]
AnyState = TypeVar("AnyState", bound=State)


def load_moment(path: str | os.PathLike[str], objective: Objective) -> tuple[Moment, History]:
    """Read the moment and the history of a run with this objective from a checkpoint.

    Raises
    ------
    ValueError
        If the file is damaged, belongs to a run that was started with other arguments, or holds
        values that no such run could have written.
    """
    settings = objective.settings
    description, arrays = files.read(path, "checkpoint")
    with files.errors_about(path):
        processes = _processes(description)
    _require_same_run(path, description, processes, settings)
    same_processes = len(processes) == settings.processes.size
    if same_processes:
        description["problem"] = processes[settings.processes.rank]["problem"]
    with files.errors_about(path, passing=(ProcessError,)):
        snapshot = _snapshot(description, arrays, settings)
        _require_vectors(snapshot, settings)
        settings.optimizer_of(snapshot.level).require_sound(snapshot.optimizer_state)
        _require_row_of_state(snapshot, settings.levels)
        _require_row_of_best(snapshot, settings)
        problem = copy.copy(settings.problem)
        if same_processes:  # or else nothing changes: see `_require_same_run`
            problem.restore(snapshot.problem_state)
            _require_same_loss(problem, snapshot, objective)
    if not same_processes:
        _require_same_samples(path, problem, snapshot, objective)
    moment = Moment(
        net=snapshot.network,
        level=snapshot.level,
        coarser=snapshot.coarser,
        geometry=objective.geometry(snapshot.network, snapshot.level),
        problem=problem,
        state=snapshot.optimizer_state.with_vectors(objective.placed),
        best=snapshot.best.with_vectors(objective.placed),
        best_value=snapshot.best_value,
        rows=len(snapshot.history),
    )
    return moment, snapshot.history


def _processes(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return fingerprint and state of the problem of each process that took part in a run."""
    *_, own = description["fingerprint"].split()  # old files have nothing else
    alone = [{"fingerprint": own, "problem": description["problem"]}]
    processes = description.get("processes", alone)
    if not isinstance(processes, list) or not processes:
        raise ValueError(f"processes must be a list of them, got {processes!r:.80}")
    return [{name: part[name] for name in ("fingerprint", "problem")} for part in processes]


def _require_same_run(
    path: str | os.PathLike[str],
    description: Mapping[str, Any],
    processes: Sequence[Mapping[str, Any]],
    settings: Settings,
) -> None:
    """Raise ValueError if a checkpoint belongs to another run, or needs as many processes."""
    rank, size = settings.processes.rank, settings.processes.size
    if len(processes) == size:
        same = processes[rank]["fingerprint"] == settings.fingerprint
    else:
        same = description["fingerprint"].split()[0] == settings.outline
    if not same:
        raise ValueError(
            f"{os.fspath(path)!r} belongs to another run: network, problem, schedule, optimizer, "
            "transfer_state, validation and restarts must be those of the run that wrote it"
        )
    if len(processes) != size and not settings.problem._fixed:
        raise ValueError(
            f"{os.fspath(path)!r} was written by {len(processes)} processes, and {size} cannot "
            "continue the run: each has minibatches, attention or drawn points of its own"
        )


def _snapshot(description: Mapping[str, Any], arrays: Arrays, settings: Settings) -> Snapshot:
    """Return the content of a file; each part is checked, but not whether the parts fit."""
    finest = FINEST if settings.auto else len(settings.levels) - 1
    level = integer(description["level"], "level", 0, finest)
    *coarser, network = settings.grids(level)
    like: State = settings.optimizer_of(level).init(settings.net.parameters)
    state = _state(like, description["state"], _within("state.", arrays))
    if settings.validation is None:
        like = State(parameters=like.parameters)
    return Snapshot(
        network=network.with_parameters(state.parameters[: network.n_parameters]),
        coarser=_with_parameters(coarser, _within("coarser.", arrays)),
        optimizer_state=state,
        level=level,
        best=_state(like, description["best"], _within("best.", arrays)),
        best_value=description["best_value"],
        problem_state=description["problem"],
        history=History.from_arrays(_within("history.", arrays)),
        fingerprint=settings.fingerprint,
    )


def _within(prefix: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays whose names begin with `prefix`, by the rest of their names."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _with_parameters(networks: Sequence[Network], arrays: Arrays) -> tuple[Network, ...]:
    if arrays.keys() != {str(level) for level in range(len(networks))}:
        raise ValueError(f"{len(networks)} coarser levels cannot be {sorted(arrays)}")
    found = [net.with_parameters(arrays[str(i)]) for i, net in enumerate(networks)]
    for level, net in enumerate(found):
        if arrays[str(level)].dtype != net.dtype or not np.isfinite(net.parameters).all():
            raise ValueError(f"parameters of level {level} must be finite numbers in {net.dtype}")
    return tuple(found)


def _state(like: AnyState, values: Mapping[str, Any], arrays: Arrays) -> AnyState:
    """Return the state with these fields, of the kind of another, whose tuples tell which are."""
    names = {field.name for field in dataclasses.fields(like)}
    if (values.keys() | arrays.keys()) != names or values.keys() & arrays.keys():
        raise ValueError(
            f"a {type(like).__name__} has the fields {sorted(names)}, "
            f"got {sorted([*values, *arrays])}"
        )
    for array in arrays.values():
        array.setflags(write=False)
    fields: dict[str, Any] = {**values, **arrays}
    for name, value in fields.items():
        if isinstance(getattr(like, name), tuple):
            fields[name] = tuple(value)
    return type(like)(**fields)


def _require_vectors(snapshot: Snapshot, settings: Settings) -> None:
    """Raise ValueError unless the states have the parameters of their level, and nothing more."""
    dtype, best = settings.net.dtype, snapshot.best
    expected = snapshot.network.n_parameters + len(settings.problem.unknowns)
    for given in (snapshot.optimizer_state.parameters, best.parameters):
        if given.shape != (expected,) or given.dtype != dtype:
            raise ValueError(
                f"level {snapshot.level} has {expected} parameters in {dtype}, "
                f"got shape {given.shape} in {given.dtype}"
            )
    if settings.validation is None and not (best.value is None and best.gradient is None):
        raise ValueError("without validation the best state holds its parameters alone")


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
    columns = history.report.items()
    report = {name: float(column[-1]) for name, column in columns if not math.isnan(column[-1])}
    if report != {name: value for name, value in state.report.items() if not math.isnan(value)}:
        raise ValueError(f"the last row has the report {report}, the state {state.report}")
    if state.level_step != state.step - before or any(last[n] != v for n, v in expected.items()):
        raise ValueError(f"the last row {last} is not that of the state, {expected}")
    taken = [int(np.ptp(history.step[history.level == i])) for i in range(level + 1)]
    if any(steps > asked for steps, asked in zip(taken, schedule, strict=False)):
        raise ValueError(f"the history has {taken} steps on its levels, of {list(schedule)}")


def _require_row_of_best(snapshot: Snapshot, settings: Settings) -> None:
    """Raise ValueError unless the best state has its row in the history."""
    best, value, history = snapshot.best, snapshot.best_value, snapshot.history
    validated = settings.validation is not None
    if validated:
        settings.optimizer_of(snapshot.level).require_sound(best)
    else:
        require_parameters(best)
    if validated != ("validation" in history.last):
        raise ValueError("the history must have a column for the validation loss if a run has one")
    if (settings.auto and not validated) != ("fresh" in history.last):
        raise ValueError("the history must have the loss at fresh samples if no schedule is given")
    rows = history.step == best.step
    column = history.loss
    if settings.auto and not validated:
        first = (history.step == 0) & (history.level == 0)  # until a level has ended
        column = np.where(first & np.isnan(history.fresh), math.inf, history.fresh)
    if validated:
        rows &= history.level == snapshot.level
        column = np.where(np.isfinite(history.validation), history.validation, math.inf)
    found = isinstance(value, float) and (column[rows] == value).any()
    if not found or best.step > snapshot.optimizer_state.step:
        raise ValueError(f"no row of the history has the best loss, {value!r} at step {best.step}")


def _require_same_loss(problem: Problem, snapshot: Snapshot, objective: Objective) -> None:
    """Raise ValueError unless the problem has the loss and the terms of the history."""
    history, at = snapshot.history, (snapshot.network, snapshot.optimizer_state.parameters)
    found = objective.evaluation(problem, *at, "value")
    # Other processors round differently, and an exact fit leaves only rounding errors.
    rounding = float(np.finfo(snapshot.network.dtype).eps) * float(abs(history.loss).max())
    if not math.isclose(found.value, history.last["loss"], rel_tol=0.01, abs_tol=rounding):
        raise ValueError(f"the loss is {found.value}, not {history.last['loss']} as in the history")
    if found.terms.keys() != history.terms.keys():
        raise ValueError(f"the terms are {list(found.terms)}, not {list(history.terms)}")


def _require_same_samples(
    path: str | os.PathLike[str], problem: Problem, snapshot: Snapshot, objective: Objective
) -> None:
    """Raise ValueError unless other processes have the same samples together: the same loss."""
    found = objective.evaluation(
        problem, snapshot.network, snapshot.optimizer_state.parameters, "value"
    )
    losses = snapshot.history.loss
    epsilon = float(np.finfo(snapshot.network.dtype).eps)
    bounds = {"rel_tol": math.sqrt(epsilon), "abs_tol": epsilon * float(abs(losses).max())}
    same = math.isclose(found.value, losses[-1], **bounds)
    if not same or found.terms.keys() != snapshot.history.terms.keys():
        raise ValueError(
            f"{os.fspath(path)!r} was written by another number of processes; together, all must "
            f"have the samples of those, but their loss is {found.value}, not {losses[-1]}"
        )
