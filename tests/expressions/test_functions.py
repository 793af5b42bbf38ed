"""Every function of a trace: values and partial derivatives against mpmath, also at kinks."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from mpmath import mp
from traces import N, U, at, close, derivative, exactly, traced

from helpers import same_bits
from kanml.expressions import Leaf, Trace, partials

RNG = np.random.default_rng(0)


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


# Functions that are not ufuncs


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
