"""A network as plain arrays: evaluated with NumPy alone, it is the network again."""

from __future__ import annotations

import numpy as np
import pytest

import kanml
from exported import evaluate
from kanml.layers import Layer, from_description
from reference import networks


def cancellation(net, x):
    """One unit of rounding of the terms that a layer of splines sums."""
    (layer,) = kanml.export_mlp(net)
    z = np.clip(x, layer["lower"], layer["upper"])[:, layer["inputs"]] - layer["knots"]
    z = np.where(layer["rectified"], np.maximum(z, 0), np.abs(z))
    return np.finfo(net.dtype).eps * (z ** layer["power"] @ np.abs(layer["weights"])).max()


def splines(rule, degree, base=None):
    points = np.array([-1.0, -0.7, -0.1, 0.4, 1.0])
    spaces = [
        kanml.SplineSpace(points, degree),
        kanml.SplineSpace.uniform(-1, 1, 3, degree),
    ]
    return kanml.SplineLayer(2, 3, spaces, extrapolation=rule, base=base)


@pytest.mark.parametrize("basis", ["spline", "relu"])
@pytest.mark.parametrize("degree", range(1, 6))
@pytest.mark.parametrize("rule", ["linear", "polynomial", "clamp"])
def test_one_layer_on_the_whole_line(rule, degree, basis):
    rng = np.random.default_rng(degree)
    net = kanml.Network([splines(rule, degree)])
    net = net.with_parameters(rng.standard_normal(net.n_parameters)).to_basis(basis)
    x = rng.uniform(-1.5, 1.5, (400, 2))
    error = np.abs(evaluate(kanml.export_mlp(net), x) - net(x)).max()
    assert error <= 16 * cancellation(net, x)


@pytest.mark.parametrize("base", networks.ACTIVATIONS)
def test_a_base_function_on_the_whole_line(base):
    rng = np.random.default_rng(0)
    net = kanml.Network([splines("linear", 3, base)])
    net = net.with_parameters(rng.standard_normal(net.n_parameters))
    x = rng.uniform(-1.5, 1.5, (400, 2))
    error = np.abs(evaluate(kanml.export_mlp(net), x) - net(x)).max()
    assert error <= 16 * cancellation(net, x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_network_of_several_kinds(dtype):
    rng = np.random.default_rng(0)
    uniform = kanml.SplineSpace.uniform(-1, 1, 4, 2)
    layers = [
        kanml.PeriodicEmbedding(1, {0: 3.0}),
        splines("linear", 2),
        kanml.Affine([2.0, 1.0, 0.5], 0.1),
        kanml.Activation("tanh"),
        kanml.Linear(3, 2),
        kanml.Activation("sigmoid"),
        kanml.SplineLayer(2, 2, uniform),
        kanml.Linear(2, 1, bias=False),
    ]
    net = kanml.Network(layers, dtype=dtype)
    net = net.with_parameters(rng.standard_normal(net.n_parameters))
    exported = kanml.export_mlp(net)
    assert len(exported) == len(layers)
    x = rng.uniform(-1.5, 1.5, (200, 1)).astype(dtype)
    y = evaluate(exported, x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, net(x), atol=1e3 * np.finfo(dtype).eps * np.abs(y).max())
    assert [layer["layer"] for layer in exported].count("power-relu") == 2
    with_bias, without = (layer for layer in exported if layer["layer"] == "linear")
    assert with_bias["bias"].any()
    assert not without["bias"].any()


def test_the_rule_error_continues_constantly():
    net = kanml.KAN([1, 1], extrapolation="error")
    net = net.with_parameters(np.arange(8.0))
    y = evaluate(kanml.export_mlp(net), np.array([[-3.0], [-1.0], [1.0], [3.0]]))
    np.testing.assert_array_equal(y[::3], y[1:3])


class Doubling(kanml.Linear):
    """A layer that kanml has never seen, though its base class it has."""


class Strange:
    """Something like a layer."""

    n_in = n_out = 1
    parameters = ()

    def __repr__(self):
        return "Strange()"


class Forgetful(Layer):
    """A kind of layer whose author forgot what it is in other forms."""

    name = "forgetful"
    n_in = n_out = 1

    def core(self, width):
        return kanml.Affine(1.0, 0.0).core(width)

    def description(self):
        return {}

    @classmethod
    def from_description(cls, values):
        return cls()

    def values(self, arrays, x):
        return x


def test_no_layer_is_left_out_silently():
    for layer in (Doubling(1, 1), Strange()):
        with pytest.raises(TypeError, match=r"layers\[1\] must be a layer of kanml, got"):
            kanml.Network([*kanml.KAN([1, 1]).layers, layer])
    with pytest.raises(TypeError, match=r"abstract.* exported"):
        Forgetful()
    with pytest.raises(ValueError, match="unknown layer 'forgetful'"):
        from_description({"layer": "forgetful"})


def test_misuse():
    with pytest.raises(TypeError, match="net must be a Network"):
        kanml.export_mlp([1, 2])
    with pytest.raises(ValueError, match="float32 cannot hold the ReLU weights"):
        kanml.export_mlp(kanml.KAN([1, 1], intervals=500, dtype="float32"))
