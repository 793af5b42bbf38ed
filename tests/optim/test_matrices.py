"""The triangular factor of rows, against their products, and damped steps, against formulas."""

import math

import numpy as np
import pytest
from least_squares_runs import random_rows

from helpers import same_bits
from kanml.optim import Triangle
from kanml.optim.matrices import DampedSteps, negligible
from reference.damped_steps import damped_step

NEGLIGIBLE = 1e-14
DTYPES = [np.float32, np.float64]


def rows(m, n, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)).astype(dtype), rng.standard_normal(m).astype(dtype)


def assert_triangle_of(triangle, jacobian, residuals, tolerance=1e-13):
    """R^T R, R^T c and |r|^2 are those of the rows."""
    all_rows = np.column_stack([jacobian, residuals]).astype(np.float64)
    product = all_rows.T @ all_rows
    np.testing.assert_allclose(
        triangle.matrix.T @ triangle.matrix, product, rtol=0, atol=tolerance * abs(product).max()
    )
    assert triangle.rows == len(residuals)
    assert not np.tril(triangle.matrix, -1).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n"), [(0, 3), (1, 3), (3, 3), (4, 3), (50, 3), (5, 0)])
def test_triangle_of_rows(m, n, dtype):
    jacobian, residuals = rows(m, n, dtype=dtype)
    triangle = Triangle.of(jacobian, residuals)
    assert_triangle_of(triangle, jacobian, residuals)
    assert triangle.matrix.dtype == np.float64
    assert triangle.n == n
    assert triangle.epsilon == np.finfo(dtype).eps


def test_what_a_triangle_says_about_steps():
    jacobian, residuals = rows(20, 4)
    triangle = Triangle.of(jacobian, residuals)
    step = np.array([1.0, -2.0, 0.5, 3.0])
    predicted = np.sum((triangle.R @ step + triangle.c) ** 2) + triangle.rest**2
    assert math.isclose(predicted, np.sum((jacobian @ step + residuals) ** 2), rel_tol=1e-13)
    np.testing.assert_allclose(triangle.gradient, 2 * jacobian.T @ residuals, rtol=1e-13)


def test_rows_fold_in_as_they_come():
    jacobian, residuals = rows(30, 4)
    triangle = Triangle.of(jacobian[:2], residuals[:2])
    triangle = triangle.with_rows(jacobian[2:20], residuals[2:20])
    triangle = triangle.merged([Triangle.of(jacobian[20:], residuals[20:])])
    assert_triangle_of(triangle, jacobian, residuals)
    assert triangle.merged([]) is triangle


def test_the_coarser_precision_counts():
    exact = Triangle.of(*rows(5, 2))
    single = Triangle.of(*rows(5, 2, dtype=np.float32))
    assert exact.merged([single]).epsilon == single.epsilon
    assert single.with_rows(*rows(5, 2)).epsilon == single.epsilon


def test_triangles_own_their_memory_and_never_change():
    matrix = np.triu(np.ones((3, 3)))
    triangle = Triangle(matrix, 5, 1e-16)
    matrix[:] = 0
    assert triangle.matrix[0, 0] == 1
    for array in (triangle.matrix, triangle.R, triangle.c):
        assert not array.flags.writeable


def test_rows_that_are_not_finite_are_kept():
    jacobian, residuals = rows(5, 2)
    jacobian[3, 1] = math.nan
    assert not np.isfinite(Triangle.of(jacobian, residuals).matrix).all()


def test_same_bits():
    jacobian, residuals = rows(300, 40)
    first, second = (Triangle.of(jacobian, residuals) for _ in range(2))
    assert same_bits(first.matrix, second.matrix)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Triangle(np.ones((2, 3)), 5, 1e-16), ValueError, r"\(n \+ 1, n \+ 1\), got .*3"),
        (lambda: Triangle(np.ones((0, 0)), 5, 1e-16), ValueError, r"\(n \+ 1, n \+ 1\), got .*0"),
        (lambda: Triangle(np.ones((2, 2)), 5, 1e-16), ValueError, r"got matrix\[1, 0\] = 1.0"),
        (lambda: Triangle(np.eye(2), -1, 1e-16), ValueError, "rows must be .* >= 0, got -1"),
        (lambda: Triangle(np.eye(2), 5, 0.0), ValueError, r"epsilon must be .* \(0, 1\), got 0.0"),
        (lambda: Triangle.of(np.ones(3), np.ones(3)), ValueError, r"jacobian .* got shape \(3,\)"),
        (
            lambda: Triangle.of(np.ones((3, 2)), np.ones(2)),
            ValueError,
            r"residuals must have shape \(3,\) .* got shape \(2,\)",
        ),
        (
            lambda: Triangle.of(np.ones((3, 2), int), np.ones(3)),
            TypeError,
            "jacobian must be float32 or float64, got dtype int64",
        ),
        (
            lambda: Triangle.of(*rows(5, 2)).with_rows(*rows(5, 3)),
            ValueError,
            r"jacobian must have shape \(m, 2\), got shape \(5, 3\)",
        ),
        (
            lambda: Triangle.of(*rows(5, 2)).merged([Triangle.of(*rows(5, 3))]),
            ValueError,
            "triangles must have 2 columns beside the residual, got 3",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


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


def test_negligible_is_a_matter_of_columns():
    assert math.isclose(negligible(100, 1e-16), 4e-15)
