import doctest
import importlib
import math
from dataclasses import fields

import classic_problems
import numpy as np
import pytest
from classic_problems import Separable
from hypothesis import assume, given
from hypothesis import strategies as st
from objectives import (
    OPTIMIZERS,
    WITH_GEOMETRY,
    name,
    quadratic,
    rosenbrock,
    run,
    separable_rosenbrock,
)

from kanml.optim import (
    LBFGS,
    Adam,
    CyclicDecay,
    Geometry,
    GradientDescent,
    LeastSquares,
    LevenbergMarquardt,
    Ramp,
    SSBroyden,
    TransferMaps,
)

# --- geometry ---


@pytest.mark.parametrize("optimizer", WITH_GEOMETRY, ids=name)
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


def test_which_optimizers_have_a_geometry():
    assert [o for o in OPTIMIZERS if "geometry" in vars(o)] == WITH_GEOMETRY
    ascends = Geometry(displacement=np.negative)
    with pytest.raises(ValueError, match="SSBroyden cannot step in other variables than"):
        SSBroyden().step(rosenbrock, SSBroyden().init([1.0, 2.0]), ascends)


# --- transfer between levels ---


@pytest.fixture(scope="module")
def refinement():
    """P and P (P^T P)^{-1} from 4 to 7 parameters."""
    p = np.random.default_rng(0).standard_normal((7, 4))
    dual = p @ np.linalg.inv(p.T @ p)
    return TransferMaps(
        parameters=lambda v: v @ p.T,
        primal=lambda v: v @ p.T,
        dual=lambda v: v @ dual.T,
        second_moment=lambda v: v @ np.abs(p.T),
        inverse_curvature=lambda v: 1 / (0.5 * (1 / v) @ np.abs(p.T)),
    )


@pytest.mark.parametrize("how", ["prolong", "reset"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
def test_transfer_moves_parameters_and_counters(optimizer, how, refinement):
    state = run(optimizer, separable_rosenbrock(4), optimizer.init(np.zeros(4)), 5)
    finer = optimizer.transfer(state, refinement, how)
    np.testing.assert_array_equal(finer.parameters, refinement.primal(state.parameters))
    assert (finer.step, finer.level_step, finer.evaluations) == (5, 0, state.evaluations)
    assert finer.value is None
    assert finer.gradient is None
    assert type(finer) is type(state)
    assert optimizer.step(separable_rosenbrock(7), finer).step == 6


def test_transfer_keeps_curvature(refinement):
    optimizer = LBFGS(memory=3)
    state = run(optimizer, rosenbrock, optimizer.init(np.zeros(4)), 5)
    finer = optimizer.transfer(state, refinement, "prolong")
    assert np.shape(finer.steps) == np.shape(finer.gradient_changes) == (3, 7)
    before = np.vecdot(state.steps, state.gradient_changes)
    after = np.vecdot(finer.steps, finer.gradient_changes)
    np.testing.assert_allclose(after, before, rtol=1e-12)
    inverse = refinement.inverse_curvature(state.diagonal)
    np.testing.assert_array_equal(finer.diagonal, inverse)
    assert len(optimizer.transfer(state, refinement, "reset").steps) == 0
    empty = optimizer.transfer(optimizer.init(np.zeros(4)), refinement, "prolong")
    assert empty.steps == empty.gradient_changes == ()
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


def test_transfer_forgets_a_radius_and_keeps_the_last_step(refinement):
    optimizer = LevenbergMarquardt()
    state = run(optimizer, rosenbrock, optimizer.init([-1.2, 1.0, -1.2, 1.0]), 5)
    assert state.radius > 0
    finer = optimizer.transfer(state, refinement, "prolong")
    assert finer.radius == 0
    assert finer.last is None
    assert finer.damping == state.damping
    stepped = state.changed(last=np.arange(4.0))
    moved = optimizer.transfer(stepped, refinement, "prolong").last
    np.testing.assert_array_equal(moved, refinement.primal(stepped.last))


def test_transfer_refuses_other_ways(refinement):
    optimizer = LBFGS()
    with pytest.raises(ValueError, match="how must be one of 'prolong', 'reset', got 'keep'"):
        optimizer.transfer(optimizer.init(np.zeros(4)), refinement, "keep")


# --- states ---


def arrays(state):
    values = [getattr(state, field.name) for field in fields(state)]
    rows = [row for value in values if isinstance(value, tuple) for row in value]
    return [value for value in (*values, *rows) if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=name)
def test_states_own_read_only_arrays_of_their_dtype(optimizer, dtype):
    x0 = np.array([-1.2, 1.0], dtype)
    buffer = np.empty(2, dtype)

    class Buffered(Separable):
        def __call__(self, x):
            assert x.dtype == dtype
            value, buffer[:] = super().__call__(x)
            return value, buffer

    function = Buffered(
        classic_problems.rosenbrock,
        lambda x: classic_problems.jacobian(classic_problems.rosenbrock, x),
        slice(1, 2),
    )
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
    assert state.parameters.dtype == state.diagonal.dtype == np.float32
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
        (
            lambda: LevenbergMarquardt(largest_triangle=-1),
            ValueError,
            "largest_triangle must be an integer >= 0, got -1",
        ),
        (lambda: LevenbergMarquardt(columns=1), ValueError, "columns must be .* >= 2, got 1"),
        (
            lambda: LevenbergMarquardt().step(lambda x: (x @ x, 2 * x), LBFGS().init([1.0])),
            TypeError,
            "function must be a kanml.optim.SumOfSquares, got <function",
        ),
        (
            lambda: LevenbergMarquardt().step(
                rosenbrock,
                LevenbergMarquardt().init([1.0, 2.0]),
                Geometry(gradient=lambda g: 2 * g, step=lambda d: 2 * d),
            ),
            ValueError,
            "geometry must be None or the identity",
        ),
        (
            lambda: LeastSquares(np.ones(2), np.ones((2, 2))),
            TypeError,
            "residuals must be a function of the parameters, got array",
        ),
        (lambda: LBFGS(memory=0), ValueError, "memory must be an integer >= 1, got 0"),
        (lambda: LBFGS(memory=2.5), TypeError, "memory must be an integer >= 1, got 2.5"),
        (
            lambda: LBFGS(line_search="armijo"),
            ValueError,
            "line_search must be one of .*, got 'armijo'",
        ),
        (
            lambda: SSBroyden("dfp"),
            ValueError,
            "update must be one of 'ssbroyden', 'ssbfgs', 'bfgs', got 'dfp'",
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


@pytest.mark.parametrize(
    "module",
    [
        "adam",
        "base",
        "gradient_descent",
        "lbfgs",
        "least_squares",
        "levenberg_marquardt",
        "matrices",
        "schedules",
        "ssbroyden",
        "variable_projection",
    ],
)
def test_examples(module):
    result = doctest.testmod(importlib.import_module(f"kanml.optim.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
