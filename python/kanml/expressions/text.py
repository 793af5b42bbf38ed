"""Expressions as text, for messages and for a digest that two runs share."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

from kanml.expressions.nodes import Node, below
from kanml.expressions.operations import Operation

__all__ = ["shortened", "text"]

Written: TypeAlias = tuple[str, int]
"""A text and how strongly it binds."""

ATOM = 5
INFIX = {
    "add": (" + ", 1),
    "subtract": (" - ", 1),
    "multiply": ("*", 2),
    "divide": ("/", 2),
    "power": ("**", 4),
    "equal": (" == ", 0),
    "not_equal": (" != ", 0),
    "less": (" < ", 0),
    "less_equal": (" <= ", 0),
    "greater": (" > ", 0),
    "greater_equal": (" >= ", 0),
}


def text(root: Node) -> str:
    """Return the expression as NumPy arithmetic; parts used twice are named first.

    >>> from kanml.expressions import Trace
    >>> u = Trace("tx").output("u")
    >>> u.t - (u + u.x) * u.x, (u + u.x) ** 2 / (u + u.x)
    (u.t - (u + u.x)*u.x, %1 = u + u.x; %1**2/%1)
    """
    nodes = below([root])
    uses = Counter(argument._number for node in nodes for argument in node._arguments)
    written: dict[int, Written] = {}
    lines: list[str] = []
    for node in nodes:
        written[node._number] = _written(node._what, [written[a._number] for a in node._arguments])
        if isinstance(node._what, Operation) and uses[node._number] > 1:
            name = f"%{len(lines) + 1}"
            lines.append(f"{name} = {written[node._number][0]}")
            written[node._number] = (name, ATOM)
    return "; ".join([*lines, written[root._number][0]])


def shortened(root: Node, limit: int = 80) -> str:
    """Return the text, cut off if it is long."""
    full = text(root)
    return full if len(full) <= limit else full[: limit - 3] + "..."


def _written(what: Any, arguments: list[Written]) -> Written:
    if isinstance(what, float):
        number = repr(what).removesuffix(".0")
        return number, 3 if number.startswith("-") else ATOM
    if not isinstance(what, Operation):
        return str(what), ATOM
    if what.name in INFIX:
        symbol, strength = INFIX[what.name]
        # Of equal strength only the left side goes without brackets; powers bind to the right.
        left = strength + (what.name == "power" or strength == 0)
        return _bracketed(arguments[0], left) + symbol + _bracketed(
            arguments[1], strength + 1
        ), strength
    if what.name == "negative":
        return "-" + _bracketed(arguments[0], 2), 2
    if what.name == "square":
        return _bracketed(arguments[0], ATOM) + "**2", 4
    return f"{what.name}({', '.join(argument for argument, _ in arguments)})", ATOM


def _bracketed(part: Written, least: int) -> str:
    return part[0] if part[1] >= least else f"({part[0]})"
