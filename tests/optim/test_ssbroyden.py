"""Self-scaled quasi-Newton methods: their formulas, what these promise, and what is kept."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import mpmath
import numpy as np
import pytest
from objectives import beale, powell_singular, quadratic, rosenbrock, run
from scipy.optimize import minimize

import kanml
from helpers import naming, same_bits
from kanml import _core
from kanml.multilevel.geometry import transfer_maps
from kanml.optim import SSBroyden, quasi_newton
from kanml.optim.line_search import Search
from reference.broyden import DIGITS, factors, full, updated

UPDATES = ["ssbroyden", "ssbfgs", "bfgs"]
each_update = pytest.mark.parametrize("update", UPDATES)
DTYPES = [np.float32, np.float64]


def packed(matrix, dtype=np.float64):
    return matrix[np.tril_indices(len(matrix))].astype(dtype)


def positive(rng, n, condition):
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (q * np.geomspace(1, condition, n)) @ q.T


# The update


@pytest.fixture
def taken(monkeypatch):
    """The steps from which optimizers learn: parameters are rounded, their differences too."""
    steps, learned = [], SSBroyden._learned

    def noting(self, on, state, step):
        steps.append(step)
        return learned(self, on, state, step)

    monkeypatch.setattr(SSBroyden, "_learned", noting)
    return steps


def assert_update(before, after, step, update, digits):
    """Compare H and the direction after a step with those of 50 digits; return what theta was."""
    moved = after.parameters - before.parameters
    np.testing.assert_allclose(step.s, moved, rtol=0, atol=1e-15 * abs(after.parameters).max())
    np.testing.assert_array_equal(step.y, after.gradient - before.gradient)
    expected, which = updated(full(before.inverse_hessian), step.s, step.y, update)
    found = full(after.inverse_hessian)
    assert abs(found - expected).max() <= digits * abs(expected).max()
    direction = -expected @ after.gradient
    size = np.linalg.norm(expected, 2) * np.linalg.norm(after.gradient)
    assert np.linalg.norm(after.direction - direction) <= digits * size
    return which


@each_update
def test_the_update_is_that_of_the_formulas(update, taken):
    """From matrices that are too small, too large, and right.

    Where s and H y are nearly parallel, the root of a makes more of rounding errors.
    """
    rng, seen = np.random.default_rng(0), set()
    optimizer = SSBroyden(update)
    for n, factor, noise in product((2, 3, 7), (1e-3, 0.1, 0.9, 1.1, 10.0, 1e3), (0.1, 1.0, 5.0)):
        function, hessian, _ = quadratic(n, 10.0, seed=n)
        inverse = factor * (np.linalg.inv(hessian) + noise * positive(rng, n, 300.0) / 300)
        state = optimizer.init(rng.standard_normal(n)).changed(inverse_hessian=packed(inverse))
        state = optimizer.evaluate(function, state)
        for _ in range(2):
            before, state = state, optimizer.step(function, state)
            seen.add(assert_update(before, state, taken[-1], update, 1e-10))
    assert seen == ({"lower", "middle", "upper"} if update == "ssbroyden" else {"none"})


@each_update
@pytest.mark.parametrize("factor", [1e-17, 1e-40])
def test_a_matrix_that_is_far_too_small(update, factor):
    """Then the least sigma is below the rounding errors of 1 + theta a."""
    rng = np.random.default_rng(1)
    s, y = np.array([1.0, 2.0, -1.0]), np.array([0.5, 1.0, 0.7])
    inverse = factor * positive(rng, 3, 10.0)
    b, h = s @ np.linalg.solve(inverse, s) / (s @ y), y @ inverse @ y / (s @ y)
    tau, phi = SSBroyden(update)._factors(b, h, 3)
    with mpmath.workdps(DIGITS):
        H, s, y = (mpmath.matrix(a.tolist()) for a in (inverse, s, y))
        expected_tau, theta, which = factors(H, s, y, update)
        bh = (s.T * mpmath.lu_solve(H, s))[0] * (y.T * H * y)[0] / (s.T * y)[0] ** 2
        expected_phi = (1 - theta) / (1 + theta * (bh - 1))
    assert which == ("lower" if update == "ssbroyden" else "none")
    np.testing.assert_allclose(float(tau), float(expected_tau), rtol=1e-9)
    np.testing.assert_allclose(float(phi), float(expected_phi), rtol=1e-9)


@each_update
def test_a_run_takes_the_updates_of_the_formulas(update, taken):
    optimizer = SSBroyden(update)
    state = optimizer.step(rosenbrock, optimizer.init(np.tile([-1.2, 1.0], 2)))
    for _ in range(25):
        before, state = state, optimizer.step(rosenbrock, state)
        assert_update(before, state, taken[-1], update, 1e-9)


@each_update
def test_the_first_pair_sets_the_scale(update):
    """H is s.y / y.y times the identity, updated by BFGS."""
    optimizer = SSBroyden(update)
    before = optimizer.evaluate(rosenbrock, optimizer.init(np.tile([-1.2, 1.0], 2)))
    after = optimizer.step(rosenbrock, before)
    s, y = after.parameters - before.parameters, after.gradient - before.gradient
    scale = (s @ y) / (y @ y)
    expected, _ = updated(scale * np.eye(4), s, y, "bfgs")
    assert after.scale == pytest.approx(scale, rel=1e-14)
    np.testing.assert_allclose(full(after.inverse_hessian), expected, rtol=1e-11, atol=1e-16)
    np.testing.assert_allclose(after.direction, -expected @ after.gradient, rtol=1e-10)


@each_update
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("factor", [0.1, 1.0, 10.0])
def test_an_update_in_one_dimension(update, n, factor):
    """H = factor A^-1: H y and s are parallel, a is rounding error, and theta has no bounds."""
    function, hessian, center = quadratic(n, 10.0, seed=1)
    inverse = factor * np.linalg.inv(hessian)
    optimizer = SSBroyden(update)
    state = optimizer.init(center + 1.0).changed(inverse_hessian=packed(inverse))
    before = optimizer.evaluate(function, state)
    after = optimizer.step(function, before)
    s, y = after.parameters - before.parameters, after.gradient - before.gradient
    tau = 1.0 if update == "bfgs" else min(1.0, factor)
    # H+ is H / tau but along s, where it is right.
    rest = inverse - np.outer(s, s) * factor / (s @ y)
    expected = rest / tau + np.outer(s, s) / (s @ y)
    np.testing.assert_allclose(full(after.inverse_hessian), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(full(after.inverse_hessian) @ y, s, rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@each_update
def test_updates_map_changes_to_steps_and_stay_positive(update, dtype):
    optimizer = SSBroyden(update)
    state = optimizer.evaluate(rosenbrock, optimizer.init(np.tile([-1.2, 1.0], 5).astype(dtype)))
    eps = np.finfo(dtype).eps
    for _ in range(150):
        before, state = state, optimizer.step(rosenbrock, state)
        if state.finished:
            break
        if state.inverse_hessian is before.inverse_hessian:  # no curvature
            continue
        matrix = full(state.inverse_hessian)
        s = state.parameters.astype(float) - before.parameters
        y = state.gradient.astype(float) - before.gradient
        error = np.linalg.norm(matrix @ y - s)
        # s is not the difference of the parameters, which are rounded.
        rounding = np.linalg.norm(matrix, 2) * np.linalg.norm(y) + np.linalg.norm(state.parameters)
        assert error <= 100 * eps * rounding
        least, *_, most = np.linalg.eigvalsh(matrix)
        assert least > -10 * eps * most
        if dtype == np.float64:
            assert least > 0
    assert state.step > 50


# What it minimises


def exact(line, start, first, noise):
    """A search that finds the minimum along a line, for quadratics."""
    once = line(first)
    return Search(line(first * start.slope / (start.slope - once.slope)), True, 2)


@each_update
@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_quadratics_take_n_exact_searches(update, n, monkeypatch):
    """All members of the family take the same conjugate steps, whatever their scaling."""
    monkeypatch.setattr(quasi_newton, "strong_wolfe", exact)
    function, hessian, center = quadratic(n, 30.0, seed=n)
    optimizer = SSBroyden(update)
    states = [optimizer.evaluate(function, optimizer.init(np.zeros(n)))]
    for _ in range(n):
        states.append(optimizer.step(function, states[-1]))
    np.testing.assert_allclose(states[-1].parameters, center, rtol=0, atol=1e-9)
    steps = np.diff([state.parameters for state in states], axis=0)
    products = steps @ hessian @ steps.T
    scale = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    np.testing.assert_allclose(products / scale, np.eye(n), rtol=0, atol=1e-7)
    if update == "bfgs":
        np.testing.assert_allclose(
            full(states[-1].inverse_hessian), np.linalg.inv(hessian), rtol=0, atol=1e-7
        )


PROBLEMS = {
    "rosenbrock 2": (rosenbrock, np.array([-1.2, 1.0]), np.ones(2), 1e-5),
    "rosenbrock 10": (rosenbrock, np.zeros(10), np.ones(10), 1e-5),
    "beale": (beale, np.array([1.0, 1.0]), np.array([3.0, 0.5]), 1e-5),
    "powell singular": (powell_singular, np.array([3.0, -1.0, 0.0, 1.0]), np.zeros(4), 2e-2),
}


@each_update
@pytest.mark.parametrize("problem", PROBLEMS)
def test_against_scipy(problem, update):
    function, x0, minimiser, accuracy = PROBLEMS[problem]
    peer = minimize(function, x0, jac=True, method="BFGS", options={"gtol": 1e-6})
    optimizer = SSBroyden(update)
    state = optimizer.evaluate(function, optimizer.init(x0))
    while np.abs(state.gradient).max() > 1e-6 and not state.finished:
        state = optimizer.step(function, state)
    assert not state.finished
    np.testing.assert_allclose(state.parameters, minimiser, rtol=0, atol=accuracy)
    np.testing.assert_allclose(peer.x, minimiser, rtol=0, atol=accuracy)
    assert state.evaluations <= 1.5 * peer.nfev


@each_update
def test_few_searches_take_more_than_one_evaluation(update):
    """With the unit step as the first trial, ssbroyden takes 1.7 evaluations a step."""
    optimizer = SSBroyden(update)
    state = run(optimizer, rosenbrock, optimizer.init(np.tile([-1.2, 1.0], 25)), 200)
    assert state.step == 200
    assert state.evaluations <= 1.4 * state.step


@each_update
def test_float32_reaches_what_float32_can(update):
    function, _, center = quadratic(5, 100.0, seed=1)
    optimizer = SSBroyden(update)
    state = run(optimizer, function, optimizer.init(np.zeros(5, np.float32)), 10)
    assert state.inverse_hessian.dtype == state.direction.dtype == np.float32
    state = run(optimizer, function, state, 50)
    np.testing.assert_allclose(state.parameters, center, rtol=0, atol=2e-5)


# Where a memory ends


def test_the_matrix_outlives_a_changed_objective():
    optimizer = SSBroyden()
    state = run(optimizer, rosenbrock, optimizer.init(np.tile([-1.2, 1.0], 2)), 10)
    stale = state.stale()
    assert stale.inverse_hessian is state.inverse_hessian
    assert (stale.value, stale.gradient, stale.direction) == (None, None, None)

    def moved(x):
        return rosenbrock(x + 0.01)

    after = optimizer.step(moved, stale)
    along = -full(state.inverse_hessian) @ moved(state.parameters)[1]
    ratio = (after.parameters - state.parameters) / along
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_points_that_move_at_every_step_leave_it_positive():
    optimizer = SSBroyden()
    rng = np.random.default_rng(0)
    state = optimizer.init(np.tile([-1.2, 1.0], 5))
    for _ in range(200):
        shift = 0.01 * rng.standard_normal(10)
        state = optimizer.step(lambda x, shift=shift: rosenbrock(x + shift), state.stale())
        assert not state.finished
        if state.inverse_hessian is not None:
            assert np.linalg.eigvalsh(full(state.inverse_hessian))[0] > 0


@pytest.mark.parametrize("wrong", [-1.0, 0.0])
def test_a_matrix_that_is_not_positive_is_dropped(wrong):
    """Steepest descent from the same point, as at the start."""
    optimizer = SSBroyden()
    fresh = optimizer.step(rosenbrock, optimizer.init([-1.2, 1.0]))
    state = optimizer.init([-1.2, 1.0]).changed(inverse_hessian=wrong * np.array([1.0, 0.0, 1.0]))
    after = optimizer.step(rosenbrock, state)
    assert not after.finished
    assert same_bits(after.parameters, fresh.parameters)
    assert same_bits(after.inverse_hessian, fresh.inverse_hessian)


def test_a_matrix_that_is_not_positive_along_a_change_starts_anew():
    """It descends, but y.H y < 0."""
    optimizer = SSBroyden()
    state = optimizer.evaluate(rosenbrock, optimizer.init([-1.2, 1.0]))
    g = state.gradient / np.linalg.norm(state.gradient)
    across = np.array([-g[1], g[0]])
    matrix = 1e-3 * np.outer(g, g) - 10 * np.outer(across, across)
    after = optimizer.step(rosenbrock, state.changed(inverse_hessian=packed(matrix)))
    s, y = after.parameters - state.parameters, after.gradient - state.gradient
    assert y @ matrix @ y < 0
    expected, _ = updated((s @ y) / (y @ y) * np.eye(2), s, y, "bfgs")
    np.testing.assert_allclose(full(after.inverse_hessian), expected, rtol=1e-9)


def test_pairs_without_curvature_are_skipped():
    """Along a straight slope s.y = 0: H stays, and so does the direction."""
    matrix = np.array([2.0, 0.5, 1.0])

    def slope(x):
        return (float(x.sum()), np.ones(2)) if x.sum() > -50 else (math.nan, np.ones(2))

    optimizer = SSBroyden()
    first = optimizer.step(slope, optimizer.init([0.0, 0.0]))
    assert first.step == 1
    assert first.inverse_hessian is None
    after = optimizer.step(slope, optimizer.init([0.0, 0.0]).changed(inverse_hessian=matrix))
    assert same_bits(after.inverse_hessian, matrix)
    np.testing.assert_array_equal(after.direction, [-2.5, -1.5])


def test_it_finishes_when_steepest_descent_fails_too():
    def wrong(x):
        return float(x @ x), -2 * x

    optimizer = SSBroyden()
    state = optimizer.step(wrong, optimizer.init([1.0, 2.0]))
    assert state.finished == "line search failed along the steepest descent direction"
    assert (state.value, state.step) == (5.0, 0)


# Between levels


def networks(basis="spline", dtype=np.float64):
    net = kanml.KAN([2, 3, 1], intervals=3, degree=2, seed=1, basis=basis, dtype=dtype)
    return net, net.refine()


@pytest.mark.parametrize("unknowns", [0, 2])
@pytest.mark.parametrize(
    ("basis", "dtype"), [("spline", np.float32), ("spline", np.float64), ("relu", np.float64)]
)
def test_transfers_keep_the_function_and_curvature_along_steps(basis, dtype, unknowns):
    """In the ReLU basis P D^T is a projector, but not an orthogonal one."""
    coarse, fine = networks(basis, dtype)
    maps = transfer_maps(coarse, fine, None, unknowns)
    n, rng = coarse.n_parameters + unknowns, np.random.default_rng(2)
    matrix = positive(rng, n, 50.0)
    optimizer, scale = SSBroyden(), 0.25
    start = np.append(coarse.parameters, np.ones(unknowns, dtype))
    state = optimizer.init(start).changed(
        inverse_hessian=packed(matrix, dtype), scale=scale, direction=start, decrease=1.0, step=3
    )
    finer = optimizer.transfer(state, maps, "prolong")
    assert finer.inverse_hessian.dtype == dtype
    assert (finer.direction, finer.decrease, finer.scale, finer.step) == (None, 0.0, scale, 3)
    x = rng.uniform(-1, 1, (50, 2)).astype(dtype)
    n_fine = fine.n_parameters
    values = fine.with_parameters(finer.parameters[:n_fine])(x)
    np.testing.assert_allclose(values, coarse(x), rtol=0, atol=20 * np.finfo(dtype).eps)

    columns = np.eye(n, dtype=dtype)
    p = np.array([maps.primal(e) for e in columns]).T.astype(float)
    d = np.array([maps.dual(e) for e in columns]).T.astype(float)
    rest = np.eye(len(p)) - p @ (np.linalg.pinv(p) if basis == "spline" else d.T)
    expected = p @ matrix @ p.T + scale * rest @ rest.T
    found = full(finer.inverse_hessian)
    close = {"rtol": 0, "atol": 50 * np.finfo(dtype).eps * abs(expected).max()}
    np.testing.assert_allclose(found, expected, **close)
    s = rng.standard_normal(n)
    y = np.linalg.solve(matrix, s)
    np.testing.assert_allclose(found @ d @ y, p @ s, rtol=0, atol=1e4 * close["atol"])
    curvature = (p @ s) @ np.linalg.solve(found, p @ s)
    assert curvature == pytest.approx(s @ y, rel=1e4 * float(np.finfo(dtype).eps))
    assert np.linalg.eigvalsh(found)[0] > 0


def test_resetting_empties_it():
    coarse, fine = networks()
    maps = transfer_maps(coarse, fine, None)
    optimizer = SSBroyden()
    state = optimizer.init(coarse.parameters)
    finer = optimizer.transfer(state, maps, "prolong")
    assert finer.inverse_hessian is None
    matrix = packed(np.eye(coarse.n_parameters))
    finer = optimizer.transfer(state.changed(inverse_hessian=matrix, scale=3.0), maps, "reset")
    assert (finer.inverse_hessian, finer.scale) == (None, 1.0)


# Threads, memory and files


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_of_threads_gives_the_same_bits(dtype):
    n = 900
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal(n * (n + 1) // 2).astype(dtype)
    x, y = rng.standard_normal((2, n)).astype(dtype)
    results = []
    for threads in (1, 2, 3, 8):
        product, out = np.empty_like(x), np.empty_like(matrix)
        _core.symmetric_product(matrix, x, product, threads)
        _core.symmetric_update(0.7, matrix, x, y, 0.3, -0.2, 0.1, out, threads)
        results.append((product, out))
    for product, out in results[1:]:
        assert same_bits(product, results[0][0])
        assert same_bits(out, results[0][1])


def test_too_little_memory_is_refused_with_figures():
    net = kanml.KAN([100, 1000, 100], intervals=4, degree=3)
    n = net.n_parameters
    problem = kanml.Regression(np.zeros((2, 100)), np.zeros((2, 100)))
    needed = 8 * (3 * n + n * (n + 1))
    with pytest.raises(ValueError, match=naming("SSBroyden", n, f"{needed / 1e9:.3g} GB", "have")):
        kanml.train(net, problem, [1], SSBroyden(), progress=False)
    with pytest.raises(ValueError, match=naming("level 1 of the schedule", "SSBroyden", "GB")):
        kanml.train(net, problem, [1, 1], SSBroyden(), progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inverse_hessian": np.ones(2)}, r"inverse_hessian must be .* shape \(3,\)"),
        ({"inverse_hessian": np.ones(3, np.float32)}, "inverse_hessian must be finite numbers"),
        ({"inverse_hessian": np.array([1.0, math.nan, 1.0])}, "inverse_hessian must be finite"),
        (
            {"inverse_hessian": np.array([1.0, 0.0, -1.0])},
            "diagonal of inverse_hessian must",
        ),
        ({"direction": np.ones(3)}, r"direction must be .* shape \(2,\)"),
        ({"scale": 0.0}, "scale must be a finite number > 0, got 0.0"),
        ({"scale": None}, "scale must be a finite number > 0, got None"),
        ({"decrease": math.inf}, "decrease must be a finite number, got inf"),
    ],
)
def test_states_that_no_run_could_have_reached(changes, message):
    optimizer = SSBroyden()
    state = run(optimizer, rosenbrock, optimizer.init([-1.2, 1.0]), 3)
    optimizer.require_sound(state)
    with pytest.raises(ValueError, match=message):
        optimizer.require_sound(replace(state, **changes))
