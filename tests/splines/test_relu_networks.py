"""Networks that count in powers of ReLUs: values, derivatives, their description."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from relu_inputs import (
    DEGREES,
    DTYPES,
    EPS,
    RULES,
    dense,
    few_digits_left,
    layers,
    nonuniform,
    one_spline,
    spline_network,
    uncertainty,
    uniform,
)

import kanml
from helpers import naming, reference_output, same_bits
from reference import networks, relu
from strategies import all_points, around_ends, breakpoints, degrees

# Networks: values


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("degree", DEGREES)
def test_one_function_in_both_bases_on_the_whole_line(degree, rule, dtype):
    net = spline_network([2, 3, 2], degree, rule, dtype)
    in_relu = net.to_basis("relu")
    assert in_relu.dtype == net.dtype
    x = np.random.default_rng(0).uniform(-1.6, 1.6, (300, 2)).astype(dtype)
    allowed = np.finfo(dtype).eps * uncertainty(net, x)  # found: a quarter of it
    assert np.all(abs(in_relu(x) - net(x)) <= allowed)
    back = in_relu.to_basis("spline")
    assert np.all(abs(back(x) - net(x)) <= allowed)


@settings(max_examples=25)
@given(breakpoints(), degrees)
def test_one_spline_in_both_bases(t, degree):
    space = kanml.SplineSpace(t, degree)
    assume(kanml.relu_transform(space).lost(float) < 0.01)
    for i, rule in enumerate(RULES):
        net = one_spline(space, seed=i, rule=rule)
        x = np.concatenate([all_points(t), around_ends(t)])[:, None]
        got, expected = net.to_basis("relu")(x), net(x)
        assert np.all(abs(got - expected) <= 4 * EPS * uncertainty(net, x))  # found: 1.3


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", DEGREES)
def test_round_trip_of_the_coefficients(degree, dtype):
    net = spline_network([3, 2], degree, dtype=dtype)
    u, again = net.parameters.reshape(-1, 2), net.to_basis("relu").to_basis("spline")
    start = 0
    for space in net.layers[0].spaces:
        A, inverse = dense(space)
        part = slice(start, start := start + space.dim)
        size = inverse.T @ (abs(A).T @ abs(np.longdouble(u[part])))
        error = abs(again.parameters.reshape(-1, 2)[part] - np.longdouble(u[part]))
        assert np.all(error <= 2 * np.finfo(dtype).eps * size)  # found: 1.7 and 0.9
    same = net.to_basis("spline")
    assert same_bits(same.parameters, net.parameters)


def test_only_spline_layers_change_basis():
    net = kanml.Network(
        [kanml.Linear(2, 3), kanml.Activation("tanh"), *layers([3, 2], 3), kanml.Affine(2.0, 1.0)]
    )
    in_relu = net.to_basis("relu")
    assert [block.kind for block in in_relu.blocks] == ["plain", "plain", "relu"]
    linear = slice(0, net.blocks[2].slice.start)
    assert same_bits(in_relu.parameters[linear], net.parameters[linear])
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(in_relu(x), net(x), rtol=0, atol=1e-12)


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 8, 64, 512])
@pytest.mark.parametrize("degree", DEGREES)
def test_values_are_as_good_as_the_weights(degree, n, dtype):
    spaces = [uniform(n, degree)]
    if dtype == "float64":  # float32 would round other knots
        spaces.append(nonuniform(n, degree, seed=n, ratio=1e3))
    for seed, space in enumerate([*spaces, *spaces]):
        if kanml.relu_transform(space).lost(dtype) >= 1:
            continue
        net = one_spline(space, seed, dtype=dtype).to_basis("relu")
        points = np.unique(all_points(space.breakpoints)[:: 1 + n // 16].astype(dtype))
        x = points[(points >= -1) & (points <= 1)]
        exact, size = relu.exact_sum(space.knots, degree, net.parameters, x)
        error = abs(np.float64(net(x[:, None])[:, 0]) - exact)
        assert np.all(error <= 4 * np.finfo(dtype).eps * size)  # found: 2.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_better_than_those_of_the_direct_sum(dtype):
    space = uniform(64 if dtype == "float64" else 16, 3)
    net = one_spline(space, seed=0, dtype=dtype).to_basis("relu")
    x = np.linspace(-1, 1, 201).astype(dtype)
    exact, _ = relu.exact_sum(space.knots, 3, net.parameters, x)
    direct = np.float64(relu.evaluate(space.knots.astype(dtype), 3, net.parameters, x))
    ours = np.float64(net(x[:, None])[:, 0])
    assert abs(ours - exact).max() <= 0.05 * abs(direct - exact).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", DEGREES)
def test_a_seed_gives_one_function_in_either_basis(degree, dtype):
    def make(basis):
        return kanml.KAN([2, 3, 1], degree=degree, intervals=5, basis=basis, seed=4, dtype=dtype)

    in_splines, in_relu = make("spline"), make("relu")
    if dtype == "float64":
        assert same_bits(in_relu.parameters, in_splines.to_basis("relu").parameters)
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (100, 2)).astype(dtype)
    allowed = 4 * np.finfo(dtype).eps * uncertainty(in_splines, x)
    assert np.all(abs(in_relu(x) - in_splines(x)) <= allowed)


# Networks: derivatives


def inside(net, n):
    """Inputs that stay inside the domains of all layers, away from knots, and the network."""
    x = np.random.default_rng(1).uniform(-1, 1, (n, net.n_in))
    net = net.with_parameters(0.2 * net.parameters)
    hidden = reference_output(kanml.Network(net.layers[:1]), x, net.parameters[net.blocks[0].slice])
    assert len(net.layers) == 1 or abs(hidden).max() < 0.99
    return net, x


def by_direct_sum(net, x, function, at=None):
    """The gradient of function(outputs) by complex step through sums of powers, term by term."""
    theta = np.longdouble(net.parameters)
    step = np.longdouble(1e-100)
    return np.array([
        networks.complex_step(
            lambda p: function(reference_output(net, np.longdouble(x), p)), theta, e, step
        )
        for e in np.eye(net.n_parameters)
    ])  # fmt: skip


def growth(net, x):
    """How much larger than the outputs the sums of |w_j| psi_j are that they are made of."""
    return uncertainty(net, x).max() / abs(net(x)).max()


@pytest.mark.parametrize("degree", DEGREES)
def test_gradients_of_one_layer(degree):
    net, x = inside(spline_network([2, 3], degree).to_basis("relu"), 25)
    cotangent = np.random.default_rng(2).normal(size=(25, 3))
    got = net.vjp(x, cotangent)[0]
    powers = np.hstack([
        relu.basis(np.longdouble(s.knots), degree, x[:, p])
        for p, s in enumerate(net.layers[0].spaces)
    ])  # fmt: skip
    error = abs(got - (powers.T @ cotangent).ravel())
    # Found: 2.6. The uncertainty of a sum of mixed signs, as it is that of any weighted mean.
    assert np.all(error <= 5 * EPS * (powers.T @ abs(cotangent)).ravel())


@pytest.mark.parametrize("degree", DEGREES)
def test_vjp_agrees_with_complex_step_through_the_direct_sum(degree):
    net, x = inside(spline_network([2, 3, 2], degree).to_basis("relu"), 20)
    cotangent = np.random.default_rng(2).normal(size=(20, 2))
    by_theta, by_x = net.vjp(x, cotangent)
    bound = EPS * growth(net, x)  # found: a quarter of it

    expected = by_direct_sum(net, x, lambda y: np.sum(cotangent * y))
    for block in net.blocks:
        scale = abs(expected[block.slice]).max()
        assert abs(by_theta - expected)[block.slice].max() <= bound * scale

    def outputs(points):
        return np.sum(cotangent * reference_output(net, points), axis=1)

    points = np.longdouble(x)
    steps = [networks.complex_step(outputs, points, e, np.longdouble(1e-100)) for e in np.eye(2)]
    expected = np.array(steps).T
    assert abs(by_x - expected).max() <= bound * abs(expected).max()


@pytest.mark.parametrize("degree", DEGREES)
def test_mean_squared_error_and_jvp_agree_with_the_direct_sum(degree):
    net, x = inside(spline_network([2, 3, 1], degree).to_basis("relu"), 20)
    target = np.cos(x[:, :1])
    bound = EPS * growth(net, x)  # found: a quarter of it
    value, gradient = net.mean_squared_error(x, target)
    expected = by_direct_sum(net, x, lambda y: np.mean((y - target) ** 2))
    assert value == pytest.approx(np.mean((reference_output(net, x) - target) ** 2), rel=1e-9)
    for block in net.blocks:
        scale = abs(expected[block.slice]).max()
        assert abs(gradient - expected)[block.slice].max() <= bound * scale

    dtheta = np.random.default_rng(3).normal(size=net.n_parameters)
    along = networks.complex_step(
        lambda p: reference_output(net, np.longdouble(x), p),
        np.longdouble(net.parameters), dtheta, np.longdouble(1e-100),
    )  # fmt: skip
    assert abs(net.jvp(x, dtheta) - along).max() <= bound * abs(along).max()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("degree", DEGREES)
def test_vjp_is_the_adjoint_of_jvp(degree, rule):
    net = spline_network([2, 4, 2], degree, rule).to_basis("relu")
    rng = np.random.default_rng(4)
    x, cotangent = rng.uniform(-1.2, 1.2, (200, 2)), rng.normal(size=(200, 2))
    dtheta = net.parameters * rng.normal(size=net.n_parameters)
    forward = cotangent * net.jvp(x, dtheta)
    backward = net.vjp(x, cotangent)[0] * dtheta
    scale = max(abs(forward).sum(), abs(backward).sum())
    assert abs(forward.sum() - backward.sum()) <= 1e-13 * scale


@pytest.mark.parametrize("degree", DEGREES)
def test_gradients_change_basis_by_A(degree):
    net = spline_network([2, 1], degree)
    x = np.random.default_rng(5).uniform(-1.2, 1.2, (50, 2))
    by_u, by_w = (n.vjp(x, np.ones((50, 1)))[0] for n in (net, net.to_basis("relu")))
    start = 0
    for space in net.layers[0].spaces:
        part = slice(start, start := start + space.dim)
        A, inverse = dense(space)
        size = abs(A) @ (inverse @ abs(by_u[part]))
        assert np.all(abs(A @ by_w[part] - by_u[part]) <= 4 * EPS * size)


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", [1, 3, 5])
def test_same_bits_with_any_number_of_threads(degree, dtype):
    net = spline_network([2, 6, 2], degree, dtype=dtype).to_basis("relu")
    rng = np.random.default_rng(6)
    x, cotangent = rng.uniform(-1.3, 1.3, (2000, 2)), rng.normal(size=(2000, 2))

    def everything(threads):
        loss, gradient = net.mean_squared_error(x, cotangent, num_threads=threads)
        return [
            net(x, num_threads=threads),
            *net.vjp(x, cotangent, num_threads=threads),
            net.jvp(x, net.parameters, num_threads=threads),
            np.asarray(loss),
            gradient,
        ]

    first = everything(1)
    for threads in (2, 3, 8):
        for left, right in zip(first, everything(threads), strict=True):
            assert same_bits(left, right)


def test_weights_that_are_not_finite_spoil_their_own_output_only():
    net = spline_network([1, 3], 3).to_basis("relu")
    theta = net.parameters.reshape(-1, 3).copy()
    theta[2, 1] = np.nan
    x = np.linspace(-1.5, 1.5, 50)[:, None]
    got = net.with_parameters(theta.ravel())(x)
    assert np.isnan(got[-1, 1])
    assert same_bits(got[:, [0, 2]], net(x)[:, [0, 2]])


# What a network says about itself


@pytest.mark.parametrize("dtype", DTYPES)
def test_saved_and_copied_networks_keep_their_basis(dtype, tmp_path):
    net = spline_network([2, 3, 1], 3, dtype=dtype).to_basis("relu")
    net.save(tmp_path / "net.kanml")
    x = np.random.default_rng(9).uniform(-1.5, 1.5, (50, 2))
    for again in (
        kanml.load(tmp_path / "net.kanml"),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
    ):
        assert [layer.basis for layer in again.layers] == ["relu", "relu"]
        assert same_bits(again.parameters, net.parameters)
        assert same_bits(again(x), net(x))


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_the_basis_is_shown(basis):
    net = kanml.KAN([2, 3, 1], intervals=4, basis=basis)
    assert repr(net.layers).count(f"basis='{basis}'") == 2
    assert [block.kind for block in net.blocks] == [basis, basis]
    assert [layer.parameters[0].kind for layer in net.layers] == [basis, basis]
    assert [layer.basis for layer in net.refine().layers] == [basis, basis]
    assert net.layers[0].with_basis("relu").basis == "relu"


@pytest.mark.parametrize(
    "call",
    [
        lambda: kanml.KAN([1, 1], basis="power"),
        lambda: kanml.SplineLayer(1, 1, uniform(3, 2), basis="power"),
        lambda: kanml.KAN([1, 1]).to_basis("power"),
        lambda: kanml.prolongation(uniform(3, 2), uniform(6, 2), basis="power"),
    ],
)
def test_an_unknown_basis(call):
    with pytest.raises(ValueError, match=naming("basis", "'power'", "spline", "relu")):
        call()


def test_a_prolongation_stays_in_one_basis():
    net = kanml.KAN([1, 1])
    with pytest.raises(ValueError, match=r"stays in one basis.*to_basis"):
        net.prolongation(net.refine().to_basis("relu"))
