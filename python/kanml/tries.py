"""Other starts: all are tried briefly on the coarsest grid, and training continues from the best.

Whether a start leads to a good minimum shows early, but only by comparison: the loss of a bad one
stays on a plateau far above what others reach on the same grid. So the starts are trained in turn
for a few steps on a part of the samples, the better half of them for some more, and so on:
successive halving (K. Jamieson and A. Talwalkar, *Non-stochastic best arm identification and
hyperparameter optimization*, AISTATS 2016). `docs/initialisation.md` has what it gains.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kanml.geometry import geometry_maps
from kanml.history import Try
from kanml.network import Network
from kanml.optim import LBFGS
from kanml.optim.base import Geometry, State, Vector
from kanml.problems import Problem

__all__ = ["RESTARTS", "Contest"]

RESTARTS = 15
ROUNDS = (25, 50, 100, 200)  # steps of each start; after a round the better half is left
SAMPLES = 1000  # that starts are tried on, at least
SAMPLES_PER_PARAMETER = 4
OPTIMIZER = LBFGS(geometry="spline")  # whatever basis the network is in


@dataclass
class Trial:
    """A start, and the best that has become of it."""

    number: int
    parameters: Vector
    loss: float = math.inf
    steps: int = 0
    evaluations: int = 0


@dataclass(frozen=True)
class Contest:
    """A network, and what its starts are compared by.

    Attributes
    ----------
    net : Network
        With the start that was given.
    problem : Problem
    validation : Problem or None
        If there is one, its loss says which parameters are the best.
    unknowns : ndarray
        Where the unknowns of the problem start, in each try.
    value_and_gradient : callable
        Of a problem, at a vector of parameters and unknowns; the loss is infinite where a layer
        refuses its inputs.
    interrupted : callable
        Says whether to stop.
    """

    net: Network
    problem: Problem
    validation: Problem | None
    unknowns: Vector
    value_and_gradient: Callable[[Problem, Vector], tuple[float, Vector]]
    interrupted: Callable[[], bool]

    def starts_within(self, most: int, steps: int) -> int:
        """Return how many starts, at most so many and at least one, are worth so many steps."""
        layers = sum(1 for layer in self.net.layers if layer.parameters)
        if not self.net.fresh or layers < 2:  # one layer alone is linear in its parameters
            return 1
        _, share = self.part(self.problem)
        return max((n for n in range(2, most + 1) if cost(n) * share <= steps), default=1)

    def winner(
        self, count: int, show: Callable[[int, int], None]
    ) -> tuple[Vector, tuple[Try, ...]]:
        """Return the vector to begin with, the best of so many starts, and the tries.

        `show` receives how many starts have been tried, and of how many.
        """
        nets = [self.net, *(self.net.restart(number) for number in range(1, count))]
        trials = [Trial(number, self.vector(net)) for number, net in enumerate(nets)]
        given = trials[0].parameters
        self.compete(trials, show)
        tries = tuple(Try(t.number, t.steps, t.evaluations, t.loss) for t in trials)
        for trial in sorted(trials, key=lambda trial: trial.loss):
            loss, _ = self.value_and_gradient(self.problem, trial.parameters)
            if math.isfinite(loss):  # also at samples that were left out
                return trial.parameters, tries
        return given, tries

    def compete(self, trials: list[Trial], show: Callable[[int, int], None]) -> None:
        """Train the trials on a part of the samples, fewer of them in each round."""
        part, _ = self.part(self.problem)
        validation = None if self.validation is None else self.part(self.validation)[0]
        geometry = geometry_maps(self.net, OPTIMIZER.geometry, self.unknowns.size)
        left = trials
        for steps in ROUNDS:
            for trial in left:
                self.improve(trial, steps, part, validation, geometry)
                show(trial.number + 1, len(trials))
                if self.interrupted():
                    return
            left = sorted(left, key=lambda trial: trial.loss)[: halved(len(left))]
            if len(left) == 1:
                return

    def improve(
        self,
        trial: Trial,
        steps: int,
        part: Problem,
        validation: Problem | None,
        geometry: Geometry,
    ) -> None:
        """Take some steps from the best parameters so far."""

        def function(theta: Vector) -> tuple[float, Vector]:
            return self.value_and_gradient(part, theta)

        state = OPTIMIZER.evaluate(function, OPTIMIZER.init(trial.parameters))
        self.note(trial, state, validation)
        while state.step < steps and not (state.finished or self.interrupted()):
            state = OPTIMIZER.step(function, state, geometry)
            self.note(trial, state, validation)
        trial.steps += state.step
        trial.evaluations += state.evaluations

    def note(self, trial: Trial, state: State, validation: Problem | None) -> None:
        """Keep the parameters of a state if they are the best of a trial."""
        if state.value is None:  # the objective is not finite there
            return
        loss = state.value
        if validation is not None:
            loss, _ = self.value_and_gradient(validation, state.parameters)
        if loss < trial.loss:
            trial.loss, trial.parameters = loss, state.parameters

    def part(self, problem: Problem) -> tuple[Problem, float]:
        """Return a problem on enough of its samples, and what it costs of the whole."""
        enough = max(SAMPLES, SAMPLES_PER_PARAMETER * self.net.n_parameters)
        excerpt = getattr(problem, "excerpt", None)
        return (copy.copy(problem), 1.0) if excerpt is None else excerpt(enough)

    def vector(self, net: Network) -> Vector:
        """Return what is trained: the parameters of a network, then the unknowns."""
        return np.concatenate([net.parameters, self.unknowns])


def halved(count: int) -> int:
    """Return how many of some trials are left for the next round."""
    return (count + 1) // 2


def cost(count: int) -> int:
    """Return how many steps a contest of so many starts takes."""
    total = 0
    for steps in ROUNDS:
        if count > 1:
            total, count = total + count * steps, halved(count)
    return total
