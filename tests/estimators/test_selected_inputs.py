"""The inputs that an estimator keeps, and those that it switches off."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from small_tables import FAST, waves

import kanml
from kanml.sklearn import KANClassifier, KANRegressor


def test_inputs_that_do_not_matter_are_switched_off():
    """The last five of Friedman's function: without them it is found more exactly."""
    x, y = make_friedman1(600, noise=1, random_state=0)
    every, some = (
        KANRegressor(random_state=0, penalty=1e-3, sparsity=sparsity).fit(x[:300], y[:300])
        for sparsity in (0, 0.03)
    )
    assert every.active_features_.all()
    np.testing.assert_array_equal(some.active_features_, np.arange(10) < 5)
    assert 1 - some.score(x[300:], y[300:]) < 0.8 * (1 - every.score(x[300:], y[300:]))
    moved = x + 100 * ~some.active_features_
    np.testing.assert_array_equal(some.predict(moved), some.predict(x))


def test_a_classifier_without_an_input():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 4))
    x[:, 3] = 2.0
    y = x[:, 0] * x[:, 1] > 0
    model = KANClassifier(random_state=0, penalty=1e-2, sparsity=0.01).fit(x[:200], y[:200])
    assert model.active_features_.tolist() == [True, True, False, False]
    assert model.score(x[200:], y[200:]) > 0.9


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.03])
def test_rare_values_that_matter_are_kept(rate):
    """An indicator is a seventh of the variance, however rarely it is 1."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (600, 4))
    x[:, 2] = rng.uniform(size=600) < rate
    jump = np.sqrt(0.15 / (rate * (1 - rate)))
    y = np.sin(3 * x[:, 0]) + x[:, 1] + jump * x[:, 2] + 0.1 * rng.normal(size=600)
    model = KANRegressor(sparsity=0.03, **FAST).fit(x, y)
    assert model.active_features_.tolist() == [True, True, True, False]


def test_small_effects_beside_a_large_one_are_kept():
    x = np.random.default_rng(0).normal(size=(400, 3))
    y = 2 * np.sin(3 * x[:, 0]) + 0.5 * x[:, 1] + 0.5 * x[:, 2]
    model = KANRegressor(sparsity=0.03, penalty=1e-2, random_state=0).fit(x, y)
    assert model.active_features_.all()


def test_noise_in_many_columns_is_switched_off():
    """One standard error keeps a sixth of such columns by chance."""
    kept = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(100, 40)), rng.normal(size=100)
        kept += KANRegressor(sparsity=0.1, **FAST).fit(x, y).active_features_.sum()
    assert kept < 120 / 4


def test_a_product_among_many_columns():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (100, 40))
    y = np.sin(2 * x[:, 0]) * x[:, 1] + 0.05 * rng.normal(size=100)
    kept = KANRegressor(sparsity=0.01, random_state=0, penalty=1e-2).fit(x, y).active_features_
    assert kept[:2].all()
    assert kept[2:].sum() < 38 / 4


@pytest.mark.parametrize("loss", ["squared", "poisson", kanml.Huber(1.0), kanml.Quantile(0.5)])
def test_each_loss_finds_the_inputs(loss):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 4))
    y = rng.poisson(np.exp(1 + np.sin(3 * x[:, 0]) + x[:, 1]))
    model = KANRegressor(loss=loss, sparsity=0.03, **FAST).fit(x, y)
    assert model.active_features_[:2].all()
    assert model.active_features_[2:].sum() <= 1


def test_inputs_without_rows_held_out():
    x, y = make_friedman1(400, noise=1, random_state=0)
    model = KANRegressor(sparsity=0.03, validation_fraction=None, penalty=1e-2, random_state=0).fit(
        x, y
    )
    np.testing.assert_array_equal(model.active_features_, np.arange(10) < 5)


def test_a_sparsity_that_stops_training_is_refused():
    x, y, _ = waves(n=100)
    with pytest.raises(ValueError, match=r"sparsity 1e\+300 is too large: no step"):
        KANRegressor(sparsity=1e300, **FAST).fit(x, y)


def test_noise_needs_no_input():
    x, y = np.random.default_rng(0).normal(size=(2, 100, 3))
    model = KANRegressor(random_state=0, penalty=1e-2, sparsity=0.3).fit(x, y[:, 0])
    assert not model.active_features_.any()
    np.testing.assert_allclose(model.predict(x), y[:, 0].mean(), atol=0.1)
