"""Triangles of least squares problems, against NumPy and mpmath."""

import mpmath
import numpy as np
import pytest

from kanml import _core

EPS = np.finfo(np.float64).eps


def triangle_of(rows, threads=1):
    n = rows.shape[1]
    return _core.fold_triangle(np.zeros((n, n)), np.ascontiguousarray(rows), threads)


def with_condition(rng, m, n, condition):
    """A matrix with singular values from 1 down to 1 / condition."""
    u, _ = np.linalg.qr(rng.standard_normal((m, n)))
    v, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (u * np.geomspace(1.0, 1.0 / condition, n)) @ v.T


SHAPES = [(1, 1), (7, 1), (1, 6), (5, 40), (33, 32), (100, 33), (256, 65), (700, 150)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_triangle_has_the_products_of_the_rows(shape):
    rows = np.random.default_rng(1).standard_normal(shape)
    triangle = triangle_of(rows)
    assert not np.tril(triangle, -1).any()
    scale = np.linalg.norm(rows, 2) ** 2
    np.testing.assert_allclose(triangle.T @ triangle, rows.T @ rows, rtol=0, atol=20 * EPS * scale)


@pytest.mark.parametrize("shape", [(40, 33), (700, 150)])
def test_a_triangle_is_that_of_numpy_up_to_signs_of_rows(shape):
    rows = np.random.default_rng(2).standard_normal(shape)
    triangle = triangle_of(rows)
    expected = np.linalg.qr(rows, mode="r")
    signs = np.sign(np.diag(expected) * np.diag(triangle))
    np.testing.assert_allclose(triangle * signs[:, None], expected, rtol=0, atol=1e-12)


def test_rows_fold_into_a_triangle_and_nothing_is_changed():
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((2, 60, 45))
    triangle = triangle_of(first)
    before = triangle.copy(), second.copy()
    both = _core.fold_triangle(triangle, second, 1)
    np.testing.assert_array_equal(triangle, before[0])
    np.testing.assert_array_equal(second, before[1])
    np.testing.assert_allclose(
        both.T @ both, first.T @ first + second.T @ second, rtol=0, atol=1e-13 * 60
    )


def test_what_is_below_the_diagonal_is_not_read():
    rng = np.random.default_rng(4)
    triangle, rows = rng.standard_normal((2, 40, 40))
    folded = _core.fold_triangle(triangle, rows, 1)
    np.testing.assert_array_equal(folded, _core.fold_triangle(np.triu(triangle), rows, 1))


def test_singular_values_survive_a_condition_of_1e10():
    rows = with_condition(np.random.default_rng(5), 900, 130, 1e10)
    values = np.linalg.svd(triangle_of(rows), compute_uv=False)
    expected = np.linalg.svd(rows, compute_uv=False)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-13 * expected[0])


def test_the_last_column_is_the_rotated_residual():
    """c = Q^T r: R^T c = J^T r, and |r|^2 = |c|^2 + rest^2."""
    rng = np.random.default_rng(6)
    jacobian, residuals = rng.standard_normal((300, 50)), rng.standard_normal(300)
    triangle = triangle_of(np.column_stack([jacobian, residuals]))
    r, c, rest = triangle[:-1, :-1], triangle[:-1, -1], triangle[-1, -1]
    np.testing.assert_allclose(r.T @ c, jacobian.T @ residuals, rtol=0, atol=1e-12)
    assert c @ c + rest**2 == pytest.approx(residuals @ residuals, rel=1e-14)


def test_a_small_triangle_against_mpmath():
    """Rows of sizes from 1e-8 to 1e8, row by row."""
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((9, 4)) * 10.0 ** rng.uniform(-8, 8, (9, 1))
    with mpmath.workdps(60):
        exact = mpmath.qr(mpmath.matrix(rows.tolist()), mode="skinny")[1]
        expected = np.array(exact.tolist(), dtype=float).reshape(4, 4)
    triangle = triangle_of(rows)
    signs = np.sign(np.diag(expected) * np.diag(triangle))
    scale = np.linalg.norm(rows, axis=0)
    assert np.all(np.abs(triangle * signs[:, None] - expected) <= 20 * EPS * scale)


@pytest.mark.parametrize("exponent", [-140, -100, 100, 150])
def test_scales_change_nothing_else(exponent):
    rows = np.random.default_rng(8).standard_normal((90, 40))
    rows /= np.abs(rows).max()
    scaled = triangle_of(rows * 10.0**exponent) / 10.0**exponent
    np.testing.assert_allclose(scaled, triangle_of(rows), rtol=0, atol=1e-14 * 90)


def test_columns_of_very_different_sizes_keep_their_digits():
    rng = np.random.default_rng(9)
    columns = 10.0 ** np.linspace(-140, 140, 36)
    rows = rng.standard_normal((90, 36))
    expected = triangle_of(rows)
    np.testing.assert_allclose(triangle_of(rows * columns) / columns, expected, rtol=0, atol=1e-13)


def test_numbers_that_vanish_beside_others_leave_them_as_they_are():
    rng = np.random.default_rng(10)
    rows = rng.standard_normal((50, 6))
    rows[:, 2] *= 1e-160
    triangle = triangle_of(rows)
    assert np.abs(triangle[2:, 2:3]).max() < 1e-155
    others = np.delete(rows, 2, axis=1)
    products = np.delete(triangle, 2, axis=1).T @ np.delete(triangle, 2, axis=1)
    np.testing.assert_allclose(products, others.T @ others, rtol=0, atol=1e-13)


def test_zeros():
    assert not triangle_of(np.zeros((50, 40))).any()
    rows = np.random.default_rng(11).standard_normal((50, 40))
    rows[:, [0, 7, 8, 39]] = 0.0
    triangle = triangle_of(rows)
    assert not triangle[:, [0, 7, 8, 39]].any()
    np.testing.assert_allclose(triangle.T @ triangle, rows.T @ rows, rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows(value):
    rows = np.random.default_rng(12).standard_normal((100, 40))
    rows[70, 3] = value
    triangle = triangle_of(rows)
    assert np.isfinite(triangle[:3, :3]).all()
    assert np.isnan(triangle[3:, 4:][np.triu_indices(37, 0, 36)]).all()


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("columns", [170, 199, 200, 330])
def test_any_number_of_threads_gives_the_same_bits(threads, columns):
    """Those of fewer than 200 columns are folded by one thread."""
    rows = np.random.default_rng(13).standard_normal((600, columns))
    np.testing.assert_array_equal(triangle_of(rows, threads), triangle_of(rows))


def test_refused_arguments():
    rows = np.ones((3, 4))
    with pytest.raises(ValueError, match=r"triangle has shape \(3, 4\), expected a square"):
        _core.fold_triangle(rows, rows, 1)
    with pytest.raises(ValueError, match=r"panel has shape \(3, 4\), expected rows of 3"):
        _core.fold_triangle(np.zeros((3, 3)), rows, 1)
    with pytest.raises(TypeError):
        _core.fold_triangle(np.zeros((4, 4)), rows.astype(np.float32), 1)
