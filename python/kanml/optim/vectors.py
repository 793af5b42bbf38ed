"""All that an optimizer does with vectors, and what it takes to be one.

Parameters, gradients and the memory of optimizers are vectors: NumPy arrays, or objects of another
kind, which may live on another device. A vector has a `shape` (n,), a `dtype`, float32 or float64,
and, unless it is a NumPy array, an attribute `operations`. It never changes: every operation
returns a new, read-only vector. So states can share vectors, and nothing is copied defensively.

A symmetric matrix (n, n) is a vector, too: its lower triangle, row after row, in n (n + 1) / 2
numbers.

An optimizer looks the operations up once a step, ``on = operations(state.parameters)``, and calls
them as methods. A choice in every call would cost more than the arithmetic of a small network.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kanml import _core
from kanml._validation import finite, real_array, threads

Vector: TypeAlias = NDArray[np.floating[Any]]
"""A float32 or float64 vector."""

EPSILON = {np.dtype(t): float(np.finfo(t).eps) for t in (np.float32, np.float64)}
"""The machine epsilon of each dtype."""


class Operations(ABC):
    """The operations on one kind of vectors, all of one dtype.

    Sums are computed in float64, in an order that depends on the length alone.
    """

    @abstractmethod
    def vector(self, numbers: ArrayLike, like: Vector) -> Vector:
        """Return numbers as a vector of the kind and the dtype of another, which owns its memory.

        Parameters
        ----------
        numbers : array_like or vector of this kind (m,)
            They may change afterwards.
        like : vector (n,)
        """

    @abstractmethod
    def full(self, value: float, like: Vector) -> Vector:
        """Return a vector (n,) of equal entries, like another (n,)."""

    @abstractmethod
    def scaled(self, a: float, x: Vector) -> Vector:
        """Return a x, with `a` rounded to the dtype; it may be x itself if a = 1."""

    @abstractmethod
    def axpy(self, a: float, x: Vector, y: Vector, tail: int = 0) -> Vector:
        """Return y + a x, rounded once; the last `tail` entries are those of y + x."""

    @abstractmethod
    def signs(self, seed: int, like: Vector) -> Vector:
        """Return a vector (n,) of random signs, 1 or -1, like another (n,)."""

    @abstractmethod
    def plus_product(self, x: Vector, y: Vector, z: Vector) -> Vector:
        """Return x plus the products of the entries of y and z; all are (n,)."""

    @abstractmethod
    def quotient(self, x: Vector, y: Vector) -> Vector:
        """Return the quotients of the entries of two vectors (n,)."""

    @abstractmethod
    def within(self, x: Vector, part: slice) -> Vector:
        """Return the entries of a vector (n,) in a part of m, as a vector (m,)."""

    @abstractmethod
    def without(self, x: Vector, part: slice) -> Vector:
        """Return the entries of a vector (n,) outside of a part of m, as a vector (n - m,)."""

    @abstractmethod
    def joined(self, x: Vector, part: slice, y: Vector) -> Vector:
        """Return the vector (n,) with the entries y (m,) in a part, and x (n - m,) outside."""

    @abstractmethod
    def dot(self, x: Vector, y: Vector) -> float:
        """Return the scalar product of two vectors (n,)."""

    @abstractmethod
    def max_abs(self, x: Vector) -> float:
        """Return the largest absolute value of an entry; NaN if an entry is NaN."""

    @abstractmethod
    def adam(
        self,
        gradient: Vector,
        first_moment: Vector,
        second_moment: Vector,
        *,
        learning_rate: float,
        beta1: float,
        beta2: float,
        eps: float,
        updates: int,
    ) -> tuple[Vector, Vector, Vector]:
        """Return the direction of Adam, and both moments with one more gradient; all are (n,).

        `updates` counts the gradients in the moments, this one included.
        """

    @abstractmethod
    def two_loop(
        self,
        steps: tuple[Vector, ...],
        gradient_changes: tuple[Vector, ...],
        diagonal: Vector,
        gradient: Vector,
    ) -> Vector:
        """Return the direction of L-BFGS.

        Parameters
        ----------
        steps, gradient_changes : tuple of m vectors (n,)
            The curvature pairs, oldest first.
        diagonal : vector (n,)
            The inverse Hessian that they correct; positive.
        gradient : vector (n,)
        """

    @abstractmethod
    def update_diagonal(self, step: Vector, gradient_change: Vector, diagonal: Vector) -> Vector:
        """Return a diagonal inverse Hessian (n,) after one more pair (n,), with s.y > 0."""

    @abstractmethod
    def multiple_of_identity(self, a: float, like: Vector) -> Vector:
        """Return the symmetric matrix a I for vectors like another (n,)."""

    @abstractmethod
    def diagonal(self, matrix: Vector, like: Vector) -> Vector:
        """Return the diagonal (n,) of a symmetric matrix for vectors like another (n,)."""

    @abstractmethod
    def symmetric_product(self, matrix: Vector, x: Vector) -> Vector:
        """Return the product (n,) of a symmetric matrix with a vector (n,)."""

    @abstractmethod
    def symmetric_update(
        self,
        matrix: Vector,
        x: Vector,
        y: Vector,
        *,
        scale: float,
        xx: float,
        xy: float,
        yy: float,
    ) -> Vector | None:
        """Return scale M + xx x x^T + xy (x y^T + y x^T) + yy y y^T, rounded once.

        Returns
        -------
        vector or None
            None if not all entries of the diagonal are positive and finite, as they are in a
            positive definite matrix.
        """

    @abstractmethod
    def symmetric_transfer(
        self,
        matrix: Vector,
        primal: Callable[[Vector], Vector],
        dual: Callable[[Vector], Vector],
        complement: float,
        like: Vector,
    ) -> Vector:
        """Return P M P^T + complement (I - P D^T) (I - D P^T), symmetric, of the size of P v.

        It is positive definite if M is, and complement > 0.

        Parameters
        ----------
        matrix : vector
            M, for vectors (n,).
        primal, dual : callable
            v (n,) -> P v and v -> D v, with P^T D = I.
        complement : float
            If P D^T is an orthogonal projector, the eigenvalue on what P does not reach.
        like : vector (n,)
        """

    def norm(self, x: Vector) -> float:
        """Return the Euclidean norm."""
        return math.sqrt(self.dot(x, x))

    def is_finite(self, x: Vector) -> bool:
        """Say whether all entries are finite."""
        return math.isfinite(self.max_abs(x))


class ArrayOperations(Operations):
    """The operations on NumPy arrays."""

    dot: Any = staticmethod(_core.dot)  # without a function of Python between
    max_abs: Any = staticmethod(_core.max_abs)

    def vector(self, numbers: ArrayLike, like: Vector) -> Vector:
        """Return a copy; see `Operations.vector`."""
        return _frozen(np.array(numbers, like.dtype, order="C"))

    def full(self, value: float, like: Vector) -> Vector:
        """Return equal entries; see `Operations.full`."""
        return _frozen(np.full(like.shape, value, like.dtype))

    def scaled(self, a: float, x: Vector) -> Vector:
        """Return a x; see `Operations.scaled`."""
        return x if a == 1 else _frozen(x.dtype.type(a) * x)

    def axpy(self, a: float, x: Vector, y: Vector, tail: int = 0) -> Vector:
        """Return y + a x; see `Operations.axpy`."""
        out = np.empty_like(y)
        _core.axpy(a, x, y, out)
        if tail:
            _core.axpy(1.0, x[-tail:], y[-tail:], out[-tail:])
        return _frozen(out)

    def signs(self, seed: int, like: Vector) -> Vector:
        """Return random signs; see `Operations.signs`."""
        draws = np.random.default_rng(seed).integers(0, 2, like.shape)
        return _frozen((2 * draws - 1).astype(like.dtype))

    def plus_product(self, x: Vector, y: Vector, z: Vector) -> Vector:
        """Return x + y z; see `Operations.plus_product`."""
        return _frozen(x + y * z)

    def quotient(self, x: Vector, y: Vector) -> Vector:
        """Return x / y; see `Operations.quotient`."""
        return _frozen(x / y)

    def within(self, x: Vector, part: slice) -> Vector:
        """Return the entries in a part; see `Operations.within`."""
        return _frozen(x[part].copy())

    def without(self, x: Vector, part: slice) -> Vector:
        """Return the other entries; see `Operations.without`."""
        return _frozen(np.delete(x, part))

    def joined(self, x: Vector, part: slice, y: Vector) -> Vector:
        """Return both parts as one vector; see `Operations.joined`."""
        return _frozen(np.insert(x, [part.start] * len(y), y))

    def adam(
        self, gradient: Vector, first_moment: Vector, second_moment: Vector, **numbers: Any
    ) -> tuple[Vector, Vector, Vector]:
        """Return direction and moments; see `Operations.adam`."""
        first, second, direction = (
            first_moment.copy(),
            second_moment.copy(),
            np.empty_like(gradient),
        )
        _core.adam_direction(gradient, first, second, direction, **numbers)
        return _frozen(direction), _frozen(first), _frozen(second)

    def two_loop(
        self,
        steps: tuple[Vector, ...],
        gradient_changes: tuple[Vector, ...],
        diagonal: Vector,
        gradient: Vector,
    ) -> Vector:
        """Return the direction; see `Operations.two_loop`."""
        direction = np.empty_like(gradient)
        _core.two_loop(steps, gradient_changes, diagonal, gradient, direction)
        return _frozen(direction)

    def update_diagonal(self, step: Vector, gradient_change: Vector, diagonal: Vector) -> Vector:
        """Return the diagonal; see `Operations.update_diagonal`."""
        updated = diagonal.copy()
        _core.update_diagonal(step, gradient_change, updated)
        return _frozen(updated)

    def multiple_of_identity(self, a: float, like: Vector) -> Vector:
        """Return a I; see `Operations.multiple_of_identity`."""
        matrix = np.zeros(packed_size(like.size), like.dtype)
        matrix[_first_of_rows(like.size) + np.arange(like.size)] = a
        return _frozen(matrix)

    def diagonal(self, matrix: Vector, like: Vector) -> Vector:
        """Return the diagonal; see `Operations.diagonal`."""
        return _frozen(matrix[_first_of_rows(like.size) + np.arange(like.size)])

    def symmetric_product(self, matrix: Vector, x: Vector) -> Vector:
        """Return the product; see `Operations.symmetric_product`."""
        product = np.empty_like(x)
        _core.symmetric_product(matrix, x, product, threads())
        return _frozen(product)

    def symmetric_update(
        self, matrix: Vector, x: Vector, y: Vector, **factors: float
    ) -> Vector | None:
        """Return the updated matrix; see `Operations.symmetric_update`."""
        out = np.empty_like(matrix)
        positive = _core.symmetric_update(
            matrix=matrix, x=x, y=y, out=out, threads=threads(), **factors
        )
        return _frozen(out) if positive else None

    def symmetric_transfer(
        self,
        matrix: Vector,
        primal: Callable[[Vector], Vector],
        dual: Callable[[Vector], Vector],
        complement: float,
        like: Vector,
    ) -> Vector:
        """Return the matrix on the finer grid; see `Operations.symmetric_transfer`.

        It is the symmetric part of (P (M + c D^T D) - 2 c D) P^T + c I, column by column and then
        row by row.
        """
        c, n, m = like.dtype.type(complement), like.size, primal(like).size
        duals = np.empty((m, n), like.dtype)
        for j in range(n):
            unit = np.zeros_like(like)
            unit[j] = 1
            duals[:, j] = dual(unit)
        across, first = np.empty_like(duals), _first_of_rows(n)
        for j in range(n):
            column = np.concatenate([matrix[first[j] : first[j] + j], matrix[first[j:] + j]])
            reached = duals[:, j].nonzero()[0]  # few: those of the same spline
            products = (duals[reached] * duals[reached, j, None]).sum(axis=0)
            across[:, j] = primal(column + c * products) - 2 * c * duals[:, j]
        moved, first = np.zeros(packed_size(m), like.dtype), _first_of_rows(m)
        for i in range(m):
            half = primal(across[i]) / 2
            moved[first[i] : first[i] + i + 1] += half[: i + 1]
            moved[first[i:] + i] += half[i:]
            moved[first[i] + i] += c
        return _frozen(moved)


ARRAYS = ArrayOperations()


def operations(vector: Vector) -> Operations:
    """Return the operations on vectors of the kind of this one."""
    if isinstance(vector, np.ndarray):
        return ARRAYS
    found: Operations = vector.operations
    return found


def packed_size(n: int) -> int:
    """Return how many numbers a symmetric matrix (n, n) has."""
    return n * (n + 1) // 2


def _first_of_rows(n: int) -> NDArray[np.int64]:
    """Return where the rows of a symmetric matrix (n, n) begin."""
    rows = np.arange(n)
    return rows * (rows + 1) // 2


def initial_parameters(parameters: ArrayLike) -> Vector:
    """Return what a user passes as parameters as a vector; see `Optimizer.init`."""
    kind: Any = parameters
    if isinstance(on := getattr(kind, "operations", None), Operations):
        if not math.isfinite(largest := on.max_abs(kind)):
            raise ValueError(f"parameters must be finite, got {largest}")
        return on.vector(kind, kind)
    single = getattr(parameters, "dtype", None) == np.float32
    array = real_array(parameters, "parameters", np.float32 if single else np.float64)
    if array.ndim != 1:
        raise ValueError(f"parameters must have shape (n,), got shape {array.shape}")
    return ARRAYS.vector(finite(array, "parameters"), array)


def _frozen(array: Vector) -> Vector:
    array.setflags(write=False)
    return array
