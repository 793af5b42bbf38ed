"""Derivatives of all outputs with respect to all parameters."""

import numpy as np
import pytest

import kanml
from helpers import (
    every_layer,
    naming,
    reference_layers,
    relative_error,
    same_bits,
    with_random_parameters,
)
from reference import networks

X = np.random.default_rng(0).uniform(-1.3, 1.3, (150, 2))
NETWORKS = {
    "every layer": lambda: every_layer(5),
    "ReLU weights": lambda: every_layer(3, basis="relu"),
    "base functions": lambda: every_layer(2, base="silu"),
    "wide layers": lambda: with_random_parameters(kanml.KAN([2, 30, 25], intervals=3)),
    "a perceptron": lambda: kanml.MLP([2, 7, 3], activation="tanh"),
}
EACH = pytest.mark.parametrize("name", NETWORKS)


@EACH
def test_it_is_the_derivative_of_the_oracle(name):
    net = NETWORKS[name]()
    x = X[:5] if net.n_parameters > 200 else X

    def outputs(parameters):
        return networks.evaluate(reference_layers(net, parameters), x)

    found = net.jacobian(x)
    assert found.shape == (len(x), net.n_out, net.n_parameters)
    some = np.random.default_rng(1).permutation(net.n_parameters)[:60]
    for i in some:
        unit = np.eye(net.n_parameters)[i]
        expected = networks.complex_step(outputs, net.parameters, unit)
        np.testing.assert_allclose(
            found[:, :, i], expected, rtol=1e-10, atol=1e-12 * abs(found).max()
        )


@EACH
def test_its_products_are_those_of_jvp_and_vjp(name):
    net = NETWORKS[name]()
    rng = np.random.default_rng(2)
    tangent, cotangent = rng.normal(size=net.n_parameters), rng.normal(size=(len(X), net.n_out))
    found = net.jacobian(X)
    assert relative_error(found @ tangent, net.jvp(X, tangent)) <= 1e-12
    gradient, _ = net.vjp(X, cotangent)
    assert relative_error(np.tensordot(cotangent, found, 2), gradient) <= 1e-12


@EACH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_bits_with_any_number_of_threads(name, dtype):
    net = NETWORKS[name]().astype(dtype)
    expected = net.jacobian(X, num_threads=1)
    assert expected.dtype == dtype
    for threads in (2, 3, 8):
        assert same_bits(net.jacobian(X, num_threads=threads), expected)


def test_float32():
    single = every_layer(3, dtype="float32")
    double = single.astype("float64")
    assert relative_error(single.jacobian(X), double.jacobian(X)) <= 1e-4


def test_no_samples_and_no_parameters():
    assert kanml.KAN([2, 3]).jacobian(np.zeros((0, 2))).shape == (0, 3, 48)
    fixed = kanml.Network([kanml.Affine([1.0, 2.0], 0.0)])
    assert fixed.jacobian(X).shape == (150, 2, 0)


def test_what_is_refused():
    net = kanml.KAN([2, 3, 1], extrapolation="error")
    with pytest.raises(ValueError, match=naming("x", "(N, 2)", "(4, 3)")):
        net.jacobian(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="outside"):
        net.jacobian([[0.0, 0.0], [7.0, 0.0]])
    large = kanml.KAN([1, 1], intervals=2**20)
    with pytest.raises(ValueError, match=naming("1000000 samples", "1048579 parameters", "GB")):
        large.jacobian(np.zeros((1_000_000, 1)))


def test_nan_stays_in_its_sample():
    net = every_layer(3)
    x = X.copy()
    x[3, 1] = np.nan
    found, expected = net.jacobian(x), net.jacobian(X)
    assert np.isnan(found[3]).any()
    others = np.arange(len(X)) != 3
    assert same_bits(found[others], expected[others])
