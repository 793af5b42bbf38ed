"""Damped steps, against the truncated singular value decomposition of SciPy and against mpmath."""

import mpmath
import numpy as np
import pytest
from scipy import linalg

from kanml import _core

EPS = np.finfo(np.float64).eps


class Reference:
    """The steps by the singular values of R that count."""

    def __init__(self, r, c, rows, epsilon=EPS):
        u, s, vt = linalg.svd(r)
        self.largest = s[0]
        kept = s > max(rows, len(r)) * epsilon * s[0]
        self.s, self.v, self.g = s[kept], vt[kept].T, u[:, kept].T @ c

    def step(self, damping):
        return -self.v @ (self.s * self.g / (self.s**2 + damping))

    def decrease(self, damping):
        s2 = self.s**2
        return np.sum(self.g**2 * s2 * (s2 + 2 * damping) / (s2 + damping) ** 2)


def triangle_of(r, c):
    n = len(r)
    triangle = np.zeros((n + 1, n + 1))
    triangle[:n, :n] = np.linalg.qr(r, mode="r") if np.tril(r, -1).any() else r
    triangle[:n, n] = c
    return triangle


def problem(jacobian, residuals, epsilon=EPS, threads=1):
    """The core's steps, and the reference for the same triangle."""
    rows, n = jacobian.shape
    both = np.column_stack([jacobian, residuals])
    triangle = _core.fold_triangle(np.zeros((n + 1, n + 1)), both, threads)
    steps = _core.DampedSteps(triangle, rows, epsilon, threads)
    return steps, Reference(triangle[:n, :n], triangle[:n, n], rows, epsilon)


def with_values(rng, values):
    """A square matrix with these singular values."""
    n = len(values)
    u, _ = np.linalg.qr(rng.standard_normal((n, n)))
    v, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (u * values) @ v.T


def dampings_of(largest):
    return [0.0, *(largest**2 * np.logspace(-30, 3, 12))]


def check(steps, reference, tolerance):
    """Steps, lengths and decreases for many dampings; errors relative to the length of the step."""
    assert steps.rank == len(reference.s)
    assert steps.largest == pytest.approx(reference.largest, rel=1e-13)
    smallest = reference.s[-1] if steps.rank else 0.0
    assert abs(steps.smallest - smallest) <= 10 * EPS * reference.largest
    dampings = dampings_of(reference.largest)
    p, lengths, decreases = steps.solve(dampings)
    for i, damping in enumerate(dampings):
        expected = reference.step(damping)
        length = np.linalg.norm(expected)
        assert np.linalg.norm(p[i] - expected) <= tolerance * length
        assert lengths[i] == pytest.approx(length, rel=tolerance)
        assert decreases[i] == pytest.approx(reference.decrease(damping), rel=tolerance)


SHAPES = [(1, 1), (9, 1), (3, 2), (1, 10), (20, 50), (40, 31), (40, 32), (90, 33), (300, 130)]


@pytest.mark.parametrize("shape", SHAPES)
def test_steps_of_full_rank_and_of_fewer_rows_than_columns(shape):
    rng = np.random.default_rng(1)
    check(*problem(rng.standard_normal(shape), rng.standard_normal(shape[0])), 1e-12)


@pytest.mark.parametrize("noise", [0.0, 1e-17])
@pytest.mark.parametrize("n", [12, 60, 150])
def test_duplicated_columns_do_not_count(n, noise):
    rng = np.random.default_rng(2)
    jacobian = rng.standard_normal((4 * n, n))
    copies = n // 3
    jacobian[:, :copies] = jacobian[:, n - copies :]
    jacobian += noise * rng.standard_normal(jacobian.shape)
    steps, reference = problem(jacobian, rng.standard_normal(4 * n))
    assert steps.rank == n - copies
    check(steps, reference, 1e-12)
    p, _, _ = steps.solve([0.0, 1e-5])
    np.testing.assert_allclose(p[:, :copies], p[:, n - copies :], rtol=0, atol=1e-13)


def hidden(n):
    """A bidiagonal matrix that is singular to rounding although no entry is small."""
    return 0.5 * np.eye(n) + np.diag(np.ones(n - 1), 1)


def kahan(n):
    return np.eye(n) - 0.3 * np.triu(np.ones((n, n)), 1)


@pytest.mark.parametrize("matrix", [hidden, kahan])
def test_a_singular_value_that_no_entry_shows(matrix):
    n = 200
    r, c = matrix(n), np.random.default_rng(3).standard_normal(n)
    steps = _core.DampedSteps(triangle_of(r, c), n, EPS, 1)
    assert steps.rank == n - 1
    check(steps, Reference(r, c, n), 1e-12)


# The singular values reach to the tolerance and below, close to each other: where single precision
# ends. The smallest that count are as uncertain as EPS / 1e-7.
def test_singular_values_next_to_the_tolerance():
    rng = np.random.default_rng(4)
    n = 200
    jacobian = with_values(rng, np.geomspace(1.0, 1e-10, n))
    steps, reference = problem(jacobian, rng.standard_normal(n), epsilon=1e-7)
    assert 50 < steps.rank < 150
    check(steps, reference, 1e-10)


def test_a_condition_of_1e10():
    rng = np.random.default_rng(5)
    n = 120
    jacobian = with_values(rng, np.geomspace(1.0, 1e-10, n))
    steps, reference = problem(jacobian, rng.standard_normal(n))
    check(steps, reference, 1e-16 * 1e10 * 10)


@pytest.mark.parametrize("gap", [1e-3, 1e-6])
def test_a_gap_and_an_exact_null_space(gap):
    rng = np.random.default_rng(6)
    values = np.r_[np.ones(50), np.full(30, gap), np.zeros(40)]
    steps, reference = problem(with_values(rng, values), rng.standard_normal(120))
    assert steps.rank == 80
    check(steps, reference, 1e-14 / gap)


@pytest.mark.parametrize("order", [1, -1])
def test_graded_diagonals(order):
    values = np.geomspace(1.0, 1e-18, 60)[::order]
    c = np.random.default_rng(7).standard_normal(60)
    r = np.diag(values)
    check(_core.DampedSteps(triangle_of(r, c), 60, EPS, 1), Reference(r, c, 60), 1e-13)


def test_zero_rows_and_columns_of_the_triangle():
    rng = np.random.default_rng(8)
    n = 40
    r = np.triu(rng.standard_normal((n, n))) + 6 * np.eye(n)
    r[:, [0, 5, 6, 39]] = 0.0
    r[20] = 0.0
    c = rng.standard_normal(n)
    check(_core.DampedSteps(triangle_of(r, c), n, EPS, 1), Reference(r, c, n), 1e-11)


def test_a_zero_matrix_has_no_step():
    triangle = np.zeros((6, 6))
    triangle[:, -1] = 1.0
    steps = _core.DampedSteps(triangle, 100, EPS, 1)
    assert (steps.rank, steps.largest, steps.smallest) == (0, 0.0, 0.0)
    for part in steps.solve([0.0, 1.0]):
        assert not part.any()
    assert steps.dampings([1.0]) == [0.0]


def test_a_zero_residual_has_no_step():
    steps = _core.DampedSteps(triangle_of(np.eye(5), np.zeros(5)), 5, EPS, 1)
    for part in steps.solve([0.0, 1.0]):
        assert not part.any()
    assert steps.dampings([1.0]) == [0.0]


@pytest.mark.parametrize(("of_r", "of_c"), [(1e150, 1e150), (1e-140, 1e-140), (1e-100, 1e20)])
def test_scales_change_nothing_else(of_r, of_c):
    rng = np.random.default_rng(9)
    n = 50
    r = np.linalg.qr(with_values(rng, np.geomspace(1.0, 1e-3, n)), mode="r")
    c = rng.standard_normal(n)
    plain = _core.DampedSteps(triangle_of(r, c), n, EPS, 1)
    scaled = _core.DampedSteps(triangle_of(r * of_r, c * of_c), n, EPS, 1)
    dampings = np.array([0.0, 1e-6, 1e-2, 1.0])
    steps, lengths, _ = plain.solve(list(dampings))
    scaled_steps, scaled_lengths, _ = scaled.solve(list(dampings * of_r * of_r))
    factor = of_c / of_r
    np.testing.assert_allclose(scaled_steps / factor, steps, rtol=0, atol=1e-12 * lengths[0])
    np.testing.assert_allclose(scaled_lengths / factor, lengths, rtol=1e-12)


def test_a_step_against_mpmath():
    rng = np.random.default_rng(10)
    n = 7
    r = np.triu(rng.standard_normal((n, n))) * np.geomspace(1.0, 1e-4, n)[:, None]
    c = rng.standard_normal(n)
    steps = _core.DampedSteps(triangle_of(r, c), n, EPS, 1)
    for damping in (0.0, 1e-7, 1e-3, 10.0):
        with mpmath.workdps(60):
            exact = mpmath.matrix(r.tolist())
            normal = exact.T * exact + damping * mpmath.eye(n)
            solution = -mpmath.lu_solve(normal, exact.T * mpmath.matrix(c.tolist()))
        expected = np.array(solution.tolist(), dtype=float).ravel()
        (p,), _, _ = steps.solve([damping])
        condition = steps.largest / steps.smallest
        error = np.linalg.norm(p - expected)
        assert error <= 20 * EPS * condition * np.linalg.norm(expected)


@pytest.mark.parametrize("spread", [1.0, 1e-4, 1e-9])
def test_dampings_give_the_radii(spread):
    rng = np.random.default_rng(11)
    n = 90
    steps, reference = problem(
        with_values(rng, np.geomspace(1.0, spread, n)), rng.standard_normal(n)
    )
    longest = np.linalg.norm(reference.step(0.0))
    radii = longest * np.r_[1.0 - 1e-6, np.geomspace(0.9, 1e-12, 30)]
    dampings = steps.dampings(list(radii))
    assert np.all(np.diff(dampings) > 0)
    _, lengths, _ = steps.solve(dampings)
    np.testing.assert_allclose(lengths, radii, rtol=1e-12)
    expected = [np.linalg.norm(reference.step(damping)) for damping in dampings]
    np.testing.assert_allclose(expected, radii, rtol=1e-14 / spread + 1e-13)


@pytest.mark.parametrize("radius", [1e-110, 1e-150, 1e-200])
def test_the_damping_of_a_tiny_radius(radius):
    """Far from the undamped step, the step is the gradient over the damping."""
    rng = np.random.default_rng(14)
    r, c = np.triu(rng.standard_normal((6, 6))), rng.standard_normal(6)
    steps = _core.DampedSteps(triangle_of(r, c), 6, EPS, 1)
    (damping,) = steps.dampings([radius])
    assert damping == pytest.approx(np.linalg.norm(r.T @ c) / radius, rel=1e-12)
    (step,), (length,), (decrease,) = steps.solve([damping])
    assert length == pytest.approx(radius, rel=1e-12)
    np.testing.assert_allclose(step * damping, -r.T @ c, rtol=1e-10)
    assert decrease == pytest.approx(2 * radius * np.linalg.norm(r.T @ c), rel=1e-12)


def test_a_radius_beyond_the_longest_step_needs_no_damping():
    rng = np.random.default_rng(12)
    steps, reference = problem(rng.standard_normal((30, 10)), rng.standard_normal(30))
    longest = np.linalg.norm(reference.step(0.0))
    assert steps.dampings([2 * longest, float("inf"), 0.5 * longest])[:2] == [0.0, 0.0]


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_bits(threads):
    rng = np.random.default_rng(13)
    n = 420
    jacobian = rng.standard_normal((500, n))
    jacobian[:, 0] = jacobian[:, 1]
    both = np.column_stack([jacobian, rng.standard_normal(500)])
    triangle = _core.fold_triangle(np.zeros((n + 1, n + 1)), both, 1)

    def results(threads):
        steps = _core.DampedSteps(triangle, 500, EPS, threads)
        dampings = steps.dampings(list(np.geomspace(1e-3, 1e-1, 5)))
        return [dampings, *steps.solve([*dampings, *range(40)])]

    for value, expected in zip(results(threads), results(1), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_triangle_that_is_not_finite_is_refused(value):
    triangle = np.eye(5)
    triangle[1, 3] = value
    with pytest.raises(ValueError, match=rf"triangle\[1, 3\] is {value}, expected a finite number"):
        _core.DampedSteps(triangle, 5, EPS, 1)


def test_refused_arguments():
    with pytest.raises(ValueError, match=r"triangle has shape \(1, 1\), expected at least"):
        _core.DampedSteps(np.eye(1), 5, EPS, 1)
    with pytest.raises(ValueError, match=r"triangle has shape \(2, 3\), expected a square"):
        _core.DampedSteps(np.ones((2, 3)), 5, EPS, 1)
    with pytest.raises(ValueError, match="rows is -1, expected at least 0"):
        _core.DampedSteps(np.eye(3), -1, EPS, 1)
    with pytest.raises(ValueError, match="epsilon is nan"):
        _core.DampedSteps(np.eye(3), 3, np.nan, 1)
    steps = _core.DampedSteps(np.eye(3), 3, EPS, 1)
    for damping in (-1e-30, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"a damping is {damping}, expected a finite number"):
            steps.solve([1.0, damping])
    for radius in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"a radius is {radius}, expected a positive number"):
            steps.dampings([1.0, radius])
