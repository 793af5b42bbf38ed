"""Other starts: all are tried briefly on the coarsest grid, and training continues from the best.

Whether a start leads to a good minimum mostly shows early, but only by comparison: the loss of a
bad one stays on a plateau far above what others reach on the same grid. So the starts are trained
in turn for a few steps on a part of the samples, the better half of them for some more, and so on:
successive halving (K. Jamieson and A. Talwalkar, *Non-stochastic best arm identification and
hyperparameter optimization*, AISTATS 2016). `docs/initialisation.md` has what it gains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from kanml.multilevel.geometry import geometry_maps
from kanml.network import Network
from kanml.optim import LBFGS, LBFGSState, Optimizer
from kanml.optim.base import Vector
from kanml.problems import Problem
from kanml.training.history import Try
from kanml.training.objective import Objective

__all__ = ["RESTARTS", "Contest"]

RESTARTS = 15
ROUNDS = (25, 50, 100, 200)  # steps of each start; after a round the better half is left
SAMPLES = 1000  # that starts are tried on, at least
SAMPLES_PER_PARAMETER = 4
MAX_BYTES = 2**29  # of the optimizers of all starts together


@dataclass
class Trial:
    """A start, and what has become of it.

    Attributes
    ----------
    number : int
    state : LBFGSState or None
        The last one; None before the first round.
    best : LBFGSState or None
        The one with the least loss.
    loss : float
        Of the best.
    """

    number: int
    state: LBFGSState | None = None
    best: LBFGSState | None = None
    loss: float = math.inf

    def summary(self) -> Try:
        """Return what the history says of it."""
        if self.state is None:
            return Try(self.number, 0, 0, self.loss)
        return Try(self.number, self.state.step, self.state.evaluations, self.loss)


@dataclass(frozen=True, eq=False)
class Contest:
    """Compares the starts of a run's network.

    Attributes
    ----------
    objective : Objective
        If the run has a validation problem, the loss of that says which parameters are the best.
    interrupted : callable
        Says whether to stop.
    """

    objective: Objective
    interrupted: Callable[[], bool]

    @property
    def net(self) -> Network:
        """The network, with the start that was given."""
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
    def optimizer(self) -> LBFGS:
        """What the starts are trained with: in splines, whatever basis the network is in."""
        given = self.objective.settings.optimizer
        memory = given.memory if isinstance(given, LBFGS) else LBFGS.memory
        return LBFGS(memory=memory, geometry="spline")

    def evaluate(self, problem: Problem, theta: Vector) -> tuple[float, Vector]:
        """Return loss and gradient; the loss is infinite where a layer refuses its inputs."""
        return self.objective.evaluate_trial(problem, self.net, theta)

    def starts_within(self, most: int, steps: int) -> int:
        """Return how many starts, from one to `most`, can be tried at the cost of `steps` steps."""
        layers = sum(1 for layer in self.net.layers if layer.parameters)
        if most < 2 or not self.net.fresh or layers < 2:  # one layer is linear in its parameters
            return 1
        share = max(self.tried[1], self.held_out[1])
        vectors = self.optimizer.vectors(ROUNDS[0]) * self.objective.start(self.net).nbytes
        count = 1
        while count < most and cost(count + 1) * share <= steps:
            if (count + 1) * vectors > MAX_BYTES:
                break
            count += 1
        return count

    def winner(
        self, count: int, show: Callable[[str], None]
    ) -> tuple[LBFGSState | None, tuple[Try, ...]]:
        """Return what became of the best of `count` starts, and the tries.

        Returns
        -------
        state : LBFGSState or None
            None if no start has a finite loss.
        tries : tuple of Try
        """
        trials = [Trial(number) for number in range(count)]
        self.compete(trials, show)
        tries = tuple(trial.summary() for trial in trials)
        for trial in sorted(trials, key=lambda trial: trial.loss):
            if trial.best is not None and self.suits_all(trial.best.parameters):
                return trial.best, tries
        return None, tries

    def compete(self, trials: list[Trial], show: Callable[[str], None]) -> None:
        """Train the trials on a part of the samples, fewer of them in each round."""
        part, validation = self.tried[0], self.held_out[0]
        geometry = geometry_maps(self.net, self.optimizer.geometry, len(self.problem.unknowns))

        def function(theta: Vector) -> tuple[float, Vector]:
            if self.interrupted():
                raise KeyboardInterrupt
            return self.evaluate(part, theta)

        left = trials
        try:
            for number, steps in enumerate(ROUNDS, 1):
                for i, trial in enumerate(left, 1):
                    self.improve(trial, steps, function, validation, geometry)
                    show(f"round {number}, start {i}/{len(left)}")
                left = sorted(left, key=lambda trial: trial.loss)[: halved(len(left))]
                if len(left) == 1:
                    return
        except KeyboardInterrupt:
            return

    def improve(
        self,
        trial: Trial,
        steps: int,
        function: Callable[[Vector], tuple[float, Vector]],
        validation: Problem | None,
        geometry: Any,
    ) -> None:
        """Take further steps."""
        if trial.state is None:
            theta = self.objective.start(self.net.restart(trial.number))
            if not np.isfinite(theta).all():  # the dtype cannot hold them
                return
            trial.state = self.optimizer.evaluate(function, self.optimizer.init(theta))
            self.note(trial, validation)
        last = trial.state.step + steps
        evaluations = trial.state.evaluations + 2 * steps  # a search that fails takes many
        while trial.state.step < last and trial.state.evaluations < evaluations:
            if trial.state.finished:
                return
            trial.state = self.optimizer.step(function, trial.state, geometry)
            self.note(trial, validation)

    def note(self, trial: Trial, validation: Problem | None) -> None:
        """Take note of the state of a trial if it is its best."""
        state = trial.state
        assert state is not None
        if not is_finite(state.value, state.gradient):
            return
        loss = state.value
        if validation is not None:
            loss, _ = self.evaluate(validation, state.parameters)
        assert loss is not None
        if loss < trial.loss:
            trial.loss, trial.best = float(loss), state

    def suits_all(self, theta: Vector) -> bool:
        """Say whether loss and gradient are finite at the samples that were left out, too."""
        if not is_finite(*self.evaluate(self.problem, theta)):
            return False
        return self.validation is None or math.isfinite(self.evaluate(self.validation, theta)[0])

    @cached_property
    def tried(self) -> tuple[Problem, float]:
        """The part of the problem that starts are tried on, and its share of the cost."""
        return self.part(self.problem)

    @cached_property
    def held_out(self) -> tuple[Problem | None, float]:
        """The part of the validation problem, if there is one, and its share of the cost."""
        return (None, 0.0) if self.validation is None else self.part(self.validation)

    def part(self, problem: Problem) -> tuple[Problem, float]:
        """Return a problem on enough of its samples, and what it costs of the whole."""
        enough = max(SAMPLES, SAMPLES_PER_PARAMETER * self.net.n_parameters)
        excerpt = problem.excerpt(enough)
        valid = isinstance(excerpt, tuple) and len(excerpt) == 2
        if not (valid and isinstance(excerpt[0], Problem) and excerpt[1] > 0):
            raise TypeError(
                f"excerpt of {type(problem).__name__} must return a problem and what it costs of "
                f"the whole, a number above 0, got {excerpt!r}"
            )
        return excerpt


def continued(optimizer: Optimizer[Any], net: Network, best: LBFGSState) -> Any:
    """Return the first state of a run: at the best parameters of a contest.

    The memory is kept where the optimizer of the run can go on with it.
    """
    state = optimizer.init(best.parameters)
    in_splines = optimizer.geometry == "spline" or (
        optimizer.geometry is None and not any(layer.parameter_kind.encoded for layer in net.layers)
    )
    if not (isinstance(state, LBFGSState) and in_splines):
        return state
    return replace(
        state,
        steps=best.steps,
        gradient_changes=best.gradient_changes,
        diagonal=best.diagonal,
    )


def is_finite(value: float | None, gradient: Vector | None) -> bool:
    """Say whether a loss and its gradient are known and finite."""
    if value is None or gradient is None:
        return False
    return math.isfinite(value) and bool(np.isfinite(gradient).all())


def halved(count: int) -> int:
    """Return how many of some trials are left for the next round."""
    return (count + 1) // 2


def cost(count: int) -> int:
    """Return how many steps a contest of `count` starts takes."""
    total = 0
    for steps in ROUNDS:
        if count > 1:
            total, count = total + count * steps, halved(count)
    return total
