"""Optimizers, and functions for them to minimise."""

import numpy as np
from scipy.optimize import rosen, rosen_der

from kanml.optim import LBFGS, Adam, GradientDescent

OPTIMIZERS = [GradientDescent(1e-3), Adam(0.1, weight_decay=0.1), LBFGS(memory=3)]


def name(optimizer):
    return type(optimizer).__name__


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def beale(x):
    a, b = x
    powers = np.arange(1, 4)
    residual = np.array([1.5, 2.25, 2.625]) - a + a * b**powers
    jacobian = np.stack([b**powers - 1, a * powers * b ** (powers - 1)], axis=1)
    return residual @ residual, 2 * residual @ jacobian


def quadratic(n, condition, seed):
    """0.5 (x - c)^T A (x - c) with eigenvalues from 1 to `condition`; returns it, A and c."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    a = (q * np.geomspace(1, condition, n)) @ q.T
    center = rng.standard_normal(n)

    def function(x):
        gradient = a @ (x - center)
        return 0.5 * (x - center) @ gradient, gradient

    return function, a, center


def run(optimizer, function, state, steps, geometry=None):
    for _ in range(steps):
        state = optimizer.step(function, state, *([] if geometry is None else [geometry]))
    return state
