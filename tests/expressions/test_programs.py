"""Evaluation: types, arrays in a residual, registers, and results that belong to the caller."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traces import N, U, at, derivative, traced

from helpers import naming, same_bits
from kanml.expressions import Leaf, Program, Trace, as_number, held, leaves, partials

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
    alone = Program([nu * 2.0]).evaluate({Leaf("unknown", "nu"): 0.7}, 2, np.float32)
    assert same_bits(alone[0], np.full(2, np.float32(0.7) + np.float32(0.7)))


def test_arrays_in_a_residual():
    [u] = traced("u", points=20)
    data, mask = RNG.normal(size=20), RNG.random(20) < 0.5
    program = Program([np.where(mask, u - data, data), *partials(np.where(mask, u * data, 1), [U])])
    values = RNG.normal(size=20)
    expected = [np.where(mask, values - data, data), np.where(mask, data, 0.0)]
    for dtype in (np.float64, np.float32, np.float64):
        got = program.evaluate({U: values.astype(dtype)}, 20, dtype)
        assert {array.dtype for array in got} == {np.dtype(dtype)}
        np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps, atol=1e-6)
    assert all(same_bits(g, e) for g, e in zip(got, expected, strict=True))
    with pytest.raises(ValueError, match=naming("20 points", "10 points")):
        program.evaluate({U: np.zeros(10)}, 10)


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
    fields = {U: values, Leaf("coordinate", "x"): values}
    for array in program.evaluate(fields, N):
        array *= 2
    assert values.tolist() == [1.0] * N
    assert program.evaluate(fields, N)[4].tolist() == [3.0] * N


def test_evaluation_names_what_does_not_fit():
    [u] = traced("u")
    program = Program([u.x])
    leaf = derivative("u", "x")
    with pytest.raises(ValueError, match=naming("u.x", "(4,)", "(3,)")):
        program.evaluate({leaf: np.ones(3)}, 4)
    with pytest.raises(ValueError, match=naming("u.x", "float32")):
        program.evaluate({leaf: np.ones(4, np.float32)}, 4)
    with pytest.raises(TypeError, match=naming("u.x > 0")):
        Program([u.x > 0])
    with pytest.raises(ValueError, match="another trace"):
        Program([u, Trace("tx").output("u")])


def test_programs_without_leaves():
    trace = Trace("tx")
    assert Program([trace.constant(2.5)]).leaves == ()
    assert Program([trace.constant(2.5)]).evaluate({}, 3)[0].tolist() == [2.5] * 3
    assert Program([]).evaluate({}, 3) == []
    assert Program([trace.constant(2.5)]).evaluate({}, 0)[0].shape == (0,)


def test_values_that_are_not_contiguous():
    [u] = traced("u")
    values = RNG.normal(size=(N, 3))[:, 1]
    assert same_bits(Program([2 * u]).evaluate({U: values}, N)[0], 2 * values)


def test_the_inputs_of_the_core():
    u, x = traced("u x")
    data = RNG.normal(size=N)
    program = Program([u * data + x])
    values = {U: RNG.normal(size=N), Leaf("coordinate", "x"): RNG.normal(size=N)}
    inputs = [values[i] if isinstance(i, Leaf) else i.array for i in program.inputs]
    assert len(inputs) == 3
    [got] = program.core.run(inputs, N, np.dtype(np.float64), threads=1)
    assert same_bits(got, values[U] * data + values[Leaf("coordinate", "x")])


def test_registers_are_used_again():
    u, x = traced("u x")
    chain = u
    for _ in range(100):
        chain = np.sin(chain) + x
    program = Program([chain, u.x * x])
    assert len(program.operations) == 201
    assert program.core.n_registers <= len(program.inputs) + 3
    values = {U: RNG.normal(size=N), Leaf("coordinate", "x"): RNG.normal(size=N)}
    values[derivative("u", "x")] = RNG.normal(size=N)
    got = program.evaluate(values, N)
    expected = values[U]
    for _ in range(100):
        expected = np.sin(expected) + values[Leaf("coordinate", "x")]
    np.testing.assert_allclose(got[0], expected, rtol=1e-9)
    assert same_bits(got[1], values[derivative("u", "x")] * values[Leaf("coordinate", "x")])


@given(st.integers(0, 2**32 - 1))
def test_any_order_of_instructions(seed):
    """Expressions at random, with results of every lifetime, and the same in NumPy."""
    rng = np.random.default_rng(seed)
    trace = Trace("tx")
    fields = [trace.output(name) for name in "abc"]
    arrays = list(rng.uniform(-2, 2, (3, N)))
    values = dict(zip(map(derivative, "abc"), arrays, strict=True))
    for _ in range(rng.integers(1, 40)):
        i, j = rng.integers(len(fields), size=2)
        function = rng.choice([np.add, np.subtract, np.multiply, np.absolute, np.floor])
        fields.append(function(*[fields[i], fields[j]][: function.nin]))
        arrays.append(function(*[arrays[i], arrays[j]][: function.nin]))
    chosen = rng.integers(len(fields), size=rng.integers(1, 6))
    program = Program([fields[i] for i in chosen])
    got = program.evaluate({leaf: values[leaf] for leaf in program.leaves}, N)
    for i, result in zip(chosen, got, strict=True):
        np.testing.assert_array_equal(result, arrays[i])


def test_conditions_that_are_numbers_take_no_instruction():
    u, x = traced("u x")
    program = Program([np.where(u > x, 1.0, 0.0) + np.where(x > 0, 0.0, 1.0)])
    assert sorted(program.operations) == ["add", "greater", "greater", "where"]
    v, w = RNG.normal(size=(2, N))
    got = program.evaluate({U: v, Leaf("coordinate", "x"): w}, N)[0]
    assert same_bits(got, (v > w) + (w <= 0.0).astype(float))


@pytest.mark.parametrize("k", range(3, 10))
def test_whole_powers(k):
    [u] = traced("u")
    program = Program([u**k])
    assert ("power" in program.operations) == (k > 8)
    values = np.array([-1.5, -0.0, 0.3, np.inf, 1.2])
    [got] = program.evaluate({U: values}, 5)
    expected = [float(mpmath.mpf(v) ** k) for v in values]
    np.testing.assert_array_max_ulp(got, np.array(expected), 4)


def test_held_expressions_are_constants_to_derivatives():
    u, x = traced("u x")
    result = u * held(u * x) + held(u)
    assert repr(result) == "u*held(u*x) + held(u)"
    by_u, by_x = partials(result, [U, Leaf("coordinate", "x")])
    assert by_u is held(u * x)
    assert as_number(by_x) == 0.0
    assert result.x is held(u * x) * u.x
    assert as_number(held(2.0 + 0 * u)) == 2.0
    program = Program([result, held(u)])
    assert program.operations == ("multiply", "multiply", "add")
    v, w = RNG.normal(size=(2, N))
    got = program.evaluate({U: v, Leaf("coordinate", "x"): w}, N)
    assert same_bits(got[0], v * (v * w) + v)
    assert same_bits(got[1], v)
