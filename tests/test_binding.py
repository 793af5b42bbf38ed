"""What the extension refuses: memory that it cannot read."""

from __future__ import annotations

import numpy as np
import pytest

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
