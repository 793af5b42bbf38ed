"""What a spline layer does at, near and beyond the ends of its domain, by each rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanml
from helpers import has_uniform_knots, naming, same_bits
from reference import splines
from strategies import all_points, around_ends, breakpoints, degrees

CONTINUED = ["linear", "polynomial", "clamp"]


def one_edge(space, coefficients, rule, dtype="float64"):
    """The network of a single spline."""
    layer = kanml.SplineLayer(1, 1, space, extrapolation=rule)
    return kanml.Network([layer], seed=0, dtype=dtype).with_parameters(coefficients)


def coefficients(dim, seed=0):
    return np.random.default_rng(seed).normal(size=dim)


@given(breakpoints(), degrees, st.sampled_from(CONTINUED))
def test_value_and_slope_agree_with_the_oracle(t, degree, rule):
    space = kanml.SplineSpace(t, degree)
    c = coefficients(space.dim)
    net = one_edge(space, c, rule)
    x = np.concatenate([around_ends(t), all_points(t, between=1)])
    slope = net.vjp(x[:, None], np.ones((x.size, 1)))[1][:, 0]
    for got, derivative in ((net(x[:, None])[:, 0], 0), (slope, 1)):
        B = splines.basis_with_rule(space.knots, degree, x, derivative, rule)
        # Far outside the terms of the sum grow and cancel: rounding is in terms of their size.
        bound = 1e-13 * (abs(B) @ abs(c))
        if has_uniform_knots(space) and derivative < degree:
            # Uniform knots stand for multiples of their spacing, which rounding moved.
            slopes = splines.basis_with_rule(space.knots, degree, x, derivative + 1, rule)
            moved = 4 * np.finfo(float).eps * abs(space.knots).max()
            bound += moved * (abs(slopes) @ abs(c))
        assert np.all(abs(got - B @ c) <= bound)


@pytest.mark.parametrize("rule", CONTINUED)
@pytest.mark.parametrize("degree", range(1, 6))
def test_float32(degree, rule):
    # Knots exact in float32, so that what is measured is the arithmetic and not their rounding.
    t = np.array([-32, -30, -21, -8, -7, 4, 20, 32]) / 32.0
    space = kanml.SplineSpace(t, degree)
    c = coefficients(space.dim).astype(np.float32)
    net = one_edge(space, c, rule, "float32")
    x = around_ends(t, np.float32)
    y = net(x[:, None])
    slope = net.vjp(x[:, None], np.ones((x.size, 1), np.float32))[1]
    for got, derivative in ((y, 0), (slope, 1)):
        assert got.dtype == np.float32
        B = splines.basis_with_rule(space.knots, degree, np.float64(x), derivative, rule)
        # A sum of degree + 1 products, each of about 3 degree operations.
        bound = 4 * degree * (degree + 1) * np.finfo(np.float32).eps
        assert np.all(abs(got[:, 0] - B @ np.float64(c)) <= bound * (abs(B) @ abs(c)))


@pytest.mark.parametrize("degree", range(1, 6))
def test_linear_continues_value_and_slope(degree):
    space = kanml.SplineSpace([0.0, 0.5, 2.0], degree)
    c = coefficients(space.dim)
    net = one_edge(space, c, "linear")
    for end, x in ((0.0, [-1.0, -0.25]), (2.0, [2.25, 7.0])):
        x = np.array(x)
        expected = space.evaluate(c, [end]) + space.evaluate(c, [end], 1) * (x - end)
        np.testing.assert_allclose(net(x[:, None])[:, 0], expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("degree", range(1, 6))
def test_clamp_is_constant_to_the_bit(degree, dtype):
    space = kanml.SplineSpace([0.0, 0.5, 2.0], degree)
    net = one_edge(space, coefficients(space.dim), "clamp", dtype)
    for end, x in ((0.0, [[-1e-3], [-9.0], [-1e30]]), (2.0, [[2.001], [9.0], [1e30]])):
        assert same_bits(net(x), net([[end]] * 3))
        slopes = net.vjp(np.array(x), np.ones((3, 1)))[1]
        np.testing.assert_array_equal(slopes, 0.0)


def test_linear_is_the_default():
    space = kanml.SplineSpace([0.0, 0.5, 2.0], 3)
    default = kanml.Network([kanml.SplineLayer(1, 1, space)], seed=0)
    x = around_ends(space.breakpoints)[:, None]
    assert same_bits(default(x), one_edge(space, default.parameters, "linear")(x))


@pytest.mark.parametrize("act", [
    lambda net, x: net(x),
    lambda net, x: net.vjp(x, np.ones((len(x), 1))),
    lambda net, x: net.jvp(x, np.ones(net.n_parameters)),
], ids=["call", "vjp", "jvp"])  # fmt: skip
@pytest.mark.parametrize("value", [-0.25, 2.5, np.nextafter(2.0, 3.0), np.inf])
def test_error_raises_wherever_the_network_is_evaluated(act, value):
    space = kanml.SplineSpace([0.0, 0.5, 2.0], 3)
    net = one_edge(space, coefficients(space.dim), "error")
    act(net, [[0.0], [0.5], [2.0]])  # both ends belong to the domain
    with pytest.raises(ValueError, match="outside"):
        act(net, [[0.0], [value], [2.0]])
    act(net, [[0.0], [0.5], [2.0]])  # and the network is as good as before


def test_error_raises_in_a_hidden_layer_too_and_from_a_thread():
    space = kanml.SplineSpace([0.0, 1.0], 2)
    layers = [kanml.Linear(1, 2), kanml.SplineLayer(2, 1, space, extrapolation="error")]
    net = kanml.Network(layers, seed=0)
    theta = np.zeros(net.n_parameters)
    theta[net.blocks[0].slice] = 1.0  # both hidden values are x
    net = net.with_parameters(theta)
    x = np.full((5000, 1), 0.5)
    x[4321] = 1.5
    with pytest.raises(ValueError, match="outside"):
        net(x, num_threads=4)


def test_nan_is_not_outside():
    space = kanml.SplineSpace([0.0, 0.5, 2.0], 3)
    for rule in [*CONTINUED, "error"]:
        net = one_edge(space, coefficients(space.dim), rule)
        y = net([[0.25], [np.nan], [2.0]])
        assert np.isnan(y[1, 0])
        assert same_bits(y[[0, 2]], net([[0.25], [1.0], [2.0]])[[0, 2]])


@pytest.mark.parametrize("rule", CONTINUED)
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308, -1e308])
def test_what_overflows_stays_in_its_own_sample(rule, value):
    space = kanml.SplineSpace([0.0, 0.5, 2.0], 3)
    net = one_edge(space, coefficients(space.dim), rule)
    y = net([[0.25], [value], [2.0]])
    assert same_bits(y[[0, 2]], net([[0.25], [1.0], [2.0]])[[0, 2]])


def test_an_unknown_rule():
    space = kanml.SplineSpace([0.0, 1.0], 2)
    with pytest.raises(ValueError, match=naming("extrapolation", "'fade'", "linear", "clamp")):
        kanml.SplineLayer(1, 1, space, extrapolation="fade")
