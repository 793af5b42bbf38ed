"""What a case yields: a digest of each number and array that it returns, or its exception."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Cases", "Record"]

Cases: TypeAlias = dict[str, dict[str, Any]]

SHOWN = 110  # characters


class Record:
    """The cases of a category, by name.

    Attributes
    ----------
    cases : dict
        Of dictionaries that JSON can hold: "leaves", the digest and the first characters of each
        part of what the case returned, by where it is; "raised", whether it raised; "refusal",
        whether it should.
    """

    def __init__(self) -> None:
        self.cases: Cases = {}
        self._place: tuple[str, ...] = ()

    def __call__(self, name: str, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Record what a call returns."""
        self._add(name, function, args, options, refusal=False)

    def refusal(self, name: str, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Record the type and the message of what a call raises."""
        self._add(name, function, args, options, refusal=True)

    @contextlib.contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Put a name before those of the cases inside.

        An exception between two cases is one more case, which ends the block, not the run; and so
        are warnings between them.
        """
        outside = self._place
        self._place = (*outside, name)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except Exception as error:
                self._add("its preparation", _raise, (error,), {}, refusal=False)
        if caught:
            self("warnings of its preparation", lambda: [_warned(one) for one in caught])
        self._place = outside

    def _add(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: Mapping[str, Any],
        *,
        refusal: bool,
    ) -> None:
        name = ": ".join((*self._place, name))
        if name in self.cases:
            raise ValueError(f"two cases have the name {name!r}")
        raised = False
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = dict(_leaves("", function(*args, **options))) or {"": _text("nothing")}
            except Exception as error:
                raised, found = True, {"": _text(f"{type(error).__name__}: {error}")}
        for i, warning in enumerate(caught):
            found[f"warning {i}"] = _text(_warned(warning))
        self.cases[name] = {"leaves": found, "raised": raised, "refusal": refusal}


def _raise(error: Exception) -> None:
    raise error


def _warned(warning: warnings.WarningMessage) -> str:
    return f"{warning.category.__name__}: {warning.message}"


def _leaves(path: str, value: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the numbers, arrays and texts of a value, each with its place in it."""
    if isinstance(value, (np.ndarray, np.generic)):
        yield path, _array(np.asarray(value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{path}[{key!r}]" if path else str(key), item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _leaves(f"{path}.{field.name}", getattr(value, field.name))
    elif _is_long(value):
        yield path, _array(np.array(value))
    elif isinstance(value, (tuple, list)):
        names = getattr(value, "_fields", range(len(value)))
        for i, item in zip(names, value, strict=True):
            yield from _leaves(f"{path}[{i}]", item)
    else:
        yield path, _text(value if isinstance(value, str) else repr(value))


def _is_long(value: Any) -> bool:
    """Say whether a value is a long list of numbers of one type."""
    return isinstance(value, list) and len(value) > 8 and {*map(type, value)} in ({int}, {float})


def _array(array: np.ndarray[Any, Any]) -> tuple[str, str]:
    if array.dtype.hasobject:
        raise TypeError(f"an array of objects has no digest: {array!r}")
    what = f"{array.dtype.str} {array.shape}"
    digest = hashlib.sha256(what.encode() + array.tobytes()).hexdigest()[:24]
    some = array.ravel()[:3].tolist()
    return digest, f"{array.dtype} {array.shape} {str(some)[1:-1]}"[:SHOWN]


def _text(text: str) -> tuple[str, str]:
    if address := re.search(r" at 0x[0-9a-f]+", text):
        raise TypeError(f"{text!r} has the address {address[0]!r}, another one in each process")
    return hashlib.sha256(text.encode()).hexdigest()[:24], text[:SHOWN]
