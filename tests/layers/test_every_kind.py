"""What any layer has to do, wherever it stands: checked for every example of every kind.

A network with the layer is compared with the oracle. A derivative is compared along one random
direction in all parameters or inputs, which is off as soon as one entry is.
"""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import (
    reference_layers,
    reference_output,
    relative_error,
    same_bits,
    with_random_parameters,
)
from kanml.layers import KINDS
from kanml.layers.activation import ACTIVATIONS
from layer_examples import EXAMPLES, NAMES, example, reach
from reference import networks, series

SPACE = kanml.SplineSpace.uniform(-1, 1, intervals=3, degree=4)


def test_every_kind_has_examples():
    assert EXAMPLES.keys() == KINDS.keys()
    for kind, make in EXAMPLES.items():
        for n_in in (1, 3):
            layers = make(n_in).values()
            assert all(type(layer) is KINDS[kind] for layer in layers)
            assert all(layer.n_in in (n_in, None) for layer in layers)


def test_the_oracle_knows_every_activation():
    assert networks.ACTIVATIONS.keys() == ACTIVATIONS.keys()


# Networks


def before(width, layer):
    """Two inputs, and layers whose outputs reach the layer where it has values."""
    return [kanml.Linear(2, width), kanml.Activation("sin"), kanml.Affine(reach(layer), 0.0)]


def first(kind, name):
    layer = example(kind, name, 2)
    width = layer.n_out or 2
    return [layer, kanml.SplineLayer(width, 3, SPACE), kanml.Linear(3, 2)]


def middle(kind, name):
    layer = example(kind, name, 3)
    behind = [kanml.Linear(layer.n_out or 3, 4), kanml.Activation("tanh")]
    return [*before(3, layer), layer, *behind, kanml.SplineLayer(4, 2, SPACE)]


def last(kind, name):
    layer = example(kind, name, 3)
    return [*before(3, layer), layer]


def between_wide_layers(kind, name):
    """Wide enough, with many samples, for inputs in parts and several tiles for each thread."""
    layer = example(kind, name, 70)
    behind = [kanml.SplineLayer(layer.n_out or 70, 30, SPACE), kanml.Linear(30, 1)]
    return [*before(70, layer), layer, *behind]


PLACES = {"first": first, "middle": middle, "last": last, "wide": between_wide_layers}
SAMPLES = {"wide": 3000}
LOOKED_AT = 60  # of many samples; the cotangents of the others are zero


class Case:
    """A network with the layer, inputs, and the samples that the oracle looks at."""

    def __init__(self, kind, name, place, dtype="float64"):
        layers = PLACES[place](kind, name)
        self.net = with_random_parameters(kanml.Network(layers, dtype=dtype), seed=1)
        self.rng = np.random.default_rng(2)
        n = SAMPLES.get(place, 333)  # not a multiple of the samples in a tile
        self.x = self.rng.uniform(-1, 1, (n, 2)) * (reach(layers[0]) if place == "first" else 1.5)
        self.looked_at = self.rng.permutation(n)[:LOOKED_AT]
        self.direction = self.rng.normal(size=self.net.n_parameters)
        self.by_x = self.rng.normal(size=(LOOKED_AT, 2))

    def few(self):
        return self.x[self.looked_at]

    def along_parameters(self, function):
        """The derivative of a function of the oracle's layers."""
        return networks.complex_step(
            lambda theta: function(reference_layers(self.net, theta)),
            self.net.parameters,
            self.direction,
        )

    def along_inputs(self, function):
        """The derivative of a function of the samples looked at."""
        return networks.complex_step(function, self.few(), self.by_x)

    def cotangent(self, *shape):
        """Random numbers at the samples looked at, which are the second axis from behind."""
        rows = self.rng.normal(size=(*shape, LOOKED_AT, self.net.n_out))
        everywhere = np.zeros((*shape, len(self.x), self.net.n_out))
        everywhere[..., self.looked_at, :] = rows
        return everywhere, rows


def agree(terms, others, bound=1e-11):
    """Two sums of terms have the same value, up to rounding of the terms."""
    size = max(abs(terms).sum(), abs(others).sum())
    return abs(terms.sum() - others.sum()) <= bound * size


every_example = pytest.mark.parametrize(("kind", "name"), NAMES)
every_place = pytest.mark.parametrize("place", PLACES)


@every_place
@every_example
def test_values_and_derivatives(kind, name, place):
    case = Case(kind, name, place)
    net, x, few = case.net, case.x, case.few()
    y = net(x)
    assert relative_error(y[case.looked_at], reference_output(net, few)) <= 1e-12

    tangent = case.along_parameters(lambda layers: networks.evaluate(layers, few))
    assert relative_error(net.jvp(x, case.direction)[case.looked_at], tangent) <= 1e-11

    cotangent, rows = case.cotangent()
    by_parameters, by_x = net.vjp(x, cotangent)
    assert agree(by_parameters * case.direction, rows * tangent)
    along_x = case.along_inputs(lambda points: reference_output(net, points))
    terms = np.sum(by_x[case.looked_at] * case.by_x, axis=1)
    assert relative_error(terms, np.sum(rows * along_x, axis=1)) <= 1e-11
    rest = np.delete(by_x, case.looked_at, axis=0)
    assert not rest.any()


@every_place
@every_example
def test_the_gradient_of_a_loss(kind, name, place):
    """It does not ask the first layer for the gradient with respect to its inputs."""
    case = Case(kind, name, place)
    residual, rows = case.cotangent()
    value, gradient = case.net.mean_squared_error(case.x, case.net(case.x) - residual)
    assert value == pytest.approx(np.mean(residual**2), rel=1e-9)
    tangent = case.along_parameters(lambda layers: networks.evaluate(layers, case.few()))
    assert agree(gradient * case.direction, 2 / residual.size * rows * tangent, 1e-9)


@every_place
@every_example
def test_taylor_coefficients(kind, name, place):
    case = Case(kind, name, place)
    net, x, few = case.net, case.x, case.few()
    highest = 2 if place == "wide" else 3
    order = min([highest, *(layer.degree for layer in net.layers if layer.degree is not None)])
    v = case.rng.normal(size=2)

    def coefficients(layers, points):
        return series.taylor(layers, points, v, order)

    layers = reference_layers(net)
    expected = coefficients(layers, few)
    found = net.taylor(x, [v], order)[0][:, case.looked_at]
    for m in range(order + 1):
        assert relative_error(found[m], expected[m]) <= 1e-10

    scale = np.maximum(abs(expected).max(axis=(1, 2), keepdims=True), 1e-3)
    cotangents, rows = case.cotangent(order + 1)
    by_parameters, by_x = net.taylor_vjp(x, [v], cotangents[None] / scale)
    along_parameters = case.along_parameters(lambda layers: coefficients(layers, few))
    assert agree(by_parameters * case.direction, rows / scale * along_parameters)
    along_x = case.along_inputs(lambda points: coefficients(layers, points))
    assert agree(by_x[case.looked_at] * case.by_x, rows / scale * along_x)


@every_example
def test_the_same_bits_for_any_number_of_threads(kind, name):
    case = Case(kind, name, "wide")
    net, x = case.net, case.x
    target = case.rng.normal(size=(len(x), net.n_out))
    cotangents = case.rng.normal(size=(1, 2, len(x), net.n_out))

    def everything(n):
        return [
            net(x, num_threads=n),
            *net.vjp(x, target, num_threads=n),
            net.jvp(x, case.direction, num_threads=n),
            *net.mean_squared_error(x, target, num_threads=n),
            *net.taylor_vjp(x, [[1.0, -0.5]], cotangents, num_threads=n),
        ]

    alone = everything(1)
    for n in (2, 3):
        assert all(map(same_bits, alone, everything(n)))


@pytest.mark.parametrize("place", ["middle", "wide"])
@every_example
def test_float32(kind, name, place):
    single, double = (Case(kind, name, place, dtype) for dtype in ("float32", "float64"))
    net = double.net.with_parameters(np.float64(single.net.parameters))
    x, cotangent = np.float32(double.x), np.float32(double.cotangent()[0])
    direction = np.float32(double.direction)
    bound = 1000 * np.finfo(np.float32).eps
    for found, expected in (
        (single.net(x), net(x)),
        (single.net.jvp(x, direction), net.jvp(x, direction)),
        *zip(single.net.vjp(x, cotangent), net.vjp(x, cotangent), strict=True),
    ):
        assert found.dtype == np.float32
        assert relative_error(found, expected) <= bound
