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
from sklearn.datasets import load_iris, make_friedman1
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import kanml
from kanml.sklearn import KANClassifier, KANRegressor, fitting
from kanml.sklearn.joining import mean_of
from kanml.sklearn.table import Table

FAST = {"penalty": 1e-2, "max_iter": 40, "random_state": 0}


def waves(n=400, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 2)) * [10.0, 0.01] + [500.0, 0.0]
    clean = 1000 + 50 * np.sin((x[:, 0] - 500) / 4) + 2e5 * x[:, 1] ** 2
    return x, clean + 50 * noise * rng.normal(size=n), clean


def rows_of_iris():
    x, y = load_iris(return_X_y=True)
    return x, np.array(["setosa", "versicolor", "virginica"])[y]


# What they find


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


# Inputs that do not matter


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
    assert KANRegressor(sparsity=0.03, **FAST).fit(x, y).active_features_.all()


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
    kept = KANRegressor(sparsity=0.03, random_state=0, penalty=1e-2).fit(x, y).active_features_
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


# Rows and weights


@pytest.mark.parametrize("estimator", [KANRegressor, KANClassifier])
def test_repeated_rows_are_weights(estimator):
    """To the last bit, in any order of the rows."""
    x, y = rows_of_iris()
    y = y if estimator is KANClassifier else x[:, 0] * x[:, 1]
    rng = np.random.default_rng(0)
    times = rng.integers(0, 4, 150)
    repeated = rng.permutation(np.repeat(np.arange(150), times))
    weighted = estimator(**FAST).fit(x, y, sample_weight=times)
    parameters = estimator(**FAST).fit(x[repeated], y[repeated]).network_.parameters
    np.testing.assert_array_equal(weighted.network_.parameters, parameters)


def test_weights_decide():
    x = np.tile(np.linspace(-1, 1, 100)[:, None], (2, 1))
    y = np.repeat([0.0, 1.0], 100)
    model = KANRegressor(**FAST).fit(x, y, sample_weight=np.repeat([1.0, 3.0], 100))
    np.testing.assert_allclose(model.predict(x), 0.75, atol=0.1)


def test_nothing_held_out():
    x, y, _ = waves(n=100)
    model = KANRegressor(validation_fraction=None, max_iter=30, random_state=0).fit(x, y)
    assert (model.penalty_, len(model.history_)) == (1e-2, 1)
    assert np.isnan(model.validation_losses_[1e-2])
    assert model.n_iter_ == 30


def test_many_rows_have_finer_knots():
    x, y = make_friedman1(2000, noise=1, random_state=0)
    model = KANRegressor(**FAST).fit(x, y)
    for coarse, fine in zip(model.history_[:5], model.history_[5:], strict=True):
        assert fine.validation[0] == pytest.approx(coarse.validation.min(), rel=1e-9)
    assert model.network_.layers[1].spaces[0].intervals == 4


def test_large_tables_begin_with_some_of_the_rows(monkeypatch):
    rows = []

    def counted(member, *arguments):
        rows.append(len(member.training))
        return train(member, *arguments)

    train = fitting.Member.train
    monkeypatch.setattr(fitting, "ENOUGH", 1000)
    monkeypatch.setattr(fitting.Member, "train", counted)
    x, y = make_friedman1(3000, noise=1, random_state=0)
    model = KANRegressor(**FAST).fit(x[:2000], y[:2000])
    assert rows == [800] * 5 + [1600] * 5
    assert model.score(x[2000:], y[2000:]) > 0.9


def test_an_excerpt():
    rng = np.random.default_rng(0)
    table = Table.of(*rng.normal(size=(2, 50, 2)), rng.uniform(1, 2, 50))
    some = table.excerpt(20)
    whole = {(*x, *y, w) for x, y, w in zip(table.x, table.y, table.weight, strict=True)}
    part = {(*x, *y, w) for x, y, w in zip(some.x, some.y, some.weight, strict=True)}
    assert part <= whole
    assert len(part) == len(some) == 20
    np.testing.assert_array_equal(some.x, table.excerpt(20).x)
    assert table.excerpt(50) is table


def test_the_number_of_threads_changes_nothing():
    x, y, _ = waves()
    before = kanml.get_num_threads()
    found = []
    for threads in (1, 3):
        kanml.set_num_threads(threads)
        found.append(KANRegressor(**FAST).fit(x, y).network_.parameters)
    kanml.set_num_threads(before)
    np.testing.assert_array_equal(*found)


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


# What is refused


@pytest.mark.parametrize("method", ["fit", "predict"])
@pytest.mark.parametrize("dtype", [object, "category"])
def test_categories_are_named(method, dtype):
    x, y, _ = waves(n=50)
    numbers = pd.DataFrame(x, columns=["time", "colour"])
    frame = numbers.assign(colour=pd.Series(["red", "blue"] * 25, dtype=dtype))
    message = r"text in the columns colour \('blue', 'red'\): encode .* OneHotEncoder"
    if method == "fit":
        with pytest.raises(ValueError, match=message):
            KANRegressor().fit(frame, y)
    else:
        model = KANRegressor(**FAST).fit(numbers, y)
        with pytest.raises(ValueError, match=message):
            model.predict(frame)


def test_numbers_in_text_are_numbers():
    x, y, _ = waves(n=50)
    expected = KANRegressor(**FAST).fit(x, y).predict(x)
    frame = pd.DataFrame(x.astype(object))
    np.testing.assert_array_equal(KANRegressor(**FAST).fit(frame, y).predict(frame), expected)


BAD = {
    "hidden": ("wide", r"hidden must be .*'wide'"),
    "degree": (1, r"degree must be .*got 1"),
    "intervals": (0, r"intervals must be .*got 0"),
    "knots": ("random", r"knots must be .*'random'"),
    "penalty": (-1.0, r"penalty must be 'auto' or a number >= 0, got -1"),
    "sparsity": (-0.1, r"sparsity must be a number >= 0, got -0\.1"),
    "validation_fraction": (0.9, r"validation_fraction must be None or a number in .*got 0\.9"),
    "max_iter": (0, r"max_iter must be .*got 0"),
    "loss": ("absolute", r"loss must be .*'absolute'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name):
    value, message = BAD[name]
    x, y, _ = waves(n=30)
    with pytest.raises(ValueError, match=message):
        KANRegressor(**{name: value}).fit(x, y)


def test_bad_tables():
    x, y, _ = waves(n=30)
    with pytest.raises(TypeError, match="loss must be 'squared', 'poisson'"):
        KANRegressor(loss=abs).fit(x, y)
    with pytest.raises(ValueError, match=r"y must hold numbers >= 0 .*got -1"):
        KANRegressor(loss="poisson").fit(x, np.where(y > y.mean(), 1, -1))
    with pytest.raises(ValueError, match=r"y must hold a number > 0 .*zeros"):
        KANRegressor(loss="poisson").fit(x, 0 * y)
    with pytest.raises(ValueError, match="two classes or more, got one class: 3"):
        KANClassifier().fit(x, np.full(30, 3))
    with pytest.raises(ValueError, match=r"non-zero number|number > 0"):
        KANRegressor().fit(x, y, sample_weight=np.zeros(30))
    with pytest.raises(ValueError, match="NaN"):
        KANRegressor().fit(np.where(x > 505, np.nan, x), y)
