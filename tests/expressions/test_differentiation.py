"""Derivatives of composites: along letters, in directions, and with respect to leaves."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from traces import N, U, at, close, derivative, exactly, traced

from helpers import naming, same_bits
from kanml.expressions import Leaf, Program, Trace, as_number, leaves, partials

RNG = np.random.default_rng(0)


# Derivatives along letters, by mpmath on a field known in full


def field(t, x):
    return mpmath.exp(t / 2) * mpmath.sin(2 * x + t) + x**2 * t


class Functions:
    """The same formula for NumPy and mpmath."""

    def __init__(self, module, atan):
        self.exp, self.sin, self.tanh = module.exp, module.sin, module.tanh
        self.sqrt, self.log, self.cosh, self.atan = module.sqrt, module.log, module.cosh, atan


NUMPY, MPMATH = Functions(np, np.arctan), Functions(mpmath, mpmath.atan)
COMPOSITES = [
    lambda f, u, t, x: x**2 * f.sin(x) + t * u,
    lambda f, u, t, x: u**3 - u + f.exp(-t) * u,
    lambda f, u, t, x: f.tanh(u) / (2 + f.sin(x * u)),
    lambda f, u, t, x: f.sqrt(1 + u**2) * f.log(3 + t) + f.atan(u - x),
    lambda f, u, t, x: f.cosh(u * x) ** -1.5 - (t + 2) ** u,
]


@pytest.mark.parametrize("composite", COMPOSITES)
def test_derivatives_of_composites(composite):
    u, t, x = traced("u t x")
    points = RNG.uniform(0.2, 0.9, (3, 2))
    fields = composite(NUMPY, u, t, x)
    names = ["x", "t", "xx", "tx", "tt", "xxx", "txx"]
    program = Program([getattr(fields, name) for name in names])
    values = {
        leaf: np.array([known(leaf, point) for point in points]).astype(float)
        for leaf in program.leaves
    }
    for name, got in zip(names, program.evaluate(values, 3), strict=True):
        order = (name.count("t"), name.count("x"))

        def whole(t, x):
            return composite(MPMATH, field(t, x), t, x)

        close(got, [exactly(whole, point, order) for point in points], 5e-13)


def known(leaf, point):
    if leaf.kind == "coordinate":
        return point["tx".index(leaf.name)]
    return float(exactly(field, point, (leaf.letters.count("t"), leaf.letters.count("x"))))


def test_the_order_of_letters_does_not_matter():
    trace, u, t, x = traced("trace u t x")
    assert u.tx is u.xt
    assert leaves([u.xtx]) == (derivative("u", "txx"),)
    composite = np.sin(x * u)
    assert composite.tx is composite.xt
    assert (x * t).tx is trace.constant(1.0)


def test_derivatives_of_leaves():
    trace, u, x = traced("trace u x")
    assert [as_number(x.x), as_number(x.t), as_number(trace.unknown("nu").x)] == [1.0, 0.0, 0.0]
    assert as_number(trace.constant(3.0).xx) == 0.0
    assert as_number(u) is None


def test_hard_constraints():
    """A transformed field is an expression in the raw outputs; residuals are traced with it."""

    def residual(u, t, x):
        return u.t + u * u.x - 0.01 / np.pi * u.xx

    def transform(f, u, t, x):
        return -f.sin(np.pi * x) + t * (1 - x**2) * u

    raw, t, x = traced("u t x")
    result = residual(transform(NUMPY, raw, t, x), t, x)
    needed = [leaf for leaf in leaves([result]) if leaf.kind == "derivative"]
    assert set(map(str, needed)) == {"u", "u.t", "u.x", "u.xx"}
    points = RNG.uniform(0.2, 0.9, (3, 2))
    program = Program([result])
    values = {leaf: np.array([known(leaf, p) for p in points]) for leaf in program.leaves}

    def d(point, *order):
        return exactly(lambda t, x: transform(MPMATH, field(t, x), t, x), point, order)

    nu = 0.01 / np.pi
    expected = [d(p, 1, 0) + d(p, 0, 0) * d(p, 0, 1) - nu * d(p, 0, 2) for p in points]
    close(program.evaluate(values, 3)[0], expected)


# Further directions


def test_directions():
    vectors = RNG.normal(size=(N, 2))
    u, t, x = traced("u t x", directions={"p": (2.0, -1.0), "n": vectors})
    assert [as_number(t.p), as_number(x.p), as_number(x.pp)] == [2.0, -1.0, 0.0]
    assert leaves([u.xp]) == (derivative("u", "px"),)
    values = {name: RNG.normal(size=N) for name in ("t", "x", "u", "u.n", "u.nn", "u.p")}
    got = at([t.n, x.n, x.nx, (x * u).p, (t * x * u).nn], values)
    a, b = vectors.T
    assert same_bits(got[0], a.copy())
    assert same_bits(got[1], b.copy())
    assert not got[2].any()
    T, X, v, dv, ddv = (values[name] for name in ("t", "x", "u", "u.n", "u.nn"))
    np.testing.assert_allclose(got[3], -v + X * values["u.p"], rtol=1e-14)
    expected = 2 * a * b * v + 2 * (a * X + b * T) * dv + T * X * ddv
    np.testing.assert_allclose(got[4], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("tx", {"p": [1.0]}), ["directions['p']", "(2,)", "(N, 2)"]),
        (("tx", {"p": np.ones((3, 2)), "q": np.ones((4, 2))}), ["directions['q']", "(3, 2)"]),
        (("tx", {"p": [1.0, np.nan]}), ["directions['p']", "finite"]),
        (("tx", {"x": (1, 1)}), ["differ"]),
        (("tt",), ["differ"]),
        (("t_",), ["letters"]),
        (("tx", {"up": (1, 1)}), ["letters", "'up'"]),
    ],
)
def test_bad_letters(arguments, parts):
    with pytest.raises(ValueError, match=naming(*parts)):
        Trace(*arguments)


# Residuals as users write them


def burgers(u, t, x, nu):
    return u.t + u * u.x - nu * u.xx


def test_a_residual_with_its_partial_derivatives():
    trace, u, t, x = traced("trace u t x")
    [result] = trace.components(burgers(u, t, x, trace.unknown("nu")))
    needed = leaves([result])
    assert [str(leaf) for leaf in needed] == ["u", "nu", "u.t", "u.x", "u.xx"]
    assert repr(result) == "u.t + u*u.x - nu*u.xx"
    assert repr(partials(result, needed)) == "[u.x, -u.xx, 1, u, -nu]"
    program = Program([result, *partials(result, needed)])
    assert program.leaves == needed
    values = {str(leaf): RNG.normal(size=N) for leaf in needed} | {"nu": 0.3}
    u_, t_, x_, xx = (values[k] for k in ("u", "u.t", "u.x", "u.xx"))
    got = at([result, *partials(result, needed)], values)
    expected = [t_ + u_ * x_ - 0.3 * xx, x_, -xx, np.ones(N), u_, np.full(N, -0.3)]
    assert all(same_bits(g, e) for g, e in zip(got, expected, strict=True))


class Field:
    """Plain arrays with the attributes of a field, for complex steps through a user's function."""

    def __new__(cls, values):
        array = np.array(values[""]).view(type("Array", (np.ndarray,), {}))
        for name in values:
            if name:
                setattr(type(array), name, values[name])
        return array


RESIDUALS = [
    lambda u, t, x, nu: u.t + u * u.x - nu * u.xx,
    lambda u, t, x, nu: u.t - nu * u.xx + 5 * u**3 - 5 * u,
    lambda u, t, x, nu: u.x * np.exp(-u * nu) / (3 + np.sin(u.xx)) + np.cos(x) * u.t,
    lambda u, t, x, nu: np.where(x > 0, np.sqrt(u.x**2 + u.t**2 + nu), u.xx / (1 + u**2)),
    lambda u, t, x, nu: np.tanh(u.xx - u) ** 4 / (nu + u**2) - 0.1 * (0.3 * u.x),
]


@pytest.mark.parametrize("residual", RESIDUALS)
def test_partial_derivatives_by_complex_steps(residual):
    trace, u, t, x = traced("trace u t x")
    result = residual(u, t, x, trace.unknown("nu"))
    needed = [leaf for leaf in leaves([result]) if leaf.kind != "coordinate"]
    values = {name: RNG.normal(size=N) for name in ("u", "u.t", "u.x", "u.xx", "t", "x")}
    values["nu"] = 0.7
    got = at([result, *partials(result, needed)], values)

    def plain(values):
        fields = {name: values["u." + name if name else "u"] for name in ("", "t", "x", "xx")}
        return np.asarray(residual(Field(fields), values["t"], values["x"], values["nu"]))

    np.testing.assert_allclose(got[0], plain(values), rtol=1e-14, atol=1e-15)
    for leaf, slope in zip(needed, got[1:], strict=True):
        step = plain(values | {str(leaf): values[str(leaf)] + 1e-40j}).imag / 1e-40
        np.testing.assert_allclose(slope, step, rtol=1e-13, atol=1e-15)


def test_components():
    trace, u = traced("trace u")
    assert trace.components(u)[0] is u
    first, second = trace.components([u.t, 2])
    assert first is u.t
    assert as_number(second) == 2.0


def test_trees_agree_with_mpmath():
    """Random formulas, built anew by hypothesis, and each of their partial derivatives."""
    names = ["u", "u.x", "x", "nu"]
    unary = {
        "sin": (np.sin, mpmath.sin),
        "tanh": (np.tanh, mpmath.tanh),
        "atan": (np.arctan, mpmath.atan),
        "gauss": (lambda a: np.exp(-(a**2)), lambda a: mpmath.exp(-(a**2))),
        "root": (lambda a: np.sqrt(1 + a * a), lambda a: mpmath.sqrt(1 + a * a)),
        "cube": (lambda a: (a / 4) ** 3, lambda a: (a / 4) ** 3),
        "neg": (lambda a: -a, lambda a: -a),
    }
    binary = {
        "+": (lambda a, b: a + b,) * 2,
        "-": (lambda a, b: a - b,) * 2,
        "*": (lambda a, b: a * b / 2,) * 2,
        "/": (lambda a, b: a / (2 + np.cos(b)), lambda a, b: a / (2 + mpmath.cos(b))),
        "max": (np.maximum, max),
        "where": (
            lambda a, b: np.where(a > 0.1, np.sqrt(a - 0.1), b),
            lambda a, b: mpmath.sqrt(a - mpmath.mpf(0.1)) if a > 0.1 else b,
        ),
    }
    leaf = st.sampled_from(names) | st.floats(-2, 2).map(lambda v: round(v, 2))
    trees = st.recursive(
        leaf,
        lambda inner: (
            st.tuples(st.sampled_from(sorted(unary)), inner)
            | st.tuples(st.sampled_from(sorted(binary)), inner, inner)
        ),
        max_leaves=8,
    )

    def run(tree, values, which):
        if isinstance(tree, str):
            return values[tree]
        if isinstance(tree, float):
            return values["u"]._graph.constant(tree) if which == 0 else mpmath.mpf(tree)
        table = unary if len(tree) == 2 else binary
        return table[tree[0]][which](*[run(part, values, which) for part in tree[1:]])

    @settings(max_examples=60)
    @given(trees, st.lists(st.floats(-1.5, 1.5), min_size=4, max_size=4))
    def check(tree, point):
        # Off the kinks, and with no two leaves equal.
        point = [
            p + shift for p, shift in zip(point, (0.0137, 0.0291, 0.0413, 0.0577), strict=True)
        ]
        trace, u, x = traced("trace u x")
        fields = {"u": u, "u.x": u.x, "x": x, "nu": trace.unknown("nu")}
        [result] = trace.components(trace.expression(run(tree, fields, 0)))
        by = [U, derivative("u", "x"), Leaf("coordinate", "x"), Leaf("unknown", "nu")]
        values = {name: np.array([p]) for name, p in zip(names, point, strict=True)}
        values["nu"] = point[3]
        value, *got = at([result, *partials(result, by)], values, 1)

        def whole(*arguments):
            return run(tree, dict(zip(names, arguments, strict=True)), 1)

        with mp.workdps(40):
            expected = [whole(*map(mpmath.mpf, point))]
            expected += [
                exactly(whole, point, tuple(int(i == j) for j in range(4))) for i in range(4)
            ]
        for g, e in zip([value, *got], expected, strict=True):
            assert abs(g[0] - float(e)) <= 1e-13 * max(1.0, abs(float(e)))

    check()
