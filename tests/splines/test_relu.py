"""Powers of ReLUs: the change of basis, networks that count in them, and their refinement.

With w = A^T u the splines b and the powers psi are one function, u b = w psi. Whatever is computed
through w is uncertain by rounding times sum_j |w_j| psi_j, which grows like n^degree; the bounds
here are small multiples of that sum, never of the result.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from scipy.interpolate import BSpline

import kanml
from helpers import (
    has_uniform_knots,
    naming,
    random_breakpoints,
    reference_output,
    same_bits,
    with_random_parameters,
)
from reference import networks, relu, splines
from strategies import all_points, around_ends, breakpoints, degrees, refinements

EPS = np.finfo(float).eps
EPS32 = np.finfo(np.float32).eps
DEGREES = range(1, 6)
RULES = ["linear", "polynomial", "clamp"]
DTYPES = ["float64", "float32"]

few_digits_left = pytest.mark.filterwarnings("ignore:.*can hardly hold:RuntimeWarning")
no_digits_left = pytest.mark.filterwarnings("ignore:.*cannot hold:RuntimeWarning")


def nonuniform(n, degree, seed, ratio=5.0, a=-1.0, b=1.0):
    rng = np.random.default_rng(seed)
    return kanml.SplineSpace(random_breakpoints(rng, n, a, b, ratio), degree)


def uniform(n, degree):
    return kanml.SplineSpace.uniform(-1.0, 1.0, n, degree)


def layers(widths, degree, rule="linear", basis="spline"):
    """Layers on nonuniform knots, a space of its own and of its own size an input."""
    return [
        kanml.SplineLayer(
            n_in,
            n_out,
            [nonuniform(2 + 2 * p + i, degree, seed=10 * i + p) for p in range(n_in)],
            basis=basis,
            extrapolation=rule,
        )
        for i, (n_in, n_out) in enumerate(pairwise(widths))
    ]


def spline_network(widths, degree, rule="linear", dtype="float64"):
    net = kanml.Network(layers(widths, degree, rule), seed=0, dtype=dtype)
    return with_random_parameters(net, seed=degree)


def one_spline(space, seed, rule="linear", dtype="float64"):
    """One random spline; every second one is smooth, of much smaller ReLU weights."""
    u = np.random.default_rng(seed).normal(size=space.dim)
    if seed % 2:
        u = np.cumsum(u) / np.sqrt(space.dim)
    layer = kanml.SplineLayer(1, 1, space, extrapolation=rule)
    return kanml.Network([layer], dtype=dtype).with_parameters(u)


def uncertainty(net, x):
    """What one unit of rounding does to the outputs (N, n_out), to first order.

    Each layer adds sum |b| |A^-T| |w|, which is sum_j |w_j| psi_j inside the domain, and magnifies
    what arrives by its slopes. In the spline basis |w| is bounded by |A^T| |u|.
    """
    x, error = np.longdouble(x), np.zeros_like(x, np.longdouble)
    for layer, block in zip(net.layers, net.blocks, strict=True):
        parameters = np.longdouble(net.parameters[block.slice]).reshape(block.shape)
        y, own, start = 0.0, 0.0, 0
        for p, space in enumerate(layer.spaces):
            c = parameters[start : (start := start + space.dim)]
            knots, k = np.longdouble(space.knots), layer.degree
            to_splines = relu.inverse(knots, k).T
            if layer.basis == "relu":
                u, size = to_splines @ c, to_splines @ abs(c)
            else:
                u = c
                size = to_splines @ (abs(relu.by_divided_difference(knots, k)).T @ abs(c))
            values = splines.basis_with_rule(knots, k, x[:, p], 0, layer.extrapolation)
            slopes = splines.basis_with_rule(knots, k, x[:, p], 1, layer.extrapolation) @ u
            y = y + values @ u
            own = own + abs(values) @ size + abs(slopes) * error[:, p : p + 1]
        x, error = y, own
    return np.float64(error)


def ulps(got, exact):
    """The largest error of doubles against fractions, in units in the last place."""
    spacing = relu.fractions(np.spacing(abs(exact.astype(float))))
    return float((abs(relu.fractions(got) - exact) / spacing).max())


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


def dense(space):
    """A and A^-1 in extended precision, by their closed forms."""
    knots = np.longdouble(space.knots)
    return relu.by_divided_difference(knots, space.degree), relu.inverse(knots, space.degree)


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


# Networks: values


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("degree", DEGREES)
def test_one_function_in_both_bases_on_the_whole_line(degree, rule, dtype):
    net = spline_network([2, 3, 2], degree, rule, dtype)
    in_relu = net.to_basis("relu")
    assert in_relu.dtype == net.dtype
    x = np.random.default_rng(0).uniform(-1.6, 1.6, (300, 2)).astype(dtype)
    allowed = np.finfo(dtype).eps * uncertainty(net, x)  # found: a quarter of it
    assert np.all(abs(in_relu(x) - net(x)) <= allowed)
    back = in_relu.to_basis("spline")
    assert np.all(abs(back(x) - net(x)) <= allowed)


@settings(max_examples=25)
@given(breakpoints(), degrees)
def test_one_spline_in_both_bases(t, degree):
    space = kanml.SplineSpace(t, degree)
    assume(kanml.relu_transform(space).lost(float) < 0.01)
    for i, rule in enumerate(RULES):
        net = one_spline(space, seed=i, rule=rule)
        x = np.concatenate([all_points(t), around_ends(t)])[:, None]
        got, expected = net.to_basis("relu")(x), net(x)
        assert np.all(abs(got - expected) <= 4 * EPS * uncertainty(net, x))  # found: 1.3


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", DEGREES)
def test_round_trip_of_the_coefficients(degree, dtype):
    net = spline_network([3, 2], degree, dtype=dtype)
    u, again = net.parameters.reshape(-1, 2), net.to_basis("relu").to_basis("spline")
    start = 0
    for space in net.layers[0].spaces:
        A, inverse = dense(space)
        part = slice(start, start := start + space.dim)
        size = inverse.T @ (abs(A).T @ abs(np.longdouble(u[part])))
        error = abs(again.parameters.reshape(-1, 2)[part] - np.longdouble(u[part]))
        assert np.all(error <= 2 * np.finfo(dtype).eps * size)  # found: 1.7 and 0.9
    same = net.to_basis("spline")
    assert same_bits(same.parameters, net.parameters)


def test_only_spline_layers_change_basis():
    net = kanml.Network(
        [kanml.Linear(2, 3), kanml.Activation("tanh"), *layers([3, 2], 3), kanml.Affine(2.0, 1.0)]
    )
    in_relu = net.to_basis("relu")
    assert [block.kind for block in in_relu.blocks] == ["plain", "plain", "relu"]
    linear = slice(0, net.blocks[2].slice.start)
    assert same_bits(in_relu.parameters[linear], net.parameters[linear])
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(in_relu(x), net(x), rtol=0, atol=1e-12)


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 8, 64, 512])
@pytest.mark.parametrize("degree", DEGREES)
def test_values_are_as_good_as_the_weights(degree, n, dtype):
    spaces = [uniform(n, degree)]
    if dtype == "float64":  # float32 would round other knots
        spaces.append(nonuniform(n, degree, seed=n, ratio=1e3))
    for seed, space in enumerate([*spaces, *spaces]):
        if kanml.relu_transform(space).lost(dtype) >= 1:
            continue
        net = one_spline(space, seed, dtype=dtype).to_basis("relu")
        points = np.unique(all_points(space.breakpoints)[:: 1 + n // 16].astype(dtype))
        x = points[(points >= -1) & (points <= 1)]
        exact, size = relu.exact_sum(space.knots, degree, net.parameters, x)
        error = abs(np.float64(net(x[:, None])[:, 0]) - exact)
        assert np.all(error <= 4 * np.finfo(dtype).eps * size)  # found: 2.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_better_than_those_of_the_direct_sum(dtype):
    space = uniform(64 if dtype == "float64" else 16, 3)
    net = one_spline(space, seed=0, dtype=dtype).to_basis("relu")
    x = np.linspace(-1, 1, 201).astype(dtype)
    exact, _ = relu.exact_sum(space.knots, 3, net.parameters, x)
    direct = np.float64(relu.evaluate(space.knots.astype(dtype), 3, net.parameters, x))
    ours = np.float64(net(x[:, None])[:, 0])
    assert abs(ours - exact).max() <= 0.05 * abs(direct - exact).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", DEGREES)
def test_a_seed_gives_one_function_in_either_basis(degree, dtype):
    def make(basis):
        return kanml.KAN([2, 3, 1], degree=degree, intervals=5, basis=basis, seed=4, dtype=dtype)

    in_splines, in_relu = make("spline"), make("relu")
    if dtype == "float64":
        assert same_bits(in_relu.parameters, in_splines.to_basis("relu").parameters)
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (100, 2)).astype(dtype)
    allowed = 4 * np.finfo(dtype).eps * uncertainty(in_splines, x)
    assert np.all(abs(in_relu(x) - in_splines(x)) <= allowed)


# Networks: derivatives


def inside(net, n):
    """Inputs that stay inside the domains of all layers, away from knots, and the network."""
    x = np.random.default_rng(1).uniform(-1, 1, (n, net.n_in))
    net = net.with_parameters(0.2 * net.parameters)
    hidden = reference_output(kanml.Network(net.layers[:1]), x, net.parameters[net.blocks[0].slice])
    assert len(net.layers) == 1 or abs(hidden).max() < 0.99
    return net, x


def by_direct_sum(net, x, function, at=None):
    """The gradient of function(outputs) by complex step through sums of powers, term by term."""
    theta = np.longdouble(net.parameters)
    step = np.longdouble(1e-100)
    return np.array([
        networks.complex_step(
            lambda p: function(reference_output(net, np.longdouble(x), p)), theta, e, step
        )
        for e in np.eye(net.n_parameters)
    ])  # fmt: skip


def growth(net, x):
    """How much larger than the outputs the sums of |w_j| psi_j are that they are made of."""
    return uncertainty(net, x).max() / abs(net(x)).max()


@pytest.mark.parametrize("degree", DEGREES)
def test_gradients_of_one_layer(degree):
    net, x = inside(spline_network([2, 3], degree).to_basis("relu"), 25)
    cotangent = np.random.default_rng(2).normal(size=(25, 3))
    got = net.vjp(x, cotangent)[0]
    powers = np.hstack([
        relu.basis(np.longdouble(s.knots), degree, x[:, p])
        for p, s in enumerate(net.layers[0].spaces)
    ])  # fmt: skip
    error = abs(got - (powers.T @ cotangent).ravel())
    # Found: 2.6. The uncertainty of a sum of mixed signs, as it is that of any weighted mean.
    assert np.all(error <= 5 * EPS * (powers.T @ abs(cotangent)).ravel())


@pytest.mark.parametrize("degree", DEGREES)
def test_vjp_agrees_with_complex_step_through_the_direct_sum(degree):
    net, x = inside(spline_network([2, 3, 2], degree).to_basis("relu"), 20)
    cotangent = np.random.default_rng(2).normal(size=(20, 2))
    by_theta, by_x = net.vjp(x, cotangent)
    bound = EPS * growth(net, x)  # found: a quarter of it

    expected = by_direct_sum(net, x, lambda y: np.sum(cotangent * y))
    for block in net.blocks:
        scale = abs(expected[block.slice]).max()
        assert abs(by_theta - expected)[block.slice].max() <= bound * scale

    def outputs(points):
        return np.sum(cotangent * reference_output(net, points), axis=1)

    points = np.longdouble(x)
    steps = [networks.complex_step(outputs, points, e, np.longdouble(1e-100)) for e in np.eye(2)]
    expected = np.array(steps).T
    assert abs(by_x - expected).max() <= bound * abs(expected).max()


@pytest.mark.parametrize("degree", DEGREES)
def test_mean_squared_error_and_jvp_agree_with_the_direct_sum(degree):
    net, x = inside(spline_network([2, 3, 1], degree).to_basis("relu"), 20)
    target = np.cos(x[:, :1])
    bound = EPS * growth(net, x)  # found: a quarter of it
    value, gradient = net.mean_squared_error(x, target)
    expected = by_direct_sum(net, x, lambda y: np.mean((y - target) ** 2))
    assert value == pytest.approx(np.mean((reference_output(net, x) - target) ** 2), rel=1e-9)
    for block in net.blocks:
        scale = abs(expected[block.slice]).max()
        assert abs(gradient - expected)[block.slice].max() <= bound * scale

    dtheta = np.random.default_rng(3).normal(size=net.n_parameters)
    along = networks.complex_step(
        lambda p: reference_output(net, np.longdouble(x), p),
        np.longdouble(net.parameters), dtheta, np.longdouble(1e-100),
    )  # fmt: skip
    assert abs(net.jvp(x, dtheta) - along).max() <= bound * abs(along).max()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("degree", DEGREES)
def test_vjp_is_the_adjoint_of_jvp(degree, rule):
    net = spline_network([2, 4, 2], degree, rule).to_basis("relu")
    rng = np.random.default_rng(4)
    x, cotangent = rng.uniform(-1.2, 1.2, (200, 2)), rng.normal(size=(200, 2))
    dtheta = net.parameters * rng.normal(size=net.n_parameters)
    forward = cotangent * net.jvp(x, dtheta)
    backward = net.vjp(x, cotangent)[0] * dtheta
    scale = max(abs(forward).sum(), abs(backward).sum())
    assert abs(forward.sum() - backward.sum()) <= 1e-13 * scale


@pytest.mark.parametrize("degree", DEGREES)
def test_gradients_change_basis_by_A(degree):
    net = spline_network([2, 1], degree)
    x = np.random.default_rng(5).uniform(-1.2, 1.2, (50, 2))
    by_u, by_w = (n.vjp(x, np.ones((50, 1)))[0] for n in (net, net.to_basis("relu")))
    start = 0
    for space in net.layers[0].spaces:
        part = slice(start, start := start + space.dim)
        A, inverse = dense(space)
        size = abs(A) @ (inverse @ abs(by_u[part]))
        assert np.all(abs(A @ by_w[part] - by_u[part]) <= 4 * EPS * size)


@few_digits_left
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("degree", [1, 3, 5])
def test_same_bits_with_any_number_of_threads(degree, dtype):
    net = spline_network([2, 6, 2], degree, dtype=dtype).to_basis("relu")
    rng = np.random.default_rng(6)
    x, cotangent = rng.uniform(-1.3, 1.3, (2000, 2)), rng.normal(size=(2000, 2))

    def everything(threads):
        loss, gradient = net.mean_squared_error(x, cotangent, num_threads=threads)
        return [
            net(x, num_threads=threads),
            *net.vjp(x, cotangent, num_threads=threads),
            net.jvp(x, net.parameters, num_threads=threads),
            np.asarray(loss),
            gradient,
        ]

    first = everything(1)
    for threads in (2, 3, 8):
        for left, right in zip(first, everything(threads), strict=True):
            assert same_bits(left, right)


def test_weights_that_are_not_finite_spoil_their_own_output_only():
    net = spline_network([1, 3], 3).to_basis("relu")
    theta = net.parameters.reshape(-1, 3).copy()
    theta[2, 1] = np.nan
    x = np.linspace(-1.5, 1.5, 50)[:, None]
    got = net.with_parameters(theta.ravel())(x)
    assert np.isnan(got[-1, 1])
    assert same_bits(got[:, [0, 2]], net(x)[:, [0, 2]])


# Refinement


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


# What a network says about itself


@pytest.mark.parametrize("dtype", DTYPES)
def test_saved_and_copied_networks_keep_their_basis(dtype, tmp_path):
    net = spline_network([2, 3, 1], 3, dtype=dtype).to_basis("relu")
    net.save(tmp_path / "net.kanml")
    x = np.random.default_rng(9).uniform(-1.5, 1.5, (50, 2))
    for again in (
        kanml.load(tmp_path / "net.kanml"),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
    ):
        assert [layer.basis for layer in again.layers] == ["relu", "relu"]
        assert same_bits(again.parameters, net.parameters)
        assert same_bits(again(x), net(x))


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_the_basis_is_shown(basis):
    net = kanml.KAN([2, 3, 1], intervals=4, basis=basis)
    assert repr(net).count(f"basis='{basis}'") == 2
    assert [block.kind for block in net.blocks] == [basis, basis]
    assert [layer.parameters[0].kind for layer in net.layers] == [basis, basis]
    assert [layer.basis for layer in net.refine().layers] == [basis, basis]
    assert net.layers[0].with_basis("relu").basis == "relu"


@pytest.mark.parametrize(
    "call",
    [
        lambda: kanml.KAN([1, 1], basis="power"),
        lambda: kanml.SplineLayer(1, 1, uniform(3, 2), basis="power"),
        lambda: kanml.KAN([1, 1]).to_basis("power"),
        lambda: kanml.prolongation(uniform(3, 2), uniform(6, 2), basis="power"),
    ],
)
def test_an_unknown_basis(call):
    with pytest.raises(ValueError, match=naming("basis", "'power'", "spline", "relu")):
        call()


def test_a_prolongation_stays_in_one_basis():
    net = kanml.KAN([1, 1])
    with pytest.raises(ValueError, match=r"stays in one basis.*to_basis"):
        net.prolongation(net.refine().to_basis("relu"))
