"""Names of fields and letters of derivatives, as Python's parser reads them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

__all__ = ["identifier", "letters"]


def identifier(name: str) -> str:
    """Return the name that Python looks up: it normalises the identifiers of a program.

    The micro sign of a keyboard in ``u.µ`` and ``lambda µ: ...`` becomes the Greek letter, which
    is another character.
    """
    return unicodedata.normalize("NFKC", name)


def letters(names: Iterable[str]) -> str:
    """Return letters that differentiate, checked and joined."""
    result: list[str] = []
    for name in names:
        letter = identifier(name) if isinstance(name, str) else ""
        if len(letter) != 1 or not letter.isidentifier() or letter == "_":
            raise ValueError(f"inputs and directions must be named by letters, got {name!r}")
        result.append(letter)
    if len(set(result)) != len(result):
        raise ValueError(f"inputs and directions must differ, got {', '.join(result)}")
    return "".join(result)
