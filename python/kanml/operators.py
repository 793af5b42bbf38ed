"""Linear operators that act along axis 0 of an array."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kanml._validation import Float64Array, FloatArray, real_array

__all__ = ["LinearOperator"]

Map = Callable[[FloatArray], FloatArray]


class LinearOperator:
    """A matrix that is applied, never formed.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    apply, apply_transpose : callable
        The products with a C-contiguous array (columns, m) or (rows, m), float32 or float64; the
        result has the dtype of the argument.

    Examples
    --------
    >>> import numpy as np
    >>> double = LinearOperator((3, 3), lambda x: 2 * x, lambda x: 2 * x)
    >>> double @ np.array([1.0, 2.0, 3.0])
    array([2., 4., 6.])
    """

    def __init__(self, shape: tuple[int, int], apply: Map, apply_transpose: Map) -> None:
        self.shape = shape
        self._apply = apply
        self._apply_transpose = apply_transpose

    def __matmul__(self, x: object) -> FloatArray:
        """Apply to an array of shape (columns, ...)."""
        return apply_along_axis_0(self._apply, x, self.shape[1], self.shape)

    @property
    def T(self) -> LinearOperator:
        """The transpose."""
        rows, columns = self.shape
        return LinearOperator((columns, rows), self._apply_transpose, self._apply)

    def toarray(self) -> Float64Array:
        """Return the dense matrix, for small use and for tests."""
        return np.asarray(self @ np.eye(self.shape[1]), dtype=np.float64)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of shape {self.shape}>"


def apply_along_axis_0(
    function: Map, x: object, expected: int, shape: tuple[int, int]
) -> FloatArray:
    """Apply a map of (expected, m) arrays to an array of shape (expected, ...)."""
    dtype = np.float32 if getattr(x, "dtype", None) == np.float32 else np.float64
    array = real_array(x, "operand", dtype)
    if array.ndim == 0 or array.shape[0] != expected:
        raise ValueError(
            f"an operator of shape {shape} needs an operand of {expected} rows, "
            f"got shape {array.shape}"
        )
    columns = array.reshape(expected, -1) if array.size else array.reshape(expected, 0)
    result = function(columns)
    return result.reshape(result.shape[0], *array.shape[1:])
