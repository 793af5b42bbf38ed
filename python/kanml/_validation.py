"""Checks of arguments: each is converted for the core, or an error names it."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from kanml._system import memory_limit

FloatArray = npt.NDArray[np.floating[Any]]
Float64Array = npt.NDArray[np.float64]
Array = TypeVar("Array", FloatArray, Float64Array)

MAX_SIZE = 2**20  # of widths and intervals: far above any use, far below any memory limit
MAX_THREADS = 2**31 - 1  # the largest int of the core

__all__ = [
    "MAX_SIZE",
    "MAX_THREADS",
    "Float64Array",
    "FloatArray",
    "absolute_path",
    "choice",
    "finite",
    "float_dtype",
    "indices",
    "integer",
    "mapping",
    "names",
    "number",
    "path_in_folder",
    "real_array",
    "require_function",
    "require_memory",
    "rounded",
    "samples",
    "threads",
    "using_threads",
    "vector",
    "warn",
]


@overload
def real_array(value: object, name: str, *, first_row: int = 0) -> Float64Array: ...
@overload
def real_array(value: object, name: str, dtype: npt.DTypeLike) -> FloatArray: ...
def real_array(
    value: object, name: str, dtype: npt.DTypeLike = np.float64, *, first_row: int = 0
) -> FloatArray:
    """Return `value` as an aligned C-contiguous array of `dtype`; other real types are converted.

    Truth values become 0 and 1. Missing values of data frames become NaN. `first_row` is the number
    of the first row of a part of a table, in messages.

    Raises
    ------
    TypeError
        If `value` holds anything but real numbers.
    ValueError
        If it is not rectangular, or has masked entries.
    """
    if type(value) is np.ndarray and value.dtype == dtype and _ready(value):
        return value  # the common case in training
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        masked = _entry(name, _first(np.ma.getmaskarray(value)), first_row)
        raise ValueError(f"{name} must have no masked entries, got one at {masked}")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from None
    if array.dtype.kind == "O" and hasattr(value, "to_numpy"):
        array = _numbers_of_frame(value, array)
    if array.dtype.kind not in "biuf" and array.size > 0:
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    converted = rounded(array, dtype)  # what becomes infinite is reported by `finite`
    return np.require(converted, dtype, ["C", "ALIGNED"]).reshape(array.shape)


def rounded(array: npt.NDArray[Any], dtype: npt.DTypeLike) -> FloatArray:
    """Return numbers in a dtype; those that are too large for it become infinite."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _ready(array: npt.NDArray[Any]) -> bool:
    return array.flags.c_contiguous and array.flags.aligned


def _numbers_of_frame(frame: Any, objects: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the numbers of a pandas object with nullable columns, or the objects if it has others.

    NumPy makes objects of columns of several types, and of those that can hold pandas.NA.
    """
    try:
        numbers: npt.NDArray[Any] = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        return objects
    return numbers


def finite(array: Array, name: str, first_row: int = 0) -> Array:
    """Return `array`, or raise ValueError with the position and value of its first NaN or inf.

    `first_row` is as in `real_array`.
    """
    if not np.isfinite(array).all():
        position = _first(~np.isfinite(array))
        entry = _entry(name, position, first_row)
        raise ValueError(f"{name} must be finite, got {entry} = {array[position]}")
    return array


def _first(holds: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the position of the first true entry."""
    return tuple(int(i) for i in np.argwhere(holds)[0])


def _entry(name: str, position: tuple[int, ...], first_row: int) -> str:
    """Return the name of an entry in a message, without that of its term."""
    shown = ", ".join(str(k if axis else k + first_row) for axis, k in enumerate(position))
    return f"{name.rpartition(': ')[2]}[{shown}]"


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


def vector(value: object, name: str, length: int | None = None) -> Float64Array:
    """Return `value` as a vector of at least one number, or of as many as `length` says."""
    array = real_array(value, name)
    if array.ndim != 1 or len(array) == 0 or length not in (None, len(array)):
        shape = "(n,) with n >= 1" if length is None else f"({length},)"
        raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
    return array


def indices(value: object, name: str, width: int) -> list[int]:
    """Return `value` as a list of at least one index below `width`."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence of integers, got {value!r}")
    found = [integer(index, f"{name}[{k}]", 0, width - 1) for k, index in enumerate(value)]
    if not found:
        raise ValueError(f"{name} must have at least one entry, got {value!r}")
    return found


def names(value: object, name: str, count: int) -> list[str]:
    """Return `value` as a list of `count` names; a string is one of letters."""
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be {count} names, got {value!r}")
    found = [str(one) for one in value]
    if len(found) != count:
        raise ValueError(f"{name} must be {count} names, got {value!r}")
    return found


def mapping(value: object, name: str, of: str) -> Mapping[Any, Any]:
    """Return `value` if it is a mapping with at least one entry; `of` says of what, in words."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping of {of}, got {value!r}")
    if not value:
        raise ValueError(f"{name} must be a mapping of {of}, got an empty one")
    return value


def require_function(value: object, name: str, of: str) -> None:
    """Raise TypeError unless `value` can be called; `of` says with what, in words."""
    if not callable(value):
        raise TypeError(f"{name} must be a function of {of}, got {value!r}")


def number(value: object, name: str, expected: str, holds: Callable[[float], bool]) -> float:
    """Return `value` as a float if it is finite and `holds`; `expected` says so in words."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}, got {value!r}")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.inf
    if not (math.isfinite(converted) and holds(converted)):
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    return converted


def choice(value: object, name: str, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of the allowed strings."""
    strings = tuple(allowed)
    if not isinstance(value, str) or value not in strings:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, strings))}, got {value!r}")
    return value


def absolute_path(value: object, name: str, expected: str = "a path") -> Path:
    """Return `value` as a path that means the same file wherever the process goes."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be {expected}, got {value!r}")
    return Path(value).absolute()


def path_in_folder(value: object, name: str, expected: str = "a path") -> Path:
    """Return the absolute path of a file, which need not exist, in a folder that does."""
    path = absolute_path(value, name, expected)
    if not path.parent.is_dir():
        raise ValueError(f"{name} must be in an existing folder, got {str(value)!r}")
    return path


def float_dtype(value: npt.DTypeLike) -> np.dtype[np.floating[Any]]:
    """Return float32 or float64 as a dtype."""
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = None
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {value!r}")
    return dtype  # type: ignore[return-value]


def require_memory(n_bytes: int, what: str) -> None:
    """Raise ValueError if `what` needs more memory than this process can have."""
    limit = memory_limit()
    if n_bytes > limit:
        raise ValueError(
            f"{what} {n_bytes / 1e9:.3g} GB of memory, but this process can have "
            f"{limit / 1e9:.3g} GB"
        )


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning that points to the line outside of kanml that led to it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _of_kanml(frame.f_globals):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _of_kanml(module: Mapping[str, Any]) -> bool:
    return str(module.get("__name__")).startswith("kanml.")


_threads_here: ContextVar[int] = ContextVar("threads", default=0)


def threads(num_threads: int | None = None) -> int:
    """Return the thread count for the core; 0 is its default.

    None stands for the number that `using_threads` has chosen here, or the default.
    """
    if num_threads is None:
        return _threads_here.get()
    return integer(num_threads, "num_threads", 1, MAX_THREADS)


@contextlib.contextmanager
def using_threads(num_threads: int | None) -> Iterator[None]:
    """Let calls in this block, and in this thread, use a number of threads unless they name one."""
    token = _threads_here.set(threads(num_threads))
    try:
        yield
    finally:
        _threads_here.reset(token)
