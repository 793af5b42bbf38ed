"""What a network is made of: parameters in blocks, and layers, also in front of a model."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from network_cases import CASES, network, nonuniform

import kanml
from helpers import naming, same_bits, with_random_parameters


def test_parameters_cannot_be_written_to():
    net = network("degree-3")
    assert net.parameters.shape == (net.n_parameters,)
    assert net.parameters.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        net.parameters[0] = 1.0


def test_with_parameters_makes_another_network():
    net = network("degree-3")
    before = net.parameters.copy()
    theta = np.arange(net.n_parameters, dtype=float)
    other = net.with_parameters(theta)
    theta[:] = -1.0  # the caller's array stays the caller's
    np.testing.assert_array_equal(other.parameters, np.arange(net.n_parameters))
    assert same_bits(net.parameters, before)
    assert same_bits(other.with_parameters(before)(np.zeros((4, 2))), net(np.zeros((4, 2))))


@pytest.mark.parametrize("name", CASES)
def test_blocks_cover_the_vector_without_overlap(name):
    net = network(name)
    covered = np.zeros(net.n_parameters, dtype=int)
    for block in net.blocks:
        covered[block.slice] += 1
        assert covered[block.slice].size == np.prod(block.shape)
    np.testing.assert_array_equal(covered, 1)


def test_blocks_say_what_they_are():
    spaces = [nonuniform(3, 2, seed=0), nonuniform(6, 2, seed=1), nonuniform(1, 2, seed=2)]
    net = kanml.Network([
        kanml.Linear(2, 3), kanml.Activation("sin"), kanml.SplineLayer(3, 4, spaces),
        kanml.Linear(4, 1, bias=False),
    ], seed=0)  # fmt: skip
    assert isinstance(net.blocks, tuple)
    assert [(b.layer, b.name, b.kind, tuple(b.shape)) for b in net.blocks] == [
        (0, "weights", "plain", (2, 3)),
        (0, "bias", "plain", (3,)),
        (2, "coefficients", "spline", (5 + 8 + 3, 4)),
        (3, "weights", "plain", (4, 1)),
    ]
    assert (net.n_in, net.n_out, net.n_parameters) == (2, 1, 6 + 3 + 64 + 4)
    assert [s.dim for s in net.layers[2].spaces] == [5, 8, 3]


def test_one_space_serves_all_inputs():
    space = nonuniform(4, 2, seed=0)
    layer = kanml.SplineLayer(3, 2, space)
    assert len(layer.spaces) == 3
    net = with_random_parameters(kanml.Network([layer], seed=0))
    listed = kanml.Network([kanml.SplineLayer(3, 2, [space] * 3)], seed=0)
    x = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    assert same_bits(listed.with_parameters(net.parameters)(x), net(x))


def test_a_seed_repeats_and_another_differs():
    nets = [kanml.KAN([2, 3, 1], degree=3, intervals=5, seed=s) for s in (1, 1, 2)]
    assert same_bits(nets[0].parameters, nets[1].parameters)
    assert not same_bits(nets[0].parameters, nets[2].parameters)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_astype_rounds_the_parameters(dtype):
    net = kanml.KAN([2, 3, 1], seed=4, data=[[0.0, 1.0], [1.0, -1.0]])
    other = net.astype(dtype)
    assert same_bits(other.parameters, net.parameters.astype(dtype))
    assert other.layers == net.layers
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'int8'"):
        net.astype("int8")


def test_astype_refuses_knots_that_coincide():
    with pytest.raises(ValueError, match="coincide in float32"):
        kanml.KAN([1, 1], domain=(1e6, 1e6 + 1), intervals=100).astype("float32")


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_layers_are_as_read_only_as_they_are(how):
    layer = how(kanml.Affine([2.0, 1.0], 0.5))
    assert repr(layer) == "Affine([2.0, 1.0], [0.5, 0.5])"
    for array in (layer.scale, layer.shift):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


# Layers in front


FRONTS = {
    "circle": [kanml.PeriodicEmbedding(2, {1: 2.0})],
    "box": [kanml.Affine.normalising([0, 0], [1, 3])],
    "any width": [kanml.Affine(0.5, 0.0), kanml.Activation("tanh")],
    "several": [kanml.Affine(0.5, 0.0), kanml.PeriodicEmbedding(2, {0: 1.0}), kanml.Linear(3, 4)],
}


@pytest.mark.parametrize("name", FRONTS)
def test_layers_in_front(name):
    """The same network as that of all layers in a row, its start included."""
    front = FRONTS[name]
    width = next((layer.n_out for layer in reversed(front) if layer.n_out is not None), 2)
    x = np.random.default_rng(0).uniform(0, 1, (50, 2))
    options = {"seed": 3, "dtype": "float32", "data": x}
    for net, layers in (
        (
            kanml.KAN([2, 5, 1], activation="tanh", start="random", front=front, **options),
            kanml.KAN([width, 5, 1], activation="tanh").layers,
        ),
        (kanml.MLP([2, 5, 1], front=iter(front), **options), kanml.MLP([width, 5, 1]).layers),
    ):
        assert (net.n_in, net.n_out) == (2, 1)
        start = "random" if net.layers[-1].spaces else "mixed"
        in_a_row = kanml.Network([*front, *layers], start=start, **options)
        assert repr(net.layers) == repr(in_a_row.layers)
        assert same_bits(net.parameters, in_a_row.parameters)
        assert same_bits(net.restart(1).parameters, in_a_row.restart(1).parameters)
        assert same_bits(net(x), in_a_row(x))


@pytest.mark.parametrize("model", [kanml.KAN, kanml.MLP])
def test_fronts_that_do_not_fit(model):
    circle = kanml.PeriodicEmbedding(2, {1: 2.0})
    for widths, front, parts in (
        ([3, 5, 1], [circle], ["front[0]", repr(circle), "takes 2", "widths[0] is 3"]),
        ([2, 1], [circle, kanml.Affine(1.0, 0.0), circle], ["front[2]", "takes 2", "hands on 3"]),
    ):
        with pytest.raises(ValueError, match=naming(*parts)):
            model(widths, front=front)
    with pytest.raises(TypeError, match=naming("front", "sequence of layers", repr(circle))):
        model([2, 1], front=circle)
    with pytest.raises(TypeError, match=naming("front[1]", "layer of kanml", "'tanh'")):
        model([2, 1], front=[circle, "tanh"])
    with pytest.raises(ValueError, match=naming("data", "(N, 2)")):
        model([2, 5, 1], front=[circle], data=np.zeros((4, 3)))


def test_layers_are_used_again():
    layers = [kanml.Linear(2, 3), kanml.SplineLayer(3, 1, nonuniform(3, 2, seed=0))]
    first, second = kanml.Network(layers, seed=1), kanml.Network(layers)
    assert not same_bits(first.parameters, second.parameters)
