"""Names of fields, letters of derivatives and functions, as users write them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["identifier", "letters", "name_of"]


def identifier(name: str) -> str:
    """Return the name that Python looks up: it normalises the identifiers of a program.

    The micro sign of keyboards in ``u.µ`` and ``lambda µ: ...`` becomes the Greek letter, a
    different character.
    """
    return unicodedata.normalize("NFKC", name)


def letters(names: Iterable[str]) -> str:
    """Return the letters of inputs and directions, checked and joined."""
    result: list[str] = []
    for name in names:
        letter = identifier(name) if isinstance(name, str) else ""
        if len(letter) != 1 or not letter.isidentifier() or letter == "_":
            raise ValueError(f"inputs and directions must be named by letters, got {name!r}")
        result.append(letter)
    if len(set(result)) != len(result):
        raise ValueError(f"inputs and directions must differ, got {', '.join(result)}")
    return "".join(result)


def name_of(function: Any) -> str:
    """Return a function as users write it: np.sin, or erf if it is not one of NumPy."""
    name = getattr(function, "__name__", str(function))
    return f"np.{name}" if hasattr(np, name) else name
