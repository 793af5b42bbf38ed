"""A run of 12 steps on three levels, with each optimizer; problems and callbacks that watch it."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace

import numpy as np
import pytest

import kanml
from helpers import random_breakpoints, same_bits

X = np.linspace(-1.2, 1.2, 61)[:, None]
Y = np.exp(X) * np.sin(4 * X)
SCHEDULE = [5, 4, 3]
OPTIMIZERS = {
    "L-BFGS": kanml.LBFGS(memory=4),
    "SSBroyden": kanml.SSBroyden(),
    "Levenberg-Marquardt": kanml.LevenbergMarquardt(),
    "variable projection": kanml.VariableProjection(),
    "Adam": kanml.Adam(0.05, weight_decay=0.01),
    "gradient descent": kanml.GradientDescent(0.05),
}
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


def problem(**options):
    return kanml.Regression(X, Y, **options)


def start():
    """Two spline layers on nonuniform knots; a third of the data lies outside the first domain."""
    rng = np.random.default_rng(5)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n), 3) for n in (3, 2)]
    layers = [kanml.SplineLayer(1, 2, spaces[0]), kanml.SplineLayer(2, 1, spaces)]
    return kanml.Network(layers, seed=3)


def train(net=None, task=None, schedule=SCHEDULE, optimizer=None, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"level \d of the schedule", UserWarning)  # of few rows
        return kanml.train(
            start() if net is None else net,
            problem() if task is None else task,
            schedule,
            optimizer,
            **{"progress": False, **options},
        )


def intervals(net):
    return [s.intervals for layer in net.layers for s in layer.spaces]


def same_run(left, right):
    columns = ("level", "step", "loss", "evaluations")
    return same_bits(left.network.parameters, right.network.parameters) and all(
        same_bits(getattr(left.history, name), getattr(right.history, name)) for name in columns
    )


class Wrapped(kanml.Problem):
    """A regression that counts what it is asked, and spoils evaluations from `first` on.

    Its copies, on which training works, count together.
    """

    def __init__(self, task, first=None, spoil=None):
        self.task, self.first, self.spoil = task, first, spoil
        self.calls = []

    def __copy__(self):
        other = super().__copy__()
        other.task = copy.copy(self.task)
        return other

    def evaluation(self, net, unknowns=None, want="gradient", *, num_threads=None):
        found = self.task.evaluation(net, unknowns, want, num_threads=num_threads)
        # A triangle is made where value and gradient are known: together they count as one.
        return found if want == "least_squares" else self.spoiled(found)

    def linear_triangle(self, net, unknowns=None, *, num_threads=None):
        return self.task.linear_triangle(net, unknowns, num_threads=num_threads)

    def spoiled(self, found):
        self.calls.append("value")
        if self.first is None or self.calls.count("value") < self.first:
            return found
        gradient = np.zeros(1) if found.gradient is None else found.gradient
        value, gradient = self.spoil(found.value, gradient)
        return replace(found, value=value, gradient=gradient)

    def n_rows(self, net):
        return self.task.n_rows(net)

    def linear_parameters(self, net):
        return self.task.linear_parameters(net)

    def advance(self, net, unknowns=None, evaluation=None):
        self.calls.append("advance")
        return self.task.advance(net, unknowns, evaluation)

    def state(self):
        return self.task.state()

    def restore(self, state):
        self.task.restore(state)

    def fingerprint(self):
        return self.task.fingerprint()


def interrupted_at(evaluation, task=None):
    def interrupt(value, gradient):
        raise KeyboardInterrupt

    return Wrapped(problem() if task is None else task, evaluation, interrupt)


SPOIL = {
    "loss NaN": lambda value, gradient: (np.nan, gradient),
    "loss inf": lambda value, gradient: (np.inf, gradient),
    "loss -inf": lambda value, gradient: (-np.inf, gradient),
    "gradient NaN": lambda value, gradient: (value, gradient * np.nan),
    "gradient inf": lambda value, gradient: (value, np.where(gradient == gradient[0], np.inf, 0.0)),
}


class Diary(kanml.Callback):
    def __init__(self, begin=None):
        self.answer, self.entries = begin, []

    def begin(self, state):
        self.entries.append(("begin", state.step, state.loss))
        return self.answer

    def __call__(self, state):
        self.entries.append(("step", state.step, state.loss))

    def end(self, state):
        self.entries.append(("end", state.step, state.loss))
