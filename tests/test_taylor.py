"""Taylor coefficients along directions, their gradients, and the derivatives made of them."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import kanml
from helpers import naming, random_breakpoints, reference_layers, same_bits, with_random_parameters
from kanml.derivatives import DerivativePlan
from reference import networks

ACTIVATIONS = ("sigmoid", "tanh", "relu", "silu", "sin")


def network(degree=5, extrapolation="linear", seed=0, dtype="float64", basis="spline"):
    """Every kind of layer but the embedding, uneven knots."""
    rng = np.random.default_rng(seed)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n, -1.5, 1.5), degree) for n in (2, 3, 3)]
    layers = [
        kanml.Linear(2, 3),
        kanml.Activation("tanh"),
        kanml.SplineLayer(3, 3, spaces, basis=basis, extrapolation=extrapolation),
        kanml.Activation("silu"),
        kanml.Affine([0.5, 1.0, 0.7], 0.1),
        kanml.SplineLayer(3, 2, spaces[0], basis=basis, extrapolation=extrapolation),
        kanml.Linear(2, 2, bias=False),
        kanml.Activation("sin"),
    ]
    net = kanml.Network(layers, seed=0, dtype=dtype)
    return with_random_parameters(net.to_basis("spline"), seed).to_basis(basis)


def cauchy(layers, x, v, order, radius):
    """Taylor coefficients of the oracle by Cauchy's integral on a circle, in extended precision.

    Which piece of a spline a point belongs to is decided by its real part, so that this is right
    where the circle does not leave the pieces.
    """
    count = 32
    turn = 8 * np.arctan(np.longdouble(1))
    angles = turn * np.arange(count, dtype=np.longdouble) / count
    circle = np.cos(angles) + 1j * np.sin(angles)
    values = [
        networks.evaluate(layers, np.clongdouble(x) + radius * point * np.clongdouble(v))
        for point in circle
    ]
    powers = [circle**-m / np.longdouble(radius) ** m / count for m in range(order + 1)]
    return np.array(
        [sum(p * y for p, y in zip(power, values, strict=True)).real for power in powers]
    )


def oracle(net, x, v, order):
    """The coefficients (order + 1, N, q), and which samples two circles agree on."""
    layers = reference_layers(net)
    wide, narrow = (cauchy(layers, x, v, order, radius) for radius in (0.08, 0.06))
    scale = np.abs(wide).max(axis=(1, 2), keepdims=True)
    trusted = (np.abs(wide - narrow) <= 1e-11 * scale).all(axis=(0, 2))
    return np.float64(wide), trusted


@pytest.mark.parametrize("extrapolation", ["linear", "polynomial", "clamp"])
@pytest.mark.parametrize("degree", [4, 5])
def test_all_orders_against_cauchys_integral(degree, extrapolation):
    net = network(degree, extrapolation)
    rng = np.random.default_rng(1)
    x, v = rng.uniform(-1.5, 1.5, (400, 2)), rng.normal(size=2)
    expected, trusted = oracle(net, x, v, 4)
    assert trusted.sum() > 100
    y = net.taylor(x, v, 4)
    for m in range(5):
        scale = np.abs(expected[m]).max()
        error = np.abs(y[m] - expected[m])[trusted].max()
        assert error <= 1e-10 * scale, f"order {m}: {error / scale:.1e}"


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_alone(kind):
    layers = [kanml.Linear(2, 4), kanml.Activation(kind), kanml.Linear(4, 1)]
    net = with_random_parameters(kanml.Network(layers, seed=3))
    rng = np.random.default_rng(1)
    x, v = rng.uniform(-2, 2, (200, 2)), rng.normal(size=2)
    expected, trusted = oracle(net, x, v, 4)
    assert trusted.sum() > 50
    y = net.taylor(x, v, 4)
    np.testing.assert_allclose(y[:, trusted], expected[:, trusted], rtol=0, atol=1e-10)


def test_bases_agree():
    net = network()
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    y = net.taylor(x, [1.0, -2.0], 4)
    relu = net.to_basis("relu").taylor(x, [1.0, -2.0], 4)
    np.testing.assert_allclose(relu, y, rtol=0, atol=1e-9 * np.abs(y).max())


def test_float32_to_its_own_accuracy():
    double, single = network(4), network(4, dtype="float32")
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype(np.float32)
    y, z = (np.float64(net.taylor(x, [1.0, 0.5], 4)) for net in (double, single))
    for m in range(5):
        close = np.abs(z[m] - y[m]) <= 3e-3 * np.abs(y[m]).max()
        assert close.mean() > 0.98  # a rounded knot moves a sample into the next interval


def test_directions_share_the_value_and_do_not_mind_each_other():
    net = network()
    rng = np.random.default_rng(0)
    x, v = rng.uniform(-1, 1, (70, 2)), rng.normal(size=(3, 2))
    together = net.taylor(x, v, 3)
    assert together.shape == (3, 4, 70, 2)
    assert same_bits(together[0, 0], net(x))
    for direction, result in zip(v, together, strict=True):
        assert same_bits(net.taylor(x, direction, 3), result)
    one_a_sample = np.repeat(v[:, None], 70, axis=1)
    assert same_bits(net.taylor(x, one_a_sample, 3), together)
    assert net.taylor(x[:0], v, 2).shape == (3, 3, 0, 2)
    assert same_bits(net.taylor(x, v[0], 0)[0], net(x))


def richardson(function, h=2e-3):
    """The derivative at 0, from central differences of three steps."""
    d = [(function(h / 2**i) - function(-h / 2**i)) / (2 * h / 2**i) for i in range(3)]
    e = [(4 * d[i + 1] - d[i]) / 3 for i in range(2)]
    return (16 * e[1] - e[0]) / 15


@pytest.mark.parametrize("order", range(1, 5))
def test_the_gradient_is_the_adjoint(order):
    net = network(5)
    rng = np.random.default_rng(order)
    x, v = rng.uniform(-1, 1, (40, 2)), rng.normal(size=(2, 2))
    cotangents = rng.normal(size=(2, order + 1, 40, 2))
    by_theta, by_x = net.taylor_vjp(x, v, cotangents)
    dtheta, dx = rng.normal(size=net.n_parameters), rng.normal(size=x.shape)

    def moved(t):
        return np.sum(
            cotangents * net.with_parameters(net.parameters + t * dtheta).taylor(x, v, order)
        )

    def shifted(t):
        return np.sum(cotangents * net.taylor(x + t * dx, v, order))

    scale = np.abs(by_theta * dtheta).sum()
    assert abs(richardson(moved, 2e-4) - by_theta @ dtheta) <= 1e-8 * scale
    if order < 4:  # of the highest order the derivative by x jumps at knots
        scale = np.abs(by_x * dx).sum()
        assert abs(richardson(shifted, 2e-4) - np.sum(by_x * dx)) <= 1e-7 * scale


def test_the_gradient_of_coefficients_is_linear_in_the_cotangents():
    net = network()
    rng = np.random.default_rng(0)
    x, v = rng.uniform(-1, 1, (30, 2)), rng.normal(size=2)
    a, b = rng.normal(size=(2, 4, 30, 2))
    parts = [net.taylor_vjp(x, v, c) for c in (a, b, a + 2 * b)]
    for i in range(2):
        expected = parts[0][i] + 2 * parts[1][i]
        np.testing.assert_allclose(parts[2][i], expected, rtol=0, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_same_bits_for_any_number_of_threads(threads):
    net = kanml.KAN([2, 8, 1], degree=3, intervals=8, seed=0)
    rng = np.random.default_rng(0)
    x, v = rng.uniform(-1, 1, (5000, 2)), np.eye(2)
    c = rng.normal(size=(2, 3, 5000, 1))
    assert same_bits(net.taylor(x, v, 2, num_threads=threads), net.taylor(x, v, 2, num_threads=1))
    many, one = (net.taylor_vjp(x, v, c, num_threads=n) for n in (threads, 1))
    assert same_bits(many[0], one[0])
    assert same_bits(many[1], one[1])


def test_nan_stays_in_its_sample():
    y = network().taylor([[0.1, 0.2], [np.nan, 0.0]], [1.0, 1.0], 2)
    assert np.isfinite(y[:, 0]).all()
    assert np.isnan(y[:, 1]).all()


# Derivatives by name


def polynomial_network(coefficients):
    """sum c_ij (x + i y)^j, as one degree-5 spline layer behind a linear one: exact to rounding."""
    space = kanml.SplineSpace.uniform(-8, 8, 4, 5)
    slopes = range(len(coefficients))
    points = np.linspace(-8, 8, 60)
    matrix = space.design_matrix(points)
    rows = [
        np.linalg.lstsq(matrix, np.polynomial.polynomial.polyval(points, c), rcond=None)[0]
        for c in coefficients
    ]
    net = kanml.Network(
        [kanml.Linear(2, len(slopes), bias=False), kanml.SplineLayer(len(slopes), 1, space)]
    )
    weights = np.array([[1.0] * len(slopes), [float(i) for i in slopes]])
    return net.with_parameters(np.concatenate([weights.ravel(), np.concatenate(rows)]))


def test_every_derivative_of_a_polynomial():
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(3, 5)) / [1, 1, 2, 6, 24]
    net = polynomial_network(coefficients)
    x = rng.uniform(-1, 1, (20, 2))
    names = ["x" * a + "y" * b for a in range(5) for b in range(5 - a)]
    found = net.derivatives(x, names, inputs="xy")
    for name in names:
        expected = sum(
            i ** name.count("y")
            * np.polynomial.Polynomial(c).deriv(len(name))(x[:, 0] + i * x[:, 1])
            for i, c in enumerate(coefficients)
        )
        np.testing.assert_allclose(found[name][:, 0], expected, rtol=0, atol=2e-9)


@pytest.mark.parametrize("letters", ["xy", "xyz"])
@pytest.mark.parametrize("order", range(1, 5))
def test_plans_are_exact_on_monomials(letters, order):
    """D^alpha of prod x_i^beta_i at 0 is alpha! where alpha = beta, and 0 else."""
    words = [w for w in itertools.combinations_with_replacement(letters, order)]
    for given in ([word] for word in words), [words]:
        for chosen in given:
            plan = DerivativePlan(chosen)
            for beta in words:
                planes = [Fraction(0)]
                for direction in plan.directions:
                    factors = dict(direction.combination)
                    value = math.prod(factors.get(letter, 0) for letter in beta)
                    planes += [Fraction(0)] * (direction.order - 1) + [Fraction(value)]
                for word in chosen:
                    total = sum(planes[p] * Fraction(f) for p, f in plan.terms[tuple(sorted(word))])
                    alpha = math.prod(math.factorial(word.count(letter)) for letter in letters)
                    assert total == (alpha if tuple(sorted(word)) == beta else 0)


@pytest.mark.parametrize(
    ("names", "directions"),
    [(["xx", "yy", "xy"], 3), (["xy"], 2), (["xxyy"], 4), (["x", "xx", "xxx"], 1), ([""], 0)],
)
def test_no_more_directions_than_needed(names, directions):
    assert len(DerivativePlan(tuple(name) for name in names).directions) == directions


# Features


def test_periodic_embedding_and_its_derivatives():
    layer = kanml.PeriodicEmbedding(2, {1: 3.0}, multiples=(1, 2))
    net = kanml.Network([layer])
    assert net.n_out == 5
    x = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    y = net.taylor(x, [0.0, 1.0], 4)
    w = 2 * np.pi / 3 * np.array([1, 1, 2, 2])
    phase = np.array([np.pi / 2, 0, np.pi / 2, 0])
    assert same_bits(y[0][:, 0], x[:, 0])
    for m in range(5):
        expected = w**m * np.sin(w * x[:, 1:] + phase + m * np.pi / 2) / math.factorial(m)
        np.testing.assert_allclose(y[m][:, 1:], expected, rtol=0, atol=1e-13 * (w**m).max())
    np.testing.assert_allclose(net(x + np.array([0.0, 3.0])), net(x), atol=1e-14)


def test_gradients_go_through_the_embedding(tmp_path):
    layers = [
        kanml.PeriodicEmbedding(2, {1: 2.0}),
        kanml.Affine.normalising([0, -1, -1], [1, 1, 1]),
        kanml.SplineLayer(3, 1, kanml.SplineSpace.uniform(-1, 1, 4, 4)),
    ]
    net = with_random_parameters(kanml.Network(layers))
    rng = np.random.default_rng(0)
    x, v = rng.uniform(0.1, 0.9, (20, 2)), rng.normal(size=2)
    c, dx = rng.normal(size=(3, 20, 1)), rng.normal(size=(20, 2))
    _, by_x = net.taylor_vjp(x, v, c)
    numeric = richardson(lambda t: np.sum(c * net.taylor(x + t * dx, v, 2)), 2e-4)
    assert abs(numeric - np.sum(by_x * dx)) <= 1e-7 * np.abs(by_x * dx).sum()
    net.save(tmp_path / "net")
    assert same_bits(kanml.load(tmp_path / "net")(x), net(x))
    np.testing.assert_allclose(net.refine()(x), net(x), atol=1e-13)


# Misuse


def test_an_order_above_the_degree_names_the_degree_needed():
    net = kanml.KAN([2, 1], degree=2)
    with pytest.raises(ValueError, match=naming("order 3 needs degree 3", "layers[0]", "degree 2")):
        net.taylor([[0.0, 0.0]], [1.0, 0.0], 3)
    with pytest.raises(ValueError, match=naming("'xxx'", "order 3 needs degree 3")):
        net.derivatives([[0.0, 0.0]], ["xxx"], inputs="tx")
    with pytest.raises(ValueError, match=naming("at most 4", 5)):
        kanml.MLP([2, 3, 1], activation="tanh").taylor([[0.0, 0.0]], [1.0, 0.0], 5)


def test_wrong_shapes_and_names():
    net, x = kanml.KAN([2, 1]), np.zeros((4, 2))
    for directions in ([1.0], [[1.0]], np.zeros((1, 3, 2)), np.zeros((1, 4, 3))):
        with pytest.raises(ValueError, match=naming("directions", np.shape(directions))):
            net.taylor(x, directions, 1)
    with pytest.raises(ValueError, match=naming("cotangents", "(4, 1)")):
        net.taylor_vjp(x, [1.0, 0.0], np.zeros((4, 1)))
    with pytest.raises(ValueError, match=naming("'z'", "t, x")):
        net.derivatives(x, ["z"], inputs="tx")
    with pytest.raises(ValueError, match=naming("inputs", "'tt'")):
        net.derivatives(x, ["t"], inputs="tt")
    with pytest.raises(TypeError, match=naming("names", "'xx'")):
        net.derivatives(x, "xx", inputs="tx")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((2, {}), TypeError, "periods"),
        ((2, {2: 1.0}), ValueError, "2"),
        ((2, {0: -1.0}), ValueError, "-1.0"),
        ((2, {0: 1.0}, ()), ValueError, "multiples"),
        ((2, {0: 1.0}, (0,)), ValueError, "multiples[0]"),
    ],
)
def test_embeddings_that_make_no_sense(arguments, error, message):
    with pytest.raises(error, match=naming(message)):
        kanml.PeriodicEmbedding(*arguments)


def test_a_box_must_be_one():
    with pytest.raises(ValueError, match="lower < upper"):
        kanml.Affine.normalising([0.0, 1.0], [1.0, 1.0])
