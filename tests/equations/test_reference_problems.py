"""The solutions of the reference problems: equations, conditions, independent values."""

from __future__ import annotations

import dataclasses

import mpmath
import numpy as np
import pytest
from solutions import COMPUTED, PI, assert_vanishes, fields, functional, interior

import kanml
from helpers import naming
from kanml.equations import (
    Advection,
    AllenCahn,
    Biharmonic,
    Burgers,
    Heat,
    Helmholtz,
    KortewegDeVries,
    KuramotoSivashinsky,
    Poisson,
    PoissonInterface,
)

EXACT = [
    Poisson(),
    Poisson(waves=3),
    Helmholtz(),
    Helmholtz(a1=2, a2=3, k=5.5),
    PoissonInterface(),
    Biharmonic(),
    Heat(),
    Heat(alpha=0.02, waves=5),
    Advection(),
    Advection(c=2.5),
    Burgers(),
    Burgers(nu=0.5),
]
PROBLEMS = [*EXACT, *COMPUTED]
every_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=repr)


# All problems


@every_problem
def test_a_problem_describes_itself(problem):
    assert len(problem.domain) == len(problem.inputs) == 2
    assert problem.outputs == "u"
    corners = problem.grid(2)
    assert corners.shape == (4, 2)
    values = problem.solution(corners)
    assert values.shape == (4, 1)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(problem.solution(corners.tolist()), values)
    assert problem.solution(np.empty((0, 2))).shape == (0, 1)
    assert problem == dataclasses.replace(problem)
    assert hash(problem) == hash(dataclasses.replace(problem))
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.nu = 2.0


@every_problem
def test_points_are_independent(problem):
    points = interior(problem, 0.0, 9)
    together = problem.solution(points)
    apart = np.concatenate([problem.solution(point[None]) for point in points])
    np.testing.assert_allclose(together, apart, rtol=1e-12, atol=1e-15)


@every_problem
def test_errors_of_a_network(problem):
    def exact(x):  # which may have inputs of a network after those of the problem
        return problem.solution(x[:, :2])

    assert problem.relative_l2(exact, 21) == 0.0
    assert problem.maximum_error(exact, (11, 5)) == 0.0
    assert problem.relative_l2(lambda x: 0.75 * exact(x), 21) == pytest.approx(0.25)
    assert problem.maximum_error(lambda x: exact(x) + 0.5, 21) == pytest.approx(0.5)
    net = kanml.KAN([len(problem.network_inputs), 1], intervals=2, dtype="float32")
    points = problem.grid((5, 7))
    assert points.shape == (35, 2)
    error = net(problem.network_points(points)) - problem.solution(points)
    assert problem.maximum_error(net, (5, 7)) == abs(error).max()


@every_problem
def test_bad_points(problem):
    middle = np.mean(problem.domain, axis=1)
    for points in (middle, middle[None, :1], np.zeros((4, 3)), 0.5):
        with pytest.raises(ValueError, match=naming("points", "(N, 2)", np.shape(points))):
            problem.solution(points)
    for column, (low, high) in enumerate(problem.domain):
        for value in (np.nextafter(low, -9), np.nextafter(high, 9), high + 1):
            points = np.tile(middle, (4, 1))
            points[2, column] = value
            letter = problem.inputs[column]
            with pytest.raises(
                ValueError, match=naming(letter, f"points[2, {column}] = ") + rf".*{value}"
            ):
                problem.solution(points)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=naming("points[0, 1]", value)):
            problem.solution([[middle[0], value]])
    with pytest.raises(TypeError, match="points must hold real numbers"):
        problem.solution([["a", "b"]])


def test_bad_networks_and_grids():
    problem = Poisson()
    with pytest.raises(ValueError, match=naming("net", (25, 1), (25,))):
        problem.relative_l2(lambda x: x[:, 0], 5)
    with pytest.raises(ValueError, match=naming("net", (25, 1), (25, 2))):
        problem.maximum_error(lambda x: x, 5)
    for n in (1, 0, (5, 1)):
        with pytest.raises(ValueError, match=naming("n must be an integer >= 2")):
            problem.grid(n)
    with pytest.raises(ValueError, match=naming("n must hold 2 integers", (5,))):
        problem.grid((5,))
    with pytest.raises(TypeError, match=naming("n must be", 2.5)):
        problem.grid(2.5)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Poisson, "waves", 0),
        (Poisson, "waves", 1.5),
        (Helmholtz, "a1", 0),
        (Helmholtz, "a2", -2),
        (Helmholtz, "k", 0.0),
        (Heat, "alpha", -0.1),
        (Heat, "waves", 0),
        (Advection, "c", 0),
        (Advection, "c", np.inf),
        (Burgers, "nu", 0.0),
        (Burgers, "nu", -1),
        (Burgers, "nu", np.nan),
        (Burgers, "nu", "0.01"),
        (Burgers, "nu", True),
        (AllenCahn, "eps", 0.0),
        (AllenCahn, "modes", 33),
        (AllenCahn, "modes", 2048.0),
        (AllenCahn, "steps", 100),
        (AllenCahn, "steps", 1999),
        (KortewegDeVries, "mu", -0.0025),
        (KortewegDeVries, "modes", 255),
        (KuramotoSivashinsky, "alpha", 0),
        (KuramotoSivashinsky, "beta", -0.5),
        (KuramotoSivashinsky, "gamma", np.inf),
        (KuramotoSivashinsky, "initial", "cosine"),
    ],
)
def test_bad_parameters(kind, name, value):
    with pytest.raises((TypeError, ValueError), match=naming(f"{name} must be", repr(value))):
        kind(**{name: value})


# Boundary value problems


def edges(problem, n=33):
    points = problem.grid(n)
    low, high = np.array(problem.domain).T
    return points[((points == low) | (points == high)).any(axis=1)]


@pytest.mark.parametrize("problem", EXACT[:6], ids=repr)
def test_zero_on_the_boundary(problem):
    assert (problem.solution(edges(problem)) == 0.0).all()


@pytest.mark.parametrize("problem", [Poisson(), Poisson(waves=3)], ids=repr)
def test_poisson(problem):
    points = interior(problem, 0.1)
    u = fields(problem, points, 0.1)
    assert_vanishes([u["xx"], u["yy"], problem.source(points)[:, 0]], 1e-9)


@pytest.mark.parametrize("problem", [Helmholtz(), Helmholtz(a1=2, a2=3, k=5.5)], ids=repr)
def test_helmholtz(problem):
    points = interior(problem, 0.1)
    u = fields(problem, points, 0.1)
    q = problem.source(points)[:, 0]
    assert_vanishes([u["xx"], u["yy"], problem.k**2 * u[""], -q], 1e-9)


def test_biharmonic():
    problem = Biharmonic()
    points = interior(problem, 0.15)
    u = fields(problem, points, 0.15)
    f = problem.source(points)[:, 0]
    assert_vanishes([u["xxxx"], 2 * u["xxyy"], u["yyyy"], -f], 1e-7)


def test_the_plate_is_clamped():
    problem = Biharmonic()
    y = np.linspace(0.1, 0.9, 9)
    for side, at in ((0.1, -1.0), (0.9, 1.0)):
        for points, orders in (
            (np.stack([np.full(9, side), y], axis=1), (1, 0)),
            (np.stack([y, np.full(9, side)], axis=1), (0, 1)),
        ):
            widths = [0.1 if order else 1e-9 for order in orders]
            nodes, weights = functional(1, at)
            direction = np.array(orders)
            boxes = points[:, None] + nodes[:, None] * direction * np.max(widths)
            slopes = problem.solution(boxes.reshape(-1, 2)).reshape(9, -1) @ weights / 0.1
            assert abs(slopes).max() <= 1e-10


def test_poisson_with_an_interface():
    problem = PoissonInterface()
    points = interior(problem, 0.1, 60)
    points = points[abs(points[:, 0]) > 0.1]
    u = fields(problem, points, 0.1)
    eps, f = problem.diffusivity(points)[:, 0], problem.source(points)[:, 0]
    np.testing.assert_array_equal(eps, np.where(points[:, 0] < 0, 1.0, 0.5))
    assert_vanishes([eps * u["xx"], eps * u["yy"], -f], 1e-9)


def test_the_interface():
    problem = PoissonInterface()
    y = np.linspace(-1, 1, 21)
    on = np.stack([0 * y, y], axis=1)
    np.testing.assert_array_equal(problem.solution(on), 0.0)
    np.testing.assert_array_equal(problem.diffusivity(on), 0.5)
    slopes = []
    for side in (-1.0, 1.0):
        nodes, weights = functional(1, -side)
        boxes = on[:, None] + 0.1 * np.stack([nodes + side, 0 * nodes], axis=1)
        slopes.append(problem.solution(boxes.reshape(-1, 2)).reshape(21, -1) @ weights / 0.1)
    left, right = slopes
    np.testing.assert_allclose(left, 0.5 * right, rtol=0, atol=1e-10)
    np.testing.assert_allclose(left, PI * np.sin(3 * PI * y), rtol=0, atol=1e-10)
    lifted = problem.level_set([[-0.5, 0.25], [0.5, 0.0]])
    np.testing.assert_array_equal(lifted, [[-0.5, 0.25, 0.5], [0.5, 0.0, 0.5]])


# Waves


@pytest.mark.parametrize("problem", [Heat(), Heat(alpha=0.02, waves=5)], ids=repr)
def test_heat(problem):
    points = interior(problem, 0.1)
    u = fields(problem, points, 0.1)
    assert_vanishes([u["t"], -problem.alpha * u["xx"]], 1e-9)
    x = np.linspace(0, 1, 33)
    start = problem.solution(np.stack([0 * x, x], axis=1))[:, 0]
    np.testing.assert_allclose(start, np.sin(problem.waves * PI * x), rtol=0, atol=1e-14)
    for end in (0.0, 1.0):
        assert (problem.solution(np.stack([x, 0 * x + end], axis=1)) == 0.0).all()


@pytest.mark.parametrize("problem", [Advection(), Advection(c=2.5)], ids=repr)
def test_advection(problem):
    widths = np.array([0.02, 0.2])
    points = interior(problem, widths)
    u = fields(problem, points, widths)
    assert_vanishes([u["t"], problem.c * u["x"]], 1e-9)
    x = np.linspace(0, 2 * PI, 33)
    start = problem.solution(np.stack([0 * x, x], axis=1))[:, 0]
    np.testing.assert_allclose(start, np.sin(x), rtol=0, atol=1e-14)
    t = np.linspace(0, 1, 33)
    ends = [problem.solution(np.stack([t, 0 * t + end], axis=1)) for end in problem.domain[1]]
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-13)


# Burgers


def burgers(nu, t, x):
    """The solution of Cole and Hopf at 30 digits, by Gauss-Legendre rules on short intervals."""
    with mpmath.workdps(30):
        nu, t, x = mpmath.mpf(nu), mpmath.mpf(t), mpmath.mpf(x)

        def phase(y):
            return mpmath.cospi(y) / (2 * mpmath.pi * nu) + (x - y) ** 2 / (4 * nu * t)

        # What is left out is exp(-75) of what is kept.
        reach = t + mpmath.sqrt(t**2 + 300 * nu * t)
        ends = mpmath.linspace(x - reach, x + reach, 5 + int(reach / mpmath.sqrt(nu * t)))
        least = min(phase(y) for y in ends)
        above, below = (
            mpmath.quad(
                lambda y, f=f: f(y) * mpmath.exp(least - phase(y)), ends, method="gauss-legendre"
            )
            for f in (mpmath.sinpi, lambda y: 1)
        )
        return float(-above / below)


@pytest.mark.parametrize(
    ("nu", "points"),
    [
        (0.01 / PI, [(1.0, 1e-3), (1.0, -0.3), (0.51, 1e-9), (1e-7, 0.9999)]),
        (0.01, [(1.0, 0.01), (0.6, -0.05), (1e-12, 1e-6), (1e-3, -1 + 1e-9)]),
        (1e-3 / PI, [(1.0, 1e-4), (0.31, 0.02)]),
        (0.15, [(0.66, 0.3), (1.0, -1e-5)]),
        (1.0, [(0.11, 0.6), (1.0, -1e-5)]),
    ],
)
def test_burgers_at_thirty_digits(nu, points):
    got = Burgers(nu).solution(points)[:, 0]
    expected = [burgers(nu, t, x) for t, x in points]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("nu", "widths", "tolerance"),
    [(0.5, 0.05, 1e-9), (0.01, [0.02, 0.005], 1e-6), (1e-3 / PI, [2e-4, 1e-4], 1e-5)],
)
def test_burgers_equation(nu, widths, tolerance):
    problem = Burgers(nu)
    points = interior(problem, np.array(widths), 10)
    u = fields(problem, points, widths)
    assert_vanishes([u["t"], u[""] * u["x"], -nu * u["xx"]], tolerance)


@pytest.mark.parametrize("nu", [1e-4, 0.01 / PI, 0.3, 20.0])
def test_burgers_conditions(nu):
    problem = Burgers(nu)
    x = np.linspace(-1, 1, 41)
    start = problem.solution(np.stack([0 * x, x], axis=1))[:, 0]
    np.testing.assert_allclose(start, -np.sin(PI * x), rtol=0, atol=1e-15)
    # From there on, u moves by u_t = nu u_xx - u u_x.
    for t in (1e-300, 1e-30, 1e-12, 1e-9):
        soon = problem.solution(np.stack([0 * x + t, x], axis=1))[:, 0]
        np.testing.assert_allclose(soon, start, rtol=0, atol=1e-14 + t * PI * (1 + nu * PI))
    t = np.linspace(0, 1, 41)
    for place in (-1.0, 0.0, 1.0):
        assert (problem.solution(np.stack([t, 0 * t + place], axis=1)) == 0.0).all()
    points = interior(problem, 0.0)
    np.testing.assert_array_equal(problem.solution(points), -problem.solution(points * [1, -1]))
    assert np.isfinite(problem.solution(points)).all()


def test_burgers_by_two_formulas():
    """Where the series takes over from the quadrature, they agree."""
    problem = Burgers(nu=0.2)
    x = np.concatenate([np.linspace(0.01, 0.99, 50), [1e-9, 1 - 1e-9]])
    before, after = (
        problem.solution(np.stack([0 * x + t, x], axis=1)) for t in (0.5, np.nextafter(0.5, 1))
    )
    np.testing.assert_allclose(before, after, rtol=1e-13, atol=0)


def test_the_steepest_slope_of_burgers():
    """Basdevant et al. (1986): 152.00516 at the time 1.6037 / pi."""
    t = np.linspace(0.50, 0.52, 2001)
    x = 1e-9  # where u is its slope times x, to 1e-12 relative
    slopes = -Burgers().solution(np.stack([t, 0 * t + x], axis=1))[:, 0] / x
    assert slopes.max() == pytest.approx(152.00516, abs=5e-6)
    assert t[slopes.argmax()] == pytest.approx(1.6037 / PI, abs=2e-5)
