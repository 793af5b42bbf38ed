"""What every kind of layer says of itself in Python: files, exports, refinement, and its start."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

import kanml
from exported import evaluate
from helpers import relative_error, same_bits, with_random_parameters
from kanml.layers import describe, from_description
from layer_examples import NAMES, example, reach

WIDTH = 3
TARGETS = {
    "around zero": (-1.0, 1.0),
    "not even": (-0.5, 2.0),
}

every_example = pytest.mark.parametrize(("kind", "name"), NAMES)
trained = pytest.mark.parametrize(
    ("kind", "name"), [names for names in NAMES if example(*names, WIDTH).parameters]
)
fixed = pytest.mark.parametrize(
    ("kind", "name"), [names for names in NAMES if not example(*names, WIDTH).parameters]
)


def alone(layer, dtype="float64"):
    """A network that computes what the layer does: the map in front of it changes no bit."""
    width = kanml.Affine(np.ones(WIDTH), np.zeros(WIDTH))
    return with_random_parameters(kanml.Network([width, layer], dtype=dtype), seed=1)


def inputs(layer, n=200):
    return np.random.default_rng(3).uniform(-1, 1, (n, WIDTH)) * reach(layer)


def arrays_read(net):
    """The parameters of the only trained layer, as kernels read them."""
    stored = tuple(net.parameters[b.slice].reshape(b.shape) for b in net.blocks)
    return net.layers[-1].parameter_kind.decode(stored)


# Files and exports


@every_example
def test_a_description_makes_the_same_layer(kind, name):
    layer = example(kind, name, WIDTH)
    again = from_description(json.loads(json.dumps(describe(layer))))
    assert type(again) is type(layer)
    assert repr(again) == repr(layer)
    assert describe(again) == describe(layer)
    assert again.parameters == layer.parameters
    assert again.spaces == layer.spaces


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_example
def test_files_and_copies_keep_the_bits(kind, name, dtype, tmp_path):
    layer = example(kind, name, WIDTH)
    net = alone(layer, dtype)
    x = inputs(layer)
    net.save(tmp_path / "net")
    others = kanml.load(tmp_path / "net"), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)
    for other in others:
        assert same_bits(other.parameters, net.parameters)
        assert same_bits(other(x), net(x))
        assert repr(other.layers) == repr(net.layers)
        assert other.blocks == net.blocks


@every_example
def test_what_is_exported_is_the_same_function(kind, name):
    layer = example(kind, name, WIDTH)
    net = alone(layer)
    x = inputs(layer)
    assert relative_error(evaluate(kanml.export_mlp(net), x), net(x)) <= 1e-10


# Refinement


@every_example
def test_a_refinement_is_the_same_function(kind, name):
    layer = example(kind, name, WIDTH)
    net = alone(layer)
    fine = net.refine()
    x = inputs(layer)
    assert relative_error(fine(x), net(x)) <= 1e-10
    assert layer.may_become(fine.layers[-1])
    assert [s.intervals for s in fine.layers[-1].spaces] == [2 * s.intervals for s in layer.spaces]


# Starts


@every_example
def test_values_in_numpy_are_those_of_the_core(kind, name):
    layer = example(kind, name, WIDTH)
    net = alone(layer)
    # Beyond the domain, values follow the tangent, also where the core follows the polynomial.
    inside = getattr(layer, "extrapolation", None) == "polynomial"
    x = inputs(layer) / (reach(layer) if inside else 1.0)
    assert relative_error(layer.values(arrays_read(net), x), net(x)) <= 1e-11


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("target", TARGETS)
@trained
def test_a_filling_reaches_the_ends_of_its_target(kind, name, target, share):
    layer = example(kind, name, WIDTH)
    lower, upper = (np.full(layer.n_out, end) for end in TARGETS[target])
    x = np.random.default_rng(4).uniform(*layer.box_expected(), (300, WIDTH))
    arrays, y = layer.filling(x, (lower, upper), share, np.random.default_rng(5))
    shapes = [array.shape for array in arrays_read(alone(layer))]
    assert [array.shape for array in arrays] == shapes
    assert relative_error(layer.values(arrays, x), y) <= 1e-12
    below, above = lower - y.min(axis=0), y.max(axis=0) - upper
    if getattr(layer, "bias", True):
        np.testing.assert_allclose([below, above], 0.0, atol=1e-12)
    else:  # no shift: as far as the nearer end
        np.testing.assert_allclose(np.maximum(below, above), 0.0, atol=1e-12)


@trained
def test_drawn_parameters_are_random_and_of_the_right_shapes(kind, name):
    layer = example(kind, name, WIDTH)
    drawn = [layer.drawn(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    shapes = [array.shape for array in arrays_read(alone(layer))]
    for arrays in drawn:
        assert [array.shape for array in arrays] == shapes
    assert all(map(same_bits, drawn[0], drawn[1]))
    assert not same_bits(drawn[0][0], drawn[2][0])
    y = layer.values(drawn[0], inputs(layer))
    assert (np.ptp(y, axis=0) > 0).all()


@trained
def test_the_box_that_is_expected(kind, name):
    """The domains of splines, and [-1, 1] where there are none."""
    layer = example(kind, name, WIDTH)
    box = np.transpose(layer.box_expected())
    expected = [space.domain for space in layer.spaces] or np.tile([-1.0, 1.0], (WIDTH, 1))
    np.testing.assert_array_equal(box, expected)


@fixed
def test_the_box_before_is_mapped_to_the_box(kind, name):
    """Entries reach both of their ends; those that are periodic go through one period."""
    layer = example(kind, name, WIDTH)
    width = layer.n_out or WIDTH
    box = -np.linspace(0.5, 0.9, width), np.linspace(0.6, 1.0, width)
    lower, upper = layer.box_before(box)
    assert lower.shape == upper.shape == (WIDTH,)
    assert (lower < upper).all()
    for i, period in getattr(layer, "periods", {}).items():
        assert upper[i] - lower[i] == period
    y = layer.values((), np.linspace(lower, upper, 1201))
    low, high = y.min(axis=0), y.max(axis=0)
    for q in range(width):
        if kind == "activation":  # any box leads to where the function bends
            bends = layer.form.bends
            np.testing.assert_array_equal([lower[q], upper[q]], bends)
        elif kind == "periodic" and layer.features[q][1] != "identity":
            np.testing.assert_allclose([low[q], high[q]], [-1.0, 1.0], atol=1e-4)
            np.testing.assert_allclose(y[0, q], y[-1, q], atol=1e-12)
        else:
            np.testing.assert_allclose([low[q], high[q]], [box[0][q], box[1][q]], rtol=1e-12)
