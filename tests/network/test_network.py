"""Whole networks: values, derivatives, bits, and where NaN goes."""

from __future__ import annotations

import numpy as np
import pytest
from network_cases import CASES, inputs, network, nonuniform, smooth_inputs

import kanml
from helpers import reference_output, relative_error, same_bits, with_random_parameters
from reference import networks

THREADS = [1, 2, 3, 8]
BATCHES = [1, 63, 64, 65, 1000]


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
        with pytest.raises(ValueError, match="nonsense"):
            kanml.KAN(widths, activation="nonsense")


@pytest.mark.parametrize("n", [5, 64, 100, 320, 640])
@pytest.mark.parametrize("degree", [1, 3, 5])
def test_basis_functions_sum_up_to_one(degree, n):
    space = kanml.SplineSpace.uniform(-1, 1, intervals=n, degree=degree)
    for dtype in ("float32", "float64"):
        net = kanml.Network([kanml.SplineLayer(1, 2, space)], dtype=dtype)
        net = net.with_parameters(np.ones(net.n_parameters))
        x = np.random.default_rng(n).uniform(-1, 1, (5000, 1))
        assert abs(net(x) - 1).max() <= 6 * np.finfo(dtype).eps


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
