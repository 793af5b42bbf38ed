"""Prolongation between nested spaces: exact rows, equal functions, adjoints, and the dual map."""

from __future__ import annotations

import pickle
from math import comb

import numpy as np
import pytest
from hypothesis import assume, example, given

import kanml
from helpers import naming, random_breakpoints
from reference import splines
from strategies import all_points, breakpoints, degrees, refinements

EPS = np.finfo(float).eps

# A blossom may be taken from any piece in a function's support, but from a piece a thousand times
# shorter than the distances of its arguments it comes with rounding magnified by the fifth power.
SHORT_PIECE = np.array([0.0, 0.999, 1.0])


def exact(coarse, fine):
    return splines.prolongation(coarse.knots, fine.knots, coarse.degree)


def spaces(pair, degree):
    return [kanml.SplineSpace(t, degree) for t in pair]


# Entries


@given(refinements(max_intervals=6, max_new=8), degrees)
@example((SHORT_PIECE, np.array([0.0, 0.4, 0.999, 1.0])), 5)
def test_agrees_with_exact_knot_insertion(pair, degree):
    coarse, fine = spaces(pair, degree)
    P = kanml.prolongation(coarse, fine)
    assert P.shape == (fine.dim, coarse.dim)
    expected = exact(coarse, fine)
    assert np.all(abs(P.toarray() - expected) <= 1e-13 * abs(expected).max(axis=1, keepdims=True))


@pytest.mark.parametrize("factor", [2, 3, 4, 7])
@pytest.mark.parametrize("degree", range(1, 6))
def test_refining_agrees_with_exact_knot_insertion(degree, factor):
    coarse = kanml.SplineSpace(np.array([-1.0, -0.9, 0.4, 0.5, 2.0]), degree)
    fine = coarse.refine(factor)
    expected = exact(coarse, fine)
    error = abs(kanml.prolongation(coarse, fine).toarray() - expected)
    assert error.max() <= 1e-13 * abs(expected).max()


@pytest.mark.parametrize("intervals", [1, 2, 5, 320])
@pytest.mark.parametrize("degree", range(1, 6))
def test_dyadic_rows_are_binomials(degree, intervals):
    # P[2i + s - k, i] = 2^{-k} C(k + 1, s): the paper's (25), with 2^{-k} for its misprint 2^{-r}.
    coarse = kanml.SplineSpace.uniform(0.0, 3.0, intervals, degree)
    fine = coarse.refine()
    expected = np.zeros((fine.dim, coarse.dim))
    for i in range(coarse.dim):
        for s in range(degree + 2):
            if 0 <= 2 * i + s - degree < fine.dim:
                expected[2 * i + s - degree, i] = comb(degree + 1, s) / 2**degree
    P = kanml.prolongation(coarse, fine).toarray()
    np.testing.assert_allclose(P, expected, rtol=0, atol=1e-13)


@given(refinements(), degrees)
def test_rows_sum_to_one(pair, degree):
    P = kanml.prolongation(*spaces(pair, degree)).toarray()
    assert np.all(abs(P.sum(axis=1) - 1.0) <= 1e-13 * abs(P).sum(axis=1))


@given(breakpoints(), degrees)
@example(SHORT_PIECE, 5)
def test_to_itself_is_the_identity(t, degree):
    space = kanml.SplineSpace(t, degree)
    P = kanml.prolongation(space, kanml.SplineSpace(t, degree)).toarray()
    np.testing.assert_allclose(P, np.eye(space.dim), rtol=0, atol=1e-13)


# Functions


@given(refinements(), degrees)
def test_keeps_the_function(pair, degree):
    coarse, fine = spaces(pair, degree)
    c = np.random.default_rng(0).normal(size=coarse.dim)
    x = all_points(pair[1])
    before = coarse.evaluate(c, x)
    after = fine.evaluate(kanml.prolongation(coarse, fine) @ c, x)
    assert abs(after - before).max() <= 1e-13 * abs(before).max()


@pytest.mark.parametrize("degree", range(1, 6))
def test_keeps_the_function_for_new_breakpoints_anywhere(degree):
    # In both end intervals, two in one interval, none in another: no closed form applies.
    rng = np.random.default_rng(degree)
    coarse = kanml.SplineSpace(random_breakpoints(rng, 6), degree)
    t = coarse.breakpoints
    shares = [(0, 0.1), (0, 0.95), (2, 0.5), (3, 1 / 3), (3, 0.34), (5, 0.001)]
    fine = coarse.insert([t[i] + s * (t[i + 1] - t[i]) for i, s in shares])
    c = rng.normal(size=coarse.dim)
    x = all_points(fine.breakpoints)
    before = coarse.evaluate(c, x)
    after = fine.evaluate(kanml.prolongation(coarse, fine) @ c, x)
    assert abs(after - before).max() <= 1e-13 * abs(before).max()


@given(refinements(), degrees)
def test_two_steps_are_one(pair, degree):
    coarse, middle = spaces(pair, degree)
    finest = middle.refine(3)
    v = np.random.default_rng(1).normal(size=(coarse.dim, 4))
    steps = kanml.prolongation(middle, finest) @ (kanml.prolongation(coarse, middle) @ v)
    at_once = kanml.prolongation(coarse, finest) @ v
    assert abs(steps - at_once).max() <= 1e-13 * abs(at_once).max()


# The operator


@given(refinements(), degrees)
def test_products_are_those_of_the_dense_matrix(pair, degree):
    coarse, fine = spaces(pair, degree)
    P = kanml.prolongation(coarse, fine)
    dense = P.toarray()
    assert P.T.shape == dense.T.shape
    rng = np.random.default_rng(2)
    for tail in ((), (1,), (5,), (2, 3), (0,)):
        v, u = rng.normal(size=(coarse.dim, *tail)), rng.normal(size=(fine.dim, *tail))
        for operator, matrix, w in ((P, dense, v), (P.T, dense.T, u)):
            got = operator @ w
            assert got.shape == (matrix.shape[0], *tail)
            expected = np.tensordot(matrix, w, axes=1)
            scale = np.tensordot(abs(matrix), abs(w), axes=1)
            assert np.all(abs(got - expected) <= 1e-14 * scale)


@given(refinements(), degrees)
def test_adjoint(pair, degree):
    coarse, fine = spaces(pair, degree)
    P = kanml.prolongation(coarse, fine)
    rng = np.random.default_rng(3)
    c, d = rng.normal(size=coarse.dim), rng.normal(size=fine.dim)
    scale = abs(P @ c) @ abs(d)
    assert abs((P @ c) @ d - c @ (P.T @ d)) <= 1e-12 * scale


@given(refinements(), degrees)
def test_dual_undoes_the_restriction(pair, degree):
    coarse, fine = spaces(pair, degree)
    P = kanml.prolongation(coarse, fine)
    g = np.random.default_rng(4).normal(size=(coarse.dim, 3))
    # P (P^T P)^{-1} g is computed through P^T P, so its condition is what rounding is magnified by.
    condition = np.linalg.cond(exact(coarse, fine)) ** 2
    assume(condition < 1e10)

    dual = P.dual(g)
    Q, R = np.linalg.qr(P.toarray())
    expected = Q @ np.linalg.solve(R.T, g)  # does not square the condition
    assert abs(dual - expected).max() <= 8 * EPS * condition * abs(expected).max()
    assert abs(P.T @ dual - g).max() <= 8 * EPS * condition * abs(g).max()
    assert P.dual(g[:, 0]).shape == (fine.dim,)
    assert abs(P.dual(g[:, 0]) - expected[:, 0]).max() <= 8 * EPS * condition * abs(expected).max()


def test_dual_of_a_cubic_refinement():
    coarse = kanml.SplineSpace.uniform(0.0, 1.0, 10, 3)
    P = kanml.prolongation(coarse, coarse.refine())
    g = np.cos(np.arange(coarse.dim))
    np.testing.assert_allclose(P.T @ P.dual(g), g, rtol=0, atol=1e-13)


def test_vectors_of_other_types_and_layouts():
    coarse = kanml.SplineSpace([0.0, 1.0, 3.0], 2)
    P = kanml.prolongation(coarse, coarse.refine())
    v = np.arange(8.0).reshape(4, 2)
    expected = P @ v
    for same in (v.astype(int), v.tolist(), np.asfortranarray(v), np.repeat(v, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(P @ same, expected)
    single = P @ v.astype(np.float32)
    np.testing.assert_allclose(single, expected, rtol=1e-6)


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_operators_are_pickled(basis):
    coarse = kanml.SplineSpace([0.0, 1.0, 3.0], 2)
    P = kanml.prolongation(coarse, coarse.refine(), basis=basis)
    copy = pickle.loads(pickle.dumps(P))
    c, g = np.cos(np.arange(4.0)), np.sin(np.arange(6.0))
    np.testing.assert_array_equal(copy @ c, P @ c)
    np.testing.assert_array_equal(copy.T @ g, P.T @ g)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(P.T)) @ g, P.T @ g)
    for method in ("dual", "second_moment", "curvature"):
        np.testing.assert_array_equal(getattr(copy, method)(abs(c)), getattr(P, method)(abs(c)))


def test_operators_of_networks_are_pickled():
    net = kanml.KAN([2, 3, 1], degree=2, front=[kanml.Linear(2, 2)])
    P, change = net.prolongation(net.refine()), net.change_of_basis("relu")
    rng = np.random.default_rng(0)
    c, g = rng.normal(size=P.shape[1]), rng.normal(size=P.shape[0])
    copy = pickle.loads(pickle.dumps(P))
    np.testing.assert_array_equal(copy @ c, P @ c)
    np.testing.assert_array_equal(copy.dual(c), P.dual(c))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(P.T)) @ g, P.T @ g)
    for operator in (change, change.T, change.inverse, change.inverse.T):
        copy = pickle.loads(pickle.dumps(operator))
        np.testing.assert_array_equal(copy @ c, operator @ c)
        np.testing.assert_array_equal(copy.solve(c), operator.solve(c))
    A = kanml.relu_transform(kanml.SplineSpace([0.0, 1.0, 3.0], 2))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(A)).toarray(), A.toarray())


# Misuse


def test_not_nested():
    coarse = kanml.SplineSpace([0.0, 0.125, 0.5, 1.0], 2)
    fine = kanml.SplineSpace([0.0, 0.25, 0.5, 0.75, 1.0], 2)
    with pytest.raises(ValueError, match=naming("0.125")):
        kanml.prolongation(coarse, fine)


def test_the_wrong_way_round():
    coarse = kanml.SplineSpace.uniform(0.0, 1.0, 4, 2)
    with pytest.raises(ValueError, match=naming("0.125")):
        kanml.prolongation(coarse.refine(), coarse)


def test_different_degrees():
    coarse, fine = (kanml.SplineSpace.uniform(0.0, 1.0, 4, degree) for degree in (2, 3))
    with pytest.raises(ValueError, match=naming("degree", 2, 3)):
        kanml.prolongation(coarse, fine)


def test_different_domains():
    coarse = kanml.SplineSpace([0.0, 1.0], 2)
    fine = kanml.SplineSpace([0.0, 1.0, 2.5], 2)
    with pytest.raises(ValueError, match=naming("domain", "1.0", "2.5")):
        kanml.prolongation(coarse, fine)


@pytest.mark.parametrize("act", [lambda P, v: P @ v, lambda P, v: P.T @ v, lambda P, v: P.dual(v)],
                         ids=["P @ v", "P.T @ v", "P.dual(v)"])  # fmt: skip
def test_vectors_of_the_wrong_length(act):
    coarse = kanml.SplineSpace.uniform(0.0, 1.0, 4, 2)
    P = kanml.prolongation(coarse, coarse.refine())
    with pytest.raises(ValueError, match="7"):
        act(P, np.zeros(7))
