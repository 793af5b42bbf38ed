"""What the extension refuses: memory that it cannot read, and sizes beyond what it counts in."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import naming
from kanml import _core

every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def unaligned(shape, dtype):
    """Ones that begin one byte behind where they should; C-contiguous."""
    ones = np.ones(shape, dtype)
    memory = np.frombuffer(bytearray(b"\0" * ones.itemsize + ones.tobytes()), np.uint8)
    start = (1 - memory.ctypes.data) % ones.itemsize
    array = np.lib.stride_tricks.as_strided(memory[start:][: ones.nbytes]).view(dtype)
    array = array.reshape(shape)
    array[...] = 1
    assert array.flags.c_contiguous
    assert not array.flags.aligned
    return array


def network(dtype):
    kind = {"float32": _core.NetworkFloat32, "float64": _core.NetworkFloat64}[dtype]
    return kind([_core.LinearLayer(2, 1, True)])


def refused(name):
    return pytest.raises(ValueError, match=f"^{name} is not aligned: it begins 1 bytes behind")


@every_dtype
def test_unaligned_inputs(dtype):
    net = network(dtype)
    x, parameters = np.ones((3, 2), dtype), np.ones(3, dtype)
    with refused("x"):
        net.evaluate(unaligned((3, 2), dtype), parameters, threads=1)
    with refused("parameters"):
        net.evaluate(x, unaligned(3, dtype), threads=1)
    with refused("target"):
        net.mean_squared_error(x, parameters, unaligned((3, 1), dtype), threads=1)
    with refused("y"):
        _core.dot(parameters, unaligned(3, dtype))


@every_dtype
def test_unaligned_outputs(dtype):
    out = unaligned(3, dtype)
    with refused("out"):
        _core.axpy(1.0, np.ones(3, dtype), np.ones(3, dtype), out)
    np.testing.assert_array_equal(out, 1)


@every_dtype
def test_what_is_empty_is_aligned(dtype):
    empty = unaligned(3, dtype)[:0]
    assert _core.dot(empty, empty) == 0.0
    assert network(dtype).evaluate(empty.reshape(0, 2), np.ones(3, dtype), threads=1).shape == (
        0,
        1,
    )


def test_too_many_breakpoints():
    most = (2**31 - 1) // 8
    with pytest.raises(ValueError, match=naming(most, most + 1, "breakpoints")):
        _core.SplineSpace(np.zeros(most + 1), 3)  # memory that is never touched


SPACE = _core.SplineSpace(np.linspace(0.0, 1.0, 3), 2)


@pytest.mark.parametrize(
    ("layer", "parts"),
    [
        (_core.LinearLayer(2**31, 1, True), [2**31, 2**31 - 1]),
        (_core.LinearLayer(1, 2**63 - 1, False), [2**63 - 1, 2**31 - 1]),
        (_core.LinearLayer(0, 1, False), [0, "expected 1 to"]),
        (_core.LinearLayer(2**30, 2**30, True), [f"{2**30} times {2**30}", "too large"]),
        (_core.ActivationLayer(2**62, _core.ActivationKind.sin), [2**62, 2**31 - 1]),
        (
            _core.SplineLayer(
                [SPACE] * 300, 2**31 - 1, _core.Extrapolation.clamp, _core.Basis.relu
            ),
            [f"1200 times {2**31 - 1}", "too large"],
        ),
        (
            _core.EmbeddingLayer(2**40, [0], [_core.Feature.identity], [1.0]),
            [2**40, 2**31 - 1],
        ),
    ],
)
def test_layers_that_are_too_large(layer, parts):
    with pytest.raises(ValueError, match=naming(*parts)):
        _core.NetworkFloat64([layer])


def point_loss():
    """The square of one coefficient."""
    program = _core.Program(1, [2.0], [("square", 2, [0]), ("multiply", 3, [0, 1])], [2, 3])
    return _core.PointLoss(program, [(0, 0, 0)], 0, 0, 0, [(0, 0, 0)])


def places(dtype=np.float64, shape=(5, 2)):
    return [(np.ones(shape, dtype), [], np.zeros((0, shape[1]), dtype))]


def term(n=5, rows=None, columns=(), loss=point_loss, where=places):
    return _core.TermFloat64(loss(), n, rows, where(), list(columns), "")


def test_refused_terms_and_losses():
    program = _core.Program(1, [], [], [0])
    for error, call in (
        (TypeError, lambda: _core.PointLoss(None, [], 0, 0, 0, [])),
        (ValueError, lambda: _core.PointLoss(program, [], 0, 0, 0, [])),
        (ValueError, lambda: _core.PointLoss(program, [(0, 0, 0)], 0, 0, 1, [])),
        (ValueError, lambda: _core.PointLoss(program, [(0, 0, 0)] * 2, -1, 0, 0, [])),
        (TypeError, lambda: term(loss=lambda: None)),
        (ValueError, lambda: term(n=0, rows=np.zeros(0, np.int64))),
        (ValueError, lambda: term(n=4)),
        (ValueError, lambda: term(n=2, rows=np.array([0, 5]))),
        (ValueError, lambda: term(n=2, rows=np.array([0, -1]))),
        (TypeError, lambda: term(n=2, rows=np.array([0.0, 1.0]))),
        (ValueError, lambda: term(columns=[np.ones(4)])),
        (TypeError, lambda: term(columns=[np.ones(5, np.float32)])),
        (TypeError, lambda: term(where=lambda: places(np.float32))),
        (ValueError, lambda: term(where=list)),
    ):
        with pytest.raises(error):
            call()


def test_terms_that_do_not_fit_a_network():
    net, theta = network("float64"), np.ones(3)
    program = _core.Program(1, [], [], [0])
    missing = _core.PointLoss(program, [(0, 0, 3)], 0, 0, 0, [])  # the fourth output
    for error, terms, factors in (
        (TypeError, [None], [1.0]),
        (ValueError, [], []),
        (ValueError, [term()], [1.0, 2.0]),
        (ValueError, [term(columns=[np.ones(5)])], [1.0]),
        (ValueError, [term(where=lambda: places(shape=(5, 1)))], [1.0]),
        (ValueError, [term(loss=lambda: missing)], [1.0]),
    ):
        with pytest.raises(error):
            net.reduce(terms, factors, theta, [], True, [False] * len(terms), 1)
    with pytest.raises(ValueError, match="unknowns"):
        net.reduce([term()], [1.0], theta, [0.5], True, [False], 1)
