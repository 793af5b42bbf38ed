"""Malformed programs and inputs, which the core refuses by name."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import naming
from kanml._core import Program

ADD = ("add", 3, [0, 1])  # behind two inputs and a constant


@pytest.mark.parametrize(
    ("calls", "outputs", "parts"),
    [
        ([("sum", 3, [0, 1])], [3], ["'sum'"]),
        ([("add", 3, [0])], [3], ["instruction 0", "add", "2 arguments", "got 1"]),
        ([ADD, ("sin", 4, [3, 1])], [3], ["instruction 1", "sin", "1 arguments", "got 2"]),
        ([("where", 3, [0, 1, 2, 0])], [3], ["where", "3 arguments", "got 4"]),
        ([("add", 3, [0, 4])], [3], ["instruction 0 reads", "register 4", "0 to 3"]),
        ([("add", 3, [0, -1])], [3], ["instruction 0 reads", "register -1"]),
        ([("add", 3, [0, 2**31 - 1])], [3], ["instruction 0 reads", "register 2147483647"]),
        ([("add", 3, [0, 3])], [3], ["instruction 0 reads register 3 before"]),
        ([ADD, ("add", 3, [4, 0])], [3], ["instruction 1 reads register 4 before"]),
        ([("add", 0, [0, 1])], [0], ["instruction 0 writes to register 0", "results begin at 3"]),
        ([("add", 2, [0, 1])], [0], ["instruction 0 writes to register 2", "results begin at 3"]),
        ([("add", 4, [0, 1])], [4], ["instruction 0 writes to", "register 4", "0 to 3"]),
        ([("add", -1, [0, 1])], [0], ["instruction 0 writes to", "register -1"]),
        ([ADD], [3, 4], ["output 1 reads", "register 4", "0 to 3"]),
        ([ADD], [-1], ["output 0 reads", "register -1"]),
        ([ADD, ADD], [4], ["output 0 reads register 4 before"]),
    ],
)
def test_malformed_programs(calls, outputs, parts):
    with pytest.raises(ValueError, match=naming(*parts)):
        Program(2, [1.0], calls, outputs)


def test_sizes_that_are_not_counted():
    for n_inputs in (-1, 2**31 - 1):
        with pytest.raises(ValueError, match=naming(n_inputs, "inputs")):
            Program(n_inputs, [], [], [])
    with pytest.raises(TypeError):
        Program(2, [], [("add", 2**31, [0, 1])], [])
    with pytest.raises(TypeError):
        Program(2, [], [("add", 2, [0, 1.5])], [])


@pytest.mark.parametrize(
    ("inputs", "n", "dtype", "error", "parts"),
    [
        ([np.ones(3)], 3, np.float64, ValueError, ["1 arrays", "expected 2"]),
        ([np.ones(3)] * 3, 3, np.float64, ValueError, ["3 arrays", "expected 2"]),
        ([np.ones(3), np.ones(4)], 3, np.float64, ValueError, ["inputs[1]", "4 entries", "3"]),
        ([np.ones(3), np.ones(0)], 3, np.float64, ValueError, ["inputs[1]", "0 entries", "3"]),
        ([np.ones(3), np.ones(3)], -1, np.float64, ValueError, ["n is -1"]),
        ([np.ones(3), np.float32([1, 2, 3])], 3, np.float64, TypeError, ["inputs[1]", "float64"]),
        ([np.ones(3), np.ones(6)[::2]], 3, np.float64, TypeError, ["inputs[1]", "C-contiguous"]),
        ([np.ones(3), np.ones(3)], 3, np.float32, TypeError, ["inputs[0]", "float32"]),
        ([np.ones(3), np.ones(3)], 3, np.int64, TypeError, ["dtype is int64"]),
        ([np.ones(3), [1.0, 2.0, 3.0]], 3, np.float64, TypeError, []),
    ],
)
def test_inputs_that_do_not_fit(inputs, n, dtype, error, parts):
    program = Program(2, [], [("add", 2, [0, 1])], [2])
    with pytest.raises(error, match=naming(*parts)):
        program.run(inputs, n, np.dtype(dtype), threads=1)
