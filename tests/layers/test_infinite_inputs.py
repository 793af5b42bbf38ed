"""Infinite inputs, and finite ones whose weights overflow: splines there are what arithmetic gives.

That is the arithmetic of value and slope at the end of the domain, not that of basis functions, of
which some would be infinite and others minus infinite.
"""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import same_bits
from reference import splines

A, B = -1.0, 3.0  # powers of two apart, so that a point next to an end is exact in float32
SPACES = {
    "uniform": np.linspace(A, B, 5),
    "uneven": np.array([A, -0.25, 0.5, B]),
    "fine": np.linspace(A, B, 65),
}
every_space = pytest.mark.parametrize("name", ["uniform", "uneven"])
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
every_degree = pytest.mark.parametrize("degree", range(1, 6))
INF = np.inf


def two_inputs(name, degree, n_out, dtype, rule="linear"):
    """A layer of splines with slopes of both signs at both ends."""
    space = kanml.SplineSpace(SPACES[name], degree)
    layer = kanml.SplineLayer(2, n_out, space, extrapolation=rule)
    parameters = np.random.default_rng(degree).normal(size=2 * space.dim * n_out)
    return kanml.Network([layer], seed=0, dtype=dtype).with_parameters(parameters)


def at_ends(net, x, derivative):
    """The derivatives of all splines at the nearest points of the domain: (samples, 2, n_out)."""
    space = net.layers[0].spaces[0]
    c = np.float64(net.parameters).reshape(2, space.dim, -1)
    rows = [
        splines.basis_with_rule(space.knots, space.degree, column, derivative, "polynomial")
        for column in np.nan_to_num(np.clip(np.float64(x), A, B)).T
    ]
    return np.stack([row @ of_input for row, of_input in zip(rows, c, strict=True)], axis=1)


def distances(x):
    return (np.float64(x) - np.clip(np.float64(x), A, B))[:, :, None]


def linear(net, x):
    """Value and slope of the end; the slope counts only outside."""
    value, slope, beyond = at_ends(net, x, 0), at_ends(net, x, 1), distances(x)
    with np.errstate(invalid="ignore"):
        return np.where(beyond == 0, value, value + slope * beyond).sum(axis=1)


def assert_agree(got, expected, dtype):
    """Where they are finite, to rounding; elsewhere exactly."""
    where = np.isfinite(expected)
    np.testing.assert_array_equal(got[~where], expected[~where].astype(dtype))
    scale = abs(expected[where]).max(initial=1.0)
    assert abs(got[where] - expected[where]).max(initial=0.0) <= 1e3 * np.finfo(dtype).eps * scale


POINTS = np.array([
    [INF, 0.5], [-INF, 0.5], [0.5, INF], [0.5, -INF], [A, INF], [B, -INF], [INF, 7.0], [-7.0, -INF],
    [INF, INF], [INF, -INF], [-INF, INF], [-INF, -INF], [np.nan, INF], [-INF, np.nan],
    [0.5, 0.5], [7.0, -7.0], [A, B],
])  # fmt: skip


@every_space
@every_dtype
@every_degree
@pytest.mark.parametrize("n_out", [1, 5, 40])
def test_a_line_at_infinity(n_out, degree, dtype, name):
    net = two_inputs(name, degree, n_out, dtype)
    expected = linear(net, POINTS)
    assert np.isinf(expected[0]).all()
    # One sample, a tile, and many, for which layers of 40 outputs have kernels of their own.
    for x in (POINTS, np.tile(POINTS, (20, 1))):
        assert_agree(net(x), np.tile(expected, (len(x) // len(POINTS), 1)), dtype)
    for i in range(len(POINTS)):
        assert_agree(net(POINTS[i : i + 1]), expected[i : i + 1], dtype)


@every_dtype
@pytest.mark.parametrize("n_out", [3, 40])
def test_other_samples_keep_their_bits(n_out, dtype):
    net = two_inputs("uniform", 3, n_out, dtype)
    x = np.random.default_rng(0).uniform(A - 2, B + 2, (500, 2))
    far = x.copy()
    far[7::31, 0] = INF
    far[3::64, 1] = -INF
    near = np.isfinite(far).all(axis=1)
    assert same_bits(net(far)[near], net(x)[near])
    assert same_bits(net.vjp(far, np.ones((500, n_out)))[1][near],
                     net.vjp(x, np.ones((500, n_out)))[1][near])  # fmt: skip


@every_space
@every_dtype
@every_degree
@pytest.mark.parametrize("n_out", [3, 40])
def test_the_slope_is_that_of_the_end(n_out, degree, dtype, name):
    net = two_inputs(name, degree, n_out, dtype)
    x = np.array([[INF, 0.5], [-INF, 5.0], [0.25, INF], [-INF, INF]] * 25)
    expected = at_ends(net, x, 1).sum(axis=2)
    assert_agree(net.vjp(x, np.ones((100, n_out)))[1], expected, dtype)


@every_dtype
@every_degree
def test_taylor_coefficients_and_directions_of_parameters(degree, dtype):
    net = two_inputs("uneven", degree, 3, dtype)
    direction = np.random.default_rng(1).normal(size=net.n_parameters)
    vector = np.array([2.0, -1.0])
    value, slope = net.taylor(POINTS, vector, order=1)
    assert same_bits(value, net(POINTS))
    expected = np.einsum("spq,p->sq", at_ends(net, POINTS, 1), vector)
    known = ~np.isnan(POINTS).any(axis=1)
    assert_agree(slope[known], expected[known], dtype)
    assert_agree(net.jvp(POINTS, direction), linear(net.with_parameters(direction), POINTS), dtype)


@every_dtype
@pytest.mark.parametrize("n_out", [1, 40])
def test_finite_values_of_weights_that_overflow(n_out, dtype):
    """The slopes of basis functions at the ends are 8 here, and weights 8 times the distance."""
    net = two_inputs("fine", 3, n_out, dtype)
    net = net.with_parameters(net.parameters * 1e-3)
    far = 0.5 * float(np.finfo(dtype).max)
    x = np.array([[far, 0.5], [0.5, -far], [-far, far]] * 50)
    expected = linear(net, x)
    assert np.isfinite(expected).all()
    assert_agree(net(x), expected, dtype)


@every_dtype
@pytest.mark.parametrize("n_out", [1, 40])
def test_a_constant_has_no_slope(n_out, dtype):
    net = two_inputs("fine", 3, n_out, dtype)
    net = net.with_parameters(np.ones(net.n_parameters))
    far = float(np.finfo(dtype).max)
    assert_agree(net([[far, -far]] * 70), np.full((70, n_out), 2.0), dtype)
    assert np.isnan(net([[INF, 0.0]] * 70)).all()  # zero times infinity


@every_space
@every_dtype
@every_degree
@pytest.mark.parametrize("n_out", [1, 40])
def test_a_polynomial_at_infinity(n_out, degree, dtype, name):
    """The sign of its highest coefficient, turned on the left where the degree is odd."""
    net = two_inputs(name, degree, n_out, dtype, "polynomial")
    x = np.array([[INF, 0.5], [-INF, 7.0]] * 40)
    highest = at_ends(net, x, degree)[:, 0]
    np.testing.assert_array_equal(net(x), highest * np.sign(x[:, :1]) ** degree * INF)


@every_space
@every_dtype
@pytest.mark.parametrize("n_out", [1, 40])
def test_clamp_at_infinity(n_out, dtype, name):
    net = two_inputs(name, 3, n_out, dtype, "clamp")
    assert same_bits(net([[INF, -INF]] * 80), net([[B, A]] * 80))
    np.testing.assert_array_equal(net.vjp([[INF, -INF]] * 80, np.ones((80, n_out)))[1], 0.0)


@every_dtype
def test_what_the_next_layers_make_of_it(dtype):
    """Infinities that meet in a sum of opposite signs are NaN, else they go on."""
    space = kanml.SplineSpace(SPACES["uniform"], 2)
    layers = [kanml.SplineLayer(1, 2, space), kanml.SplineLayer(2, 1, space)]
    net = kanml.Network(layers, seed=0, dtype=dtype)
    rising = np.arange(space.dim, dtype=float)
    first = np.stack([rising, -rising], axis=1).ravel()

    def last(left, right):
        return net.with_parameters([*first, *(left * rising), *(right * rising)])

    x = [[INF], [-INF]]
    np.testing.assert_array_equal(last(1, -1)(x), [[INF], [-INF]])
    np.testing.assert_array_equal(last(-1, 1)(x), [[-INF], [INF]])
    np.testing.assert_array_equal(last(1, 1)(x), [[np.nan], [np.nan]])
