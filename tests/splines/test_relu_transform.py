"""Powers of ReLUs: the matrix of the change of basis, its products and solutions, its limits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from relu_inputs import (
    DEGREES,
    DTYPES,
    EPS,
    EPS32,
    dense,
    no_digits_left,
    nonuniform,
    ulps,
    uniform,
)
from scipy.interpolate import BSpline

import kanml
from helpers import naming, same_bits
from reference import relu
from strategies import all_points, breakpoints, degrees

# The matrix


@given(breakpoints(max_intervals=8), degrees)
def test_entries_are_rounded_once(t, degree):
    space = kanml.SplineSpace(t, degree)
    exact = relu.by_recursion(relu.fractions(space.knots), degree)
    A = kanml.relu_transform(space).toarray()
    # So no double can be nearer by a hundredth. In doubles the divided difference is off by up to
    # 4 of these units, the recursion by 3, the Toeplitz form (knots are rounded) by 20.
    assert ulps(A, exact) <= 0.51
    for form in (relu.by_divided_difference, relu.by_recursion):
        assert np.all(abs(form(space.knots, degree) - A) <= (1.5 * degree + 2) * EPS * abs(A))


@pytest.mark.parametrize("n", [1, 2, 16])
@pytest.mark.parametrize("degree", DEGREES)
def test_uniform_knots(degree, n):
    space = kanml.SplineSpace.uniform(0.0, n / 4, n, degree)
    A = kanml.relu_transform(space).toarray()
    expected = relu.toeplitz(space.dim, degree, 0.25)
    assert np.all(abs(A - expected) <= EPS * abs(expected))


@given(breakpoints(), degrees)
@example(np.array([8.05575631e-93, 1 / 3, 2 / 3, 1.0]), 3)
def test_b_is_A_psi(t, degree):
    space = kanml.SplineSpace(t, degree)
    A, x = kanml.relu_transform(space), all_points(t)
    psi = kanml.relu_basis(space, x)
    assert psi.shape == (x.size, space.dim)
    product = (A @ psi.T).T
    allowed = 16 * EPS * (psi @ abs(A.toarray()).T)  # found: 3 instead of 16
    allowed += np.finfo(float).tiny * abs(A.toarray()).sum(axis=1)  # powers that underflow
    for b in (space.design_matrix(x), BSpline(space.knots, np.eye(space.dim), degree)(x)):
        assert np.all(abs(product - b) <= allowed)


@pytest.mark.parametrize("n", [1, 64, 512])
@pytest.mark.parametrize("degree", DEGREES)
def test_b_is_A_psi_on_many_intervals(degree, n):
    for space in (uniform(n, degree), nonuniform(n, degree, seed=n, ratio=1e3)):
        x = all_points(space.breakpoints)[:: 1 + n // 64]
        psi = kanml.relu_basis(space, x)
        A = kanml.relu_transform(space)
        error = abs((A @ psi.T).T - space.design_matrix(x))
        assert np.all(error <= 16 * EPS * (psi @ abs(A.toarray()).T))


def test_powers_of_relus():
    space = kanml.SplineSpace([0.0, 0.5, 2.0], 2)
    x = np.array([-3.0, 0.0, 0.5, np.nextafter(0.5, 1), 2.0, 7.0])
    expected = relu.basis(space.knots, 2, x)
    np.testing.assert_array_equal(kanml.relu_basis(space, x), expected)
    assert np.isnan(kanml.relu_basis(space, [np.nan])).all()
    assert kanml.relu_basis(space, []).shape == (0, space.dim)


# Products and solutions


def actions(A):
    """Each way to use A, with the matrix that it stands for, given A and A^-1."""
    return [
        (lambda v: A @ v, lambda a, inverse: a),
        (lambda v: A.T @ v, lambda a, inverse: a.T),
        (A.solve, lambda a, inverse: inverse),
        (A.T.solve, lambda a, inverse: inverse.T),
        (lambda v: A.inverse @ v, lambda a, inverse: inverse),
        (lambda v: A.T.inverse @ v, lambda a, inverse: inverse.T),
        (lambda v: A.inverse.T @ v, lambda a, inverse: inverse.T),
        (A.inverse.solve, lambda a, inverse: a),
    ]


@no_digits_left
@given(breakpoints(), degrees)
def test_products_and_solutions(t, degree):
    space = kanml.SplineSpace(t, degree)
    matrices = dense(space)
    v = np.random.default_rng(degree).normal(size=(space.dim, 3))
    for act, which in actions(kanml.relu_transform(space)):
        matrix = which(*matrices)
        for x in (v, v.astype(np.float32), abs(v)):
            size = abs(matrix) @ abs(np.longdouble(x))
            error = abs(act(x) - matrix @ np.longdouble(x))
            # Found: 2.1 instead of 4. From float32 only the result is rounded to float32.
            last = 0.5 * EPS32 if x.dtype == np.float32 else 0.0
            assert np.all(error <= (4 * EPS + last) * size)
            assert act(x).dtype == x.dtype


@no_digits_left
@pytest.mark.parametrize("kind", ["uniform", "nonuniform"])
@pytest.mark.parametrize("degree", DEGREES)
def test_solutions_on_512_intervals(degree, kind):
    # The condition is up to 4e16 here: elimination would leave no digit.
    space = uniform(512, degree) if kind == "uniform" else nonuniform(512, degree, 0, ratio=1e3)
    A = kanml.relu_transform(space)
    inverse = relu.inverse(np.longdouble(space.knots), degree)
    v = np.random.default_rng(0).normal(size=space.dim)
    for solve, matrix in ((A.solve, inverse), (A.T.solve, inverse.T)):
        for x in (v, v.astype(np.float32)):
            last = 0.5 * EPS32 if x.dtype == np.float32 else 0.0
            error = abs(solve(x) - matrix @ np.longdouble(x))
            assert np.all(error <= (4 * EPS + last) * (matrix @ abs(np.longdouble(x))))


@no_digits_left
@pytest.mark.parametrize("degree", DEGREES)
def test_solutions_do_not_get_worse_with_the_intervals(degree):
    # Sums of 20,000 terms: without carrying their rounding along, they lose two digits.
    space = uniform(20_000, degree)
    A, t = kanml.relu_transform(space), np.longdouble(space.knots)
    v = np.random.default_rng(0).uniform(0.0, 1.0, space.dim)
    down, up = A.T.solve(v), A.solve(v)
    for i in np.linspace(0, space.dim - 1, 20).astype(int):
        before = np.prod([t[i + l] - t[: i + 1] for l in range(1, degree + 1)], axis=0)  # noqa: E741
        after = np.prod([t[i + l : space.dim + l] - t[i] for l in range(1, degree + 1)], axis=0)  # noqa: E741
        for got, exact in ((down[i], before @ v[: i + 1]), (up[i], after @ v[i:])):
            assert abs(got - exact) <= 4 * EPS * exact


@no_digits_left
@given(breakpoints(), degrees)
def test_adjoint(t, degree):
    A = kanml.relu_transform(kanml.SplineSpace(t, degree))
    u, v = np.random.default_rng(1).normal(size=(2, A.shape[0]))
    size = abs(u) @ (abs(A.toarray()) @ abs(v))
    assert abs(u @ (A @ v) - (A.T @ u) @ v) <= 16 * EPS * size
    size = abs(u) @ A.solve(abs(v))  # no entry of the inverse is negative
    assert abs(u @ A.solve(v) - A.T.solve(u) @ v) <= 16 * EPS * size


@pytest.mark.parametrize("tail", [(), (1,), (4,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arrays_of_any_further_shape(tail, dtype):
    space = nonuniform(5, 3, seed=0)
    v = np.random.default_rng(0).normal(size=(space.dim, *tail)).astype(dtype)
    for act, _ in actions(kanml.relu_transform(space)):
        got = act(v)
        assert got.shape == v.shape
        assert got.dtype == dtype
        for index in np.ndindex(*tail):
            column = (slice(None), *index)
            assert same_bits(got[column], act(v[column].copy()))
        np.testing.assert_array_equal(act(v.tolist() if v.size else v), act(np.float64(v)))


def test_integers_are_numbers():
    A = kanml.relu_transform(kanml.SplineSpace.uniform(0, 3, 3, 1))
    assert same_bits(A.solve([4, 3, 2, 1]), np.array([20.0, 10.0, 4.0, 1.0]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_belongs(value):
    space = nonuniform(12, 3, seed=1)
    matrices = dense(space)
    v = np.random.default_rng(2).normal(size=(space.dim, 3))
    spoiled = v.copy()
    spoiled[7, 1] = value
    for act, which in actions(kanml.relu_transform(space)):
        reached = np.zeros(v.shape, dtype=bool)
        reached[:, 1] = which(*matrices)[:, 7] != 0
        with np.errstate(invalid="ignore"):
            got, clean = act(spoiled), act(v)
        assert not np.isfinite(got[reached]).any()
        assert same_bits(got[~reached], clean[~reached])


@pytest.mark.parametrize("which", range(8))
@pytest.mark.parametrize("shape", [(), (7,), (9,), (2, 8), (0,)])
def test_operands_of_other_shapes(which, shape):
    act, _ = actions(kanml.relu_transform(uniform(5, 3)))[which]
    with pytest.raises(ValueError, match=naming("(8, 8)", shape)):
        act(np.zeros(shape))


def test_operands_that_are_not_real():
    A = kanml.relu_transform(uniform(5, 3))
    for act, _ in actions(A):
        for bad in (np.zeros(8) + 0j, np.zeros(8, object), ["a"] * 8, None):
            with pytest.raises(TypeError, match="operand"):
                act(bad)


@pytest.mark.parametrize("bad", [None, 3, [0.0, 1.0], "space"], ids=repr)
def test_no_space(bad):
    for call in (kanml.relu_transform, lambda s: kanml.relu_basis(s, [0.0])):
        with pytest.raises(TypeError, match=naming("space", repr(bad))):
            call(bad)


def test_points_of_the_wrong_shape():
    with pytest.raises(ValueError, match=naming("x", "(2, 1)")):
        kanml.relu_basis(uniform(2, 2), [[0.0], [0.5]])
    with pytest.raises(TypeError, match=naming("x", "complex128")):
        kanml.relu_basis(uniform(2, 2), [0.5j])


# Weights that do not fit


@given(breakpoints(), degrees)
def test_condition(t, degree):
    space = kanml.SplineSpace(t, degree)
    A, inverse = dense(space)
    expected = (inverse.T @ (abs(A).T @ np.ones(space.dim))).max()
    transform = kanml.relu_transform(space)
    assert transform.condition == pytest.approx(float(expected), rel=4 * EPS, abs=0)
    for dtype in DTYPES:
        assert transform.lost(dtype) == transform.condition * np.finfo(dtype).eps / 2


def test_solving_warns_where_every_digit_is_lost():
    A = kanml.relu_transform(uniform(100, 3))
    v = np.ones(A.shape[0])
    assert 1e-9 < A.lost("float64") < 1 < A.lost("float32")
    for act in (A.solve, A.T.solve, lambda b: A.inverse @ b, lambda b: A.inverse.T @ b):
        act(v)
        with pytest.warns(RuntimeWarning, match=naming("float32", repr(uniform(100, 3)))) as seen:
            act(v.astype(np.float32))
        assert seen[0].filename == __file__
    A @ v.astype(np.float32), A.T @ v.astype(np.float32), A.inverse.solve(v.astype(np.float32))


def test_solving_warns_from_where_float32_is_refused():
    seen = set()
    for n in range(50, 90):
        A = kanml.relu_transform(uniform(n, 3))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            A.T.solve(np.ones(A.shape[0], np.float32))
        assert len(caught) == (A.lost("float32") >= 1)
        seen.add(len(caught))
    assert seen == {0, 1}


FITS = naming("float32", repr(uniform(100, 3)), "layers[0]", "fewer intervals", "float64")


@pytest.mark.parametrize(
    "make",
    [
        lambda: kanml.KAN([2, 1], degree=3, intervals=100, basis="relu", dtype="float32"),
        lambda: kanml.KAN([2, 1], degree=3, intervals=100, dtype="float32").to_basis("relu"),
        lambda: kanml.KAN([2, 1], degree=3, intervals=10, basis="relu", dtype="float32").refine(10),
        lambda: kanml.KAN([1, 1], degree=3, intervals=10, basis="relu", dtype="float32").refine(
            spaces=[uniform(100, 3)]
        ),
    ],
    ids=["made", "changed", "refined", "refined to a space"],
)
def test_float32_refuses_weights_that_it_cannot_hold(make):
    with pytest.raises(ValueError, match=FITS):
        make()


def test_float64_refuses_too_and_does_not_recommend_itself():
    net = kanml.KAN([1, 1], degree=5, intervals=1000)
    with pytest.raises(ValueError, match=naming("float64", "lower degree", "spline basis")) as e:
        net.to_basis("relu")
    assert str(e.value).count("float64") == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_limits_of_a_warning_and_of_an_error(dtype):
    # Warned from 1 % on, refused from 100 %: whatever fits is said to fit, and nothing else.
    seen = set()
    degree, sizes = (3, range(2, 80)) if dtype == "float32" else (5, range(300, 800, 20))
    for n in sizes:
        lost = kanml.relu_transform(uniform(n, degree)).lost(dtype)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                kanml.KAN([1, 1], degree=degree, intervals=n, basis="relu", dtype=dtype)
                outcome = "warned" if caught else "silent"
            except ValueError:
                outcome = "refused"
        assert outcome == ("refused" if lost >= 1 else "warned" if lost >= 0.01 else "silent")
        assert all(w.category is RuntimeWarning for w in caught)
        seen.add(outcome)
    assert len(seen) == 3


@pytest.mark.parametrize("length", [1e-70, 1e75])
def test_spaces_beyond_the_range_of_float64(length):
    space = kanml.SplineSpace([0.0, length / 2, length], 5)
    in_splines = kanml.Network([kanml.SplineLayer(1, 1, space)])  # needs no powers
    for call in (
        lambda: kanml.relu_transform(space),
        lambda: kanml.Network([kanml.SplineLayer(1, 1, space, basis="relu")]),
        lambda: in_splines.to_basis("relu"),
    ):
        with pytest.raises(ValueError, match=naming(repr(space), "float64")):
            call()
