"""What cannot be traced is named, and what other libraries ask an expression."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from traces import traced

from helpers import naming
from kanml.expressions import Trace

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
