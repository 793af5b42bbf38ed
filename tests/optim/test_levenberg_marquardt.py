"""Levenberg-Marquardt: how far it gets, its steps, against formulas, and how it ends."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest
import scipy.optimize
from classic_problems import CLASSIC, bard, jacobian, least_squares
from objectives import rosenbrock, run

import kanml
from helpers import naming, same_bits
from kanml.multilevel.geometry import transfer_maps
from kanml.optim import LeastSquares, LevenbergMarquardt, LevenbergMarquardtState, Triangle
from kanml.optim.matrices import DampedSteps, negligible
from reference.damped_steps import damped_step, damping_of

TRIANGLE, SUBSPACE = LevenbergMarquardt(), LevenbergMarquardt(largest_triangle=0)
WAYS = pytest.mark.parametrize("optimizer", [TRIANGLE, SUBSPACE], ids=["triangle", "subspace"])
NEGLIGIBLE = 1e-14


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


# How far it gets


@WAYS
@pytest.mark.parametrize("residuals", CLASSIC, ids=lambda residuals: residuals.__name__)
def test_classic_problems_against_scipy(optimizer, residuals):
    published, start = CLASSIC[residuals]
    state = until_finished(optimizer, least_squares(residuals), start, enough=1e-50)
    assert state.finished or state.value < 1e-50  # where little but rounding is left of J
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


# Its steps


@pytest.mark.parametrize(("m", "n"), [(40, 6), (6, 6), (4, 6)])
def test_damped_steps(m, n):
    residuals, matrix = random_rows(m, n, condition=1e4)
    triangle = Triangle.of(matrix, residuals)
    steps = DampedSteps(triangle)
    dampings = [0.0, 1e-6, 1e-2, 10.0]
    found, lengths, falls = steps.solve(dampings)
    for i, damping in enumerate(dampings):
        step, fall = damped_step(matrix, residuals, damping, NEGLIGIBLE)
        np.testing.assert_allclose(found[i], step, rtol=1e-9, atol=1e-9 * np.linalg.norm(step))
        assert math.isclose(falls[i], fall, rel_tol=1e-9)
    np.testing.assert_allclose(lengths, np.linalg.norm(found, axis=1), rtol=1e-13)
    assert steps.rank == min(m, n)
    assert math.isclose(steps.largest, 1.0, rel_tol=1e-13)
    assert math.isclose(steps.smallest, 1e-4, rel_tol=1e-9)


def test_dampings_of_radii():
    residuals, matrix = random_rows(40, 6, condition=1e6)
    steps = DampedSteps(Triangle.of(matrix, residuals))
    (undamped,), _, _ = steps.solve([0.0])
    radii = np.linalg.norm(undamped) * np.array([1e-12, 1e-6, 1e-3, 0.5, 0.999, 1.001, 10])
    dampings = steps.dampings(list(radii))
    _, lengths, _ = steps.solve(dampings[:5])
    np.testing.assert_allclose(lengths, radii[:5], rtol=1e-8)
    assert dampings[5:] == [0.0, 0.0]
    assert dampings[:5] == sorted(dampings[:5], reverse=True)
    assert dampings[4] > 0


def test_what_counts_as_zero():
    """Columns with a difference below rounding are one column."""
    residuals, matrix = random_rows(30, 5)
    matrix = np.column_stack([matrix, matrix[:, 0] * (1 + 1e-17), matrix @ np.ones(5)])
    steps = DampedSteps(Triangle.of(matrix, residuals))
    assert steps.rank == 5
    (step,), _, (fall,) = steps.solve([0.0])
    expected, most = damped_step(matrix, residuals, 0.0, NEGLIGIBLE)
    np.testing.assert_allclose(step, expected, rtol=1e-9)
    assert math.isclose(fall, most, rel_tol=1e-12)
    assert DampedSteps(Triangle.of(matrix.astype(np.float32), residuals)).rank == 5
    nothing = DampedSteps(Triangle.of(0 * matrix, residuals))
    assert (nothing.rank, nothing.largest, nothing.smallest) == (0, 0.0, 0.0)
    assert not nothing.solve([0.0, 1.0])[0].any()
    assert nothing.dampings([1.0]) == [0.0]


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

        radius, found = state.radius, []
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


def test_the_last_step_is_reported():
    state = run(TRIANGLE, rosenbrock, TRIANGLE.init([-1.2, 1.0]), 2)
    assert state.report == {
        "radius": state.radius,
        "damping": state.damping,
        "rank": 2,
        "inner iterations": 0,
    }
    state = run(SUBSPACE, rosenbrock, SUBSPACE.init([-1.2, 1.0]), 2)
    assert state.report["inner iterations"] == 2


# In a subspace


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


class Counting(LeastSquares):
    """Counts the products with the Jacobian, and refuses to make a triangle."""

    products = 0

    def jvp(self, theta, v):
        self.products += 1
        return super().jvp(theta, v)

    def triangle(self, theta):
        raise AssertionError("a triangle")


def test_the_last_step_is_kept_for_the_next_subspace():
    function = bent(40, 12, seed=8)
    few = LevenbergMarquardt(largest_triangle=0, columns=4)
    state = few.step(function, few.init(np.full(12, 0.1)))
    assert state.columns == 4
    np.testing.assert_allclose(state.last, state.parameters - 0.1, rtol=0, atol=1e-15)
    after, without = (few.step(function, s) for s in (state, state.changed(last=None)))
    assert after.columns == without.columns == 4
    assert not same_bits(after.parameters, without.parameters)
    assert run(TRIANGLE, function, TRIANGLE.init(np.full(12, 0.1)), 2).last is None


def test_a_subspace_ends_where_there_is_nothing_more():
    residuals, matrix = random_rows(30, 3)
    wide = np.column_stack([matrix] * 20)
    state = SUBSPACE.step(linear(residuals, wide), SUBSPACE.init(np.ones(60)))
    assert state.columns == state.rank == 3
    least = np.sum((residuals + wide @ np.linalg.lstsq(wide, -residuals)[0]) ** 2)
    assert math.isclose(state.value, least, rel_tol=1e-12)


def test_the_number_of_parameters_chooses_the_way():
    function = linear(*random_rows(30, 5))
    for largest, columns in ((5, 0), (4, 5)):
        optimizer = LevenbergMarquardt(largest_triangle=largest)
        assert optimizer.step(function, optimizer.init(np.ones(5))).columns == columns


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
    function = Counting(lambda x: x, lambda x: np.ones((1, 1)))
    start = optimizer.init(np.ones(3_000_000)).changed(value=1.0, gradient=np.ones(3_000_000))
    with pytest.raises(ValueError, match=f"{needs}.* GB of memory, but this process can have"):
        optimizer.step(function, start)


# Where no step is possible


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


# States


@WAYS
def test_same_bits_with_any_number_of_threads(optimizer):
    function, found = bent(300, 120, seed=6), []
    before = kanml.get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            kanml.set_num_threads(threads)
            found.append(run(optimizer, function, optimizer.init(np.full(120, 0.1)), 6))
    finally:
        kanml.set_num_threads(before)
    for field in fields(found[0]):
        first, *others = (np.array(getattr(state, field.name)) for state in found)
        assert all(repr(first.tolist()) == repr(other.tolist()) for other in others), field.name


def read_back(state):
    """The state after a file: its plain fields through JSON, its vectors as arrays."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    arrays = {name: v.copy() for name, v in values.items() if isinstance(v, np.ndarray)}
    plain = {name: value for name, value in values.items() if name not in arrays}
    return LevenbergMarquardtState(**json.loads(json.dumps(plain)), **arrays)


@WAYS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_that_was_read_back_goes_the_same_way(optimizer, dtype):
    function = bent(40, 12, seed=7)
    straight = optimizer.init(np.full(12, 0.1, dtype))
    resumed = straight
    for _ in range(12):
        straight = optimizer.step(function, straight)
        resumed = optimizer.step(function, read_back(resumed))
        optimizer.require_sound(optimizer.evaluate(function, resumed))
        for field in fields(straight):
            left, right = (getattr(state, field.name) for state in (straight, resumed))
            assert repr(left) == repr(right), field.name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": 0.0}, "radius must be positive and damping not negative, got 0.0 and"),
        ({"radius": math.inf}, "radius must be a finite number, got inf"),
        ({"radius": 1}, "radius must be a finite number, got 1"),
        ({"damping": -1.0}, "damping not negative, got .* and -1.0"),
        ({"recent": math.nan}, "recent must be a finite number, got nan"),
        ({"earlier": None}, "earlier must be a finite number, got None"),
        ({"rank": -1}, r"rank must be an integer in \[0, 2\*\*53\), got -1"),
        ({"columns": 2.0}, "columns must be an integer .* got 2.0"),
        ({"last": np.ones(3)}, r"last must be finite numbers in float64, of shape \(2,\)"),
        ({"trusted": 0.1}, "trusted must be 0.075 or 0.5, got 0.1"),
    ],
)
def test_states_that_no_run_could_reach(changes, message):
    state = TRIANGLE.evaluate(rosenbrock, TRIANGLE.init([-1.2, 1.0]))
    TRIANGLE.require_sound(state)
    with pytest.raises(ValueError, match=message):
        TRIANGLE.require_sound(state.changed(**changes))


def test_negligible_is_a_matter_of_columns():
    assert math.isclose(negligible(100, 1e-16), 4e-15)


def test_a_level_after_one_that_has_converged_begins_with_long_steps():
    """A coarse level ends with tiny steps; a linear problem needs one step on the finer one."""
    x = np.linspace(-1, 1, 200)[:, None]
    problem = kanml.Regression(x, np.sin(6 * x))
    net, optimizer = kanml.KAN([1, 1], intervals=2), LevenbergMarquardt()
    fine = net.refine()
    design = problem.jacobian(fine)
    target = problem.residuals(fine.with_parameters(np.zeros(fine.n_parameters)))
    least = np.sum((design @ np.linalg.lstsq(design, -target, rcond=None)[0] + target) ** 2)
    state = optimizer.init(net.parameters).changed(radius=1e-15)
    moved = optimizer.transfer(state, transfer_maps(net, fine, None), "prolong")
    assert moved.radius == pytest.approx(np.linalg.norm(moved.parameters), rel=1e-12)
    result = kanml.train(net, problem, [30, 4], optimizer, progress=False)
    assert result.history.loss[-1] == pytest.approx(least, rel=1e-9)


def test_a_gradient_too_short_for_a_subspace_finishes():
    tiny = LeastSquares(lambda x: 1e-170 * (x + 1), lambda x: 1e-170 * np.eye(3))
    optimizer = LevenbergMarquardt(largest_triangle=0)
    start = optimizer.init(np.ones(3)).changed(value=1.0, gradient=np.full(3, 1e-170))
    state = optimizer.step(tiny, start)
    assert state.finished == "the length of the gradient underflows"
    np.testing.assert_array_equal(state.parameters, start.parameters)
