"""Losses of data: values, gradients, limits and kinks, sample weights, minibatches."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.special
from data_losses import (
    CASES,
    CLASSES,
    COUNTS,
    LABELS,
    NUMBERS,
    WEIGHTS,
    N,
    X,
    at_outputs,
    expected_gradient,
    network,
)
from sklearn import metrics

import kanml
from helpers import reference_output, relative_error, same_bits

WEIGHTED = pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


# Values and gradients


@EACH
@WEIGHTED
def test_values(case, weights):
    net = network(case.n_out)
    problem = case.problem(sample_weight=weights)
    expected = case.value(reference_output(net, X), weights)
    assert problem.evaluation(net).value == pytest.approx(expected, rel=1e-13)
    assert problem.evaluation(net, want="value").value == pytest.approx(expected, rel=1e-13)


@EACH
@WEIGHTED
def test_gradients(case, weights):
    """Every parameter, against a complex step through the oracle."""
    net = network(case.n_out)
    _, gradient = case.problem(sample_weight=weights).value_and_gradient(net)
    expected = expected_gradient(net, lambda u: case.value(u, weights))
    assert relative_error(gradient, expected) <= 1e-12


def probabilities(u):
    return scipy.special.softmax(u, axis=1)


SCIKIT_LEARN = {
    "squared": ("squared", NUMBERS, 2, metrics.mean_squared_error),
    "quantile": (
        kanml.Quantile(0.3),
        NUMBERS,
        2,
        lambda y, u, **options: metrics.mean_pinball_loss(y, u, alpha=0.3, **options),
    ),
    "logistic": (
        "logistic",
        LABELS[:, 0],
        1,
        lambda y, u, **options: metrics.log_loss(y, scipy.special.expit(u[:, 0]), **options),
    ),
    "softmax": (
        "softmax",
        CLASSES,
        4,
        lambda y, u, **options: metrics.log_loss(y, probabilities(u), labels=range(4), **options),
    ),
    "poisson": (
        "poisson",
        COUNTS,
        1,
        lambda y, u, **options: 0.5 * metrics.mean_poisson_deviance(y, np.exp(u), **options),
    ),
}


@pytest.mark.parametrize("name", SCIKIT_LEARN)
@WEIGHTED
def test_values_of_scikit_learn(name, weights):
    loss, y, n_out, metric = SCIKIT_LEARN[name]
    net = network(n_out)
    problem = kanml.Regression(X, y, loss=loss, sample_weight=weights)
    expected = metric(y, net(X), sample_weight=weights)
    assert problem.evaluation(net).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("delta", [0.1, 1, 3.0])
def test_values_of_scipy(delta):
    net = network(2)
    problem = kanml.Regression(X, NUMBERS, loss=kanml.Huber(delta))
    expected = scipy.special.huber(delta, net(X) - NUMBERS).mean()
    assert problem.evaluation(net).value == pytest.approx(expected, rel=1e-13)


@EACH
def test_float32(case):
    """A few hundred roundings of numbers of order one."""
    eps = float(np.finfo(np.float32).eps)
    single = network(case.n_out, "float32")
    double = network(case.n_out).with_parameters(single.parameters)
    problem = case.problem(sample_weight=WEIGHTS)
    value, gradient = problem.value_and_gradient(single)
    expected_value, expected = problem.value_and_gradient(double)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(expected_value, rel=100 * eps)
    assert relative_error(gradient, expected) <= 100 * eps
    assert problem.value_and_gradient(single)[0] == value  # one problem serves both in turn


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("widths", [(3, 5), (30, 5), (3, 30)])  # 24 outputs of a layer are wide
@pytest.mark.parametrize("loss", ["softmax", "own"])
def test_the_same_bits_with_any_number_of_threads(n, widths, loss):
    rng = np.random.default_rng(n)
    *hidden, n_out = widths
    x, labels = rng.uniform(-1, 1, (n, 2)), rng.integers(0, n_out, n)
    net = network(n_out, widths=hidden)
    u = net(x)
    if loss == "softmax":
        y, losses = labels, scipy.special.logsumexp(u, axis=1) - u[np.arange(n), labels]
    else:
        y = rng.normal(size=(n, n_out))
        losses = abs(u - y).sum(axis=1)

        def loss(u, y):
            return sum(abs(a - b) for a, b in zip(u, y, strict=True))

    problem = kanml.Regression(x, y, loss=loss, sample_weight=rng.uniform(1, 2, n))
    value, gradient = problem.value_and_gradient(net, num_threads=1)
    assert value == pytest.approx(np.average(losses, weights=problem.sample_weight), rel=1e-12)
    for threads in (2, 3):
        again, same = problem.value_and_gradient(net, num_threads=threads)
        assert again == value
        assert same_bits(same, gradient)


# Limits and kinks


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1e3, 1e5])
def test_large_logits(size, dtype):
    for label, u, value, slope in ((1, size, 0, 0), (1, -size, size, -1), (0, size, size, 1)):
        found = at_outputs("logistic", [u], [label], dtype)
        assert (found[0], found[1].tolist()) == (value, [slope])
    u = [size, 0.0, -size]
    for label, value, slopes in (
        (0, 0, [0, 0, 0]),
        (1, size, [1, -1, 0]),
        (2, 2 * size, [1, 0, -1]),
    ):
        found = at_outputs("softmax", u, [label], dtype)
        assert (found[0], found[1].tolist()) == (value, slopes)


@pytest.mark.parametrize("size", [1e3, 1e5])
def test_large_logits_that_are_alike(size):
    value, slopes = at_outputs("softmax", [size, size], [0])
    assert value == pytest.approx(np.log(2), rel=1e-15)
    np.testing.assert_allclose(slopes, [-0.5, 0.5], rtol=1e-15)


def test_small_losses_keep_their_digits():
    """log(1 + e), with e far below the spacing of numbers near 1."""
    for loss, u, y, sign in (
        ("logistic", [40.0], [1], [-1]),
        ("logistic", [-300.0], [0], [1]),
        ("softmax", [0.0, 40.0], [1], [1, -1]),
        ("softmax", [0.0, -300.0], [0], [-1, 1]),
    ):
        e = np.exp(-np.ptp([0.0, *u]))
        value, found = at_outputs(loss, u, y)
        assert value == pytest.approx(e, rel=1e-14)
        np.testing.assert_allclose(found, e * np.array(sign), rtol=1e-14)


def test_two_classes_are_logistic():
    for u, label in itertools.product([-3.0, 0.0, 0.2, 30.0], [0, 1]):
        value, slopes = at_outputs("softmax", [0.0, u], [label])
        expected, slope = at_outputs("logistic", [u], [label])
        assert value == pytest.approx(expected, rel=1e-15)
        np.testing.assert_allclose(slopes, [-slope[0], slope[0]], rtol=1e-15)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_huber_around_delta(sign):
    delta = 0.5
    for e in (0.0, 0.25, np.nextafter(delta, 0), delta, np.nextafter(delta, 1), 0.75, 1e6):
        value, slopes = at_outputs(kanml.Huber(delta), [2.0 + sign * e], [[2.0]])
        error = (2.0 + sign * e) - 2.0
        assert value == pytest.approx(scipy.special.huber(delta, error), rel=1e-15)
        assert slopes == pytest.approx([np.clip(error, -delta, delta)], rel=1e-15)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_quantile_around_zero(level):
    for u, value, slope in (
        (1.0, 2 * level, -level),
        (np.nextafter(3.0, 0), level * 2.0**-51, -level),
        (3.0, 0.0, 0.5 - level),
        (np.nextafter(3.0, 9), (1 - level) * 2.0**-51, 1 - level),
        (5.0, 2 * (1 - level), 1 - level),
    ):
        found, slopes = at_outputs(kanml.Quantile(level), [u], [[3.0]])
        assert found == pytest.approx(value, rel=1e-15, abs=0)
        assert slopes == pytest.approx([slope], rel=1e-15, abs=1e-16)


def test_poisson_of_no_counts_and_of_a_perfect_fit():
    assert at_outputs("poisson", [0.5], [[0.0]])[0] == pytest.approx(np.exp(0.5), rel=1e-15)
    value, slopes = at_outputs("poisson", [np.log(4.0)], [[4.0]])
    assert value == pytest.approx(0.0, abs=1e-15)
    assert slopes == pytest.approx([0.0], abs=1e-15)


# Labels


@pytest.mark.parametrize(
    "form",
    [
        lambda labels: labels.astype(bool),
        lambda labels: labels.astype(np.uint8),
        lambda labels: labels.astype(float),
        lambda labels: labels.tolist(),
        lambda labels: labels[:, None],
        lambda labels: labels.astype(bool)[:, None],
        pd.Series,
        lambda labels: pd.Series(labels, dtype="boolean"),
        lambda labels: pd.Series(labels).to_frame(),
    ],
)
@pytest.mark.parametrize(("loss", "n_out"), [("logistic", 1), ("softmax", 2)])
def test_forms_of_labels(form, loss, n_out):
    net, labels = network(n_out), LABELS[:, 0]
    problem = kanml.Regression(X, form(labels), loss=loss)
    assert problem.y.shape == (N, 1)
    expected = kanml.Regression(X, labels, loss=loss).evaluation(net).value
    assert problem.evaluation(net).value == expected


def test_a_class_without_samples():
    """Networks may have more outputs than there are labels; one problem serves all of them."""
    problem = kanml.Regression(X, CLASSES, loss="softmax")
    for n_out in (4, 6):
        net = network(n_out)
        expected = metrics.log_loss(CLASSES, probabilities(net(X)), labels=range(n_out))
        assert problem.evaluation(net).value == pytest.approx(expected, rel=1e-12)


# Sample weights and minibatches


def test_only_ratios_of_weights_matter():
    net = network(2)
    value, gradient = kanml.Regression(X, NUMBERS, sample_weight=WEIGHTS).value_and_gradient(net)
    for factor in (1e-300, 3.0, 1e300):
        problem = kanml.Regression(X, NUMBERS, sample_weight=factor * WEIGHTS)
        assert problem.sample_weight.mean() == pytest.approx(1.0, rel=1e-15)
        again, same = problem.value_and_gradient(net)
        assert again == pytest.approx(value, rel=1e-14)
        assert relative_error(same, gradient) <= 1e-14
    alike = kanml.Regression(X, NUMBERS, sample_weight=np.full(N, 7.0)).value_and_gradient(net)
    assert alike[0] == kanml.Regression(X, NUMBERS).evaluation(net).value


def test_a_weight_is_a_number_of_copies():
    net, copies = network(4), np.arange(N) % 4
    problem = kanml.Regression(X, CLASSES, loss="softmax", sample_weight=copies)
    value, gradient = problem.value_and_gradient(net)
    rows = np.repeat(np.arange(N), copies)
    repeated = kanml.Regression(X[rows], CLASSES[rows], loss="softmax")
    expected = repeated.value_and_gradient(net)
    assert value == pytest.approx(expected[0], rel=1e-13)
    assert relative_error(gradient, expected[1]) <= 1e-13


def test_residuals_with_weights():
    net = network(2)
    problem = kanml.Regression(X, NUMBERS, sample_weight=WEIGHTS)
    r = problem.residuals(net)
    assert r @ r == pytest.approx(problem.evaluation(net).value, rel=1e-14)


@EACH
@WEIGHTED
def test_the_batches_of_an_epoch_have_the_loss_of_all_samples(case, weights):
    net = network(case.n_out)
    problem = case.problem(sample_weight=weights, batch_size=N // 6)
    losses, gradients = [], []
    for _ in range(6):
        value, gradient = problem.value_and_gradient(net)
        losses.append(value)
        gradients.append(gradient)
        problem.advance(net)
    value, gradient = case.problem(sample_weight=weights).value_and_gradient(net)
    assert np.mean(losses) == pytest.approx(value, rel=1e-13)
    assert np.ptp(losses) > 0.01 * abs(value)
    assert relative_error(np.mean(gradients, axis=0), gradient) <= 1e-13


def test_an_excerpt_keeps_the_weights_of_its_samples():
    net = kanml.MLP([1, 1])
    net = net.with_parameters(np.zeros(net.n_parameters))
    y, weights = np.sqrt([2.0, 3.0, 5.0, 7.0, 11.0]), np.array([1.0, 0.5, 1.5, 0.25, 1.75])
    problem = kanml.Regression(np.zeros((5, 1)), y[:, None], sample_weight=weights)
    part, _ = problem.excerpt(2)
    pairs = [(a + b) / 2 for a, b in itertools.combinations(weights * y**2, 2)]
    assert min(abs(part.evaluation(net).value - pair) for pair in pairs) <= 1e-14
    whole, _ = problem.excerpt(5)
    assert whole.evaluation(net).value == problem.evaluation(net).value
