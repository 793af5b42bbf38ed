"""Evaluation: types, rows of data, and arrays that belong to the caller."""

from __future__ import annotations

import numpy as np
import pytest
from traces import N, U, at, derivative, traced

from helpers import naming, same_bits
from kanml.expressions import Leaf, Program, Trace, leaves, partials

RNG = np.random.default_rng(0)


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
