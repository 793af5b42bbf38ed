"""Units of unknowns: which they are, and what steps of Levenberg-Marquardt are in them."""

import numpy as np
import pytest
from least_squares_runs import WAYS, bent, linear, random_rows
from objectives import run

from helpers import same_bits
from kanml.optim import Geometry, LeastSquares, Triangle
from kanml.optim.units import InUnits, Units

FAR = 2.0**40


def with_unknowns(function, sizes):
    """The function with its last parameters in other sizes: a parameter is 1 / size of the old."""

    def scaled(x):
        return x * np.append(np.ones(len(x) - len(sizes)), sizes).astype(x.dtype)

    return LeastSquares(
        lambda x: function._residuals(scaled(x)),
        lambda x: scaled(np.ones_like(x)) * function._jacobian(scaled(x)),
    )


@WAYS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[FAR, 1.0], [1 / FAR, 1.0], [FAR, 1 / FAR]])
def test_the_size_of_unknowns_changes_no_bit(optimizer, sizes, dtype):
    """Powers of two round nothing: all steps are the same, and unknowns of another size."""
    function, geometry = bent(30, 6, seed=4), Geometry(n_unknowns=2)
    scale = np.array([1, 1, 1, 1, *sizes], dtype)
    start = np.full(6, 0.2, dtype)
    expected = run(optimizer, function, optimizer.init(start), 6, geometry)
    state = run(
        optimizer, with_unknowns(function, sizes), optimizer.init(start / scale), 6, geometry
    )
    assert same_bits(state.parameters * scale, expected.parameters)
    assert (state.value, state.radius, state.rank) == (
        expected.value,
        expected.radius,
        expected.rank,
    )


@WAYS
def test_columns_that_tell_nothing_have_no_unit(optimizer):
    """The rows do not depend on the last unknown, which stays, nor on the network."""
    residuals, matrix = random_rows(20, 4)
    for blind, seen in (([3], [0, 1, 2]), ([0, 1], [2, 3])):
        part = matrix.copy()
        part[:, blind] = 0.0
        start = optimizer.init(np.full(4, 0.1))
        state = run(optimizer, linear(residuals, part), start, 8, Geometry(n_unknowns=2))
        expected, *_ = np.linalg.lstsq(part[:, seen], -residuals)
        np.testing.assert_allclose(state.parameters[seen], expected, rtol=1e-9)
        assert (state.parameters[blind] == 0.1).all()


@WAYS
@pytest.mark.parametrize("effect", [0.0, 1e-100])
def test_unknowns_of_different_size_without_a_network(optimizer, effect):
    residuals, matrix = random_rows(30, 4)
    scale = np.array([effect, effect, 1e-12, 1e12])
    start = optimizer.init(np.array([0.1, 0.1, 1e12, 1e-12]))
    state = run(optimizer, linear(residuals, matrix * scale), start, 8, Geometry(n_unknowns=2))
    expected, *_ = np.linalg.lstsq(matrix[:, 2:], -residuals)
    np.testing.assert_allclose(state.parameters[2:] * scale[2:], expected, rtol=1e-9)


def test_units_make_columns_as_long_as_those_of_the_network():
    """Up to a factor of two, from a triangle; products estimate the length of the others."""
    residuals, matrix = random_rows(400, 60)
    lengths = np.linalg.norm(matrix, axis=0)
    typical = np.sqrt(np.mean(lengths[:58] ** 2))
    matrix[:, 58:] *= [1e9, 1e-7]
    theta = np.ones(60)
    triangle = Triangle.of(matrix, residuals)
    exact = Units.of_triangle(triangle, 2, theta)
    products = Units.of_products(linear(residuals, matrix), theta, 2)
    found = np.linalg.norm(exact.of_columns(triangle).R, axis=0)
    np.testing.assert_allclose(found[:58], lengths[:58], rtol=1e-12)
    assert ((typical / 2 < found[58:]) & (found[58:] < 2 * typical)).all()
    ratio = exact.measured(theta)[58:] / products.measured(theta)[58:]
    assert ((ratio >= 0.5) & (ratio <= 2)).all()


def test_derivatives_in_units():
    residuals, matrix = random_rows(20, 4)
    matrix[:, 3] *= 1e-9
    theta, rng = np.full(4, 0.3), np.random.default_rng(0)
    function = linear(residuals, matrix)
    units = Units.of_triangle(Triangle.of(matrix, residuals), 1, theta)
    measured = units.measured(theta)
    np.testing.assert_array_equal(units.unmeasured(measured), theta)
    columns = matrix * (theta / measured)
    inside, v, u = InUnits(function, units), rng.standard_normal(4), rng.standard_normal(20)
    np.testing.assert_allclose(inside.jvp(theta, v), columns @ v, rtol=1e-12)
    np.testing.assert_allclose(inside.vjp(theta, u), u @ columns, rtol=1e-12)
    assert inside.value(theta) == function.value(theta)
    value, gradient = inside(theta)
    assert value == function.value(theta)
    np.testing.assert_allclose(gradient, 2 * (matrix @ theta + residuals) @ columns, rtol=1e-12)
    np.testing.assert_allclose(inside.triangle(theta).gradient, gradient, rtol=1e-12)
