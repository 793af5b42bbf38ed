"""SplineSpace: values and derivatives against SciPy, mpmath and the oracle; refinement; misuse."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from scipy.interpolate import BSpline

import kanml
from helpers import naming, random_breakpoints
from reference import splines
from strategies import all_points, breakpoints, degrees, refinements

DEGREES = range(1, 6)


def dense(space, x, derivative=0):
    """The local values of space.basis, put into their columns: (N, dim)."""
    first, values = space.basis(x, derivative)
    matrix = np.zeros((len(x), space.dim))
    columns = np.asarray(first)[:, None] + np.arange(space.degree + 1)
    np.put_along_axis(matrix, columns, values, axis=1)
    return matrix


def scipy_basis(space, x, derivative=0):
    return BSpline(space.knots, np.eye(space.dim), space.degree)(x, derivative)


def assert_close_to_largest(got, expected, bound):
    """Every function (column) within `bound` of its largest value over x."""
    __tracebackhide__ = True
    error = abs(got - expected).max(axis=0)
    largest = abs(expected).max(axis=0)
    assert np.all(error <= bound * largest), f"worst: {np.nanmax(error / largest):.2e}"


# Values and derivatives


@given(breakpoints(), degrees)
def test_every_derivative_agrees_with_scipy(t, degree):
    space = kanml.SplineSpace(t, degree)
    x = all_points(t)
    for derivative in range(degree + 1):
        expected = scipy_basis(space, x, derivative)
        assert_close_to_largest(dense(space, x, derivative), expected, 1e-12)


@pytest.mark.parametrize("intervals", [1, 2, 3, 37, 512])
@pytest.mark.parametrize("degree", DEGREES)
def test_uniform_spaces_agree_with_scipy(degree, intervals):
    space = kanml.SplineSpace.uniform(-1.0, 3.0, intervals, degree)
    x = all_points(space.breakpoints, between=2)
    for derivative in range(degree + 1):
        expected = scipy_basis(space, x, derivative)
        assert_close_to_largest(dense(space, x, derivative), expected, 1e-12)


def truncated_powers(knots, degree, piece, x, derivative):
    """The degree + 1 functions on one piece at x, in mpmath: B_i = sum_j A_ij (x - t_j)_+^k.

    A_ij = (-1)^r (t_{i+r} - t_i) / prod_{l != j} (t_j - t_l), r = k + 1: a divided difference of
    truncated powers. Hopeless in double precision, and unlike any recursion: an oracle of its own.
    """
    t = [mpmath.mpf(float(v)) for v in knots]
    factor = mpmath.ff(degree, derivative)
    values = []
    for i in range(piece - degree, piece + 1):
        support = range(i, i + degree + 2)
        total = mpmath.mpf(0)
        for j in support:
            if j <= piece:  # by index, so that b belongs to the last piece
                a = (-1) ** (degree + 1) * (t[i + degree + 1] - t[i])
                a /= mpmath.fprod(t[j] - t[l] for l in support if l != j)  # noqa: E741
                total += a * factor * (x - t[j]) ** (degree - derivative)
        values.append(total)
    return values


@pytest.mark.parametrize("t", [
    np.linspace(0.0, 1.0, 6),
    np.array([-3.0, -2.9, -1.0, -0.999, 4.0, 4.5]),
    np.array([1000.0, 1000.25, 1000.3, 1001.0]),
    np.array([0.0, 1e-5]),
], ids=["uniform", "nonuniform", "offset", "one-interval"])  # fmt: skip
@pytest.mark.parametrize("degree", DEGREES)
def test_every_derivative_agrees_with_fifty_digits(degree, t):
    space = kanml.SplineSpace(t, degree)
    x = all_points(t, between=2)
    with mpmath.workdps(50):
        for derivative in range(degree + 1):
            first, values = space.basis(x, derivative)
            exact = np.array([
                [float(v) for v in truncated_powers(
                    space.knots, degree, i + degree, mpmath.mpf(float(point)), derivative)]
                for i, point in zip(first.tolist(), x, strict=True)
            ])  # fmt: skip
            assert abs(values - exact).max() <= 1e-12 * abs(exact).max()


@given(breakpoints(), degrees)
def test_first_is_right_continuous_and_the_last_interval_closed(t, degree):
    space = kanml.SplineSpace(t, degree)
    x = all_points(t)
    first, values = space.basis(x)
    assert values.shape == (x.size, degree + 1)
    assert values.dtype == np.float64
    expected = np.minimum(np.searchsorted(t, x, side="right") - 1, t.size - 2)
    np.testing.assert_array_equal(first, expected)


@given(breakpoints(), degrees)
def test_values_are_a_partition_of_unity_and_derivatives_of_zero(t, degree):
    space = kanml.SplineSpace(t, degree)
    x = all_points(t)
    values = space.basis(x)[1]
    assert np.all(values >= 0.0)
    np.testing.assert_allclose(values.sum(axis=1), 1.0, rtol=0, atol=1e-14)
    for derivative in range(1, degree + 1):
        values = space.basis(x, derivative)[1]
        assert np.all(abs(values.sum(axis=1)) <= 1e-13 * abs(values).sum(axis=1))


@pytest.mark.parametrize("degree", DEGREES)
def test_highest_derivative_jumps_at_a_breakpoint_and_ends_from_the_left(degree):
    t = random_breakpoints(np.random.default_rng(0), 5)
    space = kanml.SplineSpace(t, degree)
    at = dense(space, t, degree)
    middle = dense(space, (t[1:] + t[:-1]) / 2, degree)  # constant on each piece
    np.testing.assert_allclose(at, np.concatenate([middle, middle[-1:]]), rtol=1e-11)


@given(breakpoints(), degrees)
def test_design_matrix_is_the_dense_basis(t, degree):
    space = kanml.SplineSpace(t, degree)
    x = all_points(t)
    for derivative in (0, 1, degree):
        matrix = space.design_matrix(x, derivative=derivative)
        assert matrix.shape == (x.size, space.dim)
        np.testing.assert_array_equal(matrix, dense(space, x, derivative))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 4), (0,)])
@pytest.mark.parametrize("degree", DEGREES)
def test_evaluate_sums_coefficients_of_any_leading_shape(degree, shape):
    rng = np.random.default_rng(degree)
    space = kanml.SplineSpace(random_breakpoints(rng, 7, 2.0, 9.0), degree)
    c = rng.normal(size=(*shape, space.dim))
    x = all_points(space.breakpoints)
    for derivative in range(degree + 1):
        B = splines.basis(space.knots, degree, x, derivative)
        got = space.evaluate(c, x, derivative=derivative)
        assert got.shape == (*shape, x.size)
        assert np.all(
            abs(got - c @ B.T) <= 1e-12 * abs(B).sum(axis=1).max() * abs(c).max(initial=0)
        )


@pytest.mark.parametrize("degree", DEGREES)
def test_splines_reproduce_polynomials(degree):
    # Marsden: x^m has as coefficients the symmetric means of its knots; for m = 1, their average.
    space = kanml.SplineSpace(np.array([0.0, 0.3, 0.5, 2.0, 2.5]), degree)
    greville = np.array([space.knots[j + 1 : j + degree + 1].mean() for j in range(space.dim)])
    x = all_points(space.breakpoints)
    np.testing.assert_allclose(space.evaluate(greville, x), x, rtol=0, atol=1e-14)
    np.testing.assert_allclose(space.evaluate(greville, x, 1), 1.0, rtol=0, atol=1e-12)


def test_points_of_other_types_and_layouts():
    space = kanml.SplineSpace.uniform(0.0, 4.0, 4, 3)
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    expected = space.design_matrix(x)
    for same in ([0, 1, 2, 3, 4], x.astype(int), x.astype(np.float32), x.astype(np.float16),
                 np.repeat(x, 2)[::2], x[::-1].copy()[::-1], x.astype(">f8")):  # fmt: skip
        np.testing.assert_array_equal(space.design_matrix(same), expected)


def test_no_points():
    space = kanml.SplineSpace.uniform(0.0, 1.0, 4, 3)
    first, values = space.basis([])
    assert first.shape == (0,)
    assert values.shape == (0, 4)
    assert space.design_matrix([]).shape == (0, 7)
    assert space.evaluate(np.zeros((2, 7)), []).shape == (2, 0)


def test_nan_propagates_to_its_own_point():
    space = kanml.SplineSpace.uniform(0.0, 1.0, 4, 3)
    c = np.arange(7.0)
    values = space.evaluate(c, [0.25, np.nan, 1.0])
    assert np.isnan(values[1])
    np.testing.assert_array_equal(values[[0, 2]], space.evaluate(c, [0.25, 1.0]))
    first, values = space.basis([np.nan])
    assert np.isnan(values).all()
    assert 0 <= first[0] < space.intervals  # still a valid index


# What a space is


@given(breakpoints(), degrees)
def test_properties(t, degree):
    space = kanml.SplineSpace(t, degree)
    assert space.degree == degree
    assert space.order == degree + 1
    assert space.intervals == t.size - 1
    assert space.dim == t.size - 1 + degree
    assert tuple(space.domain) == (t[0], t[-1])
    np.testing.assert_array_equal(space.breakpoints, t)
    assert space.knots.shape == (t.size + 2 * degree,)


@given(breakpoints(), degrees)
def test_ghost_knots_continue_the_spacing_of_the_end_interval(t, degree):
    knots = kanml.SplineSpace(t, degree).knots
    assert np.all(np.diff(knots) > 0)
    np.testing.assert_array_equal(knots[degree:-degree], t)
    expected = splines.knots_with_ghosts(t, degree)
    # Each ghost knot is a few roundings of numbers no larger than the largest knot.
    np.testing.assert_array_less(abs(knots - expected), 8 * np.spacing(abs(expected).max()))


@pytest.mark.parametrize("intervals", [1, 7, 100])
def test_uniform(intervals):
    space = kanml.SplineSpace.uniform(-0.1, 0.7, intervals, 2)
    expected = np.linspace(-0.1, 0.7, intervals + 1)
    np.testing.assert_allclose(space.breakpoints, expected, rtol=0, atol=4e-16)
    assert tuple(space.domain) == (-0.1, 0.7)


def test_a_space_does_not_follow_its_callers_array():
    t = np.linspace(0.0, 1.0, 5)
    space = kanml.SplineSpace(t, 2)
    t[2] = 99.0
    np.testing.assert_array_equal(space.breakpoints, np.linspace(0.0, 1.0, 5))


def test_negative_zero_is_zero():
    space, other = kanml.SplineSpace([-0.0, 1.0], 3), kanml.SplineSpace([0.0, 1.0], 3)
    assert space == other
    assert hash(space) == hash(other)
    assert len({space, other}) == 1
    assert space.breakpoints.tobytes() == other.breakpoints.tobytes()


def test_breakpoints_may_be_a_list_of_integers():
    np.testing.assert_array_equal(kanml.SplineSpace([0, 1, 3], 2).breakpoints, [0.0, 1.0, 3.0])


# Refinement


@given(breakpoints(), degrees)
def test_refine_splits_every_interval_evenly_and_keeps_its_breakpoints(t, degree):
    for factor in (2, 3, 5):
        fine = kanml.SplineSpace(t, degree).refine(factor)
        assert fine.degree == degree
        np.testing.assert_array_equal(fine.breakpoints[::factor], t)  # nested, to the bit
        spacing = np.repeat(np.diff(t) / factor, factor)
        rounding = 8 * np.spacing(abs(t).max())
        assert np.all(abs(np.diff(fine.breakpoints) - spacing) <= rounding)


def test_refine_halves_by_default():
    space = kanml.SplineSpace([0.0, 1.0, 3.0], 2).refine()
    np.testing.assert_array_equal(space.breakpoints, [0.0, 0.5, 1.0, 2.0, 3.0])


@given(refinements(), degrees)
def test_insert_adds_breakpoints(pair, degree):
    coarse, fine = pair
    new = np.setdiff1d(fine, coarse)[::-1]  # in any order
    space = kanml.SplineSpace(coarse, degree).insert(new)
    assert space.degree == degree
    np.testing.assert_array_equal(space.breakpoints, fine)


# Misuse


@pytest.mark.parametrize("value", [-1.5, np.nextafter(-1.0, -2.0), np.nextafter(3.0, 4.0), 1e300,
                                   np.inf, -np.inf])  # fmt: skip
@pytest.mark.parametrize("method", ["basis", "design_matrix", "evaluate"])
def test_points_outside_the_domain_raise_and_name_the_first(method, value):
    space = kanml.SplineSpace.uniform(-1.0, 3.0, 4, 2)
    x = np.array([0.0, 3.0, value, 77.5])
    arguments = (np.zeros(space.dim), x) if method == "evaluate" else (x,)
    with pytest.raises(ValueError, match=naming("x")) as raised:
        getattr(space, method)(*arguments)
    message = str(raised.value)
    assert repr(float(value)) in message or str(value) in message, message
    assert "77.5" not in message


@pytest.mark.parametrize("derivative", [-1, 4])
@pytest.mark.parametrize("method", ["basis", "design_matrix", "evaluate"])
def test_derivative_out_of_range(method, derivative):
    space = kanml.SplineSpace.uniform(0.0, 1.0, 4, 3)
    arguments = (np.zeros(space.dim), [0.5]) if method == "evaluate" else ([0.5],)
    with pytest.raises(ValueError, match=naming("derivative", derivative)):
        getattr(space, method)(*arguments, derivative=derivative)


def test_coefficients_of_the_wrong_length():
    space = kanml.SplineSpace.uniform(0.0, 1.0, 4, 3)
    with pytest.raises(ValueError, match=naming("coefficients", "6", "7")):
        space.evaluate(np.zeros((2, 6)), [0.5])
    with pytest.raises(ValueError, match=naming("coefficients")):
        space.evaluate(1.0, [0.5])


def test_points_of_the_wrong_dimension():
    space = kanml.SplineSpace.uniform(0.0, 1.0, 4, 3)
    with pytest.raises(ValueError, match=naming("x", "(2, 2)")):
        space.basis(np.full((2, 2), 0.5))


@pytest.mark.parametrize("factor", [0, -2])
def test_refine_by_no_factor(factor):
    with pytest.raises(ValueError, match=naming("factor", factor)):
        kanml.SplineSpace.uniform(0.0, 1.0, 4, 3).refine(factor)


def test_refine_by_half_an_interval():
    with pytest.raises((TypeError, ValueError), match=naming("factor", 1.5)):
        kanml.SplineSpace.uniform(0.0, 1.0, 4, 3).refine(1.5)


@pytest.mark.parametrize("value", [-0.5, 1.5, np.nan, np.inf])
def test_insert_outside_the_domain(value):
    with pytest.raises(ValueError, match=naming("new_breakpoints", value)):
        kanml.SplineSpace.uniform(0.0, 1.0, 4, 3).insert([0.1, value])


def test_breakpoints_so_close_that_a_ghost_knot_is_lost():
    a = 2.0**53  # a step of 1 exists below it, above it doubles are 2 apart
    with pytest.raises(ValueError, match=naming("knots")):
        kanml.SplineSpace([a - 1.0, a], 3)


def test_repr_is_short_for_any_number_of_breakpoints():
    many = kanml.SplineSpace.uniform(-1, 1, 1000, 3)
    assert repr(many) == "SplineSpace.uniform(-1.0, 1.0, intervals=1000, degree=3)"
    assert repr(many.refine(3)) == "SplineSpace.uniform(-1.0, 1.0, intervals=3000, degree=3)"
    uneven = kanml.SplineSpace(np.arange(100.0) ** 2, 3)
    assert repr(uneven) == "SplineSpace([0.0, 1.0, 4.0, ..., 9604.0, 9801.0], degree=3)"
