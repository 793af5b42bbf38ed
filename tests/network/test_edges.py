"""Single edges: as splines of SciPy and as values, against oracles that know one spline."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import kanml
from helpers import naming, random_breakpoints, reference_layers
from kanml.layers.parameters import BASES
from kanml.network import edges
from reference import networks, splines

RULES = ("linear", "polynomial", "clamp", "error")


def network(basis="spline", degree=3, dtype="float64", **options):
    """Three inputs, two hidden splines and other layers, on knots that differ from input to input.

    Coefficients are those of B-splines of about unit size.
    """
    rng = np.random.default_rng(degree)
    one, two, three = (kanml.SplineSpace(random_breakpoints(rng, n), degree) for n in (2, 3, 4))
    layers = [
        kanml.Affine(0.9, 0.05),
        kanml.SplineLayer(3, 4, [one, two, three], **options),
        kanml.Activation("tanh"),
        kanml.SplineLayer(4, 2, [two, one, one, three], **options),
    ]
    net = kanml.Network(layers)
    net = net.with_parameters(rng.uniform(-1, 1, net.n_parameters))
    return net.to_basis(basis).astype(dtype)


def phi(net, layer, i, j, x, derivative=0, extrapolation="error"):
    """One spline, of the coefficients that are stored: the oracle's."""
    spline = net.layers[layer]
    (block,) = (b for b in net.blocks if (b.layer, b.name) == (layer, "coefficients"))
    start = sum(space.dim for space in spline.spaces[:i])
    rows = slice(start, start + spline.spaces[i].dim)
    weights = np.float64(net.parameters[block.slice].reshape(block.shape)[rows, j])
    knots = splines.knots_with_ghosts(spline.spaces[i].breakpoints, spline.degree)
    if spline.basis == "relu":
        assert derivative == 0
        return np.maximum(x[:, None] - knots[: len(weights)], 0) ** spline.degree @ weights
    return splines.evaluate(knots, spline.degree, weights, x, derivative, extrapolation)


def edges_of(net):
    """The indices of all edges with splines."""
    return [
        (k, i, j)
        for k, layer in enumerate(net.layers)
        if isinstance(layer, kanml.SplineLayer)
        for i in range(layer.n_in)
        for j in range(layer.n_out)
    ]


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("base", [None, "silu"])
def test_splines_and_derivatives(degree, base):
    """At breakpoints and between them; the highest derivative jumps, and is that from the right."""
    net = network(degree=degree, base=base)
    for at in edges_of(net):
        space = net.layers[at[0]].spaces[at[1]]
        x = np.sort(np.append(np.linspace(*space.domain, 41), space.breakpoints))
        spline = net.spline(*at)
        for derivative in range(degree + 1):
            expected = phi(net, *at, x, derivative)
            scale = np.abs(expected).max() + 1
            error = np.abs(spline(x, derivative) - expected).max()
            assert error < 1e-12 * scale, (at, derivative)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-3)])
def test_splines_of_powers_of_relus(dtype, tolerance):
    """The oracle sums the powers, whose weights alternate, so that rounding them shows."""
    net = network("relu", degree=2, dtype=dtype)
    for at in edges_of(net):
        x = np.linspace(*net.layers[at[0]].spaces[at[1]].domain, 41)
        np.testing.assert_allclose(net.spline(*at)(x), phi(net, *at, x), rtol=0, atol=tolerance)


@pytest.mark.parametrize("rule", RULES)
def test_outside_the_domain_a_spline_is_what_the_layer_is_or_nan(rule):
    net = network(extrapolation=rule)
    spline = net.spline(1, 2, 3)
    a, b = net.layers[1].spaces[2].domain
    outside = np.array([a - 1, a - 1e-9, b + 1e-9, b + 1])
    if rule == "polynomial":
        expected = phi(net, 1, 2, 3, outside, extrapolation=rule)
        np.testing.assert_allclose(spline(outside), expected, rtol=1e-12, atol=1e-12)
    else:
        assert np.isnan(spline(outside)).all()
    assert np.isfinite(spline([a, b])).all()
    assert spline.derivative().extrapolate == spline.extrapolate == (rule == "polynomial")


def test_a_spline_is_a_copy():
    net = network()
    before = net.parameters.copy()
    spline = net.spline(1, 0, 0)
    spline.c[:] = 7
    spline.t[:] += 1
    assert (net.parameters == before).all()
    assert net.spline(1, 0, 0).t[0] == net.layers[1].spaces[0].knots[0]


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("rule", ["linear", "polynomial", "clamp"])
def test_values_of_edges_with_their_base_outside_too(basis, rule):
    net = network(basis, extrapolation=rule, base="sin")
    (block,) = (b for b in net.blocks if (b.layer, b.name) == (1, "base_weights"))
    weights = net.parameters[block.slice].reshape(block.shape)
    for _, i, j in [at for at in edges_of(net) if at[0] == 1]:
        a, b = net.layers[1].spaces[i].domain
        x = np.linspace(a - 0.5, b + 0.5, 31)
        splines_alone = network("spline", extrapolation=rule, base="sin")
        expected = phi(splines_alone, 1, i, j, x, extrapolation=rule) + weights[i, j] * np.sin(x)
        np.testing.assert_allclose(edges.Edge(net, 1, i, j)(x), expected, rtol=0, atol=1e-10)


def test_what_layers_receive_and_what_their_edges_add_up_to():
    front = kanml.PeriodicEmbedding(2, {1: 2.0})
    space = kanml.SplineSpace.uniform(-1, 1, intervals=4, degree=3)
    net = kanml.Network([front, kanml.Linear(3, 4), kanml.SplineLayer(4, 2, space, base="silu")])
    net = net.with_parameters(np.random.default_rng(0).normal(0, 0.5, net.n_parameters))
    x = np.random.default_rng(1).uniform(-1, 1, (30, 2))
    received = edges.layer_inputs(net, x, last=2)
    oracle = reference_layers(net)
    for k, array in enumerate(received):
        np.testing.assert_allclose(array, networks.evaluate(oracle[:k], x), rtol=0, atol=1e-13)
    bias = next(net.parameters[b.slice] for b in net.blocks if b.name == "bias")
    for k, constant in ((1, bias), (2, 0)):
        total = sum(
            edges.from_input(net, k, i, received[k][:, i]) for i in range(net.layers[k].n_in)
        )
        np.testing.assert_allclose(total + constant, received[k + 1], rtol=0, atol=1e-13)


def test_refusals_name_the_layer():
    """As the network itself does, and no layer is asked that is not needed."""
    net = kanml.KAN([1, 1, 1], extrapolation="error")
    net = net.with_parameters(np.full(net.n_parameters, 5.0))
    x = np.array([[0.3]])
    with pytest.raises(ValueError, match="layer 1 refuses") as expected:
        net(x)
    with pytest.raises(ValueError, match="layer 1 refuses") as error:
        edges.layer_inputs(net, x, last=1)
    assert str(error.value) == str(expected.value)
    assert len(edges.layer_inputs(net, x, last=0)) == 2


def test_connections():
    front = kanml.PeriodicEmbedding(2, {1: 2.0}, multiples=[1, 2])
    assert edges.connections(front, 2) == [(0, 0), (1, 1), (1, 2), (1, 3), (1, 4)]
    assert edges.connections(kanml.Activation("tanh"), 3) == [(0, 0), (1, 1), (2, 2)]
    assert edges.connections(kanml.Affine([1.0, 2.0], [0.0, 0.0]), 2) == [(0, 0), (1, 1)]
    assert edges.connections(kanml.Linear(2, 3), 2) == [(i, j) for i in range(2) for j in range(3)]


@pytest.mark.parametrize(
    ("at", "error", "parts"),
    [
        (
            (0, 0, 0),
            ValueError,
            ["layer", "one of 1, 3", "got 0", "Affine(0.9, 0.05)"],
        ),
        ((4, 0, 0), ValueError, ["layer", "0..3", "got 4"]),
        ((-1, 0, 0), ValueError, ["layer", "got -1"]),
        ((1, 3, 0), ValueError, ["i must be", "0..2", "got 3"]),
        ((1, 0, 4), ValueError, ["j must be", "0..3", "got 4"]),
        ((1.0, 0, 0), TypeError, ["layer", "1.0"]),
        ((1, True, 0), TypeError, ["i must be", "True"]),
    ],
)
def test_edges_that_do_not_exist(at, error, parts):
    with pytest.raises(error, match=naming(*parts)):
        network().spline(*at)


def test_a_network_without_splines():
    with pytest.raises(ValueError, match="which has none; got 1"):
        kanml.MLP([2, 3, 1]).spline(1, 0, 0)


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.interpolate", None)
    with pytest.raises(ModuleNotFoundError, match=r"python -m pip install 'kanml\[scipy\]'"):
        network().spline(1, 0, 0)
