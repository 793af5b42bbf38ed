import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectives import WITH_GRADIENTS, beale, name, quadratic, rosenbrock, run
from scipy.optimize import minimize

from kanml import _core
from kanml.optim import LBFGS, Geometry
from kanml.optim.quasi_newton import _curvature
from kanml.optim.vectors import ARRAYS
from reference.bfgs import initial_diagonal, inverse_hessian

PROBLEMS = {
    "rosenbrock 2": (rosenbrock, np.array([-1.2, 1.0]), np.ones(2)),
    "rosenbrock 10": (rosenbrock, np.tile([-1.2, 1.0], 5), np.ones(10)),
    "beale": (beale, np.array([1.0, 1.0]), np.array([3.0, 0.5])),
}


def quadratic_problem(n, seed):
    function, _, center = quadratic(n, 1e6, seed)
    return function, np.zeros(n), center


PROBLEMS |= {
    f"quadratic {n}, {seed}": quadratic_problem(n, seed) for n in (5, 10) for seed in range(3)
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_lbfgs_against_scipy(problem):
    function, x0, minimiser = PROBLEMS[problem]
    tolerance = 1e-6
    peer = minimize(
        function,
        x0,
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 20, "gtol": tolerance, "ftol": 0},
    )
    optimizer = LBFGS(memory=20)
    state = optimizer.evaluate(function, optimizer.init(x0))
    while np.abs(state.gradient).max() > tolerance and not state.finished:
        state = optimizer.step(function, state)
    assert not state.finished
    np.testing.assert_allclose(state.parameters, minimiser, rtol=0, atol=1e-5)
    np.testing.assert_allclose(peer.x, minimiser, rtol=0, atol=1e-5)
    assert state.evaluations <= 1.5 * peer.nfev


def test_lbfgs_usually_needs_one_evaluation_a_step():
    optimizer = LBFGS(memory=20)
    state = run(optimizer, rosenbrock, optimizer.init(np.tile([-1.2, 1.0], 50)), 300)
    assert state.step == 300
    assert state.evaluations <= 1.25 * state.step


def test_lbfgs_direction_is_that_of_dense_bfgs():
    n = 8
    function, _, _ = quadratic(n, 100.0, seed=0)
    optimizer = LBFGS(memory=n)
    state = optimizer.evaluate(function, optimizer.init(np.zeros(n)))
    pairs = []
    for _ in range(n):
        before, state = state, optimizer.step(function, state)
        pairs.append(
            (state.parameters - before.parameters, state.gradient - before.gradient),
        )
        direction = np.empty(n)
        _core.two_loop(
            state.steps, state.gradient_changes, state.diagonal, state.gradient, direction
        )
        steps, changes = map(np.array, zip(*pairs, strict=True))
        start = initial_diagonal(steps, changes)
        np.testing.assert_allclose(state.diagonal, start, rtol=1e-9)
        expected = -inverse_hessian(steps, changes, start) @ state.gradient
        error = np.linalg.norm(direction - expected) / np.linalg.norm(expected)
        assert error <= 1e-10


def test_lbfgs_goes_on_where_differences_of_values_are_rounding_error():
    """1e6 + f: values agree to rounding once f < 1e-10, far from the accuracy asked for here."""
    function, _, center = quadratic(5, 100.0, seed=0)

    def raised(x):
        value, gradient = function(x)
        return 1e6 + value, gradient

    optimizer = LBFGS()
    state = optimizer.evaluate(raised, optimizer.init(np.zeros(5)))
    start = np.abs(state.gradient).max()
    while np.abs(state.gradient).max() > 1e-12 * start:
        state = optimizer.step(raised, state)
        assert not state.finished
    np.testing.assert_allclose(state.parameters, center, rtol=0, atol=1e-9)


def test_lbfgs_keeps_the_newest_pairs_only():
    optimizer = LBFGS(memory=3)
    state = optimizer.init(np.tile([-1.2, 1.0], 5))
    for k in range(6):
        before, state = state, optimizer.step(rosenbrock, state)
        assert np.shape(state.steps) == np.shape(state.gradient_changes) == (min(k + 1, 3), 10)
        np.testing.assert_allclose(
            state.steps[-1], state.parameters - before.parameters, rtol=0, atol=1e-15
        )
        if k >= 3:
            np.testing.assert_array_equal(state.steps[:-1], before.steps[1:])


def walled(x):
    """-log(x) + x, not a number outside x > 0."""
    if np.any(x <= 0):
        return math.nan, np.full_like(x, math.nan)
    return float(np.sum(x - np.log(x))), 1 - 1 / x


def infinite_wall(x):
    value, gradient = walled(x)
    return (value, gradient) if math.isfinite(value) else (math.inf, np.full_like(x, -math.inf))


def nan_gradient(x):
    """A finite value with a bad gradient is a wall as well."""
    value, gradient = walled(x)
    return (value, gradient) if math.isfinite(value) else (-1e3, gradient)


@pytest.mark.parametrize("function", [walled, infinite_wall, nan_gradient])
@given(x0=st.lists(st.floats(1e-3, 50.0), min_size=1, max_size=4))
def test_lbfgs_turns_back_at_walls(function, x0):
    optimizer = LBFGS()
    state = optimizer.init(x0)
    for _ in range(100):
        state = optimizer.step(function, state)
        assert math.isfinite(state.value)
        assert np.isfinite(state.gradient).all()
        if np.abs(state.gradient).max() <= 1e-8:
            break
    np.testing.assert_allclose(state.parameters, 1, rtol=0, atol=2e-8)


def test_lbfgs_goes_to_the_edge_where_there_is_no_wolfe_point():
    def cliff(x):
        return (float(x[0]), np.ones(1)) if x[0] > -1 else (math.nan, np.full(1, math.nan))

    optimizer = LBFGS()
    state = run(optimizer, cliff, optimizer.init([3.0]), 20)
    assert math.isfinite(state.value)
    assert -1 < state.parameters[0] < -1 + 1e-6


def test_lbfgs_drops_a_bad_memory_and_restarts():
    optimizer = LBFGS()
    state = optimizer.init([-1.2, 1.0])
    ascent = np.array([1.0, 0.0])
    state = replace(state, steps=(ascent,), gradient_changes=(-ascent,))
    after = optimizer.step(rosenbrock, state)
    fresh = optimizer.step(rosenbrock, optimizer.init([-1.2, 1.0]))
    assert not after.finished
    np.testing.assert_array_equal(after.parameters, fresh.parameters)
    np.testing.assert_array_equal(after.steps, fresh.steps)


def test_lbfgs_finishes_when_steepest_descent_fails_too():
    def wrong(x):
        return float(x @ x), -2 * x

    optimizer = LBFGS()
    state = optimizer.step(wrong, optimizer.init([1.0, 2.0]))
    assert state.finished == "line search failed along the steepest descent direction"
    np.testing.assert_array_equal(state.parameters, [1.0, 2.0])
    assert (state.value, state.step) == (5.0, 0)
    assert optimizer.step(wrong, state) is state
    assert state.stale().finished == ""


def test_lbfgs_finishes_where_only_rounding_error_is_left():
    # The minimiser is no float64 number: neither the value nor the gradient can reach zero.
    def function(x):
        return 1 + float(((x - math.pi / 10) ** 4).sum()), 4 * (x - math.pi / 10) ** 3 + 1e-18

    optimizer = LBFGS()
    state = run(optimizer, function, optimizer.init(np.full(3, 2.0)), 500)
    assert state.finished
    assert state.evaluations < 500
    np.testing.assert_allclose(state.parameters, math.pi / 10, atol=1e-4)


def test_lbfgs_finishes_at_a_zero_gradient():
    optimizer = LBFGS()
    state = optimizer.step(rosenbrock, optimizer.init([1.0, 1.0]))
    assert state.finished == "gradient is zero"
    assert (state.value, state.step, state.evaluations) == (0.0, 0, 1)


def test_lbfgs_finishes_where_the_geometry_ascends():
    optimizer = LBFGS()
    upwards = Geometry(step=np.negative)
    state = run(optimizer, rosenbrock, optimizer.init([-1.2, 1.0]), 1, upwards)
    assert state.finished == "the steepest descent direction is not one of descent"


def test_lbfgs_skips_pairs_without_curvature():
    """Along a straight slope s.y = 0, and the line search continues until the wall."""

    def slope(x):
        return (float(x.sum()), np.ones(2)) if x.sum() > -50 else (math.nan, np.ones(2))

    optimizer = LBFGS()
    state = optimizer.step(slope, optimizer.init([0.0, 0.0]))
    assert state.step == 1
    assert state.value < -25
    assert len(state.steps) == 0


@pytest.mark.parametrize(
    ("s", "y", "expected"),
    [
        (1.0, 2.0, 2.0),
        (1.0, -2.0, 0.0),
        (1.0, 1e-170, 0.0),  # the square of y underflows
        (1.0, 0.0, 0.0),
        (1e200, 1.0, 0.0),  # that of s overflows
    ],
)
def test_curvature_is_positive_or_rounding_error(s, y, expected):
    assert _curvature(ARRAYS, np.array([s]), np.array([y])) == expected


@pytest.mark.parametrize("optimizer", WITH_GRADIENTS, ids=name)
@pytest.mark.parametrize(
    ("value", "gradient", "reason"),
    [
        (math.nan, 1.0, "the value is nan"),
        (math.inf, 1.0, "the value is inf"),
        (1.0, math.nan, "the gradient is not finite"),
    ],
)
def test_no_step_from_where_the_objective_is_not_finite(optimizer, value, gradient, reason):
    state = optimizer.step(lambda x: (value, np.full(2, gradient)), optimizer.init([1.0, 2.0]))
    assert state.finished == reason
    np.testing.assert_array_equal(state.parameters, [1.0, 2.0])
    assert state.step == 0
    if name(optimizer) in ("LBFGS", "SSBroyden"):
        assert state.value is None
