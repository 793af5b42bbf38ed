"""The door for meaning: arguments become what the core takes, or an error that names them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
Float64Array = npt.NDArray[np.float64]
Array = TypeVar("Array", FloatArray, Float64Array)

MAX_THREADS = 2**31 - 1  # what an int of the core holds

__all__ = [
    "MAX_THREADS",
    "Float64Array",
    "FloatArray",
    "choice",
    "finite",
    "float_dtype",
    "integer",
    "number",
    "real_array",
    "samples",
    "threads",
]


@overload
def real_array(value: object, name: str) -> Float64Array: ...
@overload
def real_array(value: object, name: str, dtype: npt.DTypeLike) -> FloatArray: ...
def real_array(value: object, name: str, dtype: npt.DTypeLike = np.float64) -> FloatArray:
    """Return `value` as a C-contiguous array of `dtype`; other real types are converted.

    Raises
    ------
    TypeError
        If `value` holds anything but real numbers.
    """
    if type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous:
        return value  # what training passes, thousands of times
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None
    if array.dtype.kind not in "iuf" and array.size > 0:
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    with np.errstate(over="ignore"):  # what overflows becomes infinity, which `finite` reports
        return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)


def finite(array: Array, name: str) -> Array:
    """Return `array`, or raise ValueError with the position and value of its first NaN or inf."""
    if not np.isfinite(array).all():
        position = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        where = ", ".join(map(str, position))
        short = name.rpartition(": ")[2]  # without the term that it belongs to
        raise ValueError(f"{name} must be finite, got {short}[{where}] = {array[position]}")
    return array


def samples(value: object, name: str, columns: int, dtype: npt.DTypeLike) -> FloatArray:
    """Return `value` as samples of shape (N, columns)."""
    array = real_array(value, name, dtype)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{name} must have shape (N, {columns}), got shape {array.shape}")
    return array


def integer(value: object, name: str, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int in [minimum, maximum]."""
    expected = f"an integer >= {minimum}" if maximum is None else f"one of {minimum}..{maximum}"
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be {expected}, got {value!r}") from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{name} must be {expected}, got {number}")
    return number


def number(value: object, name: str, expected: str, holds: Callable[[float], bool]) -> float:
    """Return `value` as a float if it is finite and has a property, `expected` in words."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}, got {value!r}")
    if not (math.isfinite(value) and holds(float(value))):
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    return float(value)


def choice(value: object, name: str, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of the allowed words."""
    words = tuple(allowed)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, words))}, got {value!r}")
    return value


def float_dtype(value: npt.DTypeLike) -> np.dtype[np.floating[Any]]:
    """Return float32 or float64 as a dtype."""
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = None
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {value!r}")
    return dtype  # type: ignore[return-value]


def threads(num_threads: int | None) -> int:
    """Return the thread count that the core takes: 0 for its default."""
    return 0 if num_threads is None else integer(num_threads, "num_threads", 1, MAX_THREADS)
