"""The rows of a table: their weights, their order, and how many there are."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from small_tables import FAST, rows_of_iris, waves

import kanml
from kanml.sklearn import KANClassifier, KANRegressor, fitting
from kanml.sklearn.table import Table


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


def test_scaling_does_not_depend_on_the_threads_of_blas():
    code = """
import numpy as np
from kanml.sklearn.table import scaling
for seed in range(20):
    rng = np.random.default_rng(seed)
    found = scaling(rng.normal(size=(12_000, 1)), rng.uniform(size=12_000))
    print(found.centre[0].hex(), found.scale[0].hex())
"""
    several = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=several | {"OMP_NUM_THREADS": threads},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(found) == 1


@pytest.mark.parametrize("weight", [1e-12, 1e-30, 5e-324])
def test_a_column_that_differs_only_where_nothing_counts(weight):
    x, y, _ = waves(n=100)
    rare = np.column_stack([x, np.arange(100) == 7])
    weights = np.where(rare[:, 2], weight, 1.0)
    model = KANRegressor(**FAST).fit(rare, y, sample_weight=weights)
    assert model.active_features_.tolist() == [True, True, False]
    assert np.abs(model.predict(rare) - y.mean()).max() < 3 * np.ptp(y)


@pytest.mark.parametrize("weight", [2.0**-1074, 2.0**-1000, 2.0**1023])
def test_equal_weights_of_any_size_are_no_weights(weight):
    x, y, _ = waves(n=100)
    expected = KANRegressor(**FAST).fit(x, y).predict(x)
    model = KANRegressor(**FAST).fit(x, y, sample_weight=np.full(100, weight))
    np.testing.assert_array_equal(model.predict(x), expected)


def test_next_to_no_weight_is_none():
    x, y = rows_of_iris()
    few = np.where(y == "virginica", 5e-324, 1.0)
    model = KANClassifier(**FAST).fit(x, y, sample_weight=few)
    assert model.classes_.tolist() == ["setosa", "versicolor"]


def test_ten_members_at_most():
    x, y, _ = waves(n=200)
    model = KANRegressor(validation_fraction=0.02, **FAST).fit(x, y)
    assert len(model.history_) == 10
    assert np.isfinite(model.validation_losses_[1e-2])
