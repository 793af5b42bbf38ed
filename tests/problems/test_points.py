"""Samplers: where points lie, that they can be drawn again, and where the residual sends them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import kanml
from helpers import naming, same_bits
from kanml.problems.points import METHODS

LOWER, UPPER = np.array([0.0, -3.0]), np.array([0.5, 4.0])
methods = pytest.mark.parametrize("method", METHODS)


def size(x):
    """Of a residual that is large in a small disc."""
    return np.exp(-40 * ((x[:, 0] - 0.2) ** 2 + (x[:, 1] - 1) ** 2))


def sampler(method="uniform", n=100, **options):
    return kanml.Sampler(LOWER, UPPER, n, method, **options)


@methods
@pytest.mark.parametrize("n", [1, 100])
def test_in_the_box(method, n):
    s = sampler(method, n)
    for count in range(4):
        points = s.draw(count, size)
        assert points.shape == (n, 2)
        assert (points >= LOWER).all()
        assert (points <= UPPER).all()
        assert len(np.unique(points, axis=0)) == n


@methods
def test_the_first_draw_is_the_points(method):
    s = sampler(method)
    assert same_bits(s.points, s.draw(0))


@methods
def test_draws_are_the_same_again_and_differ_from_each_other(method):
    s, again, other = sampler(method), sampler(method), sampler(method, seed=1)
    draws = [s.draw(count, size) for count in range(4)]
    for count in (3, 1, 0, 2):  # in any order
        assert same_bits(again.draw(count, size), draws[count])
        assert not np.isin(other.draw(count, size), draws[count]).any()
    assert len({points.tobytes() for points in draws}) == 4


@methods
def test_even_over_the_box(method):
    points = np.concatenate([sampler(method, 1024).draw(i, np.ones_like) for i in range(1)])
    counts, *_ = np.histogram2d(*points.T, bins=4, range=list(zip(LOWER, UPPER, strict=True)))
    assert abs(counts - 64).max() < 6 * 8  # 64 a cell, with a deviation of 8


def test_a_latin_hypercube_has_one_point_a_slice():
    unit = (sampler("latin-hypercube").draw(1) - LOWER) / (UPPER - LOWER)
    for column in unit.T:
        assert sorted(np.floor(100 * column)) == list(range(100))


def test_a_sobol_sequence_has_one_point_a_cell():
    unit = (sampler("sobol", 64).draw(1) - LOWER) / (UPPER - LOWER)
    counts, *_ = np.histogram2d(*unit.T, bins=8, range=[[0, 1]] * 2)
    assert (counts == 1).all()


@pytest.mark.parametrize("method", ["latin-hypercube", "sobol"])
def test_without_scipy(method, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ModuleNotFoundError, match=rf"{method}.* install 'kanml\[scipy\]'"):
        sampler(method).draw(0)


def test_points_go_where_the_residual_is_large():
    def mean_size(**options):
        s = sampler("residual", candidates=5000, **options)
        return np.mean([size(s.draw(count, size)).mean() for count in range(1, 6)])

    plain, mild, strong = mean_size(k=0.0), mean_size(k=1.0, c=1.0), mean_size(k=1.0, c=0.0)
    assert plain < mild / 3 < strong / 3
    assert strong > 0.35


def test_the_density_is_that_of_the_paper():
    """|r|^k / mean(|r|^k) + c, on two halves with r = 1 and r = 3."""

    def halves(x):
        return np.where(x[:, 0] < 0.25, 1.0, 3.0)

    s = sampler("residual", 400, candidates=40_000, k=2.0, c=1.0)
    # mean r^2 = 5: densities 1/5 + 1 and 9/5 + 1.
    share = np.mean([(s.draw(i, halves)[:, 0] >= 0.25).mean() for i in range(1, 11)])
    assert share == pytest.approx(2.8 / 4, abs=6 * np.sqrt(0.7 * 0.3 / 4000))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_residual_that_says_nothing(value):
    points = sampler("residual").draw(1, lambda x: np.full(len(x), value))
    assert points.shape == (100, 2)


def test_a_residual_that_is_zero_almost_everywhere():
    s = sampler("residual", c=0.0)
    large = []

    def spike(x):
        large.append(x[7])
        return np.where(np.arange(len(x)) == 7, 1.0, 0.0)

    points = s.draw(1, spike)
    assert len(np.unique(points, axis=0)) == 100
    assert (points == large[0]).all(axis=1).any()


def test_a_residual_that_is_huge():
    s = sampler("residual", k=2.0)
    assert same_bits(s.draw(1, size), s.draw(1, lambda x: 2.0**900 * size(x)))


def test_the_box_is_copied():
    lower, upper = LOWER.copy(), UPPER.copy()
    s = kanml.Sampler(lower, upper, 100)
    lower[:] = upper[:] = 0.0
    assert same_bits(s.draw(1), sampler().draw(1))
    assert s.fingerprint() == sampler().fingerprint()


def test_fingerprints():
    different = [
        sampler(),
        sampler(n=99),
        sampler("sobol"),
        sampler(seed=1),
        sampler(every=7),
        sampler("residual"),
        sampler("residual", k=2.0),
        sampler("residual", c=0.0),
        sampler("residual", candidates=500),
        kanml.Sampler(LOWER, UPPER + 1e-12, 100),
    ]
    assert len({s.fingerprint() for s in different}) == len(different)
    assert sampler().fingerprint() == sampler().fingerprint()


@pytest.mark.parametrize(
    ("lower", "upper", "options", "parts"),
    [
        ([0], [0], {}, ("lower < upper",)),
        ([0, 0], [1], {}, ("shape",)),
        ([[0]], [[1]], {}, ("shape",)),
        ([np.nan], [1], {}, ("lower",)),
        ([0], [np.inf], {}, ("upper",)),
        ([0], [1], {"n": 0}, ("n must", "0")),
        ([0], [1], {"method": "grid"}, ("method", "grid")),
        ([0], [1], {"every": 0}, ("every", "0")),
        ([0], [1], {"seed": -1}, ("seed", "-1")),
        ([0], [1], {"method": "residual", "candidates": 9}, ("candidates", "9")),
        ([0], [1], {"k": -1.0}, ("k must", "-1.0")),
        ([0], [1], {"c": np.nan}, ("c must", "nan")),
    ],
)
def test_bad_input(lower, upper, options, parts):
    with pytest.raises((TypeError, ValueError), match=naming(*parts)):
        kanml.Sampler(lower, upper, **({"n": 10} | options))
