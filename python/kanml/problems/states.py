"""Checks of the state of a problem read from a file, which may hold anything."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, finite, integer, real_array

__all__ = ["checked", "entries", "floats", "generator_state", "permutation"]


@contextlib.contextmanager
def checked(what: str) -> Iterator[None]:
    """Turn errors of a check into a ValueError about the state of `what`."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the state of {what} does not fit: {error}") from error


def entries(value: object, names: Collection[str], what: str) -> Mapping[str, Any]:
    """Return `value` if it is a dictionary with exactly these keys."""
    if not isinstance(value, Mapping) or value.keys() != set(names):
        expected = ", ".join(names)
        raise ValueError(f"{what} must hold exactly {expected}, got {reprlib.repr(value)}")
    return value


def permutation(value: object, n: int, name: str) -> npt.NDArray[np.int64]:
    """Return `value` if it is a list of the numbers 0 to n - 1 in any order."""
    numbers = value if isinstance(value, list) and len(value) == n else []
    # No other type will do, since True == 1.
    if {type(number) for number in numbers} != {int} or sorted(numbers) != list(range(n)):
        raise ValueError(
            f"{name} must be a list of the numbers 0 to {n - 1} in any order, got "
            f"{reprlib.repr(value)}"
        )
    return np.array(numbers, dtype=np.int64)


def floats(value: object, shape: tuple[int, ...], name: str) -> Float64Array:
    """Return `value` as an array if it is nested lists of finite numbers, of this shape."""
    array = real_array(value, name) if isinstance(value, list) else np.zeros(0)
    if array.shape != shape:
        raise ValueError(f"{name} must be lists of shape {shape}, got {reprlib.repr(value)}")
    return finite(array, name)


def generator_state(value: object) -> dict[str, Any]:
    """Return `value` if it is the state of NumPy's default generator, PCG64."""
    whole = entries(value, ("bit_generator", "state", "has_uint32", "uinteger"), "generator")
    if whole["bit_generator"] != "PCG64":
        raise ValueError(f"generator must be PCG64, got {reprlib.repr(whole['bit_generator'])}")
    inner = entries(whole["state"], ("state", "inc"), "the state of generator")
    increment = integer(inner["inc"], "inc", 0, 2**128 - 1)
    if increment % 2 == 0:
        raise ValueError(f"inc must be odd, got {increment}")
    return {
        "bit_generator": "PCG64",
        "state": {"state": integer(inner["state"], "state", 0, 2**128 - 1), "inc": increment},
        "has_uint32": integer(whole["has_uint32"], "has_uint32", 0, 1),
        "uinteger": integer(whole["uinteger"], "uinteger", 0, 2**32 - 1),
    }
