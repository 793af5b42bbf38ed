"""Nodes of a graph: the kind of each, its arguments, and all nodes below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar, Union

import numpy as np
import numpy.typing as npt

from kanml.expressions.operations import Operation

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Data", "Leaf", "Node", "What", "as_number", "below", "is_condition", "leaves"]


class Leaf(NamedTuple):
    """An argument of a program: "u.tx", the input "x", the trainable scalar "nu".

    Parameters
    ----------
    kind : {"derivative", "coordinate", "unknown", "column", "plane"}
        A derivative of an output (the value itself is one), an input, a scalar, numbers that are
        known at each point, or a plane of Taylor coefficients.
    name : str
        The name of the output, the input or the scalar; the index of a column.
    letters : str
        The letters of a derivative, in alphabetical order.
    condition : bool
        Whether a column is a truth value: 1 or 0.
    """

    kind: Literal["derivative", "coordinate", "unknown", "column", "plane"]
    name: str
    letters: str = ""
    condition: bool = False

    def __str__(self) -> str:
        if self.kind == "column":
            return f"[{self.name}]"
        return f"{self.name}.{self.letters}" if self.letters else self.name


@dataclass(frozen=True, eq=False)
class Data:
    """Numbers or truth values at N points; fixed if they are a component of a direction."""

    array: npt.NDArray[Any]
    digest: str
    fixed: bool = False

    def __str__(self) -> str:
        return f"array({self.array.size}, {self.digest[:16]})"


What: TypeAlias = Union[Leaf, Operation, Data, float, bool]  # noqa: UP007 (mypy reads it so)


class Node:
    """What a node is and what it is made of, without a way to calculate with it; see `Expression`.

    Names begin with an underscore, since those that do not are derivatives of an expression.

    Parameters
    ----------
    number : int
        Its place in the order in which the nodes of a graph were made: behind its arguments.
    what : Leaf, Operation, Data, float or bool
    arguments : tuple of Node
        Of an operation.
    """

    __slots__ = ("_arguments", "_number", "_what")

    _number: int
    _what: What
    _arguments: tuple[Self, ...]


N = TypeVar("N", bound=Node)


def below(
    roots: Iterable[N], follow: Callable[[N], Iterable[N]] = lambda node: node._arguments
) -> list[N]:
    """Return the roots and everything below them, arguments before results.

    Parameters
    ----------
    roots : iterable of Node
    follow : callable, optional
        Returns the arguments to follow; all by default.
    """
    found: dict[int, N] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node._number not in found:
            found[node._number] = node
            waiting.extend(follow(node))
    return [found[number] for number in sorted(found)]


def leaves(roots: Iterable[Node]) -> tuple[Leaf, ...]:
    """Return what has to be known to evaluate expressions, in the order it was first used."""
    return tuple(node._what for node in below(roots) if isinstance(node._what, Leaf))


def as_number(node: Node) -> float | None:
    """Return the value of an expression that is the same number everywhere, or None."""
    return node._what if isinstance(node._what, float) else None


def is_condition(node: Node) -> bool:
    """Whether an expression is a truth value at each point."""
    what = node._what
    if isinstance(what, (Operation, Leaf)):
        return what.condition
    return isinstance(what, bool) or (isinstance(what, Data) and what.array.dtype == np.bool_)
