"""What the estimators refuse, and how they say so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_tables import FAST, rows_of_iris, waves

from kanml.sklearn import KANClassifier, KANRegressor


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


def test_text_of_bytes_is_text():
    _, y, _ = waves(n=50)
    with pytest.raises(ValueError, match=r"text in the columns 0 \('blue', 'red'\)"):
        KANRegressor().fit(np.array([[b"red"], [b"blue"]] * 25), y)


def test_dates_are_named():
    _, y, _ = waves(n=50)
    days = pd.date_range("2020-01-01", periods=50)
    dates = pd.DataFrame({"day": days, "age": days - days[0], "moment": list(days.date)})
    message = "dates or durations in the columns day, age, moment: take numbers"
    for frame in (dates, dates.assign(size=1.0)):
        with pytest.raises(ValueError, match=message):
            KANRegressor().fit(frame, y)


def test_masked_entries_are_refused():
    x, y, _ = waves(n=50)
    masked = np.ma.array(x, mask=x > 505)
    hidden = np.ma.array(y, mask=y > y.mean())
    with pytest.raises(ValueError, match="X must have no masked entries"):
        KANRegressor().fit(masked, y)
    with pytest.raises(ValueError, match="y must have no masked entries"):
        KANRegressor().fit(x, hidden)
    with pytest.raises(ValueError, match="sample_weight must have no masked entries"):
        KANRegressor().fit(x, y, sample_weight=np.ma.array(np.ones(50), mask=y > y.mean()))


def test_numbers_that_could_overflow_are_refused():
    x, y, _ = waves(n=50)
    signs = np.where(y > y.mean(), 1e308, -1e308)
    with pytest.raises(ValueError, match=r"y must hold numbers of size <= 1e\+300, got 1e\+308"):
        KANRegressor().fit(x, signs)
    with pytest.raises(ValueError, match=r"X must hold numbers of size <= 1e\+300, got 1e\+308"):
        KANRegressor().fit(np.column_stack([x, signs]), y)
    flowers, names = rows_of_iris()
    model = KANClassifier(**FAST).fit(flowers, names)
    with pytest.raises(ValueError, match=r"X must hold numbers of size <= 1e\+300"):
        model.predict_proba(np.full((1, 4), 1e308))
    np.testing.assert_allclose(model.predict_proba(np.full((1, 4), 1e300)).sum(), 1)


@pytest.mark.parametrize(
    ("estimator", "bad"), [(KANRegressor, {"degree": 7}), (KANClassifier, {"degree": 7})]
)
def test_a_fit_that_fails_changes_nothing(estimator, bad):
    x, y = rows_of_iris()
    y = y if estimator is KANClassifier else x[:, 0]
    model = estimator(**FAST).fit(x, y)
    before, predictions = dict(vars(model)), model.predict(x)
    other = np.column_stack([x[:, :3], x]), np.roll(y, 50)
    if estimator is KANRegressor:
        other = other[0], np.column_stack([y, y])
        bad = bad | {"loss": "poisson"}
    with pytest.raises(ValueError, match="degree"):
        model.set_params(**bad).fit(*other)
    model.set_params(**{name: before[name] for name in bad})
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(x), predictions)


@pytest.mark.parametrize("hidden", [2.5, None, {3, 4}, np.ones((2, 2))])
def test_widths_of_another_type(hidden):
    x, y, _ = waves(n=30)
    with pytest.raises(TypeError, match=r"hidden must be 'auto', an integer or a sequence .*got"):
        KANRegressor(hidden=hidden).fit(x, y)


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
    with pytest.raises(ValueError, match=r"y must hold a number > 0 in column 1 .*zeros"):
        KANRegressor(loss="poisson").fit(x, np.column_stack([y > 0, 0 * y]))
    with pytest.raises(ValueError, match=r"hidden must be .*got 10000000"):
        KANRegressor(hidden=10**7).fit(x, y)
    with pytest.raises(ValueError, match="two classes or more, got one class: 3"):
        KANClassifier().fit(x, np.full(30, 3))
    with pytest.raises(ValueError, match=r"non-zero number|number > 0"):
        KANRegressor().fit(x, y, sample_weight=np.zeros(30))
    with pytest.raises(ValueError, match="NaN"):
        KANRegressor().fit(np.where(x > 505, np.nan, x), y)
