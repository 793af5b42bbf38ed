"""Whole networks: values, derivatives, bits, refinement, and what a network says about itself."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

import kanml
from helpers import (
    naming,
    random_breakpoints,
    reference_layers,
    reference_output,
    relative_error,
    same_bits,
    with_random_parameters,
)
from reference import networks

THREADS = [1, 2, 3, 8]
BATCHES = [1, 63, 64, 65, 1000]


def nonuniform(n, degree, seed, a=-1.0, b=1.0):
    return kanml.SplineSpace(random_breakpoints(np.random.default_rng(seed), n, a, b), degree)


def spline_layers(widths, degree, rule="linear"):
    """Spline layers on nonuniform knots, a space of its own and of its own size an input."""
    return [
        kanml.SplineLayer(
            n_in,
            n_out,
            [nonuniform(3 + 2 * p + i, degree, seed=10 * i + p) for p in range(n_in)],
            extrapolation=rule,
        )
        for i, (n_in, n_out) in enumerate(pairwise(widths))
    ]


class Case(NamedTuple):
    """A network, and how far its inputs spread: beyond the domain except under the rule error."""

    layers: list
    spread: float = 1.6


def case(name):
    kind, _, what = name.partition("-")
    if kind == "degree":
        return Case(spline_layers([2, 4, 3, 2], int(what)))
    if kind == "rule":
        if what == "error":
            return Case(spline_layers([3, 5], 3, "error"), spread=1.0)
        return Case(spline_layers([2, 3, 1], 3, what), spread=1.2)
    if kind == "activation":
        hidden = kanml.SplineLayer(4, 3, nonuniform(6, 2, seed=3))
        return Case([
            kanml.Linear(3, 4),
            kanml.Activation(what),
            hidden,
            kanml.Activation(what),
            kanml.Linear(3, 2, bias=False),
        ])  # fmt: skip
    if kind == "affine":
        scale = 0.7 if what == "scalar" else np.array([0.5, -1.5, 0.25])
        shift = -0.1 if what == "scalar" else np.array([0.0, 0.3, -0.2])
        return Case([
            kanml.Linear(2, 3),
            kanml.Affine(scale, shift),
            kanml.SplineLayer(3, 2, nonuniform(4, 4, seed=4)),
            kanml.Affine(2.0, [1.0, -1.0]),
        ])  # fmt: skip
    if kind == "linear":
        return Case([kanml.Linear(3, 2, bias=what == "bias")])
    raise ValueError(name)


CASES = [
    *(f"degree-{k}" for k in range(1, 6)),
    *(f"rule-{rule}" for rule in ("polynomial", "clamp", "error")),
    *(f"activation-{kind}" for kind in networks.ACTIVATIONS),
    "affine-scalar",
    "affine-vector",
    "linear-bias",
    "linear-plain",
]


def network(name, dtype="float64"):
    return with_random_parameters(kanml.Network(case(name).layers, seed=0, dtype=dtype))


def inputs(name, net, n, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (n, net.n_in)) * case(name).spread


def smooth_inputs(name, net, n):
    """Inputs where every layer has a derivative, by a margin: kinks have a test of their own."""
    x = inputs(name, net, 4 * n)
    x = x[networks.kink_distance(reference_layers(net), x) > 1e-6][:n]
    assert len(x) == n
    return x


# Values


@pytest.mark.parametrize("name", CASES)
def test_value(name):
    net = network(name)
    x = inputs(name, net, 200)
    y = net(x)
    assert y.shape == (200, net.n_out)
    assert y.dtype == np.float64
    assert relative_error(y, reference_output(net, x)) <= 1e-13


@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize("name", ["degree-3", "activation-silu"])
def test_a_sample_does_not_depend_on_its_batch(name, n):
    net = network(name)
    x = inputs(name, net, 1000)
    y = net(x[:n])
    assert y.shape == (n, net.n_out)
    assert relative_error(y, reference_output(net, x[:n])) <= 1e-13
    assert relative_error(y, net(x)[:n]) <= 1e-14


@pytest.mark.parametrize("name", CASES)
def test_float32(name):
    single, double = network(name, "float32"), network(name)
    # The same numbers and knots in both; what differs is the arithmetic.
    double = double.with_parameters(np.float64(single.parameters))
    x = np.float32(smooth_inputs(name, double, 200))
    u = np.float32(np.random.default_rng(2).normal(size=(200, double.n_out)))
    dtheta = np.float32(np.random.default_rng(3).normal(size=double.n_parameters))
    bound = 100 * np.finfo(np.float32).eps
    assert single.dtype == np.float32
    assert single.parameters.dtype == np.float32
    pairs = [(single(x), double(x)), (single.jvp(x, dtheta), double.jvp(x, dtheta))]
    if name != "degree-1":  # its slopes jump at knots, which are not the same to float32
        pairs += zip(single.vjp(x, u), double.vjp(x, u), strict=True)
    for got, expected in pairs:
        assert got.dtype == np.float32
        assert relative_error(got, expected) <= bound


def test_mlp_and_kan_are_networks_of_the_layers_they_name():
    mlp = kanml.MLP([2, 7, 1], activation="relu", output_bias=False)
    kan = kanml.KAN([2, 4, 1], degree=2, intervals=6, domain=(-1, 2))
    assert mlp.n_parameters == 2 * 7 + 7 + 7
    assert kan.n_parameters == (2 * 4 + 4 * 1) * (6 + 2)
    x = np.random.default_rng(0).uniform(-1, 2, (50, 2))
    bounded = kanml.KAN([2, 4, 3, 1], degree=2, intervals=6, domain=(-1, 2), activation="tanh")
    domains = [layer.spaces[0].domain for layer in bounded.layers[::2]]
    assert domains == [(-1, 2), (-1, 1), (-1, 1)]
    unbounded = kanml.KAN([2, 4, 1], domain=(-1, 2), activation="silu")
    assert unbounded.layers[2].spaces[0].domain == (-1, 2)
    kinds = [type(layer).__name__ for layer in bounded.layers]
    assert kinds == ["SplineLayer", *["Activation", "SplineLayer"] * 2]
    for net in map(with_random_parameters, (mlp, kan, bounded)):
        assert relative_error(net(x), reference_output(net, x)) <= 1e-13
    for widths in ([2, 4, 1], [2, 1]):
        with pytest.raises(ValueError, match="softplus"):
            kanml.KAN(widths, activation="softplus")


# Derivatives


@pytest.mark.parametrize("name", CASES)
def test_vjp_agrees_with_complex_step_by_every_parameter_and_input(name):
    net = network(name)
    x = smooth_inputs(name, net, 20)
    cotangent = np.random.default_rng(2).normal(size=(20, net.n_out))
    by_theta, by_x = net.vjp(x, cotangent)

    def loss_by_theta(theta):
        return np.sum(cotangent * reference_output(net, x, theta))

    def loss_by_x(points):  # a sample's loss depends on its own inputs alone: all samples at once
        return np.sum(cotangent * reference_output(net, points), axis=1)

    expected = np.array([
        networks.complex_step(loss_by_theta, net.parameters, e) for e in np.eye(net.n_parameters)
    ])  # fmt: skip
    assert by_theta.shape == (net.n_parameters,)
    assert relative_error(by_theta, expected) <= 1e-9

    expected = np.array([networks.complex_step(loss_by_x, x, e) for e in np.eye(net.n_in)]).T
    assert by_x.shape == x.shape
    assert relative_error(by_x, expected) <= 1e-9


@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize("name", CASES)
def test_jvp_agrees_with_complex_step(name, n):
    net = network(name)
    x = inputs(name, net, n)
    dtheta = np.random.default_rng(3).normal(size=net.n_parameters)
    expected = networks.complex_step(
        lambda theta: reference_output(net, x, theta), net.parameters, dtheta
    )
    tangent = net.jvp(x, dtheta)
    assert tangent.shape == (n, net.n_out)
    assert relative_error(tangent, expected) <= 1e-9


@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize("name", CASES)
def test_vjp_is_the_adjoint_of_jvp(name, n):
    net = network(name)
    x = inputs(name, net, n)
    rng = np.random.default_rng(4)
    cotangent = rng.normal(size=(n, net.n_out))
    dtheta = rng.normal(size=net.n_parameters)
    forward = cotangent * net.jvp(x, dtheta)
    backward = net.vjp(x, cotangent)[0] * dtheta
    scale = max(abs(forward).sum(), abs(backward).sum())
    assert abs(forward.sum() - backward.sum()) <= 1e-12 * scale


def test_slope_at_a_kink_is_that_of_the_right_and_at_the_end_of_the_left():
    space = kanml.SplineSpace([0.0, 0.5, 1.5, 2.0], 1)
    layer = kanml.SplineLayer(1, 1, space, extrapolation="linear")
    net = kanml.Network([layer], seed=0).with_parameters([0.0, 1.0, -1.0, 2.0])
    x = np.array([[0.0], [0.5], [1.5], [2.0]])
    for points, expected in [
        (x, [2.0, -2.0, 6.0, 6.0]),
        (np.nextafter(x, -9.0), [2.0, 2.0, -2.0, 6.0]),
        (np.nextafter(x, 9.0), [2.0, -2.0, 6.0, 6.0]),
    ]:
        slopes = net.vjp(points, np.ones((4, 1)))[1][:, 0]
        np.testing.assert_allclose(slopes, expected, rtol=1e-13)


def test_relu_has_slope_zero_at_zero():
    net = kanml.Network([kanml.Linear(1, 1), kanml.Activation("relu")], seed=0)
    net = net.with_parameters([1.0, 0.0])
    x = np.array([[-1.0], [0.0], [1.0]])
    np.testing.assert_array_equal(net.vjp(x, np.ones((3, 1)))[1], [[0.0], [0.0], [1.0]])


# Bits


@pytest.fixture
def default_threads():
    """Puts the process-wide number of threads back."""
    before = kanml.get_num_threads()
    yield
    kanml.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["degree-1", "degree-3", "degree-5", "activation-tanh"])
def test_same_bits_with_any_number_of_threads(name, dtype, default_threads):
    net = network(name, dtype)
    x = inputs(name, net, 5000)
    cotangent = np.random.default_rng(5).normal(size=(5000, net.n_out))
    dtheta = np.random.default_rng(6).normal(size=net.n_parameters)
    problem = kanml.Regression(x, cotangent)

    def everything(n):
        kanml.set_num_threads(n)
        assert kanml.get_num_threads() == n
        loss, gradient = problem.value_and_gradient(net)
        return [
            net(x, num_threads=n),
            *net.vjp(x, cotangent, num_threads=n),
            net.jvp(x, dtheta, num_threads=n),
            np.asarray(loss),
            gradient,
            problem.residuals(net),
        ]

    first = everything(THREADS[0])
    for n in THREADS[1:]:
        for left, right in zip(first, everything(n), strict=True):
            assert same_bits(left, right)


@pytest.mark.parametrize(("intervals", "at_least"), [(330, 1 << 20), (660, 1 << 21)])
def test_same_bits_with_any_number_of_threads_for_many_parameters(intervals, at_least):
    # Too many to keep a gradient for each of many groups of samples, or for more than one.
    net = kanml.KAN([40, 40, 40], degree=3, intervals=intervals)
    net = with_random_parameters(net)
    assert net.n_parameters > at_least
    rng = np.random.default_rng(7)
    x, cotangent = rng.uniform(-1.2, 1.2, (300, 40)), rng.normal(size=(300, 40))
    first = net.vjp(x, cotangent, num_threads=1)
    for n in THREADS[1:]:
        for left, right in zip(first, net.vjp(x, cotangent, num_threads=n), strict=True):
            assert same_bits(left, right)
    dtheta = rng.normal(size=net.n_parameters)
    forward = cotangent * net.jvp(x, dtheta)
    assert abs(forward.sum() - first[0] @ dtheta) <= 1e-12 * abs(forward).sum()


# NaN


@pytest.mark.parametrize("name", CASES)
def test_nan_propagates_to_its_own_sample_only(name):
    net = network(name)
    x = inputs(name, net, 130)
    spoiled = x.copy()
    spoiled[[5, 64, 129], [0, net.n_in - 1, 0]] = np.nan
    rest = np.delete(np.arange(130), [5, 64, 129])
    cotangent = np.ones((130, net.n_out))
    pairs = [
        (net(x), net(spoiled)),
        (net.vjp(x, cotangent)[1], net.vjp(spoiled, cotangent)[1]),
        (net.jvp(x, net.parameters), net.jvp(spoiled, net.parameters)),
    ]
    assert np.isnan(pairs[0][1][[5, 64, 129]]).all()
    for clean, got in pairs:
        assert same_bits(got[rest], clean[rest])


def test_nan_parameters_give_nan():
    net = network("degree-3")
    theta = net.parameters.copy()
    theta[:] = np.nan
    assert np.isnan(net.with_parameters(theta)(np.zeros((3, 2)))).all()


# Refinement


def refined_thrice(net):
    for _ in range(3):
        net = net.refine()
    return net


@pytest.mark.parametrize("rule", ["linear", "polynomial", "clamp"])
@pytest.mark.parametrize("degree", range(1, 6))
def test_three_refinements_keep_the_function_everywhere(degree, rule):
    net = kanml.Network(spline_layers([2, 4, 3, 2], degree, rule), seed=0)
    net = with_random_parameters(net)
    # Polynomials grow like (distance / spacing)^degree, and so does the rounding of the finest
    # coefficients: that rule is tried a little beyond the ends, in hidden layers too.
    spread = 1.6
    if rule == "polynomial":
        spread = 1.02
        net = net.with_parameters(0.25 * net.parameters)
    fine = refined_thrice(net)
    for coarse_layer, fine_layer in zip(net.layers, fine.layers, strict=True):
        for coarse_space, fine_space in zip(coarse_layer.spaces, fine_layer.spaces, strict=True):
            assert fine_space.intervals == 8 * coarse_space.intervals
        assert fine_layer.extrapolation == rule
    x = np.random.default_rng(0).uniform(-spread, spread, (2000, 2))
    t = net.layers[0].spaces[0].breakpoints
    x[: t.size, 0] = t  # at the breakpoints too
    before = net(x)
    assert relative_error(fine(x), before) <= 1e-13


@pytest.mark.parametrize("name", ["activation-sin", "affine-vector", "linear-bias"])
def test_only_spline_layers_refine(name):
    net = network(name)
    fine = refined_thrice(net)
    x = inputs(name, net, 500)
    assert relative_error(fine(x), net(x)) <= 1e-13
    for before, after in zip(net.blocks, fine.blocks, strict=True):
        assert (before.layer, before.name, before.kind) == (after.layer, after.name, after.kind)
        if before.kind == "plain":
            assert same_bits(net.parameters[before.slice], fine.parameters[after.slice])


@pytest.mark.parametrize("factor", [2, 3])
def test_refine_by_a_factor(factor):
    net = network("degree-3")
    fine = net.refine(factor)
    x = inputs("degree-3", net, 500)
    assert fine.layers[1].spaces[2].intervals == factor * net.layers[1].spaces[2].intervals
    assert relative_error(fine(x), net(x)) <= 1e-13


def test_refine_to_chosen_spaces():
    # A layer's entry is one finer space for all its inputs, a list with one an input, or None.
    space = nonuniform(4, 3, seed=1)
    others = [nonuniform(5, 3, seed=2), nonuniform(2, 3, seed=3)]
    net = kanml.Network([
        kanml.SplineLayer(3, 2, space),
        kanml.Activation("tanh"),
        kanml.SplineLayer(2, 2, others),
        kanml.Linear(2, 1),
    ], seed=0)  # fmt: skip
    net = with_random_parameters(net)
    finer = space.insert([-0.95, 0.123, 0.9])
    finer_others = [others[0].refine(3), others[1]]
    fine = net.refine(spaces=[finer, None, finer_others, None])
    for got in fine.layers[0].spaces:
        np.testing.assert_array_equal(got.breakpoints, finer.breakpoints)
    for got, expected in zip(fine.layers[2].spaces, finer_others, strict=True):
        np.testing.assert_array_equal(got.breakpoints, expected.breakpoints)
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (500, 3))
    assert relative_error(fine(x), net(x)) <= 1e-13


def test_refine_to_spaces_that_are_not_finer():
    net = kanml.Network([kanml.SplineLayer(1, 1, kanml.SplineSpace([0.0, 0.375, 1.0], 2))], seed=0)
    with pytest.raises(ValueError, match=naming("0.375")):
        net.refine(spaces=[kanml.SplineSpace([0.0, 0.5, 1.0], 2)])
    with pytest.raises(ValueError, match=naming("spaces", 2, 1)):
        net.refine(spaces=[None, None])


def test_refinement_keeps_float32():
    net = network("degree-3", "float32")
    fine = net.refine()
    assert fine.dtype == np.float32
    x = np.float32(inputs("degree-3", net, 500))
    assert relative_error(fine(x), net(x)) <= 100 * np.finfo(np.float32).eps


# Parameters


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
        assert repr(net) == repr(in_a_row)
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


# Transfers between networks that do not nest


def stack(n_hidden, spaces, *, rule="linear", activation="tanh", shift=0.0):
    return kanml.Network([
        kanml.SplineLayer(2, n_hidden, spaces, extrapolation=rule),
        kanml.Activation(activation),
        kanml.Affine(1.0, shift),
        kanml.Linear(n_hidden, 1),
    ])  # fmt: skip


COARSE, FINE = (kanml.SplineSpace.uniform(-1, 1, n, 2) for n in (3, 6))


@pytest.mark.parametrize(
    ("fine", "parts"),
    [
        (stack(4, FINE), ["layers[0]", "SplineLayer(2, 4", "SplineLayer(2, 3"]),
        (stack(3, FINE, rule="clamp"), ["layers[0]", "extrapolation='clamp'"]),
        (stack(3, FINE, activation="sin"), ["layers[1]", "'sin'", "'tanh'"]),
        (stack(3, FINE, shift=0.5), ["layers[2]", "0.5"]),
        (stack(3, kanml.SplineSpace.uniform(-1, 1, 4, 2)), ["no refinement"]),
        (stack(3, kanml.SplineSpace.uniform(-1, 1, 6, 3)), ["degree", "2", "3"]),
        (kanml.Network([kanml.Linear(2, 1)]), ["4 layers", "1"]),
        (stack(3, FINE).to_basis("relu"), ["basis", "'spline'", "'relu'"]),
        (stack(3, FINE).layers, ["Network"]),
    ],
)
def test_prolongation_to_a_network_that_is_no_refinement(fine, parts):
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        stack(3, COARSE).prolongation(fine)
    assert stack(3, COARSE).prolongation(stack(3, FINE)).shape[1] == 2 * 3 * 5 + 4


# Regression


@pytest.mark.parametrize("name", ["degree-1", "degree-3", "activation-sigmoid"])
@pytest.mark.parametrize("n", BATCHES)
def test_regression_is_the_mean_square_and_its_gradient(name, n):
    net = network(name)
    x = inputs(name, net, n)
    y = np.random.default_rng(8).normal(size=(n, net.n_out))
    problem = kanml.Regression(x, y)
    loss, gradient = problem.value_and_gradient(net)
    error = reference_output(net, x) - y
    np.testing.assert_allclose(loss, np.mean(error**2), rtol=1e-13)
    expected = net.vjp(x, 2.0 * (net(x) - y) / y.size)[0]
    assert gradient.shape == (net.n_parameters,)
    assert relative_error(gradient, expected) <= 1e-12
    r = problem.residuals(net)
    assert r.ndim == 1
    np.testing.assert_allclose(r @ r, loss, rtol=1e-13)


@pytest.mark.parametrize("n", [5, 64, 100, 320, 640])
@pytest.mark.parametrize("degree", [1, 3, 5])
def test_basis_functions_sum_up_to_one(degree, n):
    space = kanml.SplineSpace.uniform(-1, 1, intervals=n, degree=degree)
    for dtype in ("float32", "float64"):
        net = kanml.Network([kanml.SplineLayer(1, 2, space)], dtype=dtype)
        net = net.with_parameters(np.ones(net.n_parameters))
        x = np.random.default_rng(n).uniform(-1, 1, (5000, 1))
        assert abs(net(x) - 1).max() <= 6 * np.finfo(dtype).eps


# What a gradient in one call leaves out or keeps


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_out", [3, 40])  # narrow, wide
def test_gradients_stop_at_the_first_layer_with_parameters(n_out, dtype):
    rng = np.random.default_rng(n_out)
    spaces = [nonuniform(5, 3, seed) for seed in range(2)]
    layers = [kanml.Affine([2.0, 0.5], [0.25, -0.5]), kanml.SplineLayer(2, n_out, spaces)]
    net = with_random_parameters(kanml.Network(layers, dtype=dtype), 0)
    plain = kanml.Network(layers[1:], dtype=dtype).with_parameters(net.parameters)
    x = rng.integers(-16, 16, (300, 2)) / 32  # so that the affine layer does not round
    inner = 2.0 ** np.array([1, -1]) * x + [0.25, -0.5]
    target = rng.normal(size=(300, n_out))
    value, gradient = net.mean_squared_error(x, target)
    expected_value, expected = plain.mean_squared_error(inner, target)
    assert value == expected_value
    assert same_bits(gradient, expected)
    by_parameters, by_x = net.vjp(x, target)
    expected, by_inner = plain.vjp(inner, target)
    assert same_bits(by_parameters, expected)
    assert same_bits(by_x, by_inner * np.array([2.0, 0.5], dtype))


@pytest.mark.parametrize("rule", ["linear", "polynomial", "clamp"])
@pytest.mark.parametrize("n_in", [5, 40])  # few enough for their bases to be kept, and too many
def test_loss_gradients_are_those_of_the_residual(n_in, rule):
    """The loss is one call, which keeps the bases of the last layer; vjp of that layer does not."""
    rng = np.random.default_rng(n_in)
    spaces = [kanml.SplineSpace.uniform(-1, 1, 3 + p % 4, 3) for p in range(n_in)]
    layer = kanml.SplineLayer(n_in, 2, spaces, extrapolation=rule)
    net = with_random_parameters(kanml.Network([layer]), 1)
    x, target = rng.uniform(-1.5, 1.5, (1000, n_in)), rng.normal(size=(1000, 2))
    value, gradient = net.mean_squared_error(x, target)
    residual = net(x) - target
    assert value == pytest.approx(np.mean(residual**2), rel=1e-14)
    expected, _ = net.vjp(x, 2 / residual.size * residual)
    assert relative_error(gradient, expected) < 1e-14
