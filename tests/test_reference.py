"""The oracles themselves, against SciPy, differences and the definition of a prolongation.

These run without kanml: an oracle that is wrong would send everybody looking in the wrong place.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import mpmath
import numpy as np
import pytest
from hypothesis import given
from scipy.interpolate import BSpline

from reference import networks, relu, series, splines
from strategies import all_points, breakpoints, degrees, refinements


def scipy_basis(knots, degree, x, derivative=0):
    return BSpline(knots, np.eye(len(knots) - degree - 1), degree)(x, derivative)


@given(breakpoints(), degrees)
def test_basis_agrees_with_scipy(t, degree):
    knots = splines.knots_with_ghosts(t, degree)
    x = all_points(t)
    for derivative in range(degree + 1):
        ours = splines.basis(knots, degree, x, derivative)
        theirs = scipy_basis(knots, degree, x, derivative)
        assert np.all(abs(ours - theirs) <= 1e-12 * abs(theirs).max(axis=0))


@pytest.mark.parametrize("degree", range(1, 6))
def test_beyond_the_domain_the_end_piece_continues(degree):
    knots = splines.knots_with_ghosts(np.array([-1.0, -0.75, 0.1, 0.5, 2.0]), degree)
    x = np.array([-4.0, -1.5, 2.5, 6.0])
    theirs = scipy_basis(knots, degree, x)  # SciPy's extrapolation is the polynomial one
    ours = splines.basis(knots, degree, x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * abs(theirs).max())


@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_rules_for_outside(derivative):
    degree, t = 3, np.array([0.0, 0.5, 1.0, 3.0])
    knots = splines.knots_with_ghosts(t, degree)
    c = np.array([0.3, -1.0, 2.0, 0.5, 1.5, -0.25])
    spline = BSpline(knots, c, degree)
    x = np.array([-2.0, 0.0, 0.7, 3.0, 4.5])
    out, end = np.array([0, 4]), np.array([0.0, 3.0])

    expected = {rule: spline(x, derivative) for rule in ("linear", "clamp", "polynomial")}
    expected["clamp"][out] = spline(end) if derivative == 0 else 0.0
    slope = spline(end, 1)
    expected["linear"][out] = [spline(end) + slope * (x[out] - end), slope, 0 * slope][derivative]
    for rule, values in expected.items():
        got = splines.evaluate(knots, degree, c, x, derivative, rule)
        np.testing.assert_allclose(got, values, rtol=1e-13, atol=1e-13)
    with pytest.raises(ValueError, match=r"-2\.0 is outside"):
        splines.evaluate(knots, degree, c, x, derivative, "error")


@given(refinements(max_intervals=8, max_new=8), degrees)
def test_prolongation_keeps_the_function(pair, degree):
    coarse, fine = (splines.knots_with_ghosts(t, degree) for t in pair)
    P = splines.prolongation(coarse, fine, degree)
    x = all_points(pair[1])
    np.testing.assert_allclose(
        scipy_basis(fine, degree, x) @ P, scipy_basis(coarse, degree, x), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("degree", range(1, 6))
def test_prolongation_of_one_inner_knot_is_scipy_insertion(degree):
    # Inserted in the middle, the knot leaves the ghost knots as they are: Boehm's algorithm alone.
    t = np.arange(8.0)
    coarse = splines.knots_with_ghosts(t, degree)
    fine = splines.knots_with_ghosts(np.sort(np.append(t, 3.3)), degree)
    c = np.sin(np.arange(coarse.size - degree - 1.0))
    inserted = BSpline(coarse, c, degree).insert_knot(3.3).c[: fine.size - degree - 1]
    P = splines.prolongation(coarse, fine, degree)
    np.testing.assert_allclose(P @ c, inserted, rtol=0, atol=1e-14)


def test_prolongation_rejects_what_is_not_nested():
    knots = [splines.knots_with_ghosts(np.array(t), 2) for t in ([0.0, 1, 3], [0.0, 2, 3])]
    with pytest.raises(ValueError, match="not nested"):
        splines.prolongation(*knots, 2)


@pytest.mark.parametrize("kind", networks.ACTIVATIONS)
def test_complex_step_through_activations(kind):
    x = np.array([[-2.0, -0.4, 0.3, 1.7]])
    step = 1e-6
    f = networks.Activation(kind)
    derivative = networks.complex_step(f, x, np.ones_like(x))
    np.testing.assert_allclose(derivative, (f(x + step) - f(x - step)) / (2 * step), atol=1e-9)


@pytest.mark.parametrize("rule", ["linear", "polynomial", "clamp"])
@pytest.mark.parametrize("degree", range(1, 6))
def test_complex_step_through_splines(rule, degree):
    knots = splines.knots_with_ghosts(np.array([-1.0, -0.25, 0.5, 1.0]), degree)
    c = np.cos(2.0 * np.arange(knots.size - degree - 1.0))[:, None]
    layer = networks.Spline((knots,), degree, c, rule)
    x = np.array([[-1.7], [-1.0], [-0.3], [0.5], [0.9], [1.4]])
    got = networks.complex_step(layer, x, np.ones_like(x))
    exact = splines.evaluate(knots, degree, c, x[:, 0], 1, rule)
    np.testing.assert_allclose(got, exact, rtol=1e-12, atol=1e-13)


def test_kink_distance():
    knots = splines.knots_with_ghosts(np.array([-1.0, 0.0, 1.0]), 1)
    layers = [
        networks.Linear(np.array([[2.0]]), np.array([0.5])),
        networks.Activation("relu"),
        networks.Spline((knots,), 1, np.zeros((3, 1))),
    ]
    x = np.array([[0.05], [0.3], [-0.35]])  # 0.6, 1.1 and -0.2 (relu: 0, a knot) arrive
    np.testing.assert_allclose(networks.kink_distance(layers, x), [0.4, 0.1, 0.0], atol=1e-15)


# Power series


@pytest.mark.parametrize("kind", [*networks.ACTIVATIONS, "cos"])
def test_series_of_activations(kind):
    x = np.array([-3.0, -0.7, 0.2, 1.9])
    ours = np.array(series.activation(kind, x, 4))
    exact = {
        "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
        "silu": lambda z: z / (1 + mpmath.exp(-z)),
        "relu": lambda z: max(z, mpmath.mpf(0)),
    }
    function = exact.get(kind) or getattr(mpmath, kind)
    theirs = np.array([mpmath.taylor(function, z, 4) for z in x], dtype=float).T
    np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=1e-15)


def test_series_of_what_is_unknown_are_refused():
    with pytest.raises(ValueError, match="no power series of 'nonsense'"):
        series.activation("nonsense", np.array([0.5]), 2)
    with pytest.raises(ValueError, match="no power series through"):
        series.taylor([np.tanh], np.array([[0.5]]), [1.0], 2)


@pytest.mark.parametrize("degree", range(1, 6))
def test_series_of_splines_are_their_pieces(degree):
    knots = splines.knots_with_ghosts(np.array([-1.0, -0.25, 0.5, 1.0]), degree)
    c = np.cos(2.0 * np.arange(knots.size - degree - 1.0))[:, None]
    x, step = np.array([[-0.9], [0.0], [0.45], [0.6]]), 0.04
    for layer in (networks.Spline((knots,), degree, c), networks.Relu((knots,), degree, c)):
        y = series.taylor([layer], x, [1.0], degree)
        sums = sum(y[m] * step**m for m in range(degree + 1))
        np.testing.assert_allclose(sums, layer(x + step), rtol=1e-13, atol=1e-13)


def test_series_of_a_composition():
    layers = [
        networks.Linear(np.array([[0.7], [-0.4]]), np.array([0.2])),
        networks.Activation("sin"),
        networks.Affine(0.3, -0.1),
        networks.Activation("tanh"),
    ]
    names = ["", "x", "y", "xy", "yy", "xxy", "xxyy"]
    found = series.derivatives(layers, np.array([[0.5, -1.5]]), names, "xy")

    def function(x, y):
        return mpmath.tanh(0.3 * mpmath.sin(0.7 * x - 0.4 * y + 0.2) - 0.1)

    for name in names:
        exact = mpmath.diff(function, (0.5, -1.5), (name.count("x"), name.count("y")))
        assert float(found[name][0, 0]) == pytest.approx(float(exact), rel=1e-13)


def test_series_of_an_embedding():
    layer = networks.Embedding([(1, "cosine", 3.0), (0, "identity", 1.0), (1, "sine", 3.0)])
    x = np.array([[0.2, 0.9], [-0.5, 0.1]])
    y = series.taylor([layer], x, [2.0, 1.0], 4)
    for m in range(5):
        turn, size = 3 * x[:, 1] + m * np.pi / 2, 3.0**m / factorial(m)
        expected = [size * np.cos(turn), [x[:, 0], 2.0, 0.0][min(m, 2)] + 0 * turn]
        expected.append(size * np.sin(turn))
        np.testing.assert_allclose(y[m], np.stack(expected, axis=1), rtol=1e-13, atol=1e-14)


# Powers of ReLUs, in fractions: nothing is rounded, so equal means equal.


@given(breakpoints(max_intervals=6), degrees)
def test_recursion_and_divided_difference_are_one_matrix(t, degree):
    knots = relu.fractions(splines.knots_with_ghosts(t, degree))
    A = relu.by_recursion(knots, degree)
    assert (relu.by_divided_difference(knots, degree) == A).all()
    assert (relu.inverse(knots, degree) @ A == np.eye(len(A), dtype=int)).all()


@pytest.mark.parametrize("degree", range(1, 6))
def test_uniform_knots_give_a_toeplitz_matrix(degree):
    spacing = Fraction(2, 7)
    knots = spacing * relu.fractions(np.arange(-degree, 6 + degree))
    A = relu.by_recursion(knots, degree)
    assert (relu.toeplitz(len(A), degree, spacing) == A).all()


@pytest.mark.parametrize("degree", range(1, 6))
def test_b_splines_are_these_combinations_of_powers(degree):
    t = relu.fractions([-1.0, -0.75, 0.1, 0.5, 2.0])
    knots = splines.knots_with_ghosts(t, degree)
    x = np.concatenate([t, relu.fractions(np.linspace(-1.0, 2.0, 29))])
    powers = relu.basis(knots, degree, x)
    A = relu.by_divided_difference(knots, degree)
    assert (splines.basis(knots, degree, x) == powers @ A.T).all()
    w = relu.fractions(np.cos(np.arange(len(A))))
    assert (relu.evaluate(knots, degree, w, x) == powers @ w).all()
