"""Input that is odd works; input that is wrong raises and says which argument, and what it was.

Nothing may crash, warn, or be silently taken for something else. A row of a table below is the
call, and what its message must contain.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import kanml
from helpers import naming
from kanml._validation import real_array

SPACE = kanml.SplineSpace([0.0, 0.25, 1.0], 3)
NET = kanml.Network([kanml.SplineLayer(2, 3, SPACE), kanml.Linear(3, 1)], seed=0)
X = np.array([[0.0, 1.0], [0.5, 0.25], [2.0, -1.0]])
Y = np.array([[1.0], [2.0], [-1.0]])
PROBLEM = kanml.Regression(X, Y)


def table(*rows):
    """Rows (id, call, parts of the message) as parameters."""
    arguments = [pytest.param(call, parts, id=name) for name, call, *parts in rows]
    return pytest.mark.parametrize(("call", "parts"), arguments)


def with_value(array, index, value):
    array = array.copy()
    array[index] = value
    return array


# What works


X_FORMS = {
    "list": X.tolist(),
    "tuple of rows": tuple(X),
    "float32": X.astype(np.float32),
    "float16": X.astype(np.float16),
    "longdouble": X.astype(np.longdouble),
    "big-endian": X.astype(">f8"),
    "Fortran order": np.asfortranarray(X),
    "every other column": np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": X[::-1].copy()[::-1],
    "broadcast": np.broadcast_to(X[None], (1, 3, 2))[0],
    "unaligned": np.frombuffer(b"\0" + X.tobytes(), dtype=np.uint8)[1:].view(X.dtype).reshape(3, 2),
}


@pytest.mark.parametrize("form", X_FORMS)
def test_real_arrays_of_any_kind_are_converted(form):
    # The numbers of X are exact in each of these types.
    x = X_FORMS[form]
    np.testing.assert_array_equal(NET(x), NET(X))
    np.testing.assert_array_equal(NET.vjp(x, Y)[0], NET.vjp(X, Y)[0])
    np.testing.assert_array_equal(NET.jvp(x, NET.parameters), NET.jvp(X, NET.parameters))
    np.testing.assert_array_equal(
        kanml.Regression(x, Y).value_and_gradient(NET)[1], PROBLEM.value_and_gradient(NET)[1]
    )


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16])
def test_integers_are_converted(dtype):
    x = np.array([[0, 1], [2, 3]])
    np.testing.assert_array_equal(NET(x.astype(dtype)), NET(x.astype(float)))


def test_arguments_are_left_as_they_were():
    x, y, theta = X.copy(), Y.copy(), NET.parameters.copy()
    for array in (x, y, theta):
        array.flags.writeable = False
    net = NET.with_parameters(theta)
    net(x), net.vjp(x, y), net.jvp(x, theta), kanml.Regression(x, y).value_and_gradient(net)
    np.testing.assert_array_equal(x, X)


def test_every_core_call_gets_aligned_arrays():
    """Loads of vectors from unaligned memory are undefined behaviour."""

    def unaligned(array):
        shifted = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        shifted[...] = array
        assert not shifted.flags.aligned
        return shifted

    assert real_array(unaligned(X), "x").flags.aligned
    assert real_array(X, "x") is X
    net = NET.with_parameters(unaligned(NET.parameters))
    assert net.parameters.flags.aligned
    np.testing.assert_array_equal(net(X), NET(X))
    np.testing.assert_array_equal(NET.vjp(X, unaligned(Y))[1], NET.vjp(X, Y)[1])


FRAMES = {
    "columns of several types": {"a": [0.0, 0.5, 2.0], "b": [1, 0, -1]},
    "truth values": {"a": [True, False, True], "b": [1.0, 0.25, -1.0]},
    "nullable": {
        "a": pd.array([0.5, 1.5, 2.5], dtype="Float64"),
        "b": pd.array([1, 2, 3], dtype="Int64"),
    },
    "nullable truth values": {
        "a": pd.array([True, False, True], dtype="boolean"),
        "b": [1.0, 0.25, -1.0],
    },
    "objects that are numbers": {"a": np.array([1, 2.5, True], dtype=object), "b": [1, 2, 3]},
}


@pytest.mark.parametrize("name", FRAMES)
def test_data_frames(name):
    frame = pd.DataFrame(FRAMES[name])
    x = np.array([[float(value) for value in row] for row in frame.itertuples(index=False)])
    np.testing.assert_array_equal(NET(frame), NET(x))
    np.testing.assert_array_equal(kanml.Regression(frame, Y).x, x)
    np.testing.assert_array_equal(NET(frame[["a", "b"]].to_numpy()[:0].astype(float)), NET(x[:0]))


def test_missing_values_of_data_frames_are_nan():
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, 3.0]})
    assert np.isnan(NET(frame))[:, 0].tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"x must be finite, got x\[1, 0\] = nan"):
        kanml.Regression(frame, Y)


def test_truth_values_are_numbers():
    labels = np.array([[True], [False], [True]])
    np.testing.assert_array_equal(kanml.Regression(X, labels).y, labels.astype(float))


def test_masked_arrays():
    whole = np.ma.masked_array(X, mask=False)
    np.testing.assert_array_equal(NET(whole), NET(X))
    holes = np.ma.masked_array(X, mask=with_value(np.zeros_like(X, dtype=bool), (2, 1), True))
    with pytest.raises(ValueError, match=r"term 'a': points must .* got one at points\[2, 1\]"):
        kanml.PINN("xy", [kanml.Term("a", holes, lambda u: u.x)])
    for call in (NET, lambda x: kanml.Regression(x, Y), lambda x: kanml.KAN([2, 1], data=x)):
        with pytest.raises(ValueError, match=r"no masked entries, got one at \w+\[2, 1\]"):
            call(holes)


def test_zero_samples():
    none = np.zeros((0, 2))
    assert NET(none).shape == (0, 1)
    gradient, by_x = NET.vjp(none, np.zeros((0, 1)))
    np.testing.assert_array_equal(gradient, np.zeros(NET.n_parameters))
    assert by_x.shape == (0, 2)
    assert NET.jvp(none, NET.parameters).shape == (0, 1)


def test_one_interval():
    net = kanml.KAN([2, 2, 1], degree=3, intervals=1)
    assert net.n_parameters == 6 * 4
    assert np.isfinite(net(X)).all()
    assert net.refine().n_parameters == 6 * 5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_parameters_that_a_line_search_might_try(value):
    net = NET.with_parameters(with_value(NET.parameters, 0, value))
    np.testing.assert_array_equal(net.parameters[0], value)
    net(X), net.vjp(X, Y), PROBLEM.value_and_gradient(net)


@pytest.mark.parametrize("threads", [1, 100])
def test_more_threads_than_samples(threads):
    np.testing.assert_array_equal(NET(X, num_threads=threads), NET(X))


# Spaces


@table(
    ("unsorted", lambda: kanml.SplineSpace([0.0, 2.5, 1.5, 3.0], 3), "breakpoints", "2.5", "1.5"),
    ("repeated", lambda: kanml.SplineSpace([0.0, 1.5, 1.5, 3.0], 3), "breakpoints", "1.5"),
    ("decreasing", lambda: kanml.SplineSpace([1.5, -0.5], 3), "breakpoints", "1.5", "-0.5"),
    ("position", lambda: kanml.SplineSpace([0, 1, 2, 3, 4, 4.5, 4.25], 3), "4.25", "6"),
    ("one", lambda: kanml.SplineSpace([0.5], 3), "breakpoints", "(1,)"),
    ("none", lambda: kanml.SplineSpace([], 3), "breakpoints", "(0,)"),
    ("number", lambda: kanml.SplineSpace(0.5, 3), "breakpoints", "()"),
    ("matrix", lambda: kanml.SplineSpace([[0.0, 1.0]], 3), "breakpoints", "(1, 2)"),
    ("NaN", lambda: kanml.SplineSpace([0.0, np.nan, 1.0], 3), "breakpoints", "nan", "1"),
    ("infinite", lambda: kanml.SplineSpace([0.0, np.inf], 3), "breakpoints", "inf", "1"),
    ("strings", lambda: kanml.SplineSpace(["a", "b"], 3), "breakpoints", "<U1"),
    ("complex", lambda: kanml.SplineSpace([0.0, 1j], 3), "breakpoints", "complex128"),
    ("object", lambda: kanml.SplineSpace([0.0, None], 3), "breakpoints", "object"),
    ("degree 0", lambda: kanml.SplineSpace([0.0, 1.0], 0), "degree", "0", "5"),
    ("degree 6", lambda: kanml.SplineSpace([0.0, 1.0], 6), "degree", "6", "5"),
    ("degree -1", lambda: kanml.SplineSpace([0.0, 1.0], -1), "degree", "-1"),
    ("degree 2.5", lambda: kanml.SplineSpace([0.0, 1.0], 2.5), "degree", "2.5"),
    ("degree '3'", lambda: kanml.SplineSpace([0.0, 1.0], "3"), "degree", "'3'"),
    ("degree None", lambda: kanml.SplineSpace([0.0, 1.0], None), "degree", "None"),
    ("uniform, no interval", lambda: kanml.SplineSpace.uniform(0, 1, 0, 3), "intervals", "0"),
    ("uniform, half an interval", lambda: kanml.SplineSpace.uniform(0, 1, 1.5, 3), "intervals"),
    ("uniform, a = b", lambda: kanml.SplineSpace.uniform(1.5, 1.5, 4, 3), "1.5"),
    ("uniform, NaN", lambda: kanml.SplineSpace.uniform(0.0, np.nan, 4, 3), "nan"),
    ("denormal", lambda: kanml.SplineSpace.uniform(0.0, 1e-310, 4, 3), "length", "2.5e-311"),
    ("denormal interval", lambda: kanml.SplineSpace([0.0, 1e-309, 1.0], 3), "length", "1e-309"),
    ("a billion intervals", lambda: kanml.SplineSpace.uniform(0, 1, 10**9, 3),
     "intervals", "1000000000", 2**20),
    ("2**63 intervals", lambda: kanml.SplineSpace.uniform(0, 1, 2**63, 3), "intervals", 2**63),
    ("refined too often", lambda: SPACE.refine(2**20), "factor", 2**20, "intervals"),
    ("points, complex", lambda: SPACE.basis([0.5j]), "x", "complex128"),
    ("points, strings", lambda: SPACE.evaluate(np.zeros(5), ["a"]), "x", "<U1"),
)  # fmt: skip
def test_spaces(call, parts):
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        call()


# Architectures


@table(
    ("widths that do not chain",
     lambda: kanml.Network([kanml.Linear(2, 3), kanml.Linear(4, 1)]), "3", "4"),
    ("no layers", lambda: kanml.Network([]), "layers"),
    ("no width", lambda: kanml.Network([kanml.Activation("tanh"), kanml.Affine(2.0, 1.0)]),
     "width"),
    ("not a layer", lambda: kanml.Network([kanml.Linear(2, 1), np.tanh]), "layers", "1"),
    ("affine width", lambda: kanml.Network([kanml.Linear(2, 3), kanml.Affine([1.0, 2.0], 0.0)]),
     "3", "2"),
    ("affine scale and shift",
     lambda: kanml.Affine([1.0, 2.0], [1.0, 2.0, 3.0]), "scale", "shift", "2", "3"),
    ("affine NaN", lambda: kanml.Affine([1.0, np.nan], 0.0), "scale", "nan"),
    ("affine infinite", lambda: kanml.Affine(1.0, np.inf), "shift", "inf"),
    ("no outputs", lambda: kanml.Linear(2, 0), "n_out", "0"),
    ("negative inputs", lambda: kanml.Linear(-1, 2), "n_in", "-1"),
    ("inputs 1.5", lambda: kanml.SplineLayer(1.5, 2, SPACE), "n_in", "1.5"),
    ("too few spaces", lambda: kanml.SplineLayer(3, 2, [SPACE, SPACE]), "space", "2", "3"),
    ("degrees mixed",
     lambda: kanml.SplineLayer(2, 2, [SPACE, kanml.SplineSpace([0.0, 1.0], 2)]),
     "degree", "2", "3"),
    ("not a space", lambda: kanml.SplineLayer(2, 2, [0.0, 1.0]), "space"),
    ("activation", lambda: kanml.Activation("softmax"), "'softmax'", "tanh"),
    ("rule", lambda: kanml.KAN([2, 1], degree=3, intervals=5, extrapolation="fade"),
     "extrapolation", "'fade'"),
    ("dtype float16", lambda: kanml.Network([kanml.Linear(2, 1)], dtype="float16"),
     "dtype", "float16"),
    ("dtype int", lambda: kanml.Network([kanml.Linear(2, 1)], dtype=int), "dtype", "int"),
    ("dtype complex", lambda: kanml.KAN([2, 1], degree=3, intervals=5, dtype="complex128"),
     "dtype", "complex128"),
    ("a width of 2**63", lambda: kanml.Linear(2**63, 1), "n_in", 2**63, 2**20),
    ("many outputs", lambda: kanml.SplineLayer(1, 10**8, SPACE), "n_out", 10**8),
    ("many inputs", lambda: kanml.PeriodicEmbedding(10**9, {0: 1.0}), "n_in", 10**9),
    ("many features", lambda: kanml.PeriodicEmbedding(2**20, {0: 1.0}, [1, 2]), "features",
     2**20 + 3),
    ("KAN width", lambda: kanml.KAN([2, 10**8, 1]), "widths[1]", 10**8),
    ("KAN intervals", lambda: kanml.KAN([1, 1], intervals=10**8), "intervals", 10**8),
    ("more than memory", lambda: kanml.KAN([2**20, 2**20]), "parameters", 8 * 2**40, "GB"),
    ("period without frequency", lambda: kanml.PeriodicEmbedding(1, {0: 1e-320}), "periods[0]"),
    ("multiples", lambda: kanml.PeriodicEmbedding(1, {0: 1.0}, 3), "multiples", "3"),
    ("a huge multiple", lambda: kanml.PeriodicEmbedding(1, {0: 1.0}, [10**400]), "multiples[0]"),
    ("a huge number", lambda: kanml.Adam(10**400), "lr"),
    ("no box", lambda: kanml.Affine.normalising([], []), "lower"),
    ("no finite inputs", lambda: kanml.Network(
        [kanml.Affine([1e-320], [1.0]), kanml.Linear(1, 2), kanml.SplineLayer(2, 1, SPACE)]),
     "layers[1]", "finite inputs"),
    ("box backwards", lambda: kanml.Affine.normalising([1.0], [0.5]), "lower < upper"),
    ("box without length", lambda: kanml.Affine.normalising([0.0], [5e-324]), "too short"),
    ("domain of a box", lambda: kanml.Affine.normalising([0.0], [1.0], (1, 2, 3)),
     "domain", "(1, 2, 3)"),
    ("one width", lambda: kanml.KAN([2], degree=3, intervals=5), "widths", "[2]"),
    ("zero width", lambda: kanml.KAN([2, 0, 1], degree=3, intervals=5), "0"),
    ("degree", lambda: kanml.KAN([2, 1], degree=7, intervals=5), "degree", "7"),
    ("intervals", lambda: kanml.KAN([2, 1], degree=3, intervals=0), "intervals", "0"),
    ("domain", lambda: kanml.KAN([2, 1], degree=3, intervals=5, domain=(1.5, -0.5)),
     "domain", "1.5", "-0.5"),
    ("domain NaN", lambda: kanml.KAN([2, 1], degree=3, intervals=5, domain=(0.0, np.nan)),
     "domain", "nan"),
    ("MLP activation", lambda: kanml.MLP([2, 3, 1], activation="step"), "activation", "'step'"),
    ("KAN activation", lambda: kanml.KAN([2, 1], activation="gelu"), "activation", "'gelu'"),
    ("x without columns", lambda: kanml.Regression(X[:, :0], Y), "x", "column", "(3, 0)"),
    ("data columns", lambda: kanml.KAN([2, 1], degree=3, intervals=5, data=np.zeros((9, 3))),
     "data", "(9, 3)", "2"),
    ("data NaN", lambda: kanml.KAN([2, 1], degree=3, intervals=5,
                                   data=with_value(X, (2, 1), np.nan)), "data", "nan", "2"),
)  # fmt: skip
def test_architectures(call, parts):
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        call()


def test_knots_that_coincide_in_float32():
    space = kanml.SplineSpace([1.0, 1.0 + 1e-9, 2.0], 2)
    kanml.Network([kanml.SplineLayer(1, 1, space)])
    with pytest.raises(ValueError, match="float32"):
        kanml.Network([kanml.SplineLayer(1, 1, space)], dtype="float32")


# Evaluation


@table(
    ("vector", lambda: NET(X[:, 0]), "x", "(3,)", "2"),
    ("number", lambda: NET(0.5), "x", "()", "2"),
    ("three dimensions", lambda: NET(X[None]), "x", "(1, 3, 2)", "2"),
    ("columns", lambda: NET(np.zeros((4, 3))), "x", "(4, 3)", "2"),
    ("no columns", lambda: NET(np.zeros((4, 0))), "x", "(4, 0)", "2"),
    ("None", lambda: NET(None), "x", "object"),
    ("object", lambda: NET(X.astype(object)), "x", "object"),
    ("complex", lambda: NET(X + 0j), "x", "complex128"),
    ("string", lambda: NET([["a", "b"]]), "x", "<U1"),
    ("dates", lambda: NET(np.zeros((3, 2), "datetime64[s]")), "x", "datetime64"),
    ("ragged", lambda: NET([[0.0, 1.0], [0.5]]), "x"),
    ("vjp x", lambda: NET.vjp(np.zeros((3, 5)), Y), "x", "(3, 5)", "2"),
    ("cotangent samples", lambda: NET.vjp(X, Y[:2]), "cotangent", "(2, 1)", "(3, 1)"),
    ("cotangent columns", lambda: NET.vjp(X, X), "cotangent", "(3, 2)", "1"),
    ("cotangent vector", lambda: NET.vjp(X, Y[:, 0]), "cotangent", "(3,)", "1"),
    ("cotangent complex", lambda: NET.vjp(X, Y * 1j), "cotangent", "complex128"),
    ("dtheta short", lambda: NET.jvp(X, np.zeros(7)), "dtheta", "(7,)", "34"),
    ("dtheta matrix", lambda: NET.jvp(X, np.zeros((34, 1))), "dtheta", "(34, 1)", "34"),
    ("dtheta complex", lambda: NET.jvp(X, np.zeros(34) * 1j), "dtheta", "complex128"),
    ("theta short", lambda: NET.with_parameters(np.zeros(33)), "33", "34"),
    ("theta long", lambda: NET.with_parameters(np.zeros(35)), "35", "34"),
    ("theta matrix", lambda: NET.with_parameters(np.zeros((34, 1))), "(34, 1)", "34"),
    ("theta complex", lambda: NET.with_parameters(np.zeros(34) + 0j), "complex128"),
    ("theta None", lambda: NET.with_parameters(None), "object"),
    ("threads 0", lambda: NET(X, num_threads=0), "num_threads", "0"),
    ("threads -2", lambda: NET(X, num_threads=-2), "num_threads", "-2"),
    ("threads 1.5", lambda: NET(X, num_threads=1.5), "num_threads", "1.5"),
    ("set_num_threads 0", lambda: kanml.set_num_threads(0), "0"),
    ("refine by 0", lambda: NET.refine(0), "factor", "0"),
    ("one input, vector",
     lambda: kanml.KAN([1, 1], degree=2, intervals=3)(np.zeros(4)), "x", "(4,)", "(N, 1)"),
)  # fmt: skip
def test_evaluation(call, parts):
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        call()
    assert np.isfinite(NET(X)).all()


# Problems


@table(
    ("x NaN", lambda: kanml.Regression(with_value(X, (2, 1), np.nan), Y), "x", "nan", "2", "1"),
    ("x infinite", lambda: kanml.Regression(with_value(X, (1, 0), -np.inf), Y), "x", "-inf", "1"),
    ("y NaN", lambda: kanml.Regression(X, with_value(Y, (2, 0), np.nan)), "y", "nan", "2", "0"),
    ("y infinite", lambda: kanml.Regression(X, with_value(Y, (1, 0), np.inf)), "y", "inf", "1"),
    ("no samples", lambda: kanml.Regression(np.zeros((0, 2)), np.zeros((0, 1))), "x", "(0, 2)"),
    ("mismatch", lambda: kanml.Regression(X, Y[:2]), "x", "y", "3", "2"),
    ("x vector", lambda: kanml.Regression(X[:, 0], Y), "x", "(3,)"),
    ("y vector", lambda: kanml.Regression(X, Y[:, 0]), "y", "(3,)", "y[:, None]"),
    ("y series", lambda: kanml.Regression(X, pd.Series(Y[:, 0])), "y", "(3,)", "y.to_frame()"),
    ("x complex", lambda: kanml.Regression(X + 0j, Y), "x", "complex128"),
    ("y complex", lambda: kanml.Regression(X, Y + 0j), "y", "complex128"),
    ("x object", lambda: kanml.Regression(X.astype(object), Y), "x", "object"),
    ("y strings", lambda: kanml.Regression(X, [["a"], ["b"], ["c"]]), "y", "<U1"),
    ("batch of none", lambda: kanml.Regression(X, Y, batch_size=0), "batch_size", "0"),
    ("batch of 1.5", lambda: kanml.Regression(X, Y, batch_size=1.5), "batch_size", "1.5"),
    ("columns of x",
     lambda: kanml.Regression(np.zeros((3, 4)), Y).value_and_gradient(NET), "4", "2"),
    ("columns of y",
     lambda: kanml.Regression(X, np.zeros((3, 2))).value_and_gradient(NET), "2", "1"),
)  # fmt: skip
def test_problems(call, parts):
    with pytest.raises((ValueError, TypeError), match=naming(*parts)):
        call()


def test_the_first_bad_number_is_named():
    y = Y.copy()
    y[1:] = np.nan
    with pytest.raises(ValueError, match=r"(?s)(?=.*\by\b)(?=.*\b1\b)(?!.*\b2\b)"):
        kanml.Regression(X, y)
