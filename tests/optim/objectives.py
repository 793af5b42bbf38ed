"""Optimizers, and functions for them to minimise."""

import classic_problems
import numpy as np
from classic_problems import least_squares, separable

from kanml.optim import (
    LBFGS,
    Adam,
    GradientDescent,
    LevenbergMarquardt,
    SSBroyden,
    VariableProjection,
)

WITH_GEOMETRY = [GradientDescent(1e-3), Adam(0.1, weight_decay=0.1), LBFGS(memory=3)]
WITH_GRADIENTS = [*WITH_GEOMETRY, SSBroyden()]
OPTIMIZERS = [
    *WITH_GRADIENTS,
    LevenbergMarquardt(),
    LevenbergMarquardt(largest_triangle=0),
    VariableProjection(),
]


def name(optimizer):
    subspace = getattr(optimizer, "largest_triangle", None) == 0
    return type(optimizer).__name__ + (" in a subspace" if subspace else "")


rosenbrock = least_squares(classic_problems.rosenbrock)


def separable_rosenbrock(n):
    """The same function of n parameters; residuals are affine in the last one."""
    return separable(classic_problems.rosenbrock, slice(n - 1, n))


def beale(x):
    a, b = x
    powers = np.arange(1, 4)
    residual = np.array([1.5, 2.25, 2.625]) - a + a * b**powers
    jacobian = np.stack([b**powers - 1, a * powers * b ** (powers - 1)], axis=1)
    return residual @ residual, 2 * residual @ jacobian


def powell_singular(x):
    """Its Hessian is singular at the minimiser, 0."""
    factors = np.array([[1, 10, 0, 0], [0, 0, 1, -1], [0, 1, -2, 0], [1, 0, 0, -1]])
    scale, power = np.array([1, 5, 1, 10]), np.array([2, 2, 4, 4])
    linear = factors @ x
    return float(scale @ linear**power), factors.T @ (scale * power * linear ** (power - 1))


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
