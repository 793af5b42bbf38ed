"""The estimators: what they find, and that they fit into scikit-learn."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_friedman1
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from small_tables import FAST, rows_of_iris, waves

import kanml
from kanml.sklearn import KANClassifier, KANRegressor
from kanml.sklearn.joining import mean_of


def test_a_smooth_function_with_noise():
    x, y, clean = waves()
    model = KANRegressor(random_state=0).fit(x, y)
    assert np.std(model.predict(x) - clean) < 0.5 * np.std(y - clean)
    assert model.penalty_ == min(model.validation_losses_, key=model.validation_losses_.get)


def test_the_strength_of_the_penalty_follows_the_noise():
    """Pure noise is fitted by next to nothing, and a clean function is not smoothed."""
    x, _, clean = waves(n=200)
    noise = np.random.default_rng(1).normal(size=200)
    strengths = [KANRegressor(random_state=0).fit(x, y).penalty_ for y in (clean, noise)]
    assert strengths[0] < strengths[1]


def test_friedman_and_a_linear_model():
    x, y = make_friedman1(600, noise=1, random_state=0)
    model = KANRegressor(random_state=0).fit(x[:400], y[:400])
    linear = Ridge().fit(x[:400], y[:400])
    assert 1 - model.score(x[400:], y[400:]) < 0.4 * (1 - linear.score(x[400:], y[400:]))


def test_predictions_have_the_units_of_the_targets():
    x, y, _ = waves(n=100)
    predictions = KANRegressor(**FAST).fit(x, y).predict(x)
    scaled = KANRegressor(**FAST).fit(x * 1024, 8 * y).predict(x * 1024)
    np.testing.assert_allclose(scaled, 8 * predictions, rtol=1e-9)


def test_the_network_takes_raw_inputs():
    x, y, _ = waves(n=100)
    model = KANRegressor(**FAST).fit(x, y)
    assert isinstance(model.network_, kanml.Network)
    np.testing.assert_array_equal(model.network_(x)[:, 0], model.predict(x))


@pytest.mark.parametrize("hidden", [(), 3, (3, 2)])
def test_widths(hidden):
    x, y, _ = waves(n=100)
    model = KANRegressor(hidden=hidden, **FAST).fit(x, y)
    widths = [layer.n_out for layer in model.network_.layers if layer.spaces]
    members = len(model.history_)
    expected = [hidden] if isinstance(hidden, int) else list(hidden)
    assert widths == [members * width for width in expected] + [1]


def test_without_hidden_layers_inputs_add_up():
    x, y, _ = waves(n=100)
    model = KANRegressor(hidden=(), **FAST).fit(x, y)
    corners = np.array([[495.0, -0.005], [505.0, -0.005], [495.0, 0.005], [505.0, 0.005]])
    a, b, c, d = model.predict(corners)
    assert a + d == pytest.approx(b + c, rel=1e-12)


def test_several_outputs_are_scaled_apart():
    x, y, clean = waves()
    both = np.column_stack([y, 1e-6 * (x[:, 0] - 500)])
    found = KANRegressor(random_state=0, penalty=1e-3).fit(x, both).predict(x)
    assert found.shape == (400, 2)
    assert np.std(found[:, 0] - clean) < 0.6 * np.std(y - clean)
    assert np.std(found[:, 1] - both[:, 1]) < 0.02 * np.std(both[:, 1])


def test_constant_columns_have_no_effect():
    x, y, _ = waves(n=100)
    constant = np.column_stack([x, np.full(100, 0.1)])
    model = KANRegressor(**FAST).fit(constant, np.column_stack([y, np.full(100, 7.0)]))
    moved = constant + np.array([0, 0, 5.0])
    np.testing.assert_array_equal(model.predict(moved), model.predict(constant))
    assert (model.predict(constant)[:, 1] == 7.0).all()


def test_quantiles_are_covered():
    x, y, _ = waves(n=1500, noise=0.5)
    model = KANRegressor(loss=kanml.Quantile(0.9), random_state=0).fit(x[:1000], y[:1000])
    below = np.mean(y[1000:] <= model.predict(x[1000:]))
    assert abs(below - 0.9) < 3 * np.sqrt(0.9 * 0.1 / 500) + 0.01


def test_huber_ignores_outliers():
    x, y, clean = waves()
    spoilt = y.copy()
    spoilt[::10] += 5000.0
    errors = [
        np.std(KANRegressor(loss=loss, random_state=0).fit(x, spoilt).predict(x) - clean)
        for loss in ("squared", kanml.Huber(1.0))
    ]
    assert errors[1] < 0.1 * errors[0]


def test_poisson_finds_rates():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1000, 1))
    rate = np.exp(1 + 2 * np.sin(3 * x[:, 0]))
    model = KANRegressor(loss="poisson", random_state=0).fit(x, rng.poisson(rate))
    found = model.predict(x)
    assert np.sqrt(np.mean((np.log(found) - np.log(rate)) ** 2)) < 0.15
    np.testing.assert_allclose(np.exp(model.network_(x)[:, 0]), found, rtol=1e-12)


def test_probabilities():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (2000, 1))
    chance = 1 / (1 + np.exp(-3 * np.sin(2 * x[:, 0])))
    y = np.where(rng.uniform(size=2000) < chance, "yes", "no")
    model = KANClassifier(random_state=0).fit(x, y)
    found = model.predict_proba(x)
    assert model.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)
    assert np.sqrt(np.mean((found[:, 1] - chance) ** 2)) < 0.05
    np.testing.assert_array_equal(model.predict(x) == "yes", found[:, 1] > 0.5)


def test_three_classes():
    x, y = rows_of_iris()
    model = KANClassifier(**FAST).fit(x[::2], y[::2])
    assert model.score(x[1::2], y[1::2]) > 0.9
    logits = model.decision_function(x)
    np.testing.assert_array_equal(model.classes_[logits.argmax(axis=1)], model.predict(x))
    assert model.predict_proba(x).shape == logits.shape == (150, 3)


def test_knots_at_quantiles():
    rng = np.random.default_rng(0)
    x = rng.lognormal(0, 1, (101, 1))
    model = KANRegressor(knots="quantile", intervals=4, **FAST).fit(x, np.log(x[:, 0]))
    scale, first = model.network_.layers[:2]
    knots = (first.spaces[0].breakpoints - scale.shift[0]) / scale.scale[0]
    np.testing.assert_allclose(knots, np.quantile(x, [0, 0.25, 0.5, 0.75, 1]), rtol=1e-12)


def test_few_distinct_values_have_few_knots():
    x = np.repeat([[0.0, 1.0], [1.0, 1.0]], 20, axis=0)
    y = x[:, 0] + np.random.default_rng(0).normal(0, 0.1, 40)
    model = KANRegressor(knots="quantile", intervals=4, **FAST).fit(x, y)
    assert abs(model.predict([[1.0, 1.0]])[0] - y[20:].mean()) < 0.1


def test_a_mean_of_networks():
    """Of different levels, with two hidden layers, and with an affine map behind it."""
    x = np.random.default_rng(0).normal(0, 1, (50, 2))
    front = [kanml.Affine([2.0, 0.5], [0.0, 1.0])]
    nets = [kanml.KAN([2, 3, 4, 2], front=front, seed=k) for k in range(3)]
    nets[1] = nets[1].refine()
    behind = kanml.Affine([2.0, 3.0], [1.0, -1.0])
    expected = [2.0, 3.0] * np.mean([net(x) for net in nets], axis=0) + [1.0, -1.0]
    np.testing.assert_allclose(mean_of(nets, [behind])(x), expected, rtol=1e-12, atol=1e-12)


# In scikit-learn


def test_importing_kanml_does_not_import_scikit_learn():
    code = "import sys, kanml; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("estimator", [KANRegressor, KANClassifier])
def test_help_describes_parameters_and_attributes(estimator):
    x, y = rows_of_iris()
    y = y if estimator is KANClassifier else x[:, 0]
    model = estimator(**FAST).fit(pd.DataFrame(x, columns=list("abcd")), y)
    text = inspect.getdoc(estimator)
    parameters, rest = text.split("Attributes\n----------\n")
    attributes, rest = rest.split("Notes\n-----\n")
    described = set(re.findall(r"^(\w+) : ", parameters, re.MULTILINE))
    assert described == set(model.get_params())
    described = set(re.findall(r"^(\w+) : ", attributes, re.MULTILINE))
    assert described == {name for name in vars(model) if name.endswith("_")}
    assert "Examples\n--------\n>>> " in rest


def test_copies():
    x, y = rows_of_iris()
    model = KANClassifier(**FAST).fit(x, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))
    again = clone(model).fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


def test_a_search_in_two_processes():
    x, y, _ = waves(n=200)
    losses = [kanml.Huber(1.0), "squared"]
    grid = {"hidden": [(), 4], "loss": losses}
    search = GridSearchCV(KANRegressor(**FAST), grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(x, y)
    alone = clone(search.best_estimator_).fit(x, y)
    np.testing.assert_array_equal(alone.predict(x), search.predict(x))


def test_frames_in_a_pipeline():
    x, y, _ = waves(n=200)
    frame = pd.DataFrame(x, columns=["time", "height"]).assign(kind=["a", "b"] * 100)
    y = y + 100 * (frame["kind"] == "b")
    encode = ColumnTransformer(
        [("kind", OneHotEncoder(sparse_output=False), ["kind"])],
        remainder=StandardScaler(),
        verbose_feature_names_out=False,
    )
    model = make_pipeline(encode, KANRegressor(**FAST)).set_output(transform="pandas")
    model.fit(frame, y)
    assert model.score(frame, y) > 0.9
    assert model[-1].feature_names_in_.tolist() == ["kind_a", "kind_b", "time", "height"]
