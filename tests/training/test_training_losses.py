"""Training with losses of data: what each is for, validation, checkpoints, tries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import kanml
from helpers import same_bits


def trained(widths, problem, schedule=(40, 40), **options):
    net = kanml.KAN(widths, intervals=4, data=problem.x)
    return kanml.train(net, problem, schedule, progress=False, **options)


def rings(n, seed):
    """Points in the unit disc, which three rings divide into classes: no linear model tells."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 2))
    radius = np.hypot(*x.T)
    return x, np.digitize(radius, [0.5, 0.9])


def test_softmax_learns_classes_that_no_linear_model_can():
    (x, labels), (x_test, labels_test) = rings(1000, 0), rings(1000, 1)
    result = trained([2, 4, 3], kanml.Regression(x, labels, loss="softmax"))
    found = result.network(x_test).argmax(axis=1)
    assert (found == labels_test).mean() > 0.95
    assert LogisticRegression().fit(x, labels).score(x_test, labels_test) < 0.6


def test_logistic_finds_probabilities():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (6000, 1))
    probability = 0.5 + 0.4 * np.sin(3 * x)
    labels = rng.random(x.shape) < probability
    result = trained([1, 1], kanml.Regression(x, labels, loss="logistic"), [40])
    found = 1 / (1 + np.exp(-result.network(x)))
    # Seven functions share 6000 samples: each probability rests on about 1000 of them.
    assert abs(found - probability).max() < 6 * np.sqrt(0.25 / 1000)


def test_a_quantile_covers_its_share_of_new_samples():
    def samples(seed):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, (3000, 1))
        return x, np.sin(3 * x) + (1.2 + x) * rng.normal(size=x.shape)

    (x, y), (x_test, y_test) = samples(0), samples(1)
    for level in (0.5, 0.9):
        result = trained([1, 1], kanml.Regression(x, y, loss=kanml.Quantile(level)))
        below = y_test < result.network(x_test)
        assert abs(below.mean() - level) < 0.03
        for part in (x_test < 0, x_test >= 0):  # though the scatter differs
            assert abs(below[part].mean() - level) < 0.05


def test_huber_resists_outliers():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (500, 1))
    y = np.sin(3 * x)
    spoilt = y + np.where(rng.random(y.shape) < 0.1, 20.0, 0.0)
    errors = []
    for loss in (kanml.Huber(0.01), "squared"):
        result = trained([1, 1], kanml.Regression(x, spoilt, loss=loss))
        errors.append(abs(result.network(x) - y).mean())
    assert errors[0] < 0.02
    assert errors[1] > 1.0


def test_poisson_recovers_a_rate():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (5000, 1))
    log_rate = 1.0 + np.sin(3 * x)
    result = trained([1, 1], kanml.Regression(x, rng.poisson(np.exp(log_rate)), loss="poisson"))
    # 11 functions share 5000 samples, of a rate of 1 at least: some 500 counts decide each value.
    assert np.sqrt(np.mean((result.network(x) - log_rate) ** 2)) < 2 / np.sqrt(500)


def test_a_likelihood_of_ones_own():
    """A mean and the logarithm of a variance: two outputs, of which the second has no target."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (5000, 1))
    deviation = 0.3 + 0.2 * x
    y = np.sin(3 * x) + deviation * rng.normal(size=x.shape)

    def likelihood(u, y):
        return (u[0] - y[0]) ** 2 * np.exp(-u[1]) + u[1]

    problem = kanml.Regression(x, np.hstack([y, 0 * y]), loss=likelihood)
    mean, log_variance = trained([1, 2], problem).network(x).T
    assert abs(mean - np.sin(3 * x[:, 0])).mean() < 0.05
    assert abs(np.exp(0.5 * log_variance) - deviation[:, 0]).mean() < 0.03


# Runs


def softmax(**options):
    x, labels = rings(200, 3)
    weights = np.where(labels == 0, 3.0, 1.0)
    return kanml.Regression(x, labels, loss="softmax", sample_weight=weights, **options)


def absolute(**options):
    x, _ = rings(200, 3)
    y = np.abs(x[:, :1])
    return kanml.Regression(x, y, loss=lambda u, y: np.hypot(u - y, 0.01), **options)


def test_validation_has_the_same_loss():
    problem, held_out = softmax(), kanml.Regression(*rings(100, 4), loss="softmax")
    result = trained([2, 3, 3], problem, [40], validation=held_out, restarts=0)
    history = result.history
    assert held_out.evaluation(result.network).value == history.validation.min()
    assert history.validation.min() < 0.5 * history.validation[0]


def test_weights_decide_what_is_learned():
    """Two thirds of the weight say 1, one third says -1, at every input."""
    x = np.repeat(np.linspace(-1, 1, 20), 2)[:, None]
    y = np.tile([[1.0], [-1.0]], (20, 1))
    problem = kanml.Regression(x, y, sample_weight=np.tile([2.0, 1.0], 20))
    result = trained([1, 1], problem, restarts=0)
    np.testing.assert_allclose(result.network(x), 1 / 3, rtol=0, atol=1e-6)


@pytest.mark.parametrize("problem", [softmax, absolute])
@pytest.mark.parametrize("batch_size", [None, 50])
def test_a_resumed_run_has_the_same_bits(problem, batch_size, tmp_path):
    n_out = 3 if problem is softmax else 1
    net = kanml.KAN([2, 3, n_out], data=problem().x)
    schedule = [6, 6]

    def run(**options):
        given = problem(batch_size=batch_size)
        return kanml.train(net, given, schedule, kanml.Adam(1e-2), progress=False, **options)

    def stop(state):
        return state.step == 8

    path = tmp_path / "checkpoint"
    whole = run()
    run(callbacks=[kanml.Checkpoint(path, every=2), stop])
    resumed = run(resume=path)
    assert resumed.history.step[-1] == 12
    assert same_bits(resumed.network.parameters, whole.network.parameters)
    assert same_bits(resumed.history.loss, whole.history.loss)


def test_a_checkpoint_of_another_loss_is_refused(tmp_path):
    x, labels = rings(50, 0)
    y = 1.0 * (labels[:, None] > 0)
    net = kanml.KAN([2, 1])
    path = tmp_path / "checkpoint"
    kanml.train(
        net,
        kanml.Regression(x, y, loss="logistic"),
        [2],
        callbacks=[kanml.Checkpoint(path)],
        progress=False,
    )
    for other in (
        kanml.Regression(x, y),
        kanml.Regression(x, y, loss=lambda u, y: abs(u - y)),
        kanml.Regression(x, y, loss="logistic", sample_weight=1 + y[:, 0]),
    ):
        with pytest.raises(ValueError, match="another run"):
            kanml.train(net, other, [2], resume=path, progress=False)


def test_starts_are_tried_with_the_loss_and_its_weights():
    problem = softmax()
    result = trained([2, 3, 3], problem)
    best = min(result.history.tries, key=lambda start: start.loss)
    assert len(result.history.tries) > 1
    assert best.loss < np.log(3)
    again = trained([2, 3, 3], problem)
    assert same_bits(again.network.parameters, result.network.parameters)


def test_float32_learns_classes():
    x, labels = rings(400, 0)
    net = kanml.KAN([2, 4, 3], data=x, dtype="float32")
    problem = kanml.Regression(x, labels, loss="softmax")
    result = kanml.train(net, problem, [40, 40], progress=False)
    assert (result.network(x).argmax(axis=1) == labels).mean() > 0.95
