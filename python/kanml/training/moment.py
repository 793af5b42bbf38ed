"""The state of a training run between two steps."""

from __future__ import annotations

from typing import NamedTuple

from kanml.network import Network
from kanml.optim import Geometry, State
from kanml.problems import Evaluation, Problem

__all__ = ["Moment"]


class Moment(NamedTuple):
    """Everything that changes during a run; a step replaces it in one assignment.

    So a step that is interrupted leaves the present moment intact.
    """

    net: Network  # on the present grid; its parameters are in the state
    level: int
    coarser: tuple[Network, ...]  # at the end of each earlier level
    geometry: Geometry  # of the optimizer, on this grid
    problem: Problem  # never changes: steps advance a copy
    state: State  # evaluated
    best: State  # see `Snapshot`
    best_value: float
    rows: int  # of the history
    evaluation: Evaluation | None = None  # of the problem at the state; None after resuming
