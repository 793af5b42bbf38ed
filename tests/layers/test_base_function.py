"""A base function beside the splines of a layer: what it computes, starts as, and keeps."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import kanml
from helpers import reference_layers, relative_error, same_bits, with_random_parameters
from reference import networks

SPACE = kanml.SplineSpace.uniform(-1, 1, intervals=5, degree=3)


def layer_and_parts(n_in, n_out, dtype="float64", base="silu", basis="spline"):
    """A layer with a base function; its splines, and its base function, as networks."""
    layer = kanml.SplineLayer(n_in, n_out, SPACE, basis=basis, base=base)
    net = with_random_parameters(kanml.Network([layer], dtype=dtype), seed=1)
    coefficients, weights = np.split(net.parameters, [net.blocks[0].slice.stop])
    splines = kanml.Network([kanml.SplineLayer(n_in, n_out, SPACE, basis=basis)], dtype=dtype)
    function = [kanml.Activation(base), kanml.Linear(n_in, n_out, bias=False)]
    return (
        net,
        splines.with_parameters(coefficients),
        kanml.Network(function, dtype=dtype).with_parameters(weights),
    )


def inputs(n, n_in, dtype="float64"):
    return np.random.default_rng(0).uniform(-1.5, 1.5, (n, n_in)).astype(dtype)


# Narrow and wide layers, some samples and many: each pair goes another way through the core.
SIZES = pytest.mark.parametrize(("n_in", "n_out", "n"), [(3, 5, 70), (3, 30, 50), (70, 30, 3000)])
DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])


@SIZES
@DTYPES
@pytest.mark.parametrize("base", networks.ACTIVATIONS)
def test_values(n_in, n_out, n, dtype, base):
    net, splines, function = layer_and_parts(n_in, n_out, dtype, base)
    x = inputs(n, n_in, dtype)
    assert relative_error(net(x), splines(x) + function(x)) <= 4 * np.finfo(dtype).eps
    expected = networks.evaluate(reference_layers(net), np.float64(x))
    assert relative_error(net(x), expected) <= 40 * np.finfo(dtype).eps


@SIZES
@DTYPES
@pytest.mark.parametrize("order", range(4))
def test_derivatives_are_the_sum_of_both(n_in, n_out, n, dtype, order):
    rng = np.random.default_rng(2)
    net, *parts = layer_and_parts(n_in, n_out, dtype)
    x = inputs(n, n_in, dtype)
    vectors = rng.standard_normal((2, n_in)).astype(dtype)
    taylor = [f.taylor(x, vectors, order) for f in (net, *parts)]
    assert relative_error(taylor[0], taylor[1] + taylor[2]) <= 8 * np.finfo(dtype).eps

    cotangents = rng.standard_normal(taylor[0].shape).astype(dtype)
    (by_all, by_x), *others = (f.taylor_vjp(x, vectors, cotangents) for f in (net, *parts))
    bound = 8 * np.sqrt(n) * np.finfo(dtype).eps
    assert relative_error(by_all, np.concatenate([g for g, _ in others])) <= bound
    assert relative_error(by_x, others[0][1] + others[1][1]) <= bound


@SIZES
def test_directions_in_parameter_space(n_in, n_out, n):
    net, *parts = layer_and_parts(n_in, n_out, basis="relu")
    x = inputs(n, n_in)
    tangent = np.random.default_rng(3).standard_normal(net.n_parameters)
    own = np.split(tangent, [net.blocks[0].slice.stop])
    expected = sum(f.jvp(x, t) for f, t in zip(parts, own, strict=True))
    assert relative_error(net.jvp(x, tangent), expected) <= 1e-14


@SIZES
def test_the_same_bits_for_any_number_of_threads(n_in, n_out, n):
    net, *_ = layer_and_parts(n_in, n_out)
    x, y = inputs(n, n_in), np.ones((n, n_out))
    alone = net.mean_squared_error(x, y, num_threads=1)
    for threads in (2, 3):
        loss, gradient = net.mean_squared_error(x, y, num_threads=threads)
        assert loss == alone[0]
        assert same_bits(gradient, alone[1])


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_refinement_and_change_of_basis_leave_the_function(basis):
    net = kanml.KAN([2, 4, 1], base="silu", basis=basis, degree=2)
    net = net.with_parameters(0.1 * np.random.default_rng(0).standard_normal(net.n_parameters))
    x = inputs(100, 2)
    fine = net.refine()
    assert relative_error(fine(x), net(x)) <= 1e-11
    for block, finer in zip(net.blocks, fine.blocks, strict=True):
        if block.name == "base_weights":
            assert same_bits(net.parameters[block.slice], fine.parameters[finer.slice])
    other = net.to_basis("relu" if basis == "spline" else "spline")
    assert relative_error(other(x), net(x)) <= 1e-11
    assert relative_error(net.prolongation(fine) @ net.parameters, fine.parameters) == 0


def test_a_network_starts_as_the_one_without():
    x = inputs(100, 2)
    for start in ("mixed", "linear", "random"):
        based, plain = (kanml.KAN([2, 4, 1], base=b, data=x, start=start) for b in ("silu", None))
        assert same_bits(based(x), plain(x))
        assert all(
            not based.parameters[b.slice].any() for b in based.blocks if b.name == "base_weights"
        )


def test_training_finds_the_base_function():
    """With one interval of degree 1 splines are lines, and the rest is the base function's."""
    x = np.linspace(-1, 1, 200)[:, None]
    y = 0.7 * x / (1 + np.exp(-x)) - 0.2 * x
    net = kanml.KAN([1, 1], degree=1, intervals=1, base="silu")
    result = kanml.train(net, kanml.Regression(x, y), schedule=[50], progress=False)
    assert result.history.loss[-1] < 1e-20
    weights = result.network.parameters[result.network.blocks[1].slice]
    np.testing.assert_allclose(weights, 0.7, rtol=1e-8)


def test_copies_and_files_keep_it(tmp_path):
    net = with_random_parameters(kanml.KAN([2, 3, 1], base="sin", basis="relu"))
    x = inputs(50, 2)
    net.save(tmp_path / "net.kanml")
    for other in (
        kanml.load(tmp_path / "net.kanml"),
        pickle.loads(pickle.dumps(net)),
        copy.copy(net),
    ):
        assert other.layers[0].base == "sin"
        assert same_bits(other(x), net(x))
    assert "base='sin'" in repr(net.layers[0])
    assert "base" not in repr(kanml.SplineLayer(1, 1, SPACE))


def test_layers_of_other_libraries():
    """efficient-kan and pykan: silu(x) W, and splines on a grid that is extended uniformly."""
    net, *_ = layer_and_parts(3, 4)
    x = np.random.default_rng(0).uniform(-1, 1, (64, 3))
    coefficients, weights = np.split(net.parameters, [net.blocks[0].slice.stop])
    knots = np.linspace(-1 - 3 * 0.4, 1 + 3 * 0.4, 12)
    z = x[..., None]
    bases = ((z >= knots[:-1]) & (z < knots[1:])).astype(float)
    for k in range(1, 4):
        left = (z - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - z) / (knots[k + 1 :] - knots[1:-k])
        bases = left * bases[..., :-1] + right * bases[..., 1:]
    y = np.einsum("nij,ijo->no", bases, coefficients.reshape(3, 8, 4))
    y += x / (1 + np.exp(-x)) @ weights.reshape(3, 4)
    np.testing.assert_allclose(net(x), y, rtol=1e-12, atol=1e-14)


def test_a_name_that_is_none():
    with pytest.raises(ValueError, match=r"base must be one of .*'silu'.*, got 'nonsense'"):
        kanml.SplineLayer(1, 1, SPACE, base="nonsense")
    with pytest.raises(ValueError, match="base must be one of"):
        kanml.KAN([1, 1], base="none")


def test_a_refinement_has_the_same_base_function():
    plain, based = kanml.KAN([1, 1]), kanml.KAN([1, 1], base="silu")
    with pytest.raises(ValueError, match="fine must have the same layers"):
        plain.prolongation(based.refine())


def test_a_base_function_with_a_kink_has_no_second_derivative():
    points = np.linspace(-1, 1, 50)[:, None]
    problem = kanml.PINN("x", [kanml.Term("pde", points, lambda u: u.xx - 2)])
    with pytest.raises(ValueError, match=r"pde.*order of u.xx.*at most 1.*base='relu'"):
        kanml.train(kanml.KAN([1, 4, 1], degree=5, base="relu"), problem, [1], progress=False)
    assert np.isfinite(problem.value_and_gradient(kanml.KAN([1, 4, 1], degree=5, base="silu"))[0])
