"""Traced residuals: values and derivatives against mpmath and complex step, and what is refused."""

from __future__ import annotations

import copy
import math
import pickle

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from helpers import naming, same_bits
from kanml.expressions import Leaf, Program, Trace, as_number, leaves, partials

N = 7
RNG = np.random.default_rng(0)


def derivative(name, letters=""):
    return Leaf("derivative", name, letters)


U = derivative("u")


def traced(names, **options):
    """What the names say of a trace: itself, its output u, its coordinates t and x."""
    trace = Trace("tx", **options)
    t, x = trace.coordinates
    found = {"trace": trace, "u": trace.output("u"), "t": t, "x": x}
    return [found[name] for name in names.split()]


def at(expressions, values, n=N, dtype=np.float64):
    """Values of expressions at n points; `values` by the text of a leaf: "u.xx", "nu"."""
    program = Program(expressions)
    given = {leaf: np.asarray(values[str(leaf)], dtype) for leaf in program.leaves}
    return program.evaluate(given, slice(0, n), dtype)


def exactly(function, arguments, order):
    """A derivative of a function of mpmath, to 30 digits."""
    with mp.workdps(40):
        return mpmath.diff(function, tuple(map(mpmath.mpf, arguments)), order)


def close(got, expected, bound=1e-13):
    got, expected = np.asarray(got), np.array([float(e) for e in np.ravel(expected)])
    np.testing.assert_allclose(np.ravel(got), expected, rtol=bound, atol=0)


# Functions: the value and every partial derivative

ANY, POSITIVE, UNIT = (-3.0, 3.0), (0.02, 5.0), (-0.98, 0.98)
FUNCTIONS = {
    "negative": (lambda a: -a, ANY),
    "positive": (lambda a: a, ANY),
    "square": (lambda a: a**2, ANY),
    "sqrt": (mpmath.sqrt, POSITIVE),
    "cbrt": (lambda a: mpmath.sign(a) * mpmath.cbrt(abs(a)), ANY),
    "reciprocal": (lambda a: 1 / a, ANY),
    "exp": (mpmath.exp, (-20.0, 20.0)),
    "exp2": (lambda a: mpmath.mpf(2) ** a, (-20.0, 20.0)),
    "expm1": (mpmath.expm1, (-30.0, 3.0)),
    "log": (mpmath.log, POSITIVE),
    "log2": (lambda a: mpmath.log(a, 2), POSITIVE),
    "log10": (mpmath.log10, POSITIVE),
    "log1p": (lambda a: mpmath.log(1 + a), (-0.9, 5.0)),
    "sin": (mpmath.sin, ANY),
    "cos": (mpmath.cos, ANY),
    "tan": (mpmath.tan, (-1.5, 1.5)),
    "arcsin": (mpmath.asin, UNIT),
    "arccos": (mpmath.acos, UNIT),
    "arctan": (mpmath.atan, (-50.0, 50.0)),
    "sinh": (mpmath.sinh, ANY),
    "cosh": (mpmath.cosh, ANY),
    "tanh": (mpmath.tanh, (-30.0, 30.0)),
    "arcsinh": (mpmath.asinh, (-50.0, 50.0)),
    "arccosh": (mpmath.acosh, (1.01, 50.0)),
    "arctanh": (mpmath.atanh, UNIT),
    "absolute": (abs, ANY),
    "fabs": (abs, ANY),
    "sign": (mpmath.sign, ANY),
    "floor": (mpmath.floor, ANY),
    "ceil": (mpmath.ceil, ANY),
    "rint": (mpmath.nint, ANY),
    "trunc": (lambda a: mpmath.sign(a) * mpmath.floor(abs(a)), ANY),
    "degrees": (mpmath.degrees, ANY),
    "radians": (mpmath.radians, ANY),
    "rad2deg": (mpmath.degrees, ANY),
    "deg2rad": (mpmath.radians, ANY),
    "add": (lambda a, b: a + b, ANY, POSITIVE),
    "subtract": (lambda a, b: a - b, (-3.0, -0.5), POSITIVE),
    "multiply": (lambda a, b: a * b, ANY, ANY),
    "true_divide": (lambda a, b: a / b, ANY, ANY),
    "power": (lambda a, b: a**b, POSITIVE, ANY),
    "float_power": (lambda a, b: a**b, POSITIVE, ANY),
    "arctan2": (mpmath.atan2, ANY, ANY),
    "hypot": (mpmath.hypot, ANY, ANY),
    "maximum": (max, ANY, ANY),
    "minimum": (min, ANY, ANY),
    "fmax": (max, ANY, ANY),
    "fmin": (min, ANY, ANY),
    "heaviside": (lambda a, b: mpmath.mpf(a > 0), ANY, ANY),
    "logaddexp": (lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)), ANY, ANY),
    "remainder": (lambda a, b: a - b * mpmath.floor(a / b), (5.1, 5.9), (0.8, 0.95)),
    "floor_divide": (lambda a, b: mpmath.floor(a / b), (5.1, 5.9), (0.8, 0.95)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, *ranges = FUNCTIONS[name]
    trace = Trace("x")
    names = "ab"[: len(ranges)]
    points = [RNG.uniform(*bounds, N) for bounds in ranges]
    result = getattr(np, name)(*map(trace.output, names))
    got = at(
        [result, *partials(result, map(derivative, names))], dict(zip(names, points, strict=True))
    )
    with mp.workdps(40):
        close(got[0], [function(*map(mpmath.mpf, p)) for p in zip(*points, strict=True)])
    for i in range(len(ranges)):
        order = tuple(int(i == j) for j in range(len(ranges)))
        close(got[1 + i], [exactly(function, p, order) for p in zip(*points, strict=True)])


@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, 1, 2, 3, 4, 5, 0.5, 1.5, -0.7, 2.0])
def test_constant_powers(exponent):
    [u] = traced("u")
    a = RNG.uniform(0.1, 3.0, N)
    if exponent == int(exponent):
        a *= RNG.choice([-1, 1], N)  # no logarithm of these
    result = u**exponent
    got = at([result, *partials(result, [U]), np.power(u, exponent)], {"u": a})
    close(got[0], [mpmath.mpf(v) ** exponent for v in a])
    close(got[1], [exponent * mpmath.mpf(v) ** (exponent - 1) for v in a])
    assert same_bits(got[0], got[2])
    [second] = partials(partials(result, [U])[0], [U])
    factor = exponent * (exponent - 1)
    close(at([second], {"u": a})[0], [factor * mpmath.mpf(v) ** (exponent - 2) for v in a])


def test_powers_at_zero():
    trace, u = traced("trace u")
    nu = trace.unknown("nu")
    zero = {"u": np.zeros(N), "nu": 2.0}
    assert at([2**u, u**3, *partials(u**3, [U]), *partials(u**2, [U])], zero)[2][0] == 0.0
    by_nu, by_u = partials(u**nu, [Leaf("unknown", "nu"), U])
    assert [v[0] for v in at([by_nu, by_u], zero)] == [0.0, 0.0]
    [slope] = partials(u ** np.arange(N), [U])
    assert at([slope], {"u": np.zeros(N)})[0].tolist() == [0.0, 1.0, *[0.0] * (N - 2)]


def test_exponents_from_data_take_no_logarithm():
    [u] = traced("u")
    [slope] = partials(u ** np.arange(N), [U])
    close(at([slope], {"u": np.full(N, -2.0)})[0], [k * (-2.0) ** (k - 1) for k in range(N)])


# Kinks


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda u, v: abs(u), [-1, 0, 1]),
        (lambda u, v: np.hypot(u, 0.0), [-1, 0, 1]),
        (lambda u, v: np.maximum(u, 0.0), [0, 0.5, 1]),
        (lambda u, v: np.minimum(u, 0.0), [1, 0.5, 0]),
        (lambda u, v: np.fmax(0.0, u), [0, 0.5, 1]),
        (lambda u, v: np.fmin(0.0, u), [1, 0.5, 0]),
        (lambda u, v: np.maximum(u, -u), [-1, 0, 1]),
        (lambda u, v: np.clip(u, -1.0, 0.5), [0.5, 1, 0]),
        (lambda u, v: np.clip(u, None, 0.0), [1, 0.5, 0]),
        (lambda u, v: np.where(u >= 0, u, -3 * u), [-3, 1, 1]),
        (lambda u, v: np.heaviside(u, v) + np.sign(u) + np.floor(u), [0, 0, 0]),
    ],
)
def test_kinks(function, expected):
    trace, u = traced("trace u")
    result = function(u, trace.output("v"))
    values = {"u": np.array([-1.0, 0.0, 1.0]), "v": np.ones(3)}
    assert at(partials(result, [U]), values, 3)[0].tolist() == expected
    assert (
        at([result.x], values | {"u.x": np.ones(3), "v.x": np.zeros(3)}, 3)[0].tolist() == expected
    )


def test_heaviside_at_zero_by_its_second_argument():
    [u] = traced("u")
    [slope] = partials(np.heaviside(np.array([-1.0, 0.0, 1.0]), u), [U])
    assert at([slope], {}, 3)[0].tolist() == [0, 1, 0]


UNSAFE = [  # right of 0 the square root, log or quotient; elsewhere it must not be felt
    lambda u: np.where(u > 0, np.sqrt(u) * u, u**2),
    lambda u: np.where(u > 0, np.log(u), 2 * u),
    lambda u: np.where(u == 0, 1.0, np.sin(u) / u),
    lambda u: 3 * np.where(u > 0, np.sqrt(np.where(u > 1, np.log(u - 1), u)), u) + u,
    lambda u: np.select([u > 1, u > 0], [np.log(u - 1), np.log(u)], u),
    lambda u: np.maximum(np.log(np.abs(u)), -1e300 + u),
    lambda u: np.fmax(np.log(u), -u),
]


@pytest.mark.parametrize("function", UNSAFE)
def test_the_branch_not_chosen_is_not_felt(function):
    [u] = traced("u")
    result = function(u)
    points = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])
    [by_u] = partials(result, [U])
    ones = {"u": points, "u.x": np.ones(5), "u.xx": np.zeros(5)}
    value, slope, along, bent = at([result, by_u, result.x, result.xx], ones, 5)
    for array in (value, slope, along, bent):
        assert np.isfinite(array).all()
    np.testing.assert_allclose(along, slope, rtol=1e-15, atol=1e-300)
    with np.errstate(all="ignore"):  # away from 0, a difference of what NumPy itself computes
        step = 1e-6
        difference = (function(points + step) - function(points - step)) / (2 * step)
    np.testing.assert_allclose(slope[points != 0], difference[points != 0], rtol=1e-7)


def test_infinite_slopes_are_infinite():
    [u] = traced("u")
    assert at(partials(np.sqrt(u), [U]), {"u": np.zeros(N)})[0].tolist() == [math.inf] * N


def test_evaluation_passes_nan_on_without_a_warning():
    [u] = traced("u")
    got = at([np.log(u), 1 / (u + 1), np.exp(-1e3 * u)], {"u": np.full(N, -1.0)})
    assert np.isnan(got[0]).all()
    assert np.isinf(got[1:]).all()


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
    for name, got in zip(names, program.evaluate(values, slice(0, 3)), strict=True):
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
    close(program.evaluate(values, slice(0, 3))[0], expected)


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


# The graph: shared, folded, small


def count(*expressions):
    return len(Program(expressions).operations)


def test_common_subexpressions_are_computed_once():
    u, x = traced("u x")
    assert u * u.x is u.x * u
    assert u + x is x + u
    assert u - x is not x - u
    assert np.sin(u) is np.sin(u)
    assert u * u is u**2
    assert count(np.sin(u * u.x) + u * u.x, u.x * u) == 3
    assert count(u**3, u**2, u**4) == 3
    data = np.arange(5.0)
    assert data * u is data.copy() * u
    assert data[::-1] * u is not data * u


def test_simplification():
    trace, u, x = traced("trace u x")
    zero = trace.constant(0.0)
    for expression in (u * 0, 0 * u, 0 / u, 0.0 * u + 0, np.zeros_like(u), x * np.zeros_like(u)):
        assert expression is zero
    same = [
        u + 0,
        0 + u,
        u - 0,
        1 * u,
        u * 1,
        u / 1,
        u**1,
        np.negative(-u),
        +u,
        u * np.ones_like(u),
    ]
    same += [np.where(True, u, x), np.where(x > 0, u, u), np.maximum(u, u), 0.5 * (2 * u)]
    for expression in same:
        assert expression is u
    assert 2 * (3 * u) is 6 * u
    assert -(2 * u) is -2 * u
    assert u - (-x) is u + x
    assert 0 - u is -u
    assert -(u - x) is x - u
    assert (-u) * x is -(u * x)
    assert as_number(trace.constant(2.0) ** 3 + np.sin(trace.constant(0.0))) == 8.0
    assert u**0 is trace.constant(1.0)
    assert u**0.5 is np.sqrt(u)


@pytest.mark.parametrize("two", [2, 2.0, np.float64(2), np.float32(2), np.int8(2), np.array(2.0)])
def test_numbers_of_every_type(two):
    trace, u = traced("trace u")
    assert two * u is u * two
    assert two * u is 2.0 * u
    assert two - u is 2.0 - u
    assert u**two is u**2
    assert np.less(two, u) is np.less(2.0, u)
    assert trace.expression(two) is trace.constant(2.0)


def test_constants_are_not_confused():
    trace, u = traced("trace u")
    assert (u + 1e-300) is not (u + 2e-300)
    assert 1e300 * (1e300 * u) is not math.inf * u
    assert at([1e-300 * (1e-300 * (1e300 * u))], {"u": np.ones(N)})[0][0] == 1e-300
    assert trace.expression(True) is not trace.expression(1.0)


def test_graphs_of_derivatives_stay_small():
    trace, u, x = traced("trace u x")
    result = u.t + u * u.x - 0.01 * u.xx
    assert count(result, *partials(result, leaves([result]))) == 4
    assert count((x**2 * u).xx) <= 8
    # By reverse sweep the gradient of a norm shares its work.
    fields = [trace.output(name) for name in "abcdefgh"]
    norm = np.exp(np.sqrt(sum(f**2 for f in fields)))
    assert count(norm, *partials(norm, leaves([norm]))) <= 17 + 2 + 2 * 8


def test_deep_graphs():
    u, x = traced("u x")
    result = u
    for i in range(1200):
        result = np.sin(result) + x if i % 2 else np.where(result > i, result, 0.5 * result)
    [slope] = partials(result, [U])
    got = at([result, slope, result.x], {"u": np.ones(N), "x": np.ones(N), "u.x": np.ones(N)})
    assert np.isfinite(got).all()
    assert len(repr(result)) < 200_000


# In writing


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda u, t, x: u - (x - t), "u - (x - t)"),
        (lambda u, t, x: u - x + t, "u - x + t"),
        (lambda u, t, x: u / (x * t) * 2.5, "u/(x*t)*2.5"),
        (lambda u, t, x: (u + 1) ** x ** -2.5, "(u + 1)**(x**(-2.5))"),
        (lambda u, t, x: np.where((u > 0) & ~(x < t), u, -2),
         "where(logical_and(u > 0, logical_not(x < t)), u, -2)"),
        (lambda u, t, x: (u.xx + 1) ** 2 + np.sin(u.xx + 1), "%1 = u.xx + 1; %1**2 + sin(%1)"),
        (lambda u, t, x: -(u + x) * t, "-(u + x)*t"),
    ],
)  # fmt: skip
def test_texts(function, expected):
    fields = traced("u t x")
    assert repr(function(*fields)) == str(function(*fields)) == expected


def test_texts_tell_expressions_apart():
    data = RNG.normal(size=N)

    def text(value):
        [u] = traced("u")
        return repr(np.where(value > 0, u, value * u.x))

    assert text(data) == text(data.copy())
    changed = data.copy()
    changed[3] = np.nextafter(changed[3], 10.0)
    assert text(data) != text(changed)
    [u] = traced("u")
    assert repr(u * 0.1) != repr(u * np.nextafter(0.1, 1.0))


# Evaluation


def test_float32_is_kept():
    trace, u, x = traced("trace u x")
    nu = trace.unknown("nu")
    data = RNG.normal(size=N)
    result = u.t + nu**2 * 0.1 * np.exp(u) * data - np.where(x > 0, 1.0, u) + np.clip(u, 0, 1e300)
    expressions = [result, *partials(result, leaves([result])), trace.constant(0.1) + 0 * u]
    values = {name: RNG.normal(size=N) for name in ("u", "u.t", "x")} | {"nu": 0.7}
    single = at(expressions, values, dtype=np.float32)
    assert {array.dtype for array in single} == {np.dtype(np.float32)}
    assert {array.shape for array in single} == {(N,)}
    np.testing.assert_allclose(single, at(expressions, values), rtol=2e-6, atol=1e-6)
    alone = Program([nu * 2.0]).evaluate({Leaf("unknown", "nu"): 0.7}, slice(3, 5), np.float32)
    assert same_bits(alone[0], np.full(2, np.float32(0.7) + np.float32(0.7)))


def test_data_arrays_are_taken_by_rows():
    [u] = traced("u", points=20)
    data, mask = RNG.normal(size=20), RNG.random(20) < 0.5
    program = Program([np.where(mask, u - data, data), *partials(np.where(mask, u * data, 1), [U])])
    values = RNG.normal(size=20)
    expected = [np.where(mask, values - data, data), np.where(mask, data, 0.0)]
    for rows in (slice(0, 20), slice(5, 12), np.array([3, 3, 19])):
        got = program.evaluate({U: values[rows]}, rows)
        assert all(same_bits(g, e[rows]) for g, e in zip(got, expected, strict=True))
    with pytest.raises(ValueError, match=naming("20 points", "slice(15, 25")):
        program.evaluate({U: np.zeros(10)}, slice(15, 25))


def test_data_are_kept_as_they_were():
    [u] = traced("u")
    data = np.ones(N)
    result = u * data
    data[:] = 7
    assert at([result], {"u": np.ones(N)})[0].tolist() == [1.0] * N


def test_results_belong_to_the_caller():
    trace, u, x = traced("trace u x")
    values = np.ones(N)
    data = np.full(N, 3.0)
    program = Program([u, u + x, u + x, trace.constant(1.0), trace.expression(data)])
    given = {U: values, Leaf("coordinate", "x"): values}
    for array in program.evaluate(given, slice(0, N)):
        array *= 2
    assert values.tolist() == [1.0] * N
    assert program.evaluate(given, slice(0, N))[4].tolist() == [3.0] * N


def test_evaluation_names_what_does_not_fit():
    [u] = traced("u")
    program = Program([u.x])
    leaf = derivative("u", "x")
    with pytest.raises(ValueError, match=naming("u.x", "(4,)", "(3,)")):
        program.evaluate({leaf: np.ones(3)}, slice(0, 4))
    with pytest.raises(ValueError, match=naming("u.x", "float32")):
        program.evaluate({leaf: np.ones(4, np.float32)}, slice(0, 4))
    with pytest.raises(TypeError, match=naming("u.x > 0")):
        Program([u.x > 0])
    with pytest.raises(ValueError, match="another trace"):
        Program([u, Trace("tx").output("u")])


def test_functions_of_numpy_that_are_not_ufuncs():
    [u] = traced("u")
    values = {"u": np.linspace(-2, 2, N)}
    expressions = [
        np.clip(u, -1, 1),
        np.clip(u, a_min=None, a_max=0.5),
        np.select([u < -1, u < 1], [-1.0, u], default=1.0),
        np.full_like(u, 3.0) + np.ones_like(u),
        np.where(np.isfinite(u) & np.logical_not(np.isnan(u)), u, 0.0),
        (u > 0) * u,
        (u > -1) * (u < 1) * u,
        np.where(u, 1.0, 0.0),
    ]
    v = values["u"]
    expected = [
        np.clip(v, -1, 1),
        np.minimum(v, 0.5),
        np.clip(v, -1, 1),
        np.full(N, 4.0),
        v,
        (v > 0) * v,
        (v > -1) * (v < 1) * v,
        (v != 0) * 1.0,
    ]
    for got, wanted in zip(at(expressions, values), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


# What cannot be traced is named

REFUSED = {
    "if": (lambda u, x: 1 if u > 0 else 2, TypeError, ["truth value", "u > 0", "np.where"]),
    "and": (lambda u, x: u > 0 and x > 0, TypeError, ["truth value", "&"]),
    "max": (lambda u, x: max(u, x), TypeError, ["truth value", "np.maximum"]),
    "float": (lambda u, x: float(u), TypeError, ["float()", "np.sin"]),
    "math": (lambda u, x: math.sin(u.x), TypeError, ["float()", "field u.x", "np.sin"]),
    "int": (lambda u, x: int(u), TypeError, ["int()", "np.floor"]),
    "round": (lambda u, x: round(u), TypeError, ["round()", "np.rint"]),
    "complex": (lambda u, x: complex(u), TypeError, ["complex()"]),
    "range": (lambda u, x: range(u), TypeError, ["integer"]),
    "len": (lambda u, x: len(u), TypeError, ["len()"]),
    "loop": (lambda u, x: [v for v in u], TypeError, ["iteration"]),
    "sum": (lambda u, x: sum(u), TypeError, ["iteration"]),
    "index": (lambda u, x: u[0], TypeError, ["indexing", "np.where"]),
    "in": (lambda u, x: 0.0 in u, TypeError, ["`in`"]),
    "setitem": (lambda u, x: u.__setitem__(0, 1), TypeError, ["assignment", "np.where"]),
    "set": (lambda u, x: setattr(u, "x", 1), AttributeError, ["changed", ".x"]),
    "array": (lambda u, x: np.array([u, x]), TypeError, ["array", "return a tuple"]),
    "asarray": (lambda u, x: np.asarray(u), TypeError, ["array"]),
    "list": (lambda u, x: np.sin([u, x]), TypeError, ["array", "return a tuple"]),
    "iadd": (lambda u, x: u.__iadd__(x), TypeError, ["np.add", "r = r + ..."]),
    "out": (lambda u, x: np.sin(x, out=np.ones(3)), TypeError, ["np.sin", "out="]),
    "ufunc where": (lambda u, x: np.sin(x, where=True), TypeError, ["np.sin", "where="]),
    "dtype": (lambda u, x: np.sin(x, dtype=float), TypeError, ["np.sin", "dtype="]),
    "reduce": (lambda u, x: np.add.reduce(u), TypeError, ["np.add.reduce"]),
    "outer": (lambda u, x: np.multiply.outer(u, x), TypeError, ["np.multiply.outer"]),
    "ufunc": (lambda u, x: np.spacing(u), TypeError, ["np.spacing"]),
    "matmul": (lambda u, x: u @ x, TypeError, ["np.matmul"]),
    "divmod": (lambda u, x: divmod(u, x), TypeError, ["np.divmod"]),
    "np.sum": (lambda u, x: np.sum(u), TypeError, ["np.sum", "term"]),
    "np.dot": (lambda u, x: np.dot(u, x), TypeError, ["np.dot", "write the products out"]),
    "np.stack": (lambda u, x: np.stack([u, x]), TypeError, ["np.stack", "tuple"]),
    "np.gradient": (lambda u, x: np.gradient(u), TypeError, ["np.gradient", "u.x"]),
    "np.round": (lambda u, x: np.round(u), TypeError, ["np.round", "np.rint"]),
    "np.where": (lambda u, x: np.where(u > 0), TypeError, ["np.where(condition, a, b)"]),
    "np.interp": (lambda u, x: np.interp(u, [0, 1], [0, 1]), TypeError, ["np.interp"]),
    "imaginary": (lambda u, x: 1j * u, TypeError, ["complex"]),
    "complex data": (lambda u, x: u * np.ones(3, complex), TypeError, ["complex128", "real"]),
    "mask": (lambda u, x: u * np.ma.masked_array(np.ones(5)), TypeError, ["masked", "np.where"]),
    "norm": (lambda u, x: np.linalg.norm(u), TypeError, ["norm cannot"]),
    "like": (lambda u, x: np.zeros_like(u, dtype=int), TypeError, ["dtype"]),
    "words": (lambda u, x: np.where(u > 0, "a", "b"), TypeError, ["'a'", "str"]),
    "none": (lambda u, x: np.add(u, None), TypeError, ["None"]),
    "large": (lambda u, x: u * 10**400, ValueError, ["too large"]),
    "column": (lambda u, x: u * np.ones((5, 1)), ValueError, ["(5,)", "(5, 1)", "a[:, 0]"]),
    "length": (lambda u, x: u * np.ones(6), ValueError, ["(5,)", "(6,)"]),
    "matrix": (lambda u, x: u * np.ones((2, 3)), ValueError, ["(5,)", "(2, 3)"]),
    "other trace": (lambda u, x: u * Trace("tx").output("v"), ValueError, ["v", "another trace"]),
    "letter": (lambda u, x: u.y, AttributeError, ["'y'", "t, x"]),
    "letters": (lambda u, x: u.xy, AttributeError, ["'xy'", "t, x"]),
    "shape": (lambda u, x: u.shape, AttributeError, ["'shape'", "t, x"]),
    "data": (lambda u, x: (np.ones(5) * u).x, TypeError, ["array(5", "along x", "coordinates"]),
    "condition": (lambda u, x: (u > 0).x, TypeError, ["u > 0", ".x"]),
    "minus": (lambda u, x: (u > 0) - (x > 0), TypeError, ["np.subtract", "u > 0", "np.where"]),
    "bits": (lambda u, x: u & (x > 0), TypeError, ["np.bitwise_and", "u"]),
    "pickle": (lambda u, x: pickle.dumps(u), TypeError, ["pickled"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    function, error, parts = REFUSED[name]
    u, x = traced("u x", points=5)
    with pytest.raises(error, match=naming(*parts)):
        function(u, x)


@pytest.mark.parametrize(
    ("returned", "parts"),
    [
        (None, ["None", "return"]),
        ([], ["empty"]),
        ("u", ["str"]),
        (True, ["bool"]),
        (1j, ["complex"]),
        (np.ones(5), ["(5,)", "no field"]),
        ([1.0, None], ["component 1", "None"]),
    ],
)
def test_what_a_residual_may_not_return(returned, parts):
    with pytest.raises(TypeError, match=naming(*parts)):
        Trace("tx").components(returned)


def test_conditions_are_no_residuals():
    trace, u = traced("trace u")
    with pytest.raises(TypeError, match=naming("u < 1", "np.where(condition")):
        trace.components(u < 1)


def test_protocols_of_other_libraries():
    [u] = traced("u")
    assert copy.copy(u) is u
    assert copy.deepcopy([u])[0] is u
    for name in ("__array_interface__", "__array_struct__", "_repr_html_", "__wrapped__"):
        assert not hasattr(u, name)
    assert {u: 1}[u] == 1
