"""Variable projection: steps against formulas, classic separable problems, and how it ends."""

import math
from dataclasses import fields

import numpy as np
import pytest
import scipy.optimize
from classic_problems import SEPARABLE, Separable, jacobian, separable

from kanml.optim import Geometry, LeastSquares, TransferMaps, Triangle, VariableProjection
from kanml.optim.variable_projection import Projected
from reference.damped_steps import damped_step

OPTIMIZER = VariableProjection()
ROUNDING = 1e-12  # of singular values, relative to the largest


each_problem = pytest.mark.parametrize("residuals", SEPARABLE, ids=lambda r: r.__name__)


def until_finished(optimizer, function, start, steps=300):
    state = optimizer.init(start)
    while not state.finished and state.step < steps:
        state = optimizer.step(function, state)
    return state


def shortest(matrix, residuals):
    """The shortest y that minimises |matrix y + residuals|."""
    return -np.linalg.pinv(matrix, rcond=ROUNDING) @ residuals


def off_range(matrix):
    """The projector off the range of a matrix."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    u = u[:, s > ROUNDING * s[0]]
    return np.eye(len(matrix)) - u @ u.T


def affine_and_bent(m, linear, others, seed=0, copies=1):
    """Residuals A(x) y + b(x); the columns of A come several times."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((linear, m)), rng.standard_normal((2, m))
    w = rng.standard_normal((linear, m, others))
    w0 = rng.standard_normal((m, others))

    def columns(x):
        return np.tile(np.sin(a + w @ x).T, (1, copies))

    def residuals(theta):
        y, x = theta[: copies * linear], theta[copies * linear :]
        return columns(x) @ y + b[0] + 0.3 * np.sin(b[1] + w0 @ x)

    def slopes(theta):
        y, x = theta[: copies * linear], theta[copies * linear :]
        of_y = y.reshape(copies, linear).sum(axis=0)
        by_x = np.einsum("j,jm,jmp->mp", of_y, np.cos(a + w @ x), w)
        by_x += 0.3 * np.cos(b[1] + w0 @ x)[:, None] * w0
        return np.column_stack([columns(x), by_x])

    return Separable(residuals, slopes, slice(0, copies * linear))


# How far it gets


@each_problem
def test_separable_problems_against_scipy(residuals):
    published, start, linear = SEPARABLE[residuals]
    state = until_finished(OPTIMIZER, separable(residuals, linear), start)
    assert state.finished
    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    theirs = scipy.optimize.least_squares(
        residuals, start, lambda x: jacobian(residuals, x), method="lm", **tight
    )
    assert math.isclose(state.value, published, rel_tol=1e-5)
    assert math.isclose(state.value, 2 * theirs.cost, rel_tol=1e-10)
    slopes, at = jacobian(residuals, state.parameters), residuals(state.parameters)
    gradient = slopes.T @ at
    assert (abs(gradient) <= 1e-6 * np.linalg.norm(slopes, axis=0) * np.linalg.norm(at)).all()
    assert state.step <= theirs.njev


@each_problem
def test_float32(residuals):
    published, start, linear = SEPARABLE[residuals]
    state = until_finished(OPTIMIZER, separable(residuals, linear), np.array(start, np.float32))
    assert state.parameters.dtype == np.float32
    assert math.isclose(state.value, published, rel_tol=1e-4)
    assert state.finished


# Its steps


@pytest.mark.parametrize("copies", [1, 2])
def test_the_triangle_is_that_of_kaufman(copies):
    """P J_x and P r, at the best linear parameters, also where columns depend on each other.

    Where a column depends on others, rounding is left of it, and is lengthened by a multiple of it.
    So P may lack a little of one more direction.
    """
    exact = 1e-11 if copies == 1 else 1e-9
    function = affine_and_bent(30, 3, 4, copies=copies)
    n = 3 * copies
    theta = np.random.default_rng(1).standard_normal(n + 4)
    projected = Projected(function, theta)
    x = theta[n:]
    slopes = function._jacobian(theta)
    y = theta[:n] + shortest(slopes[:, :n], function._residuals(theta))
    best = projected.whole(projected.start)
    np.testing.assert_allclose(best, [*y, *x], rtol=0, atol=1e-11)
    projector = off_range(slopes[:, :n])
    rows = projector @ function._jacobian(best)[:, n:]
    at = projector @ function._residuals(best)
    triangle = projected.triangle(projected.start)
    assert (triangle.n, triangle.rows) == (4, 30)
    np.testing.assert_allclose(
        triangle.R.T @ triangle.R, rows.T @ rows, rtol=0, atol=exact * np.sum(rows**2)
    )
    scale = np.linalg.norm(at) * np.linalg.norm(rows)
    np.testing.assert_allclose(triangle.gradient, 2 * at @ rows, rtol=0, atol=exact * scale)
    square = triangle.c @ triangle.c + triangle.rest**2
    assert math.isclose(square, at @ at, rel_tol=exact)
    value, gradient = projected(projected.start)
    assert math.isclose(value, at @ at, rel_tol=1e-12)
    np.testing.assert_allclose(gradient, 2 * at @ rows, rtol=0, atol=1e-11)


def test_steps_are_damped_steps_of_the_projected_problem():
    function = affine_and_bent(30, 3, 4, seed=2)
    n = 3
    state = OPTIMIZER.init(np.full(n + 4, 0.2))
    for _ in range(5):
        y, x = np.split(state.parameters, [n])
        slopes = function._jacobian(state.parameters)
        y = y + shortest(slopes[:, :n], function._residuals(state.parameters))
        theta = np.concatenate([y, x])
        projector = off_range(slopes[:, :n])
        rows = projector @ function._jacobian(theta)[:, n:]
        after = OPTIMIZER.step(function, state)
        step, fall = damped_step(rows, function._residuals(theta), after.damping, ROUNDING)
        np.testing.assert_allclose(after.parameters[n:], x + step, rtol=0, atol=1e-9)
        again = np.concatenate([y, after.parameters[n:]])
        change = shortest(function._jacobian(again)[:, :n], function._residuals(again))
        np.testing.assert_allclose(after.parameters[:n], y + change, rtol=0, atol=1e-8)
        rest = function._residuals(after.parameters)
        assert math.isclose(after.value, rest @ rest, rel_tol=1e-12)
        start = function._residuals(theta)
        assert start @ start - after.value >= 0.075 * fall * (1 - 1e-9)
        state = after


def test_copies_of_linear_columns_change_no_step():
    """They share what the columns have; so it is with the constants of a KAN."""
    once, twice = (affine_and_bent(30, 3, 4, seed=2, copies=copies) for copies in (1, 2))
    x = np.full(4, 0.2)
    state = OPTIMIZER.init(np.concatenate([np.ones(3), x]))
    doubled = OPTIMIZER.init(np.concatenate([np.full(6, 0.5), x]))
    for _ in range(5):
        state, doubled = OPTIMIZER.step(once, state), OPTIMIZER.step(twice, doubled)
        y, copy, x = np.split(doubled.parameters, [3, 6])
        np.testing.assert_allclose(copy, y, rtol=0, atol=1e-12)
        np.testing.assert_allclose([*(2 * y), *x], state.parameters, rtol=1e-6, atol=1e-6)
    assert math.isclose(doubled.value, state.value, rel_tol=1e-9)


def test_the_first_radius_on_a_level_is_the_norm_of_the_other_parameters():
    """The linear ones are solved for, whatever they are before."""
    function = affine_and_bent(30, 3, 4, seed=2)
    x = np.array([0.02, -0.01, 0.03, 0.01])  # shorter than the step to the solution

    def start(linear, others):
        return OPTIMIZER.init(np.concatenate([np.full(3, linear), others]))

    def radius(state):
        after = OPTIMIZER.step(function, state)
        assert after.damping > 0
        return after.radius

    longest = 3 * np.linalg.norm(x)
    for linear in (0.0, 1.0, 1e6):
        assert math.isclose(radius(start(linear, x)), longest, rel_tol=1e-14)
    stepped = start(1.0, x).changed(step=9, level_step=9, radius=1e-3)
    assert math.isclose(radius(stepped), 3e-3, rel_tol=1e-14)
    same = TransferMaps(**{field.name: lambda v: v for field in fields(TransferMaps)})
    for how in ("prolong", "reset"):
        finer = OPTIMIZER.transfer(stepped, same, how)
        assert math.isclose(radius(finer), longest, rel_tol=1e-14)
    # A radius that a shorter search has found is kept, as after a contest of starts.
    assert math.isclose(radius(start(1.0, x).changed(radius=1e-3)), 3e-3, rel_tol=1e-14)


def test_evaluations_that_a_step_counts():
    """The first one evaluates where it is, and again with the best linear parameters."""

    class Counting(Separable):
        calls = triangles = 0

        def __call__(self, theta):
            self.calls += 1
            return super().__call__(theta)

        def value(self, theta):
            self.calls += 1
            return super().value(theta)

        def triangle(self, theta):
            self.triangles += 1
            return super().triangle(theta)

        def linear_triangle(self, theta):
            return super().triangle(theta).of_columns(self.linear)

    found = affine_and_bent(30, 3, 4, seed=2)
    function = Counting(found._residuals, found._jacobian, found.linear)
    state = OPTIMIZER.init(np.full(7, 0.2))
    for triangles in (2, 3, 4):
        before, state = state, OPTIMIZER.step(function, state)
        assert function.calls == state.evaluations
        assert state.evaluations > before.evaluations
        assert function.triangles == triangles


# Where nothing is left, or nothing is possible


def test_nothing_but_linear_parameters():
    rng = np.random.default_rng(3)
    matrix, residuals = rng.standard_normal((20, 5)), rng.standard_normal(20)
    function = Separable(lambda y: residuals + matrix @ y, lambda y: matrix, slice(0, 5))
    state = OPTIMIZER.step(function, OPTIMIZER.init(np.full(5, 3.0)))
    np.testing.assert_allclose(state.parameters, shortest(matrix, residuals), rtol=1e-12)
    assert (state.step, state.finished) == (1, "")
    end = OPTIMIZER.step(function, state)
    assert end.finished == "all parameters are linear, and the best"
    assert (end.step, end.parameters) == (1, state.parameters)
    assert OPTIMIZER.step(function, end) is end


def test_better_linear_parameters_are_a_step():
    """At the best others nothing but the linear ones can improve."""
    function = affine_and_bent(30, 3, 4, seed=2)
    best = until_finished(OPTIMIZER, function, np.full(7, 0.2)).parameters
    state = OPTIMIZER.step(function, OPTIMIZER.init(np.concatenate([best[:3] + 1, best[3:]])))
    assert state.step == 1
    np.testing.assert_allclose(state.parameters, best, rtol=0, atol=1e-6)
    assert until_finished(OPTIMIZER, function, best).step <= 1


@pytest.mark.parametrize(
    ("value", "gradient", "reason"),
    [
        (math.nan, 1.0, "the value is nan"),
        (math.inf, 1.0, "the value is inf"),
        (1.0, math.nan, "the gradient is not finite"),
    ],
)
def test_no_step_from_where_the_function_is_not_finite(value, gradient, reason):
    class Bad(Separable):
        def __call__(self, theta):
            return value, np.full_like(theta, gradient)

    state = OPTIMIZER.step(Bad(np.sin, np.cos, slice(0, 1)), OPTIMIZER.init([1.0, 2.0]))
    assert state.finished == reason
    assert (state.step, state.value, state.gradient) == (0, None, None)


def test_no_step_with_a_jacobian_that_is_not_finite():
    class Bad(Separable):
        def triangle(self, theta):
            return Triangle.unknown(3)

    matrix = np.eye(3)
    function = Bad(lambda x: x, lambda x: matrix, slice(0, 1))
    state = OPTIMIZER.step(function, OPTIMIZER.init(np.ones(3)))
    assert state.finished == "the Jacobian is not finite"


def test_steps_stay_where_the_function_is_finite():
    """The solution is near the edge, beyond which there is NaN."""
    t = np.linspace(0.1, 1, 20)
    target, values = 2 * np.log(t) + t, []

    def residuals(theta):
        with np.errstate(invalid="ignore", divide="ignore"):
            return theta[0] * np.log(t + theta[2]) + theta[1] * t - target

    def slopes(theta):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.column_stack([np.log(t + theta[2]), t, theta[0] / (t + theta[2])])

    class Recorded(Separable):
        def value(self, theta):
            values.append(super().value(theta))
            return values[-1]

    function = Recorded(residuals, slopes, slice(0, 2))
    state = OPTIMIZER.init([0.1, 3.0, 0.2])
    before = math.inf
    while not state.finished and state.step < 50:
        state = OPTIMIZER.step(function, state)
        assert state.finished or state.value < before
        before = state.value
    np.testing.assert_allclose(state.parameters, [2.0, 1.0, 0.0], rtol=0, atol=1e-8)
    assert np.isnan(values).any()


# What is refused


def test_what_is_refused():
    def square(x):
        return float(x @ x), 2 * x

    with pytest.raises(TypeError, match=r"^VariableProjection.* kanml\.optim\.SumOfSquares, got"):
        OPTIMIZER.step(square, OPTIMIZER.init([1.0, 2.0]))
    with pytest.raises(TypeError, match="LeastSquares does not know parameters that enter linear"):
        OPTIMIZER.step(LeastSquares(lambda x: x, np.diag), OPTIMIZER.init([1.0, 2.0]))
    scaled = Geometry(gradient=lambda g: 2 * g, step=lambda d: 2 * d)
    for linear in (slice(0, 1), slice(0, 3)):  # some, or all
        eye = Separable(lambda x: x, lambda x: np.eye(3), linear)
        state = OPTIMIZER.init(np.ones(3))
        for start in (state, state.changed(finished="done")):
            with pytest.raises(ValueError, match="identity for VariableProjection, got Geometry"):
                OPTIMIZER.step(eye, start, scaled)
        assert OPTIMIZER.step(eye, state, Geometry()).step == 1
    few = VariableProjection(largest_triangle=6)
    function = affine_and_bent(30, 3, 4)
    with pytest.raises(ValueError, match=r"cannot train 7 parameters.*LevenbergMarquardt can"):
        few.step(function, few.init(np.ones(7)))
    VariableProjection(largest_triangle=7).step(function, few.init(np.ones(7)))
    for wrong, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="largest_triangle"):
            VariableProjection(largest_triangle=wrong)
    projected = Projected(function, np.ones(7))
    for product in (projected.jvp, projected.vjp):
        with pytest.raises(TypeError, match="no products"):
            product(projected.start, projected.start)
