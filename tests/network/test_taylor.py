"""Taylor coefficients along directions, their gradients, and the derivatives made of them.

The oracle is arithmetic of power series; a complex step through it says what gradients must be.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import kanml
from helpers import (
    every_layer,
    naming,
    reference_layers,
    relative_error,
    same_bits,
    with_random_parameters,
)
from kanml.network.derivatives import DirectionSet
from reference import networks, series

RULES = ("linear", "polynomial", "clamp")


def alone(kind):
    """One activation, between layers without any other nonlinearity."""
    layers = [kanml.Linear(2, 4), kanml.Activation(kind), kanml.Linear(4, 1)]
    return with_random_parameters(kanml.Network(layers, seed=3))


CASES = {
    **{f"degree {k}, {rule}": (every_layer, k, rule) for k in range(1, 6) for rule in RULES},
    **{
        f"degree {k}, base {f}": (every_layer, k, "linear", 0, "float64", "spline", f)
        for k, f in zip(itertools.cycle(range(1, 6)), networks.ACTIVATIONS, strict=False)
    },
    **{
        f"degree {k}, powers": (every_layer, k, "linear", 0, "float64", "relu") for k in range(1, 6)
    },
    **{kind: (alone, kind) for kind in networks.ACTIVATIONS},
}
cases = pytest.mark.parametrize("case", CASES)


def network_of(case):
    """The network, and the highest order that it has."""
    make, *arguments = CASES[case]
    net = make(*arguments)
    return net, min([4, *(layer.degree for layer in net.layers if layer.degree is not None)])


def expected_taylor(net, x, directions, order):
    """The coefficients (M, order + 1, N, q), by power series in extended precision."""
    layers, x = reference_layers(net, np.longdouble(net.parameters)), np.longdouble(x)
    return np.array([series.taylor(layers, x, v, order) for v in directions])


def worst_coefficient(case, seed):
    """The largest error for each order, in terms of its largest coefficient.

    Three directions at once, the same for all samples and then others for each.
    """
    net, order = network_of(case)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.5, 1.5, (60, 2))
    errors = []
    for directions in (rng.normal(size=(3, 2)), rng.normal(size=(3, 60, 2))):
        y = net.taylor(x, directions, order)
        expected = expected_taylor(net, x, directions, order)
        errors += [relative_error(y[:, m], expected[:, m]) for m in range(order + 1)]
    return max(errors)


def worst_adjoint(case, order, seed):
    """|<c, J v> - <J^T c, v>| for v in the parameters and v in the inputs, by the sum of terms.

    J v is the complex step of the oracle, J^T c what kanml computes.
    """
    net, _ = network_of(case)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.5, 1.5, (40, 2))
    errors = []
    for directions in (rng.normal(size=(2, 2)), rng.normal(size=(2, 40, 2))):
        size = abs(net.taylor(x, directions, order)).max(axis=(0, 2, 3), keepdims=True)
        cotangents = rng.normal(size=(2, order + 1, 40, net.n_out)) / np.maximum(size, 1e-3)
        gradients = net.taylor_vjp(x, directions, cotangents)

        def by_parameters(theta, directions=directions):
            layers = reference_layers(net, theta)
            return np.array([series.taylor(layers, x, v, order) for v in directions])

        def by_x(points, directions=directions):
            layers = reference_layers(net)
            return np.array([series.taylor(layers, points, v, order) for v in directions])

        for function, at, gradient in zip(
            (by_parameters, by_x), (net.parameters, x), gradients, strict=True
        ):
            v = rng.normal(size=at.shape)
            left = cotangents * networks.complex_step(function, at, v)
            right = gradient * v
            scale = max(abs(left).sum(), abs(right).sum())
            errors.append(abs(left.sum() - right.sum()) / scale if scale > 0 else 0.0)
    return max(errors)


@cases
def test_all_orders_against_power_series(case):
    assert worst_coefficient(case, seed=1) <= 1e-10


def test_inputs_leave_the_domains_of_splines():
    """Or else the rules for outside would not be among the cases."""
    net, _ = network_of("degree 3, clamp")
    x = np.random.default_rng(1).uniform(-1.5, 1.5, (60, 2))
    layers = reference_layers(net)
    for i, layer in enumerate(layers):
        if isinstance(layer, networks.Spline):
            outside = abs(networks.evaluate(layers[:i], x)) > 0.7
            assert 0.02 < outside.mean() < 0.8


def test_bases_agree():
    net = every_layer()
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    y = net.taylor(x, [1.0, -2.0], 4)
    relu = net.to_basis("relu").taylor(x, [1.0, -2.0], 4)
    np.testing.assert_allclose(relu, y, rtol=0, atol=1e-9 * np.abs(y).max())


def test_float32_to_its_own_accuracy():
    double, single = every_layer(4), every_layer(4, dtype="float32")
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype(np.float32)
    y, z = (np.float64(net.taylor(x, [1.0, 0.5], 4)) for net in (double, single))
    for m in range(5):
        close = np.abs(z[m] - y[m]) <= 3e-3 * np.abs(y[m]).max()
        assert close.mean() > 0.98  # a rounded knot moves a sample into the next interval
    c = np.random.default_rng(1).normal(size=(5, 200, 2)).astype(np.float32)
    c[4] = 0.0  # which would add such jumps
    for wide, narrow in zip(
        double.taylor_vjp(x, [1.0, 0.5], c), single.taylor_vjp(x, [1.0, 0.5], c), strict=True
    ):
        assert narrow.dtype == np.float32
        assert (abs(narrow - wide) <= 3e-3 * abs(wide).max()).mean() > 0.98


def test_directions_share_the_value_and_do_not_mind_each_other():
    net = every_layer()
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


@pytest.mark.parametrize("order", range(5))
@cases
def test_the_gradient_is_the_adjoint(case, order):
    if order <= network_of(case)[1]:
        assert worst_adjoint(case, order, seed=order) <= 1e-11


@pytest.mark.parametrize(
    "orders", [(1, 2), (2, 1), (1, 1, 1), (2, 2), (1, 2, 1), (3, 1, 2), (1, 4, 1), (4, 3)]
)
@pytest.mark.parametrize("widths", [(2, 21, 9, 1), (3, 5, 2), (17, 8, 7)], ids=str)
def test_directions_of_different_orders_add_up(widths, orders):
    """Kernels take some directions together; alone each is compared with the oracle above."""
    net = with_random_parameters(kanml.KAN(widths, degree=4, intervals=5))
    rng = np.random.default_rng(0)
    x, v = rng.uniform(-1.2, 1.2, (75, widths[0])), rng.normal(size=(len(orders), widths[0]))
    planes = net._planes(x, orders, v, None)
    cotangents = rng.normal(size=planes.shape) / abs(planes).max(axis=(1, 2), keepdims=True)
    together = net._planes_vjp(x, orders, v, cotangents, True, None)
    total = [0.0, 0.0]
    first = 1
    for i, order in enumerate(orders):
        own = slice(first, first + order)
        first += order
        alone = np.concatenate([cotangents[:1] if i == 0 else 0 * cotangents[:1], cotangents[own]])
        found = net._planes(x, [order], v[i : i + 1], None)[1:]
        # Compilers fuse multiply-adds where they like, and kernels of other orders differently.
        error = abs(found - planes[own]).max(axis=(1, 2)) / abs(planes[own]).max(axis=(1, 2))
        assert error.max() <= 1e-14
        gradients = net._planes_vjp(x, [order], v[i : i + 1], alone, True, None)
        total = [sum(pair) for pair in zip(total, gradients, strict=True)]
    for found, expected in zip(together, total, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * abs(expected).max())


def test_the_gradient_of_coefficients_is_linear_in_the_cotangents():
    net = every_layer()
    rng = np.random.default_rng(0)
    x, v = rng.uniform(-1, 1, (30, 2)), rng.normal(size=2)
    a, b = rng.normal(size=(2, 4, 30, 2))
    parts = [net.taylor_vjp(x, v, c) for c in (a, b, a + 2 * b)]
    for i in range(2):
        expected = parts[0][i] + 2 * parts[1][i]
        np.testing.assert_allclose(parts[2][i], expected, rtol=0, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("one_a_sample", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_same_bits_for_any_number_of_threads(dtype, one_a_sample):
    net = every_layer(dtype=dtype)
    rng = np.random.default_rng(0)
    x, v = rng.uniform(-1, 1, (3000, 2)), rng.normal(size=(2, 3000, 2) if one_a_sample else (2, 2))
    c = rng.normal(size=(2, 5, 3000, 2))

    def run(threads):
        return net.taylor(x, v, 4, num_threads=threads), *net.taylor_vjp(
            x, v, c, num_threads=threads
        )

    expected = run(1)
    for threads in (2, 3, 8):
        for got, one in zip(run(threads), expected, strict=True):
            assert got.dtype == dtype
            assert same_bits(got, one)


def test_nan_stays_in_its_sample():
    y = every_layer().taylor([[0.1, 0.2], [np.nan, 0.0]], [1.0, 1.0], 2)
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


def test_names_may_come_from_a_generator():
    net, x = kanml.KAN([2, 1], seed=1), [[0.1, 0.2]]
    found = net.derivatives(x, (name for name in ("", "x", "xy")), inputs="xy")
    expected = net.derivatives(x, ["", "x", "xy"], inputs="xy")
    assert found.keys() == expected.keys() == {"", "x", "xy"}
    assert all(same_bits(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("letters", ["xy", "xyz"])
@pytest.mark.parametrize("order", range(1, 5))
def test_directions_are_exact_on_monomials(letters, order):
    """D^alpha of prod x_i^beta_i at 0 is alpha! where alpha = beta, and 0 else."""
    words = [w for w in itertools.combinations_with_replacement(letters, order)]
    for given in ([word] for word in words), [words]:
        for chosen in given:
            along = DirectionSet(chosen)
            for beta in words:
                planes = [Fraction(0)]
                for direction in along.directions:
                    factors = dict(direction.combination)
                    value = math.prod(factors.get(letter, 0) for letter in beta)
                    planes += [Fraction(0)] * (direction.order - 1) + [Fraction(value)]
                for word in chosen:
                    total = sum(
                        planes[p] * Fraction(f) for p, f in along.summands[tuple(sorted(word))]
                    )
                    alpha = math.prod(math.factorial(word.count(letter)) for letter in letters)
                    assert total == (alpha if tuple(sorted(word)) == beta else 0)


@pytest.mark.parametrize(
    ("names", "directions"),
    [(["xx", "yy", "xy"], 3), (["xy"], 2), (["xxyy"], 4), (["x", "xx", "xxx"], 1), ([""], 0)],
)
def test_no_more_directions_than_needed(names, directions):
    assert len(DirectionSet(tuple(name) for name in names).directions) == directions


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


def test_an_embedding_is_saved_and_refined(tmp_path):
    layers = [
        kanml.PeriodicEmbedding(2, {1: 2.0}),
        kanml.Affine.normalising([0, -1, -1], [1, 1, 1]),
        kanml.SplineLayer(3, 1, kanml.SplineSpace.uniform(-1, 1, 4, 4)),
    ]
    net = with_random_parameters(kanml.Network(layers))
    x = np.random.default_rng(0).uniform(0.1, 0.9, (20, 2))
    net.save(tmp_path / "net")
    assert same_bits(kanml.load(tmp_path / "net")(x), net(x))
    np.testing.assert_allclose(net.refine()(x), net(x), atol=1e-13)


# Misuse


def test_an_order_above_the_degree_names_the_degree_needed():
    net = kanml.KAN([2, 1], degree=2)
    with pytest.raises(ValueError, match=naming("order 3 needs degree 3", "layers[0]", "degree 2")):
        net.taylor([[0.0, 0.0]], [1.0, 0.0], 3)
    with pytest.raises(ValueError, match=naming("order 3 needs degree 3", "layers[0]", "degree 2")):
        net.taylor_vjp([[0.0, 0.0]], [1.0, 0.0], np.zeros((4, 1, 1)))
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
