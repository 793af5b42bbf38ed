"""A run of 9 steps on four levels, with each optimizer, that the tests of checkpoints continue."""

from __future__ import annotations

import numpy as np

import kanml
from helpers import random_breakpoints, same_bits

X = np.linspace(-1.3, 1.3, 45)[:, None]
Y = np.cos(3 * X) + X**2
SCHEDULE = [4, 3, 0, 2]
CASES = {
    "L-BFGS": (kanml.LBFGS(memory=3), {}),
    "L-BFGS, minibatches": (kanml.LBFGS(memory=3), {"batch_size": 20, "seed": 1}),
    "Adam, minibatches": (kanml.Adam(0.02, weight_decay=0.1), {"batch_size": 8, "seed": 2}),
    "Adam, ramp": (kanml.Adam(kanml.Ramp(1e-3, 0.03, steps=3)), {}),
    "Adam, cycles": (kanml.Adam(kanml.CyclicDecay(1e-3, 0.03, 5, 0.9)), {"batch_size": 44}),
    "gradient descent": (kanml.GradientDescent(0.01), {}),
}
COLUMNS = ("level", "step", "loss", "evaluations")


def start(dtype="float64"):
    rng = np.random.default_rng(7)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n), 3) for n in (3, 2)]
    layers = [kanml.SplineLayer(1, 2, spaces[0]), kanml.SplineLayer(2, 1, spaces)]
    return kanml.Network(layers, seed=3, dtype=dtype)


def train(name, net=None, **options):
    optimizer, data = CASES[name]
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
    assert same_bits(left.network.parameters, right.network.parameters)
    assert repr(left.network) == repr(right.network)
    for a, b in zip(left.levels, right.levels, strict=True):
        assert repr(a) == repr(b)
        assert same_bits(a.parameters, b.parameters)
    assert (np.diff(right.history.seconds) >= 0).all()
