"""Products of matrices that are known beyond float64: only the result is rounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from relu_inputs import EPS, EPS32, ulps, uniform

import kanml
from kanml.splines.polynomials import lagrange
from kanml.splines.twofold import Twofold, fractions


def test_fractions_are_exact():
    assert fractions(np.array([0.1, -3.0])).tolist() == [Fraction(0.1), Fraction(-3)]


@pytest.mark.parametrize("transposed", [False, True])
def test_terms_that_cancel(transposed):
    """Neither thirds nor sevenths are doubles."""
    rows = [[Fraction(1, 3), Fraction(1, 7)], [Fraction(-1, 3), Fraction(2, 7)]]
    exact = np.array(rows, object)
    x = np.array([3.0**20, -7.0 * 3**19])  # the first row gives 0
    matrix = Twofold(exact.T if transposed else exact)
    product = matrix.transposed_product if transposed else matrix.product
    got = product(x[None, :, None])[0, :, 0]
    expected = exact @ fractions(x)
    assert expected[0] == 0
    assert abs(got[0]) <= 2.0**-100 * x[0]
    assert abs(Fraction(got[1]) - expected[1]) <= EPS / 2 * abs(expected[1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("degree", range(1, 6))
def test_refined_weights_are_rounded_once(degree, dtype):
    """Those of smooth splines, where large terms cancel."""
    coarse = uniform(4, degree)
    fine = coarse.refine(3)
    k = degree + 1
    exact = lagrange(fractions(fine.knots[:k]), fractions(coarse.knots[:k]))
    u = np.sin(np.arange(1, 6) * np.linspace(0, 1, coarse.dim)[:, None])
    w = (kanml.relu_transform(coarse).T @ u).astype(dtype)
    expected = exact @ np.array([[Fraction(float(v)) for v in row] for row in w[:k]], object)
    got = kanml.prolongation(coarse, fine, basis="relu") @ w
    assert got.dtype == dtype
    if dtype == "float64":
        assert ulps(got[:k], expected) <= 0.501
    else:
        size = abs(expected).astype(float)
        assert np.all(abs(got[:k] - expected.astype(float)) <= 0.501 * EPS32 * size)


def test_what_is_not_finite():
    matrix = Twofold(np.array([[Fraction(1, 2), Fraction(1)], [Fraction(2), Fraction(0)]], object))
    x = np.array([1e305, np.inf])[None, :, None]
    got = matrix.product(x)[0, :, 0]
    assert got[0] == np.inf
    assert np.isnan(got[1])
    assert matrix.product(np.array([1e305, 0.0])[None, :, None])[0, 1, 0] == 2e305
    assert Twofold(np.array([[Fraction(10**400)]], object)).product(np.ones((1, 1, 1))) == np.inf
