"""A run of 9 steps on four levels, with each optimizer, that the tests of checkpoints continue."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

import kanml
from helpers import random_breakpoints, same_bits
from kanml.optim import Optimizer, State
from kanml.optim.base import advanced

X = np.linspace(-1.3, 1.3, 45)[:, None]
Y = np.cos(3 * X) + X**2
SCHEDULE = [4, 3, 0, 2]


@dataclass(frozen=True, eq=False, kw_only=True)
class LengthsState(State):
    """A state with all that a state may have."""

    longest: float = 0.0
    lengths: tuple[float, ...] = ()
    packed: np.ndarray  # (n (n + 1) / 2,)
    pairs: tuple[np.ndarray, ...] = ()  # of two numbers each
    matrix: np.ndarray  # (2, 3), in float64

    @property
    def report(self):
        return {"longest": self.longest} if self.longest else {}


@dataclass(frozen=True)
class Lengths(Optimizer):
    """Gradient descent that remembers how long its steps were, in several ways."""

    lr: float

    def init(self, parameters):
        array = np.array(parameters)
        array.setflags(write=False)
        packed = np.zeros(array.size * (array.size + 1) // 2, array.dtype)
        return LengthsState(parameters=array, packed=packed, matrix=np.zeros((2, 3)))

    def step(self, function, state, geometry=None):
        state = self.evaluate(function, state)
        # Whatever a state holds decides how it continues.
        memory = (
            *state.lengths,
            state.packed.sum(),
            *np.ravel(state.pairs),
            *state.matrix.ravel(),
            state.longest,
        )
        step = -self.lr / (1 + np.linalg.norm(memory)) * state.gradient
        length = float(np.linalg.norm(step))
        return advanced(
            state,
            (state.parameters + step).astype(state.parameters.dtype),
            longest=max(state.longest, length),
            lengths=(*state.lengths, length)[-3:],
            packed=np.full_like(state.packed, length / state.packed.size),
            pairs=(*state.pairs, np.array([length, 1.0], state.parameters.dtype))[-2:],
            matrix=np.full((2, 3), length),
        )


CASES = {
    "L-BFGS": (kanml.LBFGS(memory=3), {}),
    "L-BFGS, minibatches": (kanml.LBFGS(memory=3), {"batch_size": 20, "seed": 1}),
    "SSBroyden": (kanml.SSBroyden(), {}),
    "SSBFGS, minibatches": (kanml.SSBroyden("ssbfgs"), {"batch_size": 20, "seed": 1}),
    "Adam, minibatches": (kanml.Adam(0.02, weight_decay=0.1), {"batch_size": 8, "seed": 2}),
    "Adam, ramp": (kanml.Adam(kanml.Ramp(1e-3, 0.03, steps=3)), {}),
    "Adam, cycles": (kanml.Adam(kanml.CyclicDecay(1e-3, 0.03, 5, 0.9)), {"batch_size": 44}),
    "gradient descent": (kanml.GradientDescent(0.01), {}),
    "Levenberg-Marquardt": (kanml.LevenbergMarquardt(), {}),
    "Levenberg-Marquardt, no triangle": (
        kanml.LevenbergMarquardt(largest_triangle=0, columns=5),
        {"batch_size": 30, "seed": 3},
    ),
    "variable projection": (kanml.VariableProjection(), {}),
    "variable projection, minibatches": (
        kanml.VariableProjection(),
        {"batch_size": 30, "seed": 3},
    ),
    "one of one's own": (Lengths(0.02), {}),
    "one a level": (
        [kanml.LBFGS(memory=3), Lengths(0.02), kanml.Adam(0.02), kanml.LevenbergMarquardt()],
        {"batch_size": 30},
    ),
}
COLUMNS = ("level", "step", "loss", "evaluations")


def start(dtype="float64"):
    rng = np.random.default_rng(7)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n), 3) for n in (3, 2)]
    layers = [kanml.SplineLayer(1, 2, spaces[0]), kanml.SplineLayer(2, 1, spaces)]
    return kanml.Network(layers, seed=3, dtype=dtype)


def train(name, net=None, **options):
    optimizer, data = CASES[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"level \d of the schedule", UserWarning)  # of few rows
        return kanml.train(
            start() if net is None else net,
            kanml.Regression(X, Y, **data),
            SCHEDULE,
            optimizer,
            **{"progress": False, **options},
        )


def assert_same_run(left, right):
    assert left.status == right.status
    assert left.message == right.message
    for name in COLUMNS:
        assert same_bits(getattr(left.history, name), getattr(right.history, name)), name
    assert list(left.history.report) == list(right.history.report)
    for name, column in left.history.report.items():
        assert same_bits(column, right.history.report[name]), name
    assert same_bits(left.network.parameters, right.network.parameters)
    assert repr(left.network.layers) == repr(right.network.layers)
    for a, b in zip(left.levels, right.levels, strict=True):
        assert repr(a.layers) == repr(b.layers)
        assert same_bits(a.parameters, b.parameters)
    assert (np.diff(right.history.seconds) >= 0).all()
