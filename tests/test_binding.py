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
