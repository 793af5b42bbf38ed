"""Losses of data with samples, and the same as NumPy functions of whole arrays.

The formulas take complex outputs, so their gradients are complex steps through the oracle of
networks. Branches look at the real part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import kanml
from helpers import reference_layers, with_random_parameters
from reference import networks

RNG = np.random.default_rng(0)
N = 150
X = RNG.uniform(-1.4, 1.4, (N, 2))
NUMBERS = RNG.normal(size=(N, 2))
LABELS = RNG.integers(0, 2, (N, 2))
CLASSES = RNG.integers(0, 4, N)
COUNTS = RNG.poisson(2.0, (N, 1))
WEIGHTS = RNG.uniform(0.0, 3.0, N)
WEIGHTS[::7] = 0.0


def absolute(z):
    return np.where(np.real(z) < 0, -z, z)


def huber(u, y, delta=0.7):
    e = absolute(u - y)
    return np.where(np.real(e) <= delta, e**2 / 2, delta * (e - delta / 2)).mean(axis=1)


def quantile(u, y, level=0.9):
    e = y - u
    return np.where(np.real(e) > 0, level * e, (level - 1) * e).mean(axis=1)


def poisson(u, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        constant = np.where(y > 0, y * np.log(y) - y, 0.0)
    return (np.exp(u) - y * u + constant).mean(axis=1)


def softmax(u, y):
    labels = np.asarray(y, dtype=int).ravel()
    return np.log(np.exp(u).sum(axis=1)) - u[np.arange(len(u)), labels]


@dataclass
class Case:
    """A loss, targets, the number of outputs and the loss of each sample (N,) in NumPy."""

    loss: Any
    y: np.ndarray
    n_out: int
    of_samples: Any

    def problem(self, **options):
        return kanml.Regression(X, self.y, loss=self.loss, **options)

    def value(self, u, weights=None, rows=slice(None)):
        losses = self.of_samples(u, self.y[rows])
        return losses.mean() if weights is None else losses @ weights / weights.sum()


def gaussian(u, y):
    """The likelihood of a mean and the logarithm of a variance; the second target is unused."""
    return 0.5 * ((u[0] - y[0]) ** 2 * np.exp(-u[1]) + u[1])


CASES = {
    "squared": Case("squared", NUMBERS, 2, lambda u, y: ((u - y) ** 2).mean(axis=1)),
    "huber": Case(kanml.Huber(0.7), NUMBERS, 2, huber),
    "quantile": Case(kanml.Quantile(0.9), NUMBERS, 2, quantile),
    "logistic": Case(
        "logistic",
        LABELS,
        2,
        lambda u, y: np.log(1 + np.exp((1 - 2 * y) * u)).mean(axis=1),
    ),
    "softmax": Case("softmax", CLASSES, 4, softmax),
    "poisson": Case("poisson", COUNTS, 1, poisson),
    "own, one output": Case(
        lambda u, y: np.log(np.cosh(u - y)),
        NUMBERS[:, :1],
        1,
        lambda u, y: np.log(np.cosh(u - y))[:, 0],
    ),
    "own, several outputs": Case(
        lambda u, y: np.hypot(u[0] - y[0], 0.1 + u[1] * y[1]) + np.where(u[0] > u[1], u[0], u[1]),
        NUMBERS,
        2,
        lambda u, y: (
            np.sqrt((u[:, 0] - y[:, 0]) ** 2 + (0.1 + u[:, 1] * y[:, 1]) ** 2)
            + np.where(np.real(u[:, 0]) > np.real(u[:, 1]), u[:, 0], u[:, 1])
        ),
    ),
    "own likelihood": Case(gaussian, NUMBERS, 2, lambda u, y: gaussian(u.T, y.T)),
    "own with an array": Case(
        lambda u, y: WEIGHTS * (u - y) ** 2,
        NUMBERS[:, :1],
        1,
        lambda u, y: WEIGHTS * (u - y)[:, 0] ** 2,
    ),
}


def network(n_out, dtype="float64", widths=(3,)):
    net = kanml.KAN([2, *widths, n_out], degree=3, intervals=3, seed=0, dtype=dtype)
    return with_random_parameters(net, seed=1)


def expected_gradient(net, of_outputs):
    """The gradient of a function of the outputs (N, n_out), by complex steps."""

    def loss(parameters):
        return of_outputs(networks.evaluate(reference_layers(net, parameters), X))

    directions = np.eye(net.n_parameters)
    return np.array([networks.complex_step(loss, net.parameters, d) for d in directions])


def at_outputs(loss, u, y, dtype="float64"):
    """The loss of one sample, and its derivative with respect to the outputs u (n_out,).

    The network is a bias, so the last parameters are its outputs.
    """
    net = kanml.Network([kanml.Linear(1, len(u))], dtype=dtype)
    net = net.with_parameters(np.concatenate([np.zeros(len(u)), u]))
    value, gradient = kanml.Regression([[0.0]], y, loss=loss).value_and_gradient(net)
    return value, gradient[len(u) :]
