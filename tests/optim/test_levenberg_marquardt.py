"""Levenberg-Marquardt: how far it gets, and which steps it takes."""

import math

import numpy as np
import pytest
import scipy.optimize
from classic_problems import CLASSIC, bard, jacobian, least_squares
from least_squares_runs import TRIANGLE, WAYS, bent, linear, random_rows, until_finished

from kanml.optim import LeastSquares, LevenbergMarquardt
from reference.damped_steps import damped_step, damping_of

NEGLIGIBLE = 1e-14


# How far it gets


@WAYS
@pytest.mark.parametrize("residuals", CLASSIC, ids=lambda residuals: residuals.__name__)
def test_classic_problems_against_scipy(optimizer, residuals):
    published, start = CLASSIC[residuals]
    # At 1e-57 two singular values of Powell's J are some 1e-15 of the largest, and one counts as
    # zero. Rounding turns its direction by 1 %, differently in each subspace, so what is left out
    # of one step enters the next, and the value creeps.
    state = until_finished(optimizer, least_squares(residuals), start, enough=1e-50)
    assert state.finished or state.value < 1e-50
    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    theirs = scipy.optimize.least_squares(
        residuals, start, lambda x: jacobian(residuals, x), method="lm", **tight
    )
    assert math.isclose(state.value, published, rel_tol=1e-5, abs_tol=1e-20)
    assert math.isclose(state.value, 2 * theirs.cost, rel_tol=1e-10, abs_tol=1e-20)
    assert state.step <= 2 * theirs.njev
    assert state.evaluations <= 6 * theirs.nfev


@WAYS
def test_a_linear_problem_takes_one_undamped_step(optimizer):
    residuals, matrix = random_rows(20, 5, condition=100)
    state = optimizer.step(linear(residuals, matrix), optimizer.init(np.full(5, 1e3)))
    expected, *_ = np.linalg.lstsq(matrix, -residuals)
    np.testing.assert_allclose(state.parameters, expected, rtol=1e-10)
    assert (state.damping, state.rank, state.evaluations) == (0.0, 5, 2)


@WAYS
def test_duplicated_parameters_reach_the_same_residual(optimizer):
    """With a triangle the steps of such a problem are the shortest: copies move together."""
    problem = bent(30, 4, seed=1)

    def doubled(jacobian):
        return np.repeat(jacobian, 2, axis=1)

    twice = LeastSquares(
        lambda x: problem._residuals(x[::2] + x[1::2]),
        lambda x: doubled(problem._jacobian(x[::2] + x[1::2])),
    )
    once = until_finished(optimizer, problem, np.full(4, 0.2))
    state = until_finished(optimizer, twice, np.full(8, 0.1))
    assert math.isclose(state.value, once.value, rel_tol=1e-10)
    if optimizer is TRIANGLE:
        np.testing.assert_allclose(state.parameters[::2], state.parameters[1::2], rtol=1e-6)
    assert optimizer.step(twice, optimizer.init(np.full(8, 0.1))).rank == 4


@WAYS
def test_more_parameters_than_residuals(optimizer):
    residuals, matrix = random_rows(5, 12)
    step = optimizer.step(linear(residuals, matrix), optimizer.init(np.full(12, 10.0))).parameters
    shortest = np.full(12, 10.0)
    shortest += np.linalg.lstsq(matrix, -(residuals + matrix @ shortest))[0]
    if optimizer is TRIANGLE:
        np.testing.assert_allclose(step, shortest, rtol=1e-9)
    np.testing.assert_allclose(matrix @ step, -residuals, rtol=1e-9)
    state = until_finished(optimizer, bent(5, 12, seed=2), np.full(12, 0.1))
    assert state.value < 1e-25


@WAYS
def test_float32(optimizer):
    published, start = CLASSIC[bard]
    state = until_finished(optimizer, least_squares(bard), np.array(start, np.float32))
    assert state.parameters.dtype == np.float32
    assert math.isclose(state.value, published, rel_tol=1e-5)
    assert state.finished
    assert state.step < 20


@WAYS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6, 1e17])
def test_solutions_of_any_size(optimizer, size, dtype):
    """Steps as long as the start are lost in the rounding of a value that is far away."""
    residuals, matrix = random_rows(20, 5)
    function = linear((size * residuals).astype(dtype), matrix.astype(dtype))
    state = until_finished(optimizer, function, np.full(5, 1e-6, dtype))
    expected, *_ = np.linalg.lstsq(matrix, -size * residuals)
    accuracy = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(state.parameters, expected, rtol=0, atol=accuracy * 10 * size)


# Its steps


def radii_around(radius):
    return np.geomspace(radius / 3, 3 * radius, 24)


@WAYS
@pytest.mark.parametrize("residuals", CLASSIC, ids=lambda residuals: residuals.__name__)
def test_a_step_is_the_longest_that_can_be_trusted(optimizer, residuals):
    """Against every radius, on the first steps of each problem."""
    function = least_squares(residuals)
    state = optimizer.init(CLASSIC[residuals][1])
    for _ in range(5):
        theta = state.parameters
        value, rows, slopes = function.value(theta), residuals(theta), jacobian(residuals, theta)
        after = optimizer.step(function, state)
        if after.finished:
            break
        step = after.parameters - theta
        formula, fall = damped_step(slopes, rows, after.damping, NEGLIGIBLE)
        scale = np.linalg.norm(step)
        np.testing.assert_allclose(step, formula, rtol=0, atol=1e-5 * scale)
        assert after.radius >= scale * (1 - 1e-5)
        assert value - after.value >= 0.075 * fall * (1 - 1e-5)

        radius, found = state.radius or np.linalg.norm(theta), []
        while not found:
            for longer in radii_around(radius):
                damping = damping_of(slopes, rows, longer, NEGLIGIBLE)
                trial, fall = damped_step(slopes, rows, damping, NEGLIGIBLE)
                with np.errstate(over="ignore"):
                    ratio = (value - function.value(theta + trial)) / fall
                if not ratio >= 0.075:
                    break
                found.append(np.linalg.norm(trial))
            radius /= 9
        assert scale >= found[-1] * (1 - 1e-5)
        state = after


def test_more_is_demanded_once_the_damping_rises():
    """After 80 steps on a level; averages over 6 and 24 steps say whether it does."""
    function = bent(30, 4, seed=3)
    before = TRIANGLE.init(np.full(4, 0.2)).changed(radius=1e-3, step=80, level_step=80)
    log = math.log(TRIANGLE.step(function, before).damping)
    for drift, trusted in ((-1.0, 0.5), (1.0, 0.075)):
        averages = {"recent": log + drift, "earlier": log + drift}
        after = TRIANGLE.step(function, before.changed(**averages))
        assert math.isclose(after.recent, log + drift * 5 / 6, rel_tol=1e-12)
        assert math.isclose(after.earlier, log + drift * 23 / 24, rel_tol=1e-12)
        assert after.trusted == trusted
        early = TRIANGLE.step(function, before.changed(step=79, level_step=79, **averages))
        assert early.trusted == 0.075
    strict = before.changed(trusted=0.5, recent=log + 1, earlier=log + 1)
    assert TRIANGLE.step(function, strict).trusted == 0.5


def test_the_number_of_parameters_chooses_the_way():
    function = linear(*random_rows(30, 5))
    for largest, columns in ((5, 0), (4, 5)):
        optimizer = LevenbergMarquardt(largest_triangle=largest)
        assert optimizer.step(function, optimizer.init(np.ones(5))).columns == columns
