"""The unknowns of a problem: their initial values, and the values of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, number, real_array
from kanml.expressions import identifier

__all__ = ["Unknowns", "starting_values", "unknown_values"]

Unknowns: TypeAlias = Mapping[str, float] | npt.ArrayLike
"""Values by name, or in the order of the problem."""


def starting_values(unknowns: object, name: str) -> dict[str, float]:
    """Return `unknowns` as a dictionary if it maps names to finite numbers."""
    if not isinstance(unknowns, Mapping) or not all(isinstance(key, str) for key in unknowns):
        raise TypeError(f"{name} must map names to numbers, got {unknowns!r}")
    return {
        key: number(value, f"{name}[{key!r}]", "a finite number", lambda value: True)
        for key, value in unknowns.items()
    }


def unknown_values(given: Unknowns | None, names: Sequence[str]) -> Float64Array:
    """Return the values of the unknowns with these names, in their order.

    Parameters
    ----------
    given : mapping of str to float, or array_like, shape (number of unknowns,), or None
        The values; None: there are no unknowns.
    names : sequence of str

    Raises
    ------
    ValueError, TypeError
        If they do not give each unknown one number.
    """
    if given is None and not names:
        return np.empty(0)
    if type(given) is np.ndarray and given.shape == (len(names),) and given.dtype == np.float64:
        return given  # the common case in training
    if given is None:
        given = {}
    if isinstance(given, Mapping):
        by_name = {identifier(str(name)): value for name, value in given.items()}
        read = [identifier(name) for name in names]
        if by_name.keys() != set(read):
            raise ValueError(
                f"unknowns must give {', '.join(names) or 'nothing'}, for instance by "
                f"result.unknowns, got {', '.join(by_name) or 'nothing'}"
            )
        given = [by_name[name] for name in read]
    values = np.asarray(real_array(given, "unknowns"), dtype=np.float64)
    if values.shape != (len(names),):
        raise ValueError(f"unknowns must have shape ({len(names)},), got {values.shape}")
    return values
