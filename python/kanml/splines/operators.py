"""Linear operators that act along axis 0 of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from kanml._validation import Float64Array, FloatArray, real_array

__all__ = ["BlockOperator", "InvertibleOperator", "LinearOperator", "Map", "blockwise", "identity"]

Map: TypeAlias = Callable[[FloatArray], FloatArray]
"""Acts on the middle axis of a C-contiguous array (copies, rows, m); keeps the dtype."""

Recipe: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments."""

Operator = TypeVar("Operator", bound="LinearOperator")


def made_by(operator: Operator, function: Callable[..., Any], *arguments: Any) -> Operator:
    """Make an operator pickle as the call that makes it, since its maps cannot be pickled."""
    operator._recipe = function, arguments
    return operator


class LinearOperator:
    """A matrix that is applied but never formed.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    apply, apply_transpose : callable
        The products with arrays (copies, columns, m) and (copies, rows, m), C-contiguous, float32
        or float64; the result has the dtype of the argument.

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
        self._recipe: Recipe | None = None

    def __matmul__(self, x: object) -> FloatArray:
        """Apply to an array of shape (columns, ...)."""
        return apply_along_axis_0(self._apply, x, self.shape[1], self.shape)

    @property
    def T(self) -> LinearOperator:
        """The transpose."""
        rows, columns = self.shape
        transpose = LinearOperator((columns, rows), self._apply_transpose, self._apply)
        return made_by(transpose, getattr, self, "T")

    def toarray(self) -> Float64Array:
        """Return the dense matrix, shape (rows, columns): for small operators and tests."""
        return np.asarray(self @ np.eye(self.shape[1]), dtype=np.float64)

    def __reduce__(self) -> str | tuple[Any, ...]:
        return super().__reduce__() if self._recipe is None else self._recipe

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of shape {self.shape}>"


Check: TypeAlias = Callable[[np.dtype[Any]], None]


def _unchecked(dtype: np.dtype[Any]) -> None:
    pass


def _both(one: Check, other: Check) -> Check:
    def check(dtype: np.dtype[Any]) -> None:
        one(dtype)
        other(dtype)

    return check


class InvertibleOperator(LinearOperator):
    """A square matrix with which systems can be solved.

    Parameters
    ----------
    size : int
        Rows and columns.
    apply, apply_transpose, solve, solve_transpose : callable
        As in `LinearOperator`.
    check_apply, check_solve : callable, optional
        ``@`` and `solve` call them with the dtype of the result; so do those of the transpose.

    Examples
    --------
    >>> import numpy as np
    >>> double = InvertibleOperator(1, *[lambda x: 2 * x] * 2, *[lambda x: x / 2] * 2)
    >>> double.solve(np.array([3.0])), double.inverse @ np.array([3.0])
    (array([1.5]), array([1.5]))
    """

    def __init__(
        self,
        size: int,
        apply: Map,
        apply_transpose: Map,
        solve: Map,
        solve_transpose: Map,
        check_apply: Check = _unchecked,
        check_solve: Check = _unchecked,
    ) -> None:
        super().__init__((size, size), apply, apply_transpose)
        self._solve = solve
        self._solve_transpose = solve_transpose
        self._check_apply = check_apply
        self._check_solve = check_solve

    def __matmul__(self, x: object) -> FloatArray:
        """Apply to an array of shape (columns, ...)."""
        y = apply_along_axis_0(self._apply, x, self.shape[1], self.shape)
        self._check_apply(y.dtype)
        return y

    def solve(self, b: object) -> FloatArray:
        """Return the x with ``self @ x == b``, for an array b of shape (rows, ...)."""
        x = apply_along_axis_0(self._solve, b, self.shape[0], self.shape)
        self._check_solve(x.dtype)
        return x

    @property
    def T(self) -> InvertibleOperator:
        """The transpose."""
        transpose = InvertibleOperator(
            self.shape[0],
            self._apply_transpose,
            self._apply,
            self._solve_transpose,
            self._solve,
            self._check_apply,
            self._check_solve,
        )
        return made_by(transpose, getattr, self, "T")

    @property
    def inverse(self) -> InvertibleOperator:
        """The inverse."""
        inverse = InvertibleOperator(
            self.shape[0],
            self._solve,
            self._solve_transpose,
            self._apply,
            self._apply_transpose,
            self._check_solve,
            self._check_apply,
        )
        return made_by(inverse, getattr, self, "inverse")

    def after(self, first: InvertibleOperator) -> InvertibleOperator:
        """Return the product ``self @ first``."""
        product = InvertibleOperator(
            self.shape[0],
            lambda x: self._apply(first._apply(x)),
            lambda x: first._apply_transpose(self._apply_transpose(x)),
            lambda b: first._solve(self._solve(b)),
            lambda b: self._solve_transpose(first._solve_transpose(b)),
            _both(self._check_apply, first._check_apply),
            _both(self._check_solve, first._check_solve),
        )
        return made_by(product, InvertibleOperator.after, self, first)


def identity(size: int) -> InvertibleOperator:
    """Return the identity on vectors of length `size`."""
    return made_by(InvertibleOperator(size, np.copy, np.copy, np.copy, np.copy), identity, size)


def apply_along_axis_0(
    function: Map, x: object, expected: int, shape: tuple[int, int]
) -> FloatArray:
    """Apply a map along axis 0 of an array of shape (expected, ...)."""
    dtype = np.float32 if getattr(x, "dtype", None) == np.float32 else np.float64
    array = real_array(x, "operand", dtype)
    if array.ndim == 0 or array.shape[0] != expected:
        raise ValueError(
            f"an operator of shape {shape} needs an operand with {expected} rows, "
            f"got shape {array.shape}"
        )
    columns = array.reshape(1, expected, -1) if array.size else array.reshape(1, expected, 0)
    result = function(columns)
    return result.reshape(result.shape[1], *array.shape[1:])


def blockwise(
    parts: Sequence[tuple[int, int, Operator | None]],
    method: Callable[[Operator], Map],
    *,
    of_rows: bool,
) -> Map:
    """Return the map of a flat parameter vector that applies an operator to each of its parts.

    Parameters
    ----------
    parts : sequence of (copies, m, operator or None)
        In the order of the vector. A part is an array (copies, rows or columns of the operator, m);
        without an operator it is ``copies * m`` numbers that stay unchanged.
    method : callable
        Selects the map of an operator.
    of_rows : bool
        Whether that map acts on arrays (copies, rows, m); otherwise on (copies, columns, m).
    """

    def size(operator: Operator | None) -> int:
        return 1 if operator is None else operator.shape[0 if of_rows else 1]

    def apply(x: FloatArray) -> FloatArray:
        outer, _, vectors = x.shape
        results = []
        start = 0
        for copies, m, operator in parts:
            stop = start + copies * size(operator) * m
            piece = np.ascontiguousarray(x[:, start:stop])
            if operator is not None:
                stacked = piece.reshape(outer * copies, size(operator), m * vectors)
                piece = method(operator)(stacked).reshape(outer, -1, vectors)
            results.append(piece)
            start = stop
        return np.concatenate(results, axis=1) if results else x.copy()

    return apply


class BlockOperator(InvertibleOperator):
    """Invertible operators, each on its part of a flat vector; see `blockwise`."""

    def __init__(self, parts: Sequence[tuple[int, int, InvertibleOperator | None]]) -> None:
        super().__init__(
            sum(copies * m * (1 if op is None else op.shape[0]) for copies, m, op in parts),
            blockwise(parts, lambda op: op._apply, of_rows=False),
            blockwise(parts, lambda op: op._apply_transpose, of_rows=True),
            blockwise(parts, lambda op: op._solve, of_rows=True),
            blockwise(parts, lambda op: op._solve_transpose, of_rows=False),
        )
        made_by(self, BlockOperator, parts)
