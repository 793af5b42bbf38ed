"""From a level to the next: the network is refined, and states are carried over."""

from __future__ import annotations

import numpy as np

from kanml.multilevel.geometry import transfer_maps
from kanml.network import Network
from kanml.optim import State
from kanml.optim.vectors import operations
from kanml.training.moment import Moment
from kanml.training.objective import Objective

__all__ = ["moved_towards", "refined"]


def refined(now: Moment, objective: Objective) -> tuple[Moment, State]:
    """Return the moment on the next level and its state, which has not been evaluated.

    It follows from the best state of this level if there is validation, or else from the last. An
    optimizer takes over the memory of an equal one; another starts with the counters alone.
    """
    settings, level = objective.settings, now.level + 1
    before, optimizer = settings.optimizer_of(now.level), settings.optimizer_of(level)
    fine = now.net.refine()
    maps = transfer_maps(now.net, fine, before.geometry, len(now.problem.unknowns))
    last = now.state if settings.validation is None else now.best
    counts = {name: getattr(now.state, name) for name in ("step", "evaluations", "ascents")}
    how = settings.transfer_state if optimizer == before else "reset"
    best = now.best.parameters
    best = operations(best).vector(maps.parameters(best), best)
    moment = now._replace(
        net=fine,
        level=level,
        coarser=(*now.coarser, objective.network(now.net, last.parameters)),
        geometry=objective.geometry(fine, level),
        best=State(parameters=best, step=now.best.step),
    )
    return moment, optimizer.transfer(last.changed(**counts), maps, how)


def moved_towards(start: Network, state: State, share: float) -> State:
    """Return a state on the grid of a network, moved a share of the way to that network."""
    numbers = np.array(state.parameters)
    n = start.n_parameters  # unknowns follow
    numbers[:n] += share * (start.parameters - numbers[:n])
    return state.changed(parameters=operations(state.parameters).vector(numbers, state.parameters))
