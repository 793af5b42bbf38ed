"""What an expression can be, other than an operation on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy.typing as npt

__all__ = ["Data", "Leaf"]


class Leaf(NamedTuple):
    """Something that a program is given: "u.tx", the input "x", the trainable scalar "nu".

    Parameters
    ----------
    kind : {"derivative", "coordinate", "unknown"}
        A derivative of an output (the value itself is one), an input, or a scalar.
    name : str
        Of the output, the input or the scalar.
    letters : str
        Of a derivative, in alphabetical order.
    """

    kind: Literal["derivative", "coordinate", "unknown"]
    name: str
    letters: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.letters}" if self.letters else self.name


@dataclass(frozen=True, eq=False)
class Data:
    """Numbers or truth values, one a point, shape (N,); fixed when a component of a direction."""

    array: npt.NDArray[Any]
    digest: str
    fixed: bool = False

    def __str__(self) -> str:
        return f"array({self.array.size}, {self.digest[:16]})"
