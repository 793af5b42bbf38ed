"""What must hold of a state that is read from a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kanml.optim.vectors import EPSILON, Vector


def require_counter(value: object, name: str) -> None:
    """Raise ValueError unless a value read from a file is a counter."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{name} must be an integer in [0, 2**53), got {value!r}")


def require_finite(value: object, name: str, positive: bool = False) -> None:
    """Raise ValueError unless a value read from a file is a finite float, and above 0 if asked."""
    if not (isinstance(value, float) and math.isfinite(value) and (value > 0 or not positive)):
        raise ValueError(f"{name} must be a finite number{' > 0' * positive}, got {value!r}")


_CONDITIONS: dict[str, Callable[[Vector], Any]] = {
    "finite numbers": np.isfinite,
    "positive finite numbers": lambda x: np.isfinite(x) & (x > 0),
    "numbers >= 0": lambda x: x >= 0,  # infinity included, NaN not
}


def require_vector(
    array: object,
    name: str,
    like: Vector,
    entries: str = "finite numbers",
    size: int | None = None,
) -> None:
    """Raise ValueError unless an array read from a file is a vector like another.

    Parameters
    ----------
    array : object
    name : str
    like : ndarray (n,)
    entries : {"finite numbers", "positive finite numbers", "numbers >= 0"}
        What its entries must be.
    size : int, optional
        How many there must be; by default n.
    """
    size = like.size if size is None else size
    if not (
        isinstance(array, np.ndarray)
        and array.shape == (size,)
        and array.dtype == like.dtype
        and array.dtype in EPSILON
        and _CONDITIONS[entries](array).all()
    ):
        raise ValueError(f"{name} must be {entries} in {like.dtype}, of shape ({size},)")
