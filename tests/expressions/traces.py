"""Traces, and the values of their expressions: what the tests of expressions share."""

from __future__ import annotations

import mpmath
import numpy as np
from mpmath import mp

from kanml.expressions import Leaf, Program, Trace

N = 7


def derivative(name, letters=""):
    return Leaf("derivative", name, letters)


U = derivative("u")


def traced(names, **options):
    """What the names say of a trace: itself, its output u, its coordinates t and x."""
    trace = Trace("tx", **options)
    t, x = trace.coordinates
    found = {"trace": trace, "u": trace.output("u"), "t": t, "x": x}
    return [found[name] for name in names.split()]


def at(expressions, values, n=N, dtype=np.float64, num_threads=1):
    """Values of expressions at n points; `values` by the text of a leaf: "u.xx", "nu"."""
    program = Program(expressions)
    given = {leaf: np.asarray(values[str(leaf)], dtype) for leaf in program.leaves}
    return program.evaluate(given, n, dtype, num_threads)


def exactly(function, arguments, order):
    """A derivative of a function of mpmath, to 30 digits."""
    with mp.workdps(40):
        return mpmath.diff(function, tuple(map(mpmath.mpf, arguments)), order)


def close(got, expected, bound=1e-13):
    got, expected = np.asarray(got), np.array([float(e) for e in np.ravel(expected)])
    np.testing.assert_allclose(np.ravel(got), expected, rtol=bound, atol=0)
