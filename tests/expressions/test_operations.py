"""Every operation of the core against NumPy and mpmath, at ordinary and at special numbers."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from mpmath import mp

from helpers import same_bits
from kanml import _core
from kanml.expressions.operations import HELD, OPERATIONS, WHERE

RNG = np.random.default_rng(0)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Where the operation does not round, or rounds once, it agrees with NumPy in every bit.
EXACT = {
    **dict.fromkeys(["positive", "negative", "square", "sqrt", "reciprocal", "absolute"], 1),
    **dict.fromkeys(["degrees", "radians", "sign", "floor", "ceil", "rint", "trunc"], 1),
    **dict.fromkeys(["isnan", "isinf", "isfinite", "signbit", "logical_not"], 1),
    **dict.fromkeys(["add", "subtract", "multiply", "divide", "floor_divide", "remainder"], 2),
    **dict.fromkeys(["heaviside", "equal", "not_equal", "less", "less_equal", "greater"], 2),
    **dict.fromkeys(["greater_equal", "logical_and", "logical_or", "logical_xor"], 2),
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin"], 2),
    "where": 3,
}
ANY, POSITIVE, UNIT = (-4.0, 4.0), (0.02, 5.0), (-0.98, 0.98)
# The function of mpmath, and the range of each argument.
ROUNDED = {
    "exp": (mpmath.exp, (-80.0, 80.0)),
    "exp2": (lambda a: mpmath.mpf(2) ** a, (-100.0, 100.0)),
    "expm1": (mpmath.expm1, (-30.0, 3.0)),
    "log": (mpmath.log, POSITIVE),
    "log2": (lambda a: mpmath.log(a, 2), POSITIVE),
    "log10": (mpmath.log10, POSITIVE),
    "log1p": (mpmath.log1p, (-0.9, 5.0)),
    "sin": (mpmath.sin, (-30.0, 30.0)),
    "cos": (mpmath.cos, (-30.0, 30.0)),
    "tan": (mpmath.tan, (-30.0, 30.0)),
    "arcsin": (mpmath.asin, UNIT),
    "arccos": (mpmath.acos, UNIT),
    "arctan": (mpmath.atan, (-50.0, 50.0)),
    "sinh": (mpmath.sinh, (-30.0, 30.0)),
    "cosh": (mpmath.cosh, (-30.0, 30.0)),
    "tanh": (mpmath.tanh, ANY),
    "arcsinh": (mpmath.asinh, (-50.0, 50.0)),
    "arccosh": (mpmath.acosh, (1.01, 50.0)),
    "arctanh": (mpmath.atanh, UNIT),
    "cbrt": (lambda a: mpmath.sign(a) * mpmath.cbrt(abs(a)), ANY),
    "power": (lambda a, b: a**b, POSITIVE, (-30.0, 30.0)),
    "hypot": (mpmath.hypot, ANY, ANY),
    "arctan2": (mpmath.atan2, ANY, ANY),
    "logaddexp": (lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)), POSITIVE, POSITIVE),
}
N_ARGUMENTS = EXACT | {name: len(ranges) for name, (_, *ranges) in ROUNDED.items()}


def run(name, *arguments, threads=1):
    """The operation on arrays of one dtype."""
    count = len(arguments)
    program = _core.Program(count, [], [(name, count, list(range(count)))], [count])
    dtype = arguments[0].dtype
    [result] = program.run(list(arguments), len(arguments[0]), dtype, threads=threads)
    assert result.dtype == dtype
    return result


def numpy_of(name, *arguments):
    with np.errstate(all="ignore"):
        if name == "where":
            return np.where(arguments[0] != 0, *arguments[1:])
        return getattr(np, name)(*arguments).astype(arguments[0].dtype)


def both(name, *arguments):
    """The results here and of NumPy. Of two zeros NumPy returns either as the larger one."""
    got, expected = run(name, *arguments), numpy_of(name, *arguments)
    if name in ("maximum", "minimum", "fmax", "fmin"):
        zeros = (arguments[0] == 0) & (arguments[1] == 0)
        assert (got[zeros] == 0).all()
        got, expected = got[~zeros], expected[~zeros]
    return got, expected


def equal(got, expected):
    """Whether numbers agree in all bits, and NaN is where it should be."""
    nan = np.isnan(expected)
    return (np.isnan(got) == nan).all() and same_bits(got[~nan], expected[~nan])


def test_the_core_has_the_operations_of_traces():
    traced = {operation.name for operation in [*OPERATIONS.values(), WHERE]}
    assert traced == set(_core.operations()) == set(N_ARGUMENTS)
    assert HELD.name not in traced


@every_dtype
@pytest.mark.parametrize("name", EXACT)
def test_exact_operations(name, dtype):
    arguments = list(RNG.normal(size=(EXACT[name], 300)).astype(dtype) * 3)
    arguments[0][:100] = np.rint(arguments[0][:100])  # ties, and quotients that are whole
    arguments[-1][:100] = np.rint(arguments[-1][:100])
    assert equal(*both(name, *arguments))


@every_dtype
@pytest.mark.parametrize("name", ROUNDED)
def test_rounded_operations(name, dtype):
    function, *ranges = ROUNDED[name]
    arguments = [RNG.uniform(*bounds, 200).astype(dtype) for bounds in ranges]
    got = run(name, *arguments)
    with mp.workdps(40):
        exact = [
            function(*(mpmath.mpf(float(a)) for a in point))
            for point in zip(*arguments, strict=True)
        ]
        spacing = np.spacing(np.abs(np.array([float(e) for e in exact]).astype(dtype)))
        errors = [
            abs(mpmath.mpf(float(g)) - e) / float(s)
            for g, e, s in zip(got, exact, spacing, strict=True)
        ]
    assert max(errors) <= (4 if name == "logaddexp" else 2)


def special(dtype):
    """Numbers at which formulas fail: without value, without bound, at ends of the range."""
    info = np.finfo(dtype)
    sizes = [0.0, info.smallest_subnormal, info.tiny, 1e-5, 0.5, 1.0, 1.5, 2.0, 2.5, 7.0, 1e4]
    sizes += [info.max, np.inf]
    return np.array([np.nan, *sizes, *(-s for s in sizes)], dtype)


@every_dtype
@pytest.mark.parametrize("name", N_ARGUMENTS)
def test_special_numbers(name, dtype):
    every = special(dtype)
    points = itertools.product(every, repeat=N_ARGUMENTS[name])
    arguments = [np.array(column) for column in zip(*points, strict=True)]
    got, expected = both(name, *arguments)
    if name in EXACT:
        assert equal(got, expected)
        return
    finite = np.isfinite(expected)
    assert equal(got[~finite], expected[~finite])
    got, expected = got[finite], expected[finite]
    assert (np.signbit(got) == np.signbit(expected)).all()
    error = np.abs(np.longdouble(got) - np.longdouble(expected))
    spacing = np.spacing(
        np.abs(np.nextafter(expected, dtype(0)))
    )  # that of the largest is infinite
    assert (error <= 3 * spacing).all()


# All at once


def everything(n, dtype, shift=0, threads=1):
    """The results of all operations, each on random numbers in its range."""
    rng = np.random.default_rng(1)
    inputs, instructions = [], []
    total = sum(N_ARGUMENTS.values())
    for k, (name, count) in enumerate(N_ARGUMENTS.items()):
        ranges = ROUNDED[name][1:] if name in ROUNDED else [ANY] * count
        registers = range(len(inputs), len(inputs) + count)
        inputs += [np.roll(rng.uniform(*bounds, n).astype(dtype), shift) for bounds in ranges]
        instructions.append((name, total + k, list(registers)))
    outputs = [result for _, result, _ in instructions]
    program = _core.Program(total, [], instructions, outputs)
    return program.run(inputs, n, np.dtype(dtype), threads=threads)


@every_dtype
def test_results_do_not_depend_on_threads_or_on_the_place_in_a_tile(dtype):
    n = 1500  # enough work for several threads
    alone = everything(n, dtype)
    for threads in (2, 3):
        for got, expected in zip(everything(n, dtype, 0, threads), alone, strict=True):
            assert same_bits(got, expected)
    for shift in (1, 7, 700):
        for got, expected in zip(everything(n, dtype, shift, 2), alone, strict=True):
            assert same_bits(got, np.roll(expected, shift))


@every_dtype
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000])
def test_every_number_of_points(n, dtype):
    a, b = RNG.normal(size=(2, n)).astype(dtype)
    number = np.array([0.1], dtype)
    calls = [("subtract", 4, [0, 1]), ("multiply", 4, [4, 2]), ("add", 5, [4, 3])]
    program = _core.Program(3, [0.1], calls, [5, 0, 3, 2, 5])
    got = program.run([a, b, number], n, np.dtype(dtype), threads=2)
    result = (a - b) * number + number
    expected = [result, a, np.full(n, number), np.full(n, number), result]
    assert all(same_bits(g, e) for g, e in zip(got, expected, strict=True))
    assert not any(np.shares_memory(g, array) for g in got for array in (a, b, number))
