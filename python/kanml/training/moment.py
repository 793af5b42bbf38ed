"""The state of a training run between two steps."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from kanml.network import Network
from kanml.optim import Geometry, State
from kanml.optim.base import frozen
from kanml.problems import Problem

__all__ = ["Moment", "moved_towards"]


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


def moved_towards(start: Network, state: State, share: float) -> State:
    """Return a state on the grid of a network, moved a share of the way to that network."""
    parameters = state.parameters.copy()
    n = start.n_parameters  # unknowns follow
    parameters[:n] += share * (start.parameters - parameters[:n])
    return replace(state, parameters=frozen(parameters, parameters.dtype))
