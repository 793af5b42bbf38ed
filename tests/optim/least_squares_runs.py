"""Least squares problems, and optimizers that solve them in both ways."""

import numpy as np
import pytest

from kanml.optim import LeastSquares, LevenbergMarquardt

TRIANGLE, SUBSPACE = LevenbergMarquardt(), LevenbergMarquardt(largest_triangle=0)
WAYS = pytest.mark.parametrize("optimizer", [TRIANGLE, SUBSPACE], ids=["triangle", "subspace"])


def until_finished(optimizer, function, start, steps=500, enough=0.0):
    state = optimizer.init(start)
    while not state.finished and state.step < steps:
        state = optimizer.step(function, state)
        if state.value < enough:
            break
    return state


def random_rows(m, n, condition=10.0, seed=0):
    """A linear problem with this condition: residuals at zero, and Jacobian."""
    rng = np.random.default_rng(seed)
    u, _, vt = np.linalg.svd(rng.standard_normal((m, n)), full_matrices=False)
    return rng.standard_normal(m), (u * np.geomspace(1, 1 / condition, len(vt))) @ vt


def linear(residuals, matrix):
    return LeastSquares(lambda x: residuals + matrix @ x, lambda x: matrix)


def bent(m, n, seed):
    """A problem that is not linear: sin(A x) + b."""
    b, a = random_rows(m, n, seed=seed)
    return LeastSquares(
        lambda x: np.sin(a @ x * 3) + b, lambda x: 3 * np.cos(a @ x * 3)[:, None] * a
    )
