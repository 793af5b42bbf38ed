"""Other starts: all are tried briefly on the coarsest grid, and training continues from the best.

Whether a start leads to a good minimum usually shows early, but only by comparison: the loss of a
bad one stays on a plateau far above the losses that others reach on the same grid. So the starts
are trained in turn for a few steps on a part of the samples, the better half for some more, and so
on. This is successive halving (K. Jamieson and A. Talwalkar, *Non-stochastic best arm
identification and hyperparameter optimization*, AISTATS 2016). `docs/initialisation.md` shows what
it gains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kanml.multilevel.geometry import geometry_maps
from kanml.network import Network
from kanml.optim import LBFGS, Geometry, Optimizer, State, Vector
from kanml.optim.vectors import operations
from kanml.problems import Problem
from kanml.training.history import Try
from kanml.training.loss import Loss
from kanml.training.objective import Objective

__all__ = ["RESTARTS", "Contest"]

RESTARTS = 15
SAMPLES = 1000  # on which starts are tried, at least
SAMPLES_PER_PARAMETER = 4
MAX_BYTES = 2**29  # of the optimizers of all starts together


@dataclass
class Candidate:
    """A start in a contest, with its states.

    Attributes
    ----------
    number : int
    state : State or None
        The last state; None before the first round.
    best : State or None
        The state with the lowest loss.
    loss : float
        The loss of the best state.
    """

    number: int
    state: State | None = None
    best: State | None = None
    loss: float = math.inf

    def summary(self) -> Try:
        """Return its entry in the history."""
        if self.state is None:
            return Try(self.number, 0, 0, self.loss)
        return Try(self.number, self.state.step, self.state.evaluations, self.loss)


@dataclass(frozen=True, eq=False)
class Contest:
    """Compares the starts of a run's network.

    Attributes
    ----------
    objective : Objective
        If the run has a validation problem, its loss determines the best parameters.
    interrupted : callable
        Returns whether to stop.
    """

    objective: Objective
    interrupted: Callable[[], bool]
    _parts: dict[int, tuple[Problem, float]] = field(default_factory=dict)

    @property
    def net(self) -> Network:
        """The network with the given start."""
        return self.objective.settings.net

    @property
    def problem(self) -> Problem:
        """The problem of the run."""
        return self.objective.settings.problem

    @property
    def validation(self) -> Problem | None:
        """The validation problem of the run."""
        return self.objective.settings.validation

    @cached_property
    def optimizer(self) -> Optimizer[Any]:
        """The optimizer of the starts: that of the run if it has rounds, or else L-BFGS.

        L-BFGS steps in B-splines, whatever the basis of the network.
        """
        given = self.objective.settings.optimizers[0]
        if isinstance(given, LBFGS) or not given.rounds:
            memory = given.memory if isinstance(given, LBFGS) else LBFGS.memory
            return LBFGS(memory=memory, geometry="spline")
        return given

    def evaluate(self, problem: Problem, theta: Vector) -> tuple[float, Vector]:
        """Return loss and gradient; the loss is infinite if a layer refuses its inputs."""
        return self.objective.evaluate_trial(problem, self.net, theta)

    def loss(self, problem: Problem, theta: Vector) -> float:
        """Return the loss alone, likewise."""
        return self.objective.trial(problem, self.net, theta, "value").value

    def starts_within(self, most: int, steps: float) -> int:
        """Return how many starts, from one to `most`, can be tried at the cost of `steps` steps."""
        layers = sum(1 for layer in self.net.layers if layer.parameters)
        if most < 2 or not self.net.fresh or layers < 2:  # one layer is linear in its parameters
            return 1
        share = max(self.tried[1], self.held_out[1])
        start = self.objective.start(self.net)
        needed = self.optimizer.numbers(start.size, self.rounds[0]) * start.dtype.itemsize
        count = 1
        while count < most and cost(count + 1, self.rounds) * share <= steps:
            if (count + 1) * needed > MAX_BYTES:
                break
            count += 1
        return count

    def winner(
        self, count: int, show: Callable[[str], None]
    ) -> tuple[State | None, tuple[Try, ...]]:
        """Return the best state of the best of `count` starts, and the tries.

        Returns
        -------
        state : State or None
            None if no start has a finite loss.
        tries : tuple of Try
        """
        candidates = [Candidate(number) for number in range(count)]
        self.compete(candidates, show)
        tries = tuple(candidate.summary() for candidate in candidates)
        for candidate in sorted(candidates, key=lambda candidate: candidate.loss):
            if candidate.best is not None and self.suits_all(candidate.best.parameters):
                return candidate.best, tries
        return None, tries

    def continued(self, best: State) -> State:
        """Return the first state of the run, at the best parameters of the contest.

        The memory of the optimizer of the contest is kept if that of the run can use it.
        """
        optimizer = self.objective.settings.optimizers[0]
        state: State = optimizer.init(best.parameters)
        if type(state) is not type(best):
            return state
        if variables(optimizer, self.net) != variables(self.optimizer, self.net):
            return state
        return state.changed(**best.memory)

    def compete(self, candidates: list[Candidate], show: Callable[[str], None]) -> None:
        """Train the candidates on a part of the samples, fewer of them in each round."""
        left = candidates
        try:
            for number, steps in enumerate(self.rounds, 1):
                for i, candidate in enumerate(left, 1):
                    self.improve(candidate, steps)
                    show(f"round {number}, start {i}/{len(left)}")
                left = sorted(left, key=lambda candidate: candidate.loss)[: halved(len(left))]
                if len(left) == 1:
                    return
        except KeyboardInterrupt:
            return

    def improve(self, candidate: Candidate, steps: int) -> None:
        """Train a candidate for more steps."""
        if candidate.state is None:
            theta = self.objective.start(self.net.restart(candidate.number))
            if not operations(theta).is_finite(theta):  # the dtype cannot hold them
                return
            first = self.optimizer.init(theta)
            candidate.state = self.optimizer.evaluate(self.function(first), first)
            self.note(candidate, candidate.state)
        last = candidate.state.step + steps
        # A search that fails takes many.
        most = candidate.state.evaluations + 2 * self.optimizer.evaluations * steps
        while candidate.state.step < last and candidate.state.evaluations < most:
            if candidate.state.finished:
                return
            function = self.function(candidate.state)
            state = self.optimizer.step(function, candidate.state, self.geometry)
            if state.step > candidate.state.step:
                state = self.optimizer.evaluate(function, state)
            candidate.state = state
            self.note(candidate, state)

    def function(self, state: State) -> Loss:
        """Return the loss on the samples on which starts are tried, for a step from a state."""
        return Loss(
            self.objective,
            self.tried[0],
            self.net,
            state.parameters,
            before=self.raise_if_interrupted,
            trial=True,
        )

    def raise_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt if the contest is to stop."""
        if self.interrupted():
            raise KeyboardInterrupt

    @property
    def rounds(self) -> tuple[int, ...]:
        """The steps of each start; after a round the better half is left."""
        return self.optimizer.rounds

    @cached_property
    def geometry(self) -> Geometry:
        """The maps of the optimizer's geometry."""
        return geometry_maps(self.net, self.optimizer.geometry, len(self.problem.unknowns))

    def note(self, candidate: Candidate, state: State) -> None:
        """Note the state of a candidate if it is its best."""
        if state.value is None or not is_finite(state.value, state.gradient):
            return
        loss, validation = state.value, self.held_out[0]
        if validation is not None:
            loss = self.loss(validation, state.parameters)
        if loss < candidate.loss:
            candidate.loss, candidate.best = float(loss), state

    def suits_all(self, theta: Vector) -> bool:
        """Say whether loss and gradient are finite at all samples."""
        if not is_finite(*self.evaluate(self.problem, theta)):
            return False
        return self.validation is None or math.isfinite(self.loss(self.validation, theta))

    @property
    def tried(self) -> tuple[Problem, float]:
        """The part of the problem on which starts are tried, and its share of the cost."""
        return self.part(self.problem)

    @property
    def held_out(self) -> tuple[Problem | None, float]:
        """The part of the validation problem, if there is one, and its share of the cost."""
        return (None, 0.0) if self.validation is None else self.part(self.validation)

    def part(self, problem: Problem) -> tuple[Problem, float]:
        """Return a problem on enough of its samples, and its share of the cost.

        The same object is returned each time. It is no cached property, since those of Python 3.11
        share one lock, and processes wait for one another in an excerpt.
        """
        if id(problem) not in self._parts:
            self._parts[id(problem)] = self._part(problem)
        return self._parts[id(problem)]

    def _part(self, problem: Problem) -> tuple[Problem, float]:
        enough = max(SAMPLES, SAMPLES_PER_PARAMETER * self.net.n_parameters)
        excerpt = problem.excerpt(enough)
        valid = isinstance(excerpt, tuple) and len(excerpt) == 2
        if not (valid and isinstance(excerpt[0], Problem) and excerpt[1] > 0):
            raise TypeError(
                f"excerpt of {type(problem).__name__} must return a problem and what it costs of "
                f"the whole, a number above 0, got {excerpt!r}"
            )
        return excerpt


def variables(optimizer: Optimizer[Any], net: Network) -> str | None:
    """Return the geometry of an optimizer; that of B-splines if the network has no other basis."""
    encoded = any(layer.parameter_kind.encoded for layer in net.layers)
    return optimizer.geometry or (None if encoded else "spline")


def is_finite(value: float | None, gradient: Vector | None) -> bool:
    """Say whether a loss and its gradient are known and finite."""
    if value is None or gradient is None:
        return False
    return math.isfinite(value) and operations(gradient).is_finite(gradient)


def halved(count: int) -> int:
    """Return how many of `count` candidates remain in the next round."""
    return (count + 1) // 2


def cost(count: int, rounds: Sequence[int]) -> int:
    """Return how many steps a contest of `count` starts takes."""
    total = 0
    for steps in rounds:
        if count > 1:
            total, count = total + count * steps, halved(count)
    return total
