"""The mean squared error over data: values, gradients, minibatches; and the paper's data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanml
from helpers import (
    random_breakpoints,
    reference_layers,
    reference_output,
    relative_error,
    same_bits,
    with_random_parameters,
)
from kanml.equations import RotatedWaves
from reference import networks

RNG = np.random.default_rng(0)
X = RNG.uniform(-1.4, 1.4, (150, 2))
Y = np.stack([np.sin(3 * X[:, 0]), X[:, 0] * X[:, 1]], axis=1)


def network(dtype="float64"):
    rng = np.random.default_rng(2)
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n), 3) for n in (4, 3, 5)]
    layers = [
        kanml.SplineLayer(2, 3, spaces[:2]),
        kanml.Activation("tanh"),
        kanml.Affine(1.3, 0.1),
        kanml.SplineLayer(3, 2, spaces[2]),
        kanml.Linear(2, 2),
    ]
    return with_random_parameters(kanml.Network(layers, dtype=dtype), seed=1)


# Values and gradients


def test_value():
    net = network()
    value, _ = kanml.Regression(X, Y).value_and_gradient(net)
    assert isinstance(value, float)
    assert value == pytest.approx(np.mean((net(X) - Y) ** 2), rel=1e-14)
    assert value == pytest.approx(np.mean((reference_output(net, X) - Y) ** 2), rel=1e-13)


def test_gradient():
    """Every parameter, against a complex step through the oracle."""
    net = network()
    _, gradient = kanml.Regression(X, Y).value_and_gradient(net)
    assert gradient.shape == (net.n_parameters,)

    def loss(parameters):
        outputs = networks.evaluate(reference_layers(net, parameters), X)
        return np.mean((outputs - Y) ** 2)

    directions = np.eye(net.n_parameters)
    expected = [networks.complex_step(loss, net.parameters, d) for d in directions]
    assert relative_error(gradient, np.array(expected)) <= 1e-12


@pytest.mark.parametrize("batch_size", [None, 150, 32])
def test_residuals(batch_size):
    net = network()
    problem = kanml.Regression(X, Y, batch_size=batch_size)
    r = problem.residuals(net)
    value, gradient = problem.value_and_gradient(net)
    assert r.shape == (2 * (batch_size or 150),)
    assert r @ r == pytest.approx(value, rel=1e-14)
    if batch_size is None:
        expected = (reference_output(net, X) - Y) / np.sqrt(Y.size)
        np.testing.assert_allclose(r, expected.ravel(), rtol=0, atol=1e-14)
        d = np.random.default_rng(3).normal(size=net.n_parameters)
        along = net.jvp(X, d).ravel() / np.sqrt(Y.size)  # the gradient is 2 J^T r
        assert gradient @ d == pytest.approx(2 * along @ r, rel=1e-12)


def test_one_sample():
    net = network()
    for i in range(3):
        value, _ = kanml.Regression(X[i : i + 1], Y[i : i + 1]).value_and_gradient(net)
        assert value == pytest.approx(np.mean((net(X[i : i + 1]) - Y[i]) ** 2), rel=1e-14)


def test_float32():
    single = network("float32")
    double = network().with_parameters(single.parameters)
    problem = kanml.Regression(X, Y)
    value, gradient = problem.value_and_gradient(single)
    expected_value, expected_gradient = problem.value_and_gradient(double)
    assert isinstance(value, float)
    assert gradient.dtype == np.float32
    assert problem.residuals(single).dtype == np.float32
    # A few hundred roundings of float32 on numbers of order one.
    eps = float(np.finfo(np.float32).eps)
    assert value == pytest.approx(expected_value, rel=100 * eps)
    assert relative_error(gradient, expected_gradient) <= 100 * eps
    # One problem serves both types in turn.
    assert problem.value_and_gradient(single)[0] == value
    assert problem.value_and_gradient(double)[0] == expected_value


def test_evaluating_changes_nothing():
    net = network()
    problem = kanml.Regression(X, Y, batch_size=32)
    before = problem.state()
    first, second = problem.value_and_gradient(net), problem.value_and_gradient(net)
    problem.residuals(net)
    problem.value_and_gradient(network("float32"))
    assert first[0] == second[0]
    assert same_bits(first[1], second[1])
    assert problem.state() == before
    assert same_bits(problem.x, X)
    assert same_bits(problem.y, Y)


def test_the_data_are_copied():
    x, y = X.copy(), Y.copy()
    problem = kanml.Regression(x, y)
    value, _ = problem.value_and_gradient(network())
    x[:] = y[:] = 7.0
    assert problem.value_and_gradient(network())[0] == value
    for array in (problem.x, problem.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


@pytest.mark.parametrize("batch_size", [None, 1900])
def test_the_same_bits_with_any_number_of_threads(batch_size):
    x = np.random.default_rng(4).uniform(-1, 1, (2000, 2))
    problem = kanml.Regression(x, np.tile(x[:, :1] * x[:, 1:], 2), batch_size=batch_size)
    net = network()
    one = problem.value_and_gradient(net, num_threads=1)
    residuals = problem.residuals(net, num_threads=1)
    for threads in (2, 3, 8, None):
        value, gradient = problem.value_and_gradient(net, num_threads=threads)
        assert value == one[0]
        assert same_bits(gradient, one[1])
        assert same_bits(problem.residuals(net, num_threads=threads), residuals)


# Minibatches


def picks(net, problem):
    """Which samples the present batch holds, from residuals alone: targets tell samples apart."""
    n = len(problem.y)
    targets = -problem.residuals(net) * np.sqrt(problem.residuals(net).size)
    samples = np.rint(targets).astype(int)
    np.testing.assert_allclose(targets, samples, rtol=0, atol=1e-9)
    assert ((samples >= 0) & (samples < n)).all()
    return samples


def numbered(n, **options):
    """A network that is zero, and targets that are the number of the sample."""
    net = kanml.MLP([1, 1])
    net = net.with_parameters(np.zeros(net.n_parameters))
    x = np.linspace(0, 1, n)[:, None]
    return net, kanml.Regression(x, np.arange(n, dtype=float)[:, None], **options)


@given(n=st.integers(1, 40), share=st.integers(1, 40), seed=st.integers(0, 2**40))
def test_an_epoch_visits_each_sample_at_most_once(n, share, seed):
    batch_size = 1 + (share - 1) % n
    net, problem = numbered(n, batch_size=batch_size, seed=seed)
    for _ in range(3):
        epoch = []
        for _ in range(n // batch_size):
            batch = picks(net, problem)
            assert batch.size == batch_size
            epoch.extend(batch)
            assert problem.advance(net) == (batch_size < n)
        assert len(set(epoch)) == len(epoch) == n - n % batch_size


def test_epochs_come_in_new_orders():
    net, problem = numbered(30, batch_size=10, seed=1)
    epochs = []
    for _ in range(4):
        epoch = []
        for _ in range(3):
            epoch.extend(picks(net, problem))
            problem.advance(net)
        epochs.append(tuple(epoch))
    assert len(set(epochs)) == 4
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)


def test_what_does_not_fill_a_batch_is_another_each_epoch():
    net, problem = numbered(7, batch_size=3, seed=1)
    left_out = set()
    for _ in range(60):
        seen = set()
        for _ in range(2):
            seen.update(picks(net, problem))
            problem.advance(net)
        left_out |= set(range(7)) - seen
    assert left_out == set(range(7))


def test_all_samples_at_once_keep_their_order():
    net, problem = numbered(9)
    for _ in range(3):
        np.testing.assert_array_equal(picks(net, problem), np.arange(9))
        assert problem.advance(net) is False


def test_seeds():
    orders = []
    for seed in (3, 3, 4):
        net, problem = numbered(50, batch_size=25, seed=seed)
        orders.append(picks(net, problem).tolist())
    assert orders[0] == orders[1] != orders[2]


def test_batches_do_not_depend_on_evaluations():
    first, second = (numbered(20, batch_size=6, seed=1) for _ in range(2))
    for _ in range(10):
        for _ in range(3):
            first[1].value_and_gradient(first[0])
        np.testing.assert_array_equal(picks(*first), picks(*second))
        first[1].advance(first[0])
        second[1].advance(second[0])


@pytest.mark.parametrize("batch_size", [None, 6, 20])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 7])
def test_state_and_restore(batch_size, steps):
    net, problem = numbered(20, batch_size=batch_size, seed=1)
    for _ in range(steps):
        problem.advance(net)
    state = problem.state()
    text = json.dumps(state)
    onward = []
    for _ in range(9):
        onward.append(picks(net, problem).tolist())
        problem.advance(net)
    assert json.dumps(state) == text  # what was returned does not go on changing
    _, other = numbered(20, batch_size=batch_size, seed=99)
    for target in (problem, other):
        target.value_and_gradient(net)
        target.restore(json.loads(text))
        for expected in onward:
            assert picks(net, target).tolist() == expected
            target.advance(net)


def test_fingerprints():
    def fingerprint(x=X, y=Y, **options):
        return kanml.Regression(x, y, **options).fingerprint()

    other = X.copy()
    other[3, 1] = np.nextafter(other[3, 1], np.inf)
    same = [fingerprint(), fingerprint(X.tolist()), fingerprint(batch_size=150)]
    assert len(set(same)) == 1
    different = [
        fingerprint(other),
        fingerprint(X, Y[:, :1]),
        fingerprint(X[:-1], Y[:-1]),
        fingerprint(Y, X),
        fingerprint(np.hstack([X, Y[:, :1]]), Y[:, 1:]),
        fingerprint(batch_size=10),
    ]
    assert len({*same, *different}) == 1 + len(different)
    problem = kanml.Regression(X, Y, batch_size=10)
    before = problem.fingerprint()
    problem.advance(network())
    assert problem.fingerprint() == before


# The paper's data


@pytest.mark.parametrize("seed", [1234, 0])
def test_rotated_waves(seed):
    """f(x, y) at coordinates rotated by 0.175 rad, in extended precision."""
    data = RotatedWaves(seed, n=500)
    # Points differ by 1e-16 relative, and |sin| and the waves have slopes up to 4 pi.
    a = np.longdouble("0.175")
    pi = np.longdouble("3.14159265358979323846")

    def f(points):
        x, y = np.longdouble(points).T
        z = np.exp(1j * a) * (x + 1j * y)  # the rotation, as a complex number
        u, v = z.real, z.imag
        waves = np.cos(4 * pi * u) + np.sin(pi * v) + np.sin(2 * pi * v)
        return waves + abs(np.sin(3 * pi * v**2))

    train, test = f(data.x), f(data.x_test)
    for got, raw in ((data.y, train), (data.y_test, test)):
        expected = (raw - train.min()) / (train.max() - train.min())
        assert got.shape == (500, 1)
        np.testing.assert_allclose(got[:, 0], np.float64(expected), rtol=0, atol=1e-14)
    assert data.y.min() == 0.0
    assert data.y.max() == 1.0
    assert same_bits(data(data.x), data.y)


def test_the_points_of_rotated_waves():
    data = RotatedWaves(1234)
    assert data.x.shape == data.x_test.shape == (20_000, 2)
    for points in (data.x, data.x_test):
        assert (points >= 0.0001).all()
        assert (points <= 0.9999).all()
        # Uniform: each cell of a grid of 10 x 10 expects 200, with a deviation of 14.
        counts, *_ = np.histogram2d(*points.T, bins=10, range=[[0.0001, 0.9999]] * 2)
        assert abs(counts - 200).max() < 6 * np.sqrt(200)
    assert not np.isin(data.x, data.x_test).any()


def test_the_seeds_of_rotated_waves():
    first, same, other = RotatedWaves(5, n=50), RotatedWaves(5, n=50), RotatedWaves(6, n=50)
    assert same_bits(first.x, same.x)
    assert same_bits(first.y_test, same.y_test)
    assert not np.isin(first.x, other.x).any()
    for seed, n in ((-1, 50), (1.5, 50), (None, 50), (1, 1), (1, 0), (1, 2.5)):
        with pytest.raises((TypeError, ValueError), match=r"\b(seed|n)\b must be"):
            RotatedWaves(seed, n=n)
