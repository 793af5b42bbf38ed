"""The solutions that are computed: equations, conditions, other solvers, refinement."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from solutions import COMPUTED, PI, assert_vanishes, fields, interior

from helpers import naming
from kanml.equations import AllenCahn, KortewegDeVries, KuramotoSivashinsky

CHAOTIC = KuramotoSivashinsky.chaotic()


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
        (CHAOTIC, lambda x: np.cos(PI * x) * (1 + np.sin(PI * x)), 1e-13),
    ],
    ids=["Allen-Cahn", "Korteweg-de Vries", "Kuramoto-Sivashinsky", "chaotic"],
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


def test_chaotic_kuramoto_sivashinsky_by_another_solver():
    """Differentiation matrices on 256 points of a circle, and the method of Radau."""
    alpha, beta, gamma = 100 / 16, 100 / 16**2, 100 / 16**4
    n = 256
    x = -PI + 2 * PI * np.arange(n) / n
    offsets = np.arange(1, n)
    column = np.concatenate([[0], 0.5 * (-1.0) ** offsets / np.tan(offsets * PI / n)])
    d = scipy.linalg.toeplitz(column, -column)  # L. N. Trefethen, Spectral Methods in MATLAB, 2000
    linear = -beta * d @ d - gamma * np.linalg.matrix_power(d, 4)

    def slope(_, u):
        return linear @ u - alpha * u * (d @ u)

    def jacobian(_, u):
        return linear - alpha * (np.diag(d @ u) + u[:, None] * d)

    times, start = [0.1, 0.3], np.cos(x) * (1 + np.sin(x))
    run = scipy.integrate.solve_ivp(
        slope, (0, 0.3), start, "Radau", times, rtol=1e-8, atol=1e-9, jac=jacobian
    )
    for t, u in zip(times, run.y.T, strict=True):
        got = CHAOTIC.solution(np.stack([0 * x + t, x / PI], axis=1))[:, 0]
        np.testing.assert_allclose(got, u, rtol=0, atol=1e-6)


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


@pytest.mark.parametrize(
    ("problem", "error"),
    [(CHAOTIC, 2e-8), (KortewegDeVries(mu=0.022**2, modes=384, steps=16_000), 1e-9)],
    ids=["chaotic", "steep waves"],
)
def test_smaller_steps_of_hard_cases(problem, error):
    half = dataclasses.replace(problem, steps=problem.steps // 2)
    assert difference(half, problem, random_points()) / 15 <= error
    more = dataclasses.replace(half, modes=problem.modes * 4 // 3)
    assert difference(half, more, random_points()) <= error
