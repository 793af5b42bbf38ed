"""Graphs of expressions: shared, folded, small, and what they look like in writing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from traces import N, U, at, traced

from kanml.expressions import Program, as_number, leaves, partials

RNG = np.random.default_rng(0)


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
