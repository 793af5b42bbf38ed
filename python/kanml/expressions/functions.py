"""Functions of expressions that are not ufuncs, and hints for those that cannot be traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kanml.expressions.expression import Expression, Graph
from kanml.expressions.names import name_of
from kanml.expressions.operations import HELD, OPERATIONS, WHERE

__all__ = ["FUNCTIONS", "held", "hint"]


def held(expression: Expression) -> Expression:
    """Return the value of an expression as a constant for all derivatives.

    >>> from kanml.expressions import Trace
    >>> u = Trace("x").output("u")
    >>> (u * held(u)).x
    u.x*held(u)
    """
    return expression._graph.apply(HELD, expression)


def _where(graph: Graph, *arguments: object) -> Expression:
    if len(arguments) != 3:
        raise TypeError("np.where(condition) cannot be traced; write np.where(condition, a, b)")
    return graph.apply(WHERE, *arguments)


def _select(
    graph: Graph, condlist: Sequence[object], choicelist: Sequence[object], default: object = 0
) -> Expression:
    if len(condlist) != len(choicelist):
        raise ValueError(
            f"np.select needs a choice for each condition, got {len(condlist)} conditions and "
            f"{len(choicelist)} choices"
        )
    result = graph.expression(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = graph.apply(WHERE, condition, choice, result)
    return result


def _clip(
    graph: Graph,
    a: object,
    a_min: object = None,
    a_max: object = None,
    out: None = None,
    *,
    min: object = None,
    max: object = None,
) -> Expression:
    if out is not None:
        raise TypeError("np.clip cannot write into a field (out=)")
    lowest = min if a_min is None else a_min
    highest = max if a_max is None else a_max
    result = graph.expression(a)
    if lowest is not None:
        result = graph.apply(OPERATIONS[np.maximum], result, lowest)
    return result if highest is None else graph.apply(OPERATIONS[np.minimum], result, highest)


def _zeros_like(graph: Graph, a: object) -> Expression:
    return graph.expression(0.0)


def _ones_like(graph: Graph, a: object) -> Expression:
    return graph.expression(1.0)


def _full_like(graph: Graph, a: object, fill_value: object) -> Expression:
    return graph.expression(fill_value)


FUNCTIONS: dict[Any, Callable[..., Expression]] = {
    np.where: _where,
    np.select: _select,
    np.clip: _clip,
    np.zeros_like: _zeros_like,
    np.ones_like: _ones_like,
    np.full_like: _full_like,
}

HINT = "a residual is arithmetic at each point"
HINTS = dict.fromkeys(
    ["sum", "mean", "max", "amax", "min", "amin", "prod", "std", "var", "average", "median"],
    "a residual is arithmetic at each point; the term averages or sums over the points",
)
HINTS |= dict.fromkeys(
    ["dot", "vdot", "inner", "outer", "einsum", "tensordot", "trace"], "write the products out"
)
HINTS |= dict.fromkeys(
    ["stack", "concatenate", "hstack", "vstack", "column_stack"],
    "several components are returned as a tuple",
)
HINTS |= dict.fromkeys(["gradient", "diff"], "derivatives are attributes, such as u.x")
HINTS |= dict.fromkeys(["round", "around", "fix"], "write np.rint or np.trunc")


def hint(function: Any) -> str:
    """Return what to use instead of a function that cannot be traced."""
    return HINTS.get(name_of(function).removeprefix("np."), HINT)
