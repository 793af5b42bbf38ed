"""Levenberg-Marquardt where no step is possible, and what it refuses."""

import math

import numpy as np
import pytest
import scipy.optimize
from least_squares_runs import WAYS, bent, until_finished
from objectives import rosenbrock

from helpers import naming
from kanml.optim import LeastSquares, LevenbergMarquardt, Triangle


@WAYS
def test_a_zero_gradient_or_residual_finishes(optimizer):
    square = LeastSquares(lambda x: x**2 + 1, lambda x: np.diag(2 * x))
    state = optimizer.step(square, optimizer.init(np.zeros(3)))
    assert (state.finished, state.step, state.value) == ("gradient is zero", 0, 3.0)
    state = optimizer.step(rosenbrock, optimizer.init(np.ones(3)))
    assert (state.finished, state.value) == ("gradient is zero", 0.0)
    assert optimizer.step(rosenbrock, state) is state


@WAYS
@pytest.mark.parametrize(
    ("value", "gradient", "reason"),
    [
        (math.nan, 1.0, "the value is nan"),
        (math.inf, 1.0, "the value is inf"),
        (1.0, math.nan, "the gradient is not finite"),
    ],
)
def test_no_step_from_where_the_function_is_not_finite(optimizer, value, gradient, reason):
    class Bad(LeastSquares):
        def __call__(self, theta):
            return value, np.full_like(theta, gradient)

    state = optimizer.step(Bad(np.sin, np.cos), optimizer.init([1.0, 2.0]))
    assert state.finished == reason
    assert (state.step, state.value, state.gradient) == (0, None, None)


@WAYS
@pytest.mark.parametrize("entry", [math.nan, math.inf])
def test_no_step_with_a_jacobian_that_is_not_finite(optimizer, entry):
    class Bad(LeastSquares):
        def triangle(self, theta):
            matrix = np.eye(4)
            matrix[1, 2] = entry
            return Triangle(matrix, 4, 1e-16)

        def jvp(self, theta, v):
            return np.full(4, entry)

    matrix = np.eye(3)
    function = Bad(lambda x: x, lambda x: matrix)
    state = optimizer.step(function, optimizer.init(np.ones(3)))
    assert state.finished == "the Jacobian is not finite"


@WAYS
def test_steps_stay_where_the_function_is_finite(optimizer):
    """A minimum near the edge, beyond which there is NaN."""

    def residuals(x):
        with np.errstate(invalid="ignore", over="ignore"):
            return np.concatenate([np.sqrt(2 - x) + 0.1 * (2 - x) ** -0.5, np.exp(x - 3)])

    def jacobian(x):
        slopes = -0.5 * (2 - x) ** -0.5 + 0.05 * (2 - x) ** -1.5
        return np.concatenate([np.diag(slopes), np.diag(np.exp(x - 3))])

    function = LeastSquares(residuals, jacobian)
    state = optimizer.init(np.array([-1.0, 1.5]))
    before = function.value(state.parameters)
    while not state.finished and state.step < 100:
        state = optimizer.step(function, state)
        assert state.finished or state.value < before
        before = state.value
    edge = scipy.optimize.minimize_scalar(
        lambda x: function.value(np.full(2, x)), bounds=(1, 1.99), method="bounded"
    )
    assert math.isclose(state.value, edge.fun, rel_tol=1e-8)


@WAYS
def test_rounding_ends_a_run_with_a_reason(optimizer):
    """Both an exact fit and one with residuals that remain; the state's radius is kept."""
    remains = until_finished(optimizer, bent(30, 4, seed=5), np.full(4, 0.2))
    assert remains.finished == "the predicted decrease is lost in the rounding of the value"
    assert remains.radius > 0
    shifted = LeastSquares(lambda x: 1e8 * (x - 1 / 3) + 1e-3, lambda x: np.full((1, 1), 1e8))
    exact = until_finished(optimizer, shifted, np.array([0.7]))
    assert exact.finished in (
        "gradient is zero",
        "steps are lost in the rounding of the parameters",
        "the predicted decrease is lost in the rounding of the value",
    )
    assert exact.step <= 3
    assert optimizer.step(bent(30, 4, seed=5), remains.stale()).finished


def test_a_gradient_too_short_for_a_subspace_finishes():
    tiny = LeastSquares(lambda x: 1e-170 * (x + 1), lambda x: 1e-170 * np.eye(3))
    optimizer = LevenbergMarquardt(largest_triangle=0)
    start = optimizer.init(np.ones(3)).changed(value=1.0, gradient=np.full(3, 1e-170))
    state = optimizer.step(tiny, start)
    assert state.finished == "the length of the gradient underflows"
    np.testing.assert_array_equal(state.parameters, start.parameters)


# What is refused


@pytest.mark.parametrize(
    ("residuals", "jacobian", "said"),
    [
        (np.ones((3, 1)), np.ones((3, 2)), ("residuals", "(m,)", "(3, 1)")),
        (np.ones(3), np.ones(3), ("jacobian", "(m, 2)", "(3,)")),
        (np.ones(3), np.ones((2, 3)), ("jacobian", "(m, 2)", "(2, 3)")),
        (np.ones(3), np.ones((4, 2)), ("jacobian", "3 residuals", "(4, 2)")),
    ],
)
def test_shapes_that_do_not_fit(residuals, jacobian, said):
    function = LeastSquares(lambda x: residuals, lambda x: jacobian)
    with pytest.raises(ValueError, match=naming(*said)):
        LevenbergMarquardt().step(function, LevenbergMarquardt().init([1.0, 2.0]))


def test_a_value_that_overflows_asks_for_no_jacobian():
    function = LeastSquares(lambda x: 1e200 * x, lambda x: 1e200 * np.eye(2))
    value, gradient = function(np.array([1.0, 2.0]))
    assert value == np.inf
    assert np.isnan(gradient).all()


class Unreduced(LeastSquares):
    def triangle(self, theta):
        raise AssertionError("a triangle")


@pytest.mark.parametrize(
    ("optimizer", "needs"),
    [
        (LevenbergMarquardt(largest_triangle=10**7), "LevenbergMarquardt.* 3000000 parameters"),
        (
            LevenbergMarquardt(columns=10**7),
            "LevenbergMarquardt.* needs for 3000000 parameters 7.2e",
        ),
    ],
)
def test_memory_is_refused_before_it_is_taken(optimizer, needs):
    function = Unreduced(lambda x: x, lambda x: np.ones((1, 1)))
    start = optimizer.init(np.ones(3_000_000)).changed(value=1.0, gradient=np.ones(3_000_000))
    with pytest.raises(ValueError, match=f"{needs}.* GB of memory, but this process can have"):
        optimizer.step(function, start)
