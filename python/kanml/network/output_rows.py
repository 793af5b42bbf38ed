"""The outputs of a network as rows of the core, for their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanml import _core
from kanml._validation import FloatArray
from kanml.expressions import Leaf, Program, Trace

__all__ = ["output_rows"]


def output_rows(x: FloatArray, n_out: int) -> Any:
    """Return a term of the core whose rows at a sample are the outputs of a network there.

    Parameters
    ----------
    x : ndarray, shape (N, n_in)
    n_out : int
    """
    trace = Trace("")
    outputs = [Leaf("plane", str(output)) for output in range(n_out)]
    results = [*(trace.leaf(output) for output in outputs), *[trace.constant(1.0)] * n_out]
    coefficients = [(0, 0, output) for output in range(n_out)]
    of_each = [[coefficient] for coefficient in coefficients]
    rows = _core.PointRows(Program(results, outputs).core, coefficients, 0, 0, of_each)
    kind: Any = _core.RowTermFloat32 if x.dtype == np.float32 else _core.RowTermFloat64
    return kind(rows, len(x), None, [(x, [], np.zeros((0, x.shape[1]), x.dtype))], [], "")
