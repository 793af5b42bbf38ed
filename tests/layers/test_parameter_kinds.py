"""Kinds of parameters: what they promise, and that the core does what they say."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from helpers import random_breakpoints, same_bits
from kanml.layers.parameters import BASES, Parameter, Plain
from reference import relu

EPS = np.finfo(float).eps
DEGREES = range(1, 6)


def splines(degree, basis="spline"):
    """Runs of equal spaces, and different ones."""
    rng = np.random.default_rng(degree)
    one, other = (kanml.SplineSpace(random_breakpoints(rng, n), degree) for n in (3, 4))
    return kanml.SplineLayer(4, 3, [one, one, other, one], basis=basis)


def numbers(layer, seed=0):
    """An array for each parameter."""
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(p.shape) for p in layer.parameters)


def network(layer, arrays):
    return kanml.Network([layer]).with_parameters(np.concatenate([a.ravel() for a in arrays]))


def matrix(layer, name):
    """The matrix of all spaces that decodes, from the oracle, block by block."""
    sizes = np.cumsum([0, *(space.dim for space in layer.spaces)])
    full = np.eye(sizes[-1])
    if name == "relu":
        for space, start, stop in zip(layer.spaces, sizes, sizes[1:], strict=False):
            full[start:stop, start:stop] = relu.inverse(space.knots, space.degree).T
    return full


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("name", BASES)
def test_the_maps_of_a_basis(name, degree):
    layer = splines(degree, name)
    kind = layer.parameter_kind
    assert kind.parameters == layer.parameters
    assert [p.kind for p in kind.parameters] == [kind.name] == [name]
    M = matrix(layer, name)
    (stored,), (read,) = numbers(layer, 1), numbers(layer, 2)
    for got, expected, size in (
        (kind.decode((stored,)), M @ stored, abs(M) @ abs(stored)),
        (kind.push_forward((read,), (stored,)), M @ stored, abs(M) @ abs(stored)),
        (kind.pull_back((stored,), (read,)), M.T @ read, abs(M.T) @ abs(read)),
        (kind.decode(kind.encode((read,))), read, abs(M) @ abs(np.linalg.inv(M)) @ abs(read)),
    ):
        assert np.all(abs(got[0] - expected) <= 16 * EPS * size)
    assert kind.encoded == (np.eye(len(M)) != M).any()


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("name", BASES)
def test_the_core_does_what_a_kind_says(name, degree):
    """Values, gradients and tangents are those of the network of what kernels read."""
    layer, in_splines = splines(degree, name), splines(degree)
    kind = layer.parameter_kind
    stored, tangent = numbers(layer, 1), numbers(layer, 2)
    net, decoded = network(layer, stored), network(in_splines, kind.decode(stored))
    rng = np.random.default_rng(3)
    x, cotangent = rng.uniform(-1.2, 1.2, (50, 4)), rng.standard_normal((50, 3))
    assert same_bits(net(x), decoded(x))

    (shape,) = (p.shape for p in in_splines.parameters)
    gradient, by_x = net.vjp(x, cotangent)
    by_read, expected_by_x = decoded.vjp(x, cotangent)
    (pulled,) = kind.pull_back(stored, (by_read.reshape(shape),))
    assert same_bits(gradient, pulled.ravel())
    assert same_bits(by_x, expected_by_x)

    (pushed,) = kind.push_forward(stored, tangent)
    along = np.concatenate([array.ravel() for array in tangent])
    assert same_bits(net.jvp(x, along), decoded.jvp(x, pushed.ravel()))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", BASES)
def test_a_start_is_encoded(name, dtype):
    """Every basis starts as the same function, and a dtype stays what it is."""
    layer = splines(2, name)
    read = kanml.Network([splines(2)], seed=1).parameters.reshape(layer.parameters[0].shape)
    (stored,) = layer.parameter_kind.encode((read,))
    net = kanml.Network([layer], seed=1, dtype=dtype)
    assert same_bits(net.parameters, stored.ravel().astype(dtype))
    (decoded,) = layer.parameter_kind.decode((stored.astype(dtype),))
    assert decoded.dtype == dtype


def test_plain_parameters_are_read_as_they_are():
    layer = kanml.Linear(2, 3)
    kind = layer.parameter_kind
    arrays = numbers(layer)
    assert isinstance(kind, Plain)
    assert not kind.encoded
    assert kind.parameters == (
        Parameter("weights", "plain", (2, 3)),
        Parameter("bias", "plain", (3,)),
    )
    for mapped in (
        kind.decode(arrays),
        kind.encode(arrays),
        kind.pull_back((), arrays),
        kind.push_forward((), arrays),
    ):
        assert all(same_bits(a, b) for a, b in zip(mapped, arrays, strict=True))


def test_layers_without_parameters_store_nothing():
    for layer in (kanml.Activation("relu"), kanml.Affine(2.0, 1.0)):
        assert layer.parameter_kind.parameters == ()
        assert layer.parameter_kind.decode(()) == ()
