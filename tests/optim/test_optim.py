import doctest
import importlib
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from kanml import _core
from kanml.optim import (
    LBFGS,
    Adam,
    CyclicDecay,
    Geometry,
    GradientDescent,
    Ramp,
    TransferMaps,
)
from kanml.optim.line_search import CURVATURE, SUFFICIENT_DECREASE, Trial, strong_wolfe
from reference.bfgs import initial_diagonal, inverse_hessian

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


# --- L-BFGS ---


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
        assert state.steps.shape == state.gradient_changes.shape == (min(k + 1, 3), 10)
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
    ascent = np.array([[1.0, 0.0]])
    state = replace(state, steps=ascent, gradient_changes=-ascent)
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
    """Along a straight slope s.y = 0, and the line search goes on until the wall."""

    def slope(x):
        return (float(x.sum()), np.ones(2)) if x.sum() > -50 else (math.nan, np.ones(2))

    optimizer = LBFGS()
    state = optimizer.step(slope, optimizer.init([0.0, 0.0]))
    assert state.step == 1
    assert state.value < -25
    assert len(state.steps) == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
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
    if name(optimizer) == "LBFGS":
        assert state.value is None


# --- the line search ---

NOISE = math.sqrt(np.finfo(np.float64).eps)


def search(phi, first):
    """Search along t -> (value, slope), which must go downhill at 0."""

    def trial(t):
        return Trial(t, *phi(t), np.empty(0), np.empty(0))

    start = trial(0.0)
    return start, strong_wolfe(trial, start, first, NOISE)


def assert_strong_wolfe(start, trial):
    enough = trial.value <= start.value + SUFFICIENT_DECREASE * trial.t * start.slope
    assert enough or math.isclose(trial.value, start.value, rel_tol=NOISE)
    assert abs(trial.slope) <= CURVATURE * abs(start.slope)


coefficient = st.floats(-10, 10)


@given(
    quartic=st.floats(0.01, 10),
    cubic=coefficient,
    square=coefficient,
    slope=st.floats(0.01, 10),
    wave=st.floats(0, 3),
    frequency=st.floats(0.1, 10),
    offset=st.floats(-1e3, 1e3),
    first=st.floats(-4, 2).map(lambda exponent: 10.0**exponent),
)
def test_line_search_returns_strong_wolfe_points(
    quartic, cubic, square, slope, wave, frequency, offset, first
):
    def phi(t):
        value = quartic * t**4 + cubic * t**3 + square * t**2 - slope * t
        derivative = 4 * quartic * t**3 + 3 * cubic * t**2 + 2 * square * t - slope
        oscillation = wave * math.cos(frequency * t)
        return (
            value + oscillation + offset,
            derivative - wave * frequency * math.sin(frequency * t),
        )

    start, found = search(phi, first)
    assert found.accepted
    assert_strong_wolfe(start, found.trial)


@given(
    minimiser=st.floats(-6, 6).map(lambda exponent: 10.0**exponent),
    curvature=st.floats(-6, 6).map(lambda exponent: 10.0**exponent),
)
def test_line_search_on_parabolas_of_any_scale(minimiser, curvature):
    def phi(t):
        return 0.5 * curvature * (t - minimiser) ** 2, curvature * (t - minimiser)

    start, found = search(phi, 1.0)
    assert found.accepted
    assert_strong_wolfe(start, found.trial)


@given(wall=st.floats(1e-6, 10), minimiser=st.floats(0.1, 0.9), bad=st.sampled_from([1, -1, 0]))
def test_line_search_stops_before_a_wall(wall, minimiser, bad):
    beyond = {1: math.inf, -1: -math.inf, 0: math.nan}[bad]

    def phi(t):
        if t >= wall:
            return beyond, beyond
        return (t - minimiser * wall) ** 2, 2 * (t - minimiser * wall)

    start, found = search(phi, 1.0)
    assert found.accepted
    assert_strong_wolfe(start, found.trial)


@given(first=st.floats(1e-6, 1e2))
def test_line_search_gives_up_within_its_budget(first):
    calls = 0

    def phi(t):
        nonlocal calls
        calls += 1
        return t, -1.0

    start, found = search(phi, first)
    assert not found.accepted
    assert found.trial is start
    assert found.evaluations == calls - 1 <= 25


# --- the first-order methods, against their formulas ---


def test_weight_decay_leaves_unknowns_alone():
    """At a stationary point decay is all that happens; for unknowns that is nothing."""
    optimizer = Adam(0.5, weight_decay=0.25)
    state = optimizer.init([4.0, -8.0, 3.0, 1e300])
    flat = optimizer.step(lambda x: (0.0, 0 * x), state, Geometry(n_unknowns=2))
    np.testing.assert_array_equal(flat.parameters, [3.5, -7.0, 3.0, 1e300])
    alone = optimizer.step(lambda x: (0.0, 0 * x), state)
    np.testing.assert_array_equal(alone.parameters, [3.5, -7.0, 2.625, 8.75e299])


@given(weight_decay=st.sampled_from([0.0, 0.1]), seed=st.integers(0, 2**32))
def test_adam_step_by_step(weight_decay, seed):
    function, _, center = quadratic(6, 10.0, seed)
    lr, (beta1, beta2), eps = 0.05, (0.8, 0.95), 1e-6
    optimizer = Adam(lr, (beta1, beta2), eps, weight_decay)
    state = optimizer.init(2 * center + 1)
    theta, m, v = 2 * center + 1, np.zeros(6), np.zeros(6)
    for t in range(1, 21):
        _, g = function(state.parameters)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        direction = -lr * m_hat / (np.sqrt(v_hat) + eps)
        theta = state.parameters - lr * weight_decay * state.parameters + direction
        state = optimizer.step(function, state)
        scale = 1 + np.abs(theta)
        assert np.max(np.abs(state.parameters - theta) / scale) <= 1e-14
        np.testing.assert_allclose(state.first_moment, m, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(state.second_moment, v, rtol=1e-14)
        assert (state.updates, state.step, state.evaluations) == (t, t, t)


@given(seed=st.integers(0, 2**32))
def test_gradient_descent_step_by_step(seed):
    function, _, center = quadratic(6, 10.0, seed)
    optimizer = GradientDescent(0.01)
    state = optimizer.init(center + 1)
    for _ in range(20):
        _, g = function(state.parameters)
        theta = state.parameters - 0.01 * g
        state = optimizer.step(function, state)
        np.testing.assert_allclose(state.parameters, theta, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("optimizer", [GradientDescent(0.1), Adam(0.1)], ids=name)
def test_first_order_steps_leave_the_evaluation_to_the_next_minibatch(optimizer):
    state = optimizer.step(rosenbrock, optimizer.init([-1.2, 1.0]))
    assert state.value is None
    assert state.gradient is None
    with pytest.raises(ValueError, match="has not been evaluated"):
        state.evaluation()
    state = optimizer.evaluate(rosenbrock, state)
    assert state.evaluations == 2
    assert optimizer.evaluate(rosenbrock, state) is state


# --- schedules ---


def test_ramp():
    ramp = Ramp(0.1, 0.5, steps=4)
    assert [ramp(100 + k, k) for k in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    assert Ramp(0.1, 0.5, steps=4, restart=False)(100, 0) == 0.5


def test_cyclic_decay():
    cycle = CyclicDecay(0.1, 0.5, period=4, decay=0.9)
    expected = [0.1 + 0.4 * tri * 0.9**k for k, tri in enumerate([0, 0.5, 1, 0.5, 0, 0.5])]
    assert [cycle(k, 0) for k in range(6)] == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("make", [GradientDescent, Adam])
def test_schedules_see_the_steps_already_taken(make):
    seen = []

    def schedule(step, level_step):
        seen.append((step, level_step))
        return 0.1

    optimizer = make(schedule)
    state = run(optimizer, rosenbrock, optimizer.init([0.5, 0.5]), 2)
    state = optimizer.transfer(state, TransferMaps(*[np.copy] * 5), "prolong")
    run(optimizer, rosenbrock, state, 2)
    assert seen == [(0, 0), (1, 1), (2, 0), (3, 1)]


def test_gradient_descent_follows_a_schedule():
    optimizer = GradientDescent(Ramp(0.0, 1.0, steps=2))
    state = optimizer.init([1.0])
    for expected in (1.0, 0.5, -0.5):
        state = optimizer.step(lambda x: (float(x[0]), np.ones(1)), state)
        assert state.parameters[0] == expected


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_schedule_with_an_impossible_rate(rate):
    optimizer = GradientDescent(lambda step, level_step: rate)
    with pytest.raises(ValueError, match="the learning rate of step 0 must be a number"):
        optimizer.step(rosenbrock, optimizer.init([0.5, 0.5]))


# --- geometry ---


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
@given(seed=st.integers(0, 2**32))
def test_geometry_is_a_change_of_variables(optimizer, seed):
    n = 6
    rng = np.random.default_rng(seed)
    b = np.eye(n) + 0.2 * rng.standard_normal((n, n))
    assume(np.linalg.cond(b) < 5)  # the steps amplify rounding differences
    function, _, _ = quadratic(n, 10.0, seed)
    z = rng.standard_normal(n)

    def transformed(z):
        value, gradient = function(b.T @ z)
        return value, b @ gradient

    in_z = Geometry(gradient=lambda g: b @ g, step=lambda d: b.T @ d)
    mapped, plain = optimizer.init(b.T @ z), optimizer.init(z)
    for _ in range(10):
        mapped = optimizer.step(function, mapped, in_z)
        plain = optimizer.step(transformed, plain)
        np.testing.assert_allclose(mapped.parameters, b.T @ plain.parameters, rtol=0, atol=1e-9)
    assert mapped.evaluations == plain.evaluations


# --- transfer between levels ---


@pytest.fixture(scope="module")
def refinement():
    """P and P (P^T P)^{-1} from 4 to 7 parameters, as maps on the last axis."""
    p = np.random.default_rng(0).standard_normal((7, 4))
    dual = p @ np.linalg.inv(p.T @ p)
    return TransferMaps(
        parameters=lambda v: v @ p.T,
        primal=lambda v: v @ p.T,
        dual=lambda v: v @ dual.T,
        second_moment=lambda v: v @ np.abs(p.T),
        curvature=lambda v: 0.5 * v @ np.abs(p.T),
    )


@pytest.mark.parametrize("how", ["prolong", "reset"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
def test_transfer_moves_parameters_and_counters(optimizer, how, refinement):
    state = run(optimizer, rosenbrock, optimizer.init(np.zeros(4)), 5)
    finer = optimizer.transfer(state, refinement, how)
    np.testing.assert_array_equal(finer.parameters, refinement.primal(state.parameters))
    assert (finer.step, finer.level_step, finer.evaluations) == (5, 0, state.evaluations)
    assert finer.value is None
    assert finer.gradient is None
    assert type(finer) is type(state)
    assert optimizer.step(rosenbrock, finer).step == 6


def test_transfer_keeps_curvature(refinement):
    optimizer = LBFGS(memory=3)
    state = run(optimizer, rosenbrock, optimizer.init(np.zeros(4)), 5)
    finer = optimizer.transfer(state, refinement, "prolong")
    assert finer.steps.shape == finer.gradient_changes.shape == (3, 7)
    before = np.sum(state.steps * state.gradient_changes, axis=1)
    after = np.sum(finer.steps * finer.gradient_changes, axis=1)
    np.testing.assert_allclose(after, before, rtol=1e-12)
    inverse = 1 / refinement.curvature(1 / state.diagonal)
    np.testing.assert_array_equal(finer.diagonal, inverse)
    assert len(optimizer.transfer(state, refinement, "reset").steps) == 0
    empty = optimizer.transfer(optimizer.init(np.zeros(4)), refinement, "prolong")
    assert empty.steps.shape == empty.gradient_changes.shape == (0, 7)
    np.testing.assert_array_equal(empty.diagonal, np.ones(7))


def test_transfer_of_moments(refinement):
    optimizer = Adam(0.1)
    state = run(optimizer, rosenbrock, optimizer.init(np.zeros(4)), 5)
    finer = optimizer.transfer(state, refinement, "prolong")
    np.testing.assert_array_equal(finer.first_moment, refinement.dual(state.first_moment))
    squares = refinement.second_moment(state.second_moment)
    np.testing.assert_array_equal(finer.second_moment, squares)
    assert finer.updates == 5
    fresh = optimizer.transfer(state, refinement, "reset")
    assert fresh.updates == 0
    np.testing.assert_array_equal(fresh.first_moment, np.zeros(7))
    np.testing.assert_array_equal(fresh.second_moment, np.zeros(7))


def test_transfer_takes_up_a_finished_run_again(refinement):
    optimizer = LBFGS()
    state = optimizer.step(rosenbrock, optimizer.init(np.ones(4)))
    assert state.finished
    assert not optimizer.transfer(state, refinement, "prolong").finished


def test_transfer_refuses_other_ways(refinement):
    optimizer = LBFGS()
    with pytest.raises(ValueError, match="how must be one of 'prolong', 'reset', got 'keep'"):
        optimizer.transfer(optimizer.init(np.zeros(4)), refinement, "keep")


# --- states ---


def arrays(state):
    values = (getattr(state, field.name) for field in fields(state))
    return [value for value in values if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
def test_states_own_read_only_arrays_of_their_dtype(optimizer, dtype):
    x0 = np.array([-1.2, 1.0], dtype)
    buffer = np.empty(2, dtype)

    def function(x):
        assert x.dtype == dtype
        buffer[:] = rosen_der(x)
        return rosen(x), buffer

    state = optimizer.init(x0)
    for _ in range(4):
        state = optimizer.evaluate(function, state)
        kept = [array.copy() for array in arrays(state)]
        after = optimizer.step(function, state)
        for array, copy in zip(arrays(state), kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        state = after
        for array in arrays(state):
            assert array.dtype == dtype
            assert not array.flags.writeable
            assert not np.shares_memory(array, x0)
            assert not np.shares_memory(array, buffer)


def test_stale_forgets_the_evaluation_and_keeps_the_memory():
    optimizer = LBFGS()
    state = run(optimizer, rosenbrock, optimizer.init([-1.2, 1.0]), 3)
    stale = state.stale()
    assert stale.value is None
    assert stale.gradient is None
    assert stale.steps is state.steps
    assert optimizer.evaluate(rosenbrock, stale).evaluations == state.evaluations + 1


def test_lbfgs_in_float32_reaches_what_float32_can():
    function, _, center = quadratic(5, 100.0, seed=1)
    optimizer = LBFGS()
    state = run(optimizer, function, optimizer.init(np.zeros(5, np.float32)), 40)
    assert state.parameters.dtype == state.steps.dtype == np.float32
    np.testing.assert_allclose(state.parameters, center, rtol=0, atol=1e-5)


# --- bad input ---


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: GradientDescent(0.0),
            ValueError,
            "lr must be a number > 0 or a schedule, got 0.0",
        ),
        (
            lambda: GradientDescent("fast"),
            TypeError,
            "lr must be a number > 0 or a schedule, got 'fast'",
        ),
        (lambda: GradientDescent(True), TypeError, "lr must be a number > 0 .* got True"),
        (lambda: Adam(math.nan), ValueError, "lr must be a number > 0 .* got nan"),
        (lambda: Adam(0.1, betas=0.9), TypeError, "betas must be two numbers .* got 0.9"),
        (
            lambda: Adam(0.1, betas=(0.9, 1.0)),
            ValueError,
            r"betas\[1\] must be a number in .* got 1.0",
        ),
        (lambda: Adam(0.1, eps=0), ValueError, "eps must be a number > 0, got 0"),
        (
            lambda: Adam(0.1, weight_decay=-1.0),
            ValueError,
            "weight_decay must be a number >= 0, got -1.0",
        ),
        (lambda: LBFGS(memory=0), ValueError, "memory must be an integer >= 1, got 0"),
        (lambda: LBFGS(memory=2.5), TypeError, "memory must be an integer >= 1, got 2.5"),
        (
            lambda: LBFGS(line_search="armijo"),
            ValueError,
            "line_search must be one of .*, got 'armijo'",
        ),
        (lambda: Ramp(-1.0, 0.1, 5), ValueError, "initial must be a number >= 0, got -1.0"),
        (lambda: Ramp(0.0, 0.1, 0), ValueError, "steps must be an integer >= 1, got 0"),
        (lambda: Ramp(0.0, 0.1, 5, restart=1), TypeError, "restart must be True or False, got 1"),
        (lambda: CyclicDecay(0.2, 0.1, 5, 0.9), ValueError, "high must be .* low = 0.2, got 0.1"),
        (lambda: CyclicDecay(0.1, 0.2, 5, 1.1), ValueError, r"decay must be .* \(0, 1\], got 1.1"),
        (
            lambda: LBFGS().init([[1.0]]),
            ValueError,
            r"parameters must have shape \(n,\), got shape \(1, 1\)",
        ),
        (lambda: LBFGS().init([math.inf]), ValueError, "parameters must be finite, got parameters"),
        (
            lambda: LBFGS().init(["a"]),
            TypeError,
            "parameters must hold real numbers, got dtype <U1",
        ),
        (
            lambda: LBFGS().evaluate(lambda x: (0.0, np.ones(3)), LBFGS().init([1.0, 2.0])),
            ValueError,
            r"gradient has the shape \(3,\), expected \(2,\)",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("module", ["base", "schedules", "gradient_descent", "adam", "lbfgs"])
def test_examples(module):
    result = doctest.testmod(importlib.import_module(f"kanml.optim.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
