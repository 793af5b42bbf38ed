"""All that an optimizer does with vectors, and what it takes to be one.

Parameters, gradients and the memory of optimizers are vectors: NumPy arrays, or objects of another
kind, which may live on another device. A vector has a `shape` (n,), a `dtype`, float32 or float64,
and, unless it is a NumPy array, an attribute `operations`. It never changes: every operation
returns a new, read-only vector. So states can share vectors, and nothing is copied defensively.

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
from kanml._validation import finite, real_array

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


ARRAYS = ArrayOperations()


def operations(vector: Vector) -> Operations:
    """Return the operations on vectors of the kind of this one."""
    if isinstance(vector, np.ndarray):
        return ARRAYS
    found: Operations = vector.operations
    return found


def initial_parameters(parameters: ArrayLike) -> Vector:
    """Return what a user passes as parameters as a vector; see `Optimizer.init`."""
    kind: Any = parameters
    if isinstance(on := getattr(kind, "operations", None), Operations):
        return on.vector(kind, kind)
    single = getattr(parameters, "dtype", None) == np.float32
    array = real_array(parameters, "parameters", np.float32 if single else np.float64)
    if array.ndim != 1:
        raise ValueError(f"parameters must have shape (n,), got shape {array.shape}")
    return ARRAYS.vector(finite(array, "parameters"), array)


_CONDITIONS: dict[str, Callable[[Vector], Any]] = {
    "finite numbers": np.isfinite,
    "positive finite numbers": lambda x: np.isfinite(x) & (x > 0),
    "numbers >= 0": lambda x: x >= 0,  # infinity included, NaN not
}


def require_vector(array: object, name: str, like: Vector, entries: str = "finite numbers") -> None:
    """Raise ValueError unless an array read from a file is a vector like another.

    Parameters
    ----------
    array : object
    name : str
    like : ndarray (n,)
    entries : {"finite numbers", "positive finite numbers", "numbers >= 0"}
        What its entries must be.
    """
    if not (
        isinstance(array, np.ndarray)
        and array.shape == (like.size,)
        and array.dtype == like.dtype
        and array.dtype in EPSILON
        and _CONDITIONS[entries](array).all()
    ):
        raise ValueError(f"{name} must be {entries} in {like.dtype}, of shape ({like.size},)")


def _frozen(array: Vector) -> Vector:
    array.setflags(write=False)
    return array
