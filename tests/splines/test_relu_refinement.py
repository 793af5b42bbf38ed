"""Refinement of splines and networks that count in powers of ReLUs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from relu_inputs import (
    DEGREES,
    DTYPES,
    EPS,
    RULES,
    few_digits_left,
    nonuniform,
    one_spline,
    spline_network,
    ulps,
    uncertainty,
    uniform,
)

import kanml
from helpers import has_uniform_knots, same_bits
from reference import relu, splines
from strategies import all_points, around_ends, degrees, refinements


def exact_prolongation(coarse, fine):
    """A_f^T P A_c^-T by dense products, in fractions."""
    k = coarse.degree
    knots = [relu.fractions(space.knots) for space in (coarse, fine)]
    P = splines.prolongation_in_fractions(*(space.knots for space in (coarse, fine)), k)
    return relu.by_divided_difference(knots[1], k).T @ P @ relu.inverse(knots[0], k).T


@settings(max_examples=25)
@given(refinements(max_intervals=4, max_new=4), degrees)
def test_prolongation_is_the_conjugated_one(pair, degree):
    coarse, fine = (kanml.SplineSpace(t, degree) for t in pair)
    P = kanml.prolongation(coarse, fine, basis="relu")
    exact = exact_prolongation(coarse, fine)
    got = P.toarray()
    assert P.shape == got.shape == exact.shape
    assert np.all((got == 0) | (exact != 0))
    nonzero = exact != 0
    assert ulps(got[nonzero], exact[nonzero]) <= 0.51
    u = np.random.default_rng(0).normal(size=(fine.dim, 3))
    size = abs(got).T @ abs(u)
    assert np.all(abs(P.T @ u - got.T @ u) <= 8 * EPS * size)


@pytest.mark.parametrize("factor", [2, 3, 5])
@pytest.mark.parametrize("degree", DEGREES)
def test_prolongation_of_a_factor(degree, factor):
    for coarse in (uniform(3, degree), nonuniform(3, degree, seed=degree, ratio=50)):
        P = kanml.prolongation(coarse, coarse.refine(factor), basis="relu").toarray()
        exact = exact_prolongation(coarse, coarse.refine(factor))
        nonzero = exact != 0
        assert ulps(P[nonzero], exact[nonzero]) <= 0.51
        assert np.all(P[~nonzero] == 0)


@settings(max_examples=25)
@pytest.mark.parametrize("dtype", DTYPES)
@given(pair=refinements(), degree=degrees)
def test_interior_weights_stay_with_their_knots(pair, degree, dtype):
    coarse, fine = (kanml.SplineSpace(t, degree) for t in pair)
    w = np.random.default_rng(0).normal(size=(coarse.dim, 2)).astype(dtype)
    got = kanml.prolongation(coarse, fine, basis="relu") @ w
    kept = np.append(np.zeros(degree + 1, bool), np.isin(fine.breakpoints[1:-1], pair[0]))
    assert same_bits(got[kept], w[degree + 1 :])
    assert not got[degree + 1 :][~kept[degree + 1 :]].any()


@given(refinements(), degrees)
def test_dual_and_moments(pair, degree):
    coarse, fine = (kanml.SplineSpace(t, degree) for t in pair)
    P = kanml.prolongation(coarse, fine, basis="relu")
    rng = np.random.default_rng(1)
    g, s = rng.normal(size=(coarse.dim, 3)), rng.normal(size=(coarse.dim, 3))
    dual = P.dual(g)
    size = abs(P.toarray()).T @ abs(dual)  # what P.T sums to g
    assert np.all(abs(P.T @ dual - g) <= 4 * EPS * size)
    assert np.all(abs(np.sum((P @ s) * dual, 0) - np.sum(s * g, 0)) <= 16 * EPS * np.sum(
        (abs(P.toarray()) @ abs(s)) * abs(dual), 0))  # fmt: skip
    for carry in (P.second_moment, P.curvature):
        carried = carry(g**2)
        assert carried.shape == (fine.dim, 3)
        assert np.all((carried >= 0) & (carried <= (1 + 8 * EPS) * (g**2).max(axis=0)))


@settings(max_examples=25)
@given(refinements(), degrees)
def test_refining_one_spline(pair, degree):
    coarse, fine = (kanml.SplineSpace(t, degree) for t in pair)
    assume(max(kanml.relu_transform(s).lost(float) for s in (coarse, fine)) < 0.01)
    x = np.concatenate([all_points(pair[1]), around_ends(pair[1])])[:, None]
    for seed, rule in enumerate(RULES):
        net = one_spline(coarse, seed, rule).to_basis("relu")
        refined = net.refine(spaces=[fine])
        error = abs(refined(x) - net(x))
        # Found: 1.1. Both weights are rounded, and each function is worth its own.
        bound = 3 * EPS * (uncertainty(net, x) + uncertainty(refined, x))
        if has_uniform_knots(coarse) != has_uniform_knots(fine):
            # Uniform knots stand for multiples of their spacing, which rounding moved.
            slope = abs(net.vjp(x, np.ones_like(error))[1]).max()
            bound += 4 * EPS * abs(fine.knots).max() * slope
        assert np.all(error <= bound)


@pytest.mark.parametrize(
    ("factors", "rule"),
    [*(((2, 2, 2), rule) for rule in RULES), ((3, 3), "linear"), ((2, 3, 2), "linear")],
)
@pytest.mark.parametrize("degree", DEGREES)
def test_refinements_keep_the_function_everywhere(degree, factors, rule):
    nets = [spline_network([2, 3, 2], degree, rule).to_basis("relu")]
    for factor in factors:
        nets.append(nets[-1].refine(factor))
    x = np.random.default_rng(7).uniform(-1.6, 1.6, (40, 2))
    allowed = EPS * sum(uncertainty(net, x) for net in nets)  # found: a fifth of it
    assert np.all(abs(nets[-1](x) - nets[0](x)) <= allowed)


@few_digits_left
@pytest.mark.parametrize(
    ("degree", "dtype"), [*((k, "float64") for k in DEGREES), (1, "float32"), (2, "float32")]
)
def test_refining_to_chosen_spaces(degree, dtype):
    net = spline_network([2, 3, 2], degree, dtype=dtype).to_basis("relu")
    # At a fiftieth of the first interval, in the middle of it, and another layer not at all.
    spaces = [
        space.insert(space.breakpoints[0] + np.array([0.02, 0.5]) * np.diff(space.breakpoints)[0])
        for space in net.layers[0].spaces
    ]
    fine = net.refine(spaces=[spaces, None])
    assert fine.dtype == net.dtype
    assert [layer.basis for layer in fine.layers] == ["relu", "relu"]
    assert same_bits(net.prolongation(fine) @ net.parameters, fine.parameters)
    x = np.random.default_rng(8).uniform(-1.6, 1.6, (50, 2)).astype(dtype)
    allowed = np.finfo(dtype).eps * (uncertainty(net, x) + uncertainty(fine, x))
    assert np.all(abs(np.float64(fine(x)) - net(x)) <= allowed)


def test_breakpoints_that_are_nested_up_to_rounding():
    coarse, fine = uniform(10, 3), uniform(30, 3)
    assert not np.isin(coarse.breakpoints, fine.breakpoints).all()
    net = one_spline(coarse, 1).to_basis("relu")
    x = np.linspace(-1.3, 1.3, 200)[:, None]
    refined = net.refine(spaces=[fine])
    # A knot that moves by eps moves the function by eps times its slope.
    assert abs(refined(x) - net(x)).max() <= 1e-13 * abs(net(x)).max() + 3 * EPS * (
        uncertainty(net, x) + uncertainty(refined, x)
    ).max()  # fmt: skip
