"""The solutions of the reference problems: equations, conditions, independent values."""

from __future__ import annotations

import dataclasses
import functools

import mpmath
import numpy as np
import pytest
import scipy.integrate
from numpy.polynomial import chebyshev

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

PI = np.pi
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
COMPUTED = [AllenCahn(), KortewegDeVries(), KuramotoSivashinsky()]
PROBLEMS = [*EXACT, *COMPUTED]
every_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=repr)


# Derivatives of a solution: its Chebyshev interpolant on a small box around each point


@functools.cache
def functional(order, at=0.0, n=17):
    """Nodes in [-1, 1], and the weights of the derivative of an interpolant at a place."""
    nodes = np.cos(PI * np.arange(n) / (n - 1))
    values = chebyshev.chebvander(nodes, n - 1)
    wanted = [chebyshev.chebval(at, chebyshev.chebder(row, order)) for row in np.eye(n)]
    return nodes, np.linalg.solve(values.T, np.array(wanted))


def derivative(problem, points, orders, widths, at=0.0):
    """The derivative of the given order in each input, at points whose boxes are in the domain."""
    points = np.asarray(points, dtype=float)
    axes = [functional(order, at) for order in orders]
    widths = np.broadcast_to(widths, points.shape[1])
    nodes = np.stack(np.meshgrid(*(a for a, _ in axes), indexing="ij"), -1).reshape(-1, len(axes))
    weights = functools.reduce(np.multiply.outer, (w for _, w in axes)).ravel()
    boxes = points[:, None] + nodes * widths
    values = problem.solution(boxes.reshape(-1, len(axes))).reshape(len(points), -1)
    return (values @ weights) / np.prod(widths ** np.array(orders))


def fields(problem, points, widths):
    """The values and derivatives of the solution by the names that residuals use."""

    class Field(dict):
        def __missing__(self, name):
            orders = tuple(name.count(letter) for letter in problem.inputs)
            return derivative(problem, points, orders, widths)

        __getattr__ = dict.__getitem__

    return Field()


def interior(problem, widths, count=40, seed=0):
    """Random points whose boxes are in the domain."""
    rng = np.random.default_rng(seed)
    low, high = np.array(problem.domain).T
    return rng.uniform(low + widths, high - widths, (count, len(low)))


def assert_vanishes(terms, tolerance):
    """The terms of an equation add up to nothing, beside the largest of them."""
    total = np.sum(terms, axis=0)
    assert abs(total).max() <= tolerance * max(abs(term).max() for term in terms)


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


# Computed references


def random_points(count=2000, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0, 1, count), rng.uniform(-1, 1, count)], axis=1)


def points_at_the_kink(count=2000, seed=1):
    """Early times, and places next to x = -1 and x = 1."""
    rng = np.random.default_rng(seed)
    t, distance = 10 ** rng.uniform(-7, -1, count), 10 ** rng.uniform(-6, 0, count)
    return np.stack([t, rng.choice([-1, 1], count) * (1 - distance)], axis=1)


def difference(first, second, points):
    return abs(first.solution(points) - second.solution(points)).max()


@pytest.mark.parametrize("problem", COMPUTED, ids=repr)
def test_periodicity(problem):
    t = np.linspace(0, 1, 40)
    ends = [problem.solution(np.stack([t, 0 * t + x], axis=1)) for x in (-1.0, 1.0)]
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("problem", "start", "tolerance"),
    [
        (AllenCahn(), lambda x: x**2 * np.cos(PI * x), 1e-9),
        (KortewegDeVries(), lambda x: np.cos(PI * x), 1e-13),
        (KuramotoSivashinsky(), lambda x: -np.sin(PI * x), 1e-13),
    ],
    ids=repr,
)
def test_initial_conditions(problem, start, tolerance):
    x = np.concatenate([np.linspace(-1, 1, 501), 1 - np.logspace(-7, -1, 50)])
    got = problem.solution(np.stack([0 * x, x], axis=1))[:, 0]
    np.testing.assert_allclose(got, start(x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("problem", COMPUTED, ids=repr)
def test_a_reference_is_computed_once(problem):
    from kanml.equations.periodic import _sampled

    before = _sampled.cache_info().misses
    dataclasses.replace(problem).solution([[0.5, 0.5]])
    problem.solution([[0.25, 0.5]])
    assert _sampled.cache_info().misses <= before + 1


@pytest.mark.parametrize(
    ("problem", "symptom"),
    [
        (AllenCahn(eps=1e-7, modes=256, steps=500), "eps=1e-07, modes=256"),
        (KortewegDeVries(modes=64, steps=1000), "modes=64"),
        (KuramotoSivashinsky(alpha=500.0, steps=1000), "alpha=500.0"),
    ],
    ids=repr,
)
def test_what_is_not_resolved_is_refused(problem, symptom):
    with pytest.raises(ValueError, match=naming(symptom, "does not resolve")):
        problem.solution([[0.5, 0.5]])


def test_interpolation_is_trigonometric():
    problem = KortewegDeVries(steps=1000)
    coefficients = problem.coefficients()
    assert coefficients.shape == (1001, 129)
    m = np.arange(129)
    rng = np.random.default_rng(2)
    for row, x in zip(rng.integers(0, 1001, 20), rng.uniform(-1, 1, 20), strict=True):
        waves = 2 * coefficients[row] * np.exp(1j * PI * m * (x + 1))
        expected = waves.real.sum() - coefficients[row, 0].real
        assert problem.solution([[row / 1000, x]])[0, 0] == pytest.approx(expected, abs=1e-13)


# Allen-Cahn


def test_allen_cahn_equation():
    """Also close to the kink, at times when its width is a few times that of the boxes."""
    problem = AllenCahn()
    rng = np.random.default_rng(3)
    late = np.stack([rng.uniform(0.06, 0.98, 25), rng.uniform(-0.99, 0.99, 25)], axis=1)
    early = np.stack([rng.uniform(0.01, 0.03, 25), 1 - rng.uniform(0.003, 0.01, 25)], axis=1)
    for points, widths in ((late, [0.02, 0.004]), (early, [0.003, 0.003])):
        u = fields(problem, points, widths)
        terms = [u["t"], -problem.eps * u["xx"], -5 * u[""], 5 * u[""] ** 3]
        assert_vanishes(terms, 1e-6)


def test_allen_cahn_by_another_solver():
    """Collocation at 2048 points, and the method of Dormand and Prince.

    It starts from the exact coefficients of x^2 cos(pi x) = Re x^2 exp(i pi x), by those of x^2:
    samples of the kink would alias.
    """
    modes, eps = 2048, 1e-4
    m = np.arange(modes // 2 + 1)
    square = (PI * m) ** 2

    def parabola(m):
        return np.where(m == 0, 1 / 3, 2 / np.maximum((PI * m) ** 2, 1))  # less the sign (-1)^m

    start = -0.5 * (parabola(abs(m - 1)) + parabola(m + 1))

    def slope(_, u):
        return np.fft.irfft(-eps * square * np.fft.rfft(u), modes) + 5 * u - 5 * u**3

    times = [0.2, 0.517, 1.0]
    options = {"rtol": 1e-10, "atol": 1e-11, "max_step": 0.003}  # stable for all modes
    start = np.fft.irfft(start, modes) * modes
    run = scipy.integrate.solve_ivp(slope, (0, 1), start, "DOP853", times, **options)
    x = -1 + 2 * np.arange(modes) / modes
    for t, expected in zip(times, run.y.T, strict=True):
        got = AllenCahn().solution(np.stack([0 * x + t, x], axis=1))[:, 0]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


# Korteweg-de Vries


def test_korteweg_de_vries_equation():
    problem = KortewegDeVries()
    widths = [0.008, 0.05]
    points = interior(problem, np.array(widths))
    u = fields(problem, points, widths)
    assert_vanishes([u["t"], u[""] * u["x"], problem.mu * u["xxx"]], 1e-6)


def test_korteweg_de_vries_conserves():
    """Mass, momentum and energy: the integrals of u, u^2 and u^3 / 3 - mu u_x^2."""
    problem, n = KortewegDeVries(), 512
    t, x = np.meshgrid(np.linspace(0, 1, 31), np.arange(n) * 2 / n - 1, indexing="ij")
    u = problem.solution(np.stack([t.ravel(), x.ravel()], axis=1)).reshape(t.shape)
    slope = np.fft.irfft(1j * PI * np.arange(n // 2 + 1) * np.fft.rfft(u), n)
    mass, momentum = 2 * u.mean(axis=1), 2 * (u**2).mean(axis=1)
    energy = 2 * (u**3 / 3 - problem.mu * slope**2).mean(axis=1)
    np.testing.assert_allclose(mass, 0.0, rtol=0, atol=1e-13)
    np.testing.assert_allclose(momentum, 1.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(energy, -problem.mu * PI**2, rtol=0, atol=1e-10)


def test_korteweg_de_vries_carries_a_soliton():
    """``3 c sech^2(sqrt(c / mu) (x - c t) / 2)``, here once around the circle."""
    c, mu = 2.0, 0.0025

    def soliton(t, x):
        place = (x - c * t + 1) % 2 - 1
        return 3 * c / np.cosh(np.sqrt(c / mu) * place / 2) ** 2

    class Soliton(KortewegDeVries):
        def _initial(self):
            return np.fft.rfft(soliton(0, x)) / self.modes

    problem = Soliton(mu)
    x = np.arange(problem.modes) * 2 / problem.modes - 1
    for t, row in zip(np.linspace(0, 1, 11), problem.coefficients()[::100], strict=True):
        got = np.fft.irfft(row, problem.modes) * problem.modes
        np.testing.assert_allclose(got, soliton(t, x), rtol=0, atol=4e-6)


# Kuramoto-Sivashinsky


def test_kuramoto_sivashinsky_equation():
    problem = KuramotoSivashinsky()
    widths = [0.004, 0.06]
    points = interior(problem, np.array(widths))
    u = fields(problem, points, widths)
    advection = problem.alpha * u[""] * u["x"]
    assert_vanishes([u["t"], advection, problem.beta * u["xx"], problem.gamma * u["xxxx"]], 1e-5)


def test_kuramoto_sivashinsky_by_another_solver():
    """A series of sines, and the method of Radau."""
    problem = KuramotoSivashinsky()
    m, x = np.arange(1, 41), (np.arange(120) + 0.5) / 120
    sines, slopes = np.sin(PI * np.outer(x, m)), PI * m * np.cos(PI * np.outer(x, m))
    rates = problem.beta * (PI * m) ** 2 - problem.gamma * (PI * m) ** 4

    def slope(_, b):
        return rates * b - problem.alpha * (2 / 120) * (((sines @ b) * (slopes @ b)) @ sines)

    def jacobian(_, b):
        product = (sines @ b)[:, None] * slopes + (slopes @ b)[:, None] * sines
        return np.diag(rates) - problem.alpha * (2 / 120) * sines.T @ product

    times = [0.1, 0.58, 1.0]
    run = scipy.integrate.solve_ivp(
        slope, (0, 1), -np.eye(40)[0], "Radau", times, rtol=1e-8, atol=1e-10, jac=jacobian
    )
    for t, b in zip(times, run.y.T, strict=True):
        got = problem.solution(np.stack([0 * x + t, x], axis=1))[:, 0]
        np.testing.assert_allclose(got, sines @ b, rtol=0, atol=1e-6)


# Refinement: errors fall as the fourth power of the step


def test_allen_cahn_refined():
    anywhere, kink = random_points(), points_at_the_kink()
    coarse, coarser = AllenCahn(steps=1000), AllenCahn(steps=500)
    finer = AllenCahn(modes=4096, steps=1000)
    assert difference(coarse, finer, anywhere) <= 3e-10
    assert difference(coarse, finer, kink) <= 3e-9
    in_time = difference(coarse, AllenCahn(), anywhere)
    assert in_time <= 1e-9  # a fifteenth of it is left
    assert difference(coarse, AllenCahn(), kink) <= 1e-9
    assert 12 <= difference(coarser, coarse, anywhere) / in_time <= 20


@pytest.mark.parametrize(("kind", "modes"), [(KortewegDeVries, 512), (KuramotoSivashinsky, 192)])
def test_more_modes(kind, modes):
    coarse = kind(steps=1000).coefficients()[:, :-1]
    finer = kind(steps=1000, modes=modes).coefficients()[:, : coarse.shape[1]]
    assert abs(coarse - finer).sum(axis=1).max() <= 1e-11


@pytest.mark.parametrize(("kind", "error"), [(KortewegDeVries, 1e-9), (KuramotoSivashinsky, 5e-8)])
def test_smaller_steps(kind, error):
    """Half the step leaves a fifteenth of what it changes."""
    coarse = kind(steps=kind.steps // 2)
    assert difference(coarse, kind(), random_points()) / 15 <= error
