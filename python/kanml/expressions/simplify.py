"""Simplifications that keep the graphs of derivatives small.

``0 * a`` is 0 for all values of a, including NaN and infinity, since derivatives contain many such
products. Otherwise the results are those of NumPy, except for the sign of a zero and, if two
constant factors are combined, the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kanml.expressions.expression import Expression
from kanml.expressions.operations import Operation

__all__ = ["simplified"]


def simplified(operation: Operation, arguments: Sequence[Expression]) -> Any:
    """Return the simplified operation, an expression or a constant; None: it stays."""
    values = [_constant(node) for node in arguments]
    if all(value is not None for value in values):
        with np.errstate(all="ignore"):
            return operation.function(*values).item()
    rule = SIMPLIFICATIONS.get(operation.name)
    return None if rule is None else rule(*arguments, *values)


def _constant(node: Expression) -> float | bool | None:
    return node._what if isinstance(node._what, (bool, float)) else None


def _is(node: Expression, name: str) -> bool:
    return isinstance(node._what, Operation) and node._what.name == name


def _add(a: Any, b: Any, p: float | None, q: float | None) -> Any:
    if p == 0.0:
        return b
    if q == 0.0:
        return a
    if _is(b, "negative"):
        return a - b._arguments[0]
    return b - a._arguments[0] if _is(a, "negative") else None


def _subtract(a: Any, b: Any, p: float | None, q: float | None) -> Any:
    if p == 0.0:
        return -b
    if q == 0.0:
        return a
    return a + b._arguments[0] if _is(b, "negative") else None


def _multiply(a: Any, b: Any, p: float | None, q: float | None) -> Any:
    if q is not None:
        return _scaled(q, a)
    if p is not None:
        return _scaled(p, b)
    if _is(a, "negative"):
        return -(a._arguments[0] * b)
    if _is(b, "negative"):
        return -(a * b._arguments[0])
    return np.square(a) if a is b else None


def _scaled(factor: float, a: Any) -> Any:
    if factor == 0.0:
        return 0.0
    if abs(factor) == 1.0:
        return a if factor == 1.0 else -a
    if _is(a, "negative"):
        return -factor * a._arguments[0]
    if _is(a, "multiply"):
        for i in (0, 1):
            inner = _constant(a._arguments[i])
            if inner is not None and _normal(inner * factor):
                return (inner * factor) * a._arguments[1 - i]
    return None


def _normal(value: float) -> bool:
    """Whether a product of constants neither overflows nor is rounded to fewer bits."""
    return 1e-30 < abs(value) < 1e30


def _divide(a: Any, b: Any, p: float | None, q: float | None) -> Any:
    if p == 0.0:
        return 0.0
    if q == 1.0 or q == -1.0:
        return a if q == 1.0 else -a
    if _is(a, "negative"):
        return -(a._arguments[0] / b)
    return -(a / b._arguments[0]) if _is(b, "negative") else None


def _negative(a: Any, p: float | None) -> Any:
    if _is(a, "negative"):
        return a._arguments[0]
    if _is(a, "subtract"):
        return a._arguments[1] - a._arguments[0]
    if _is(a, "multiply"):
        for i in (0, 1):
            factor = _constant(a._arguments[i])
            if factor is not None:
                return -factor * a._arguments[1 - i]
    return None


POWERS: dict[float | None, Callable[[Any], Any]] = {
    0.0: lambda a: 1.0,
    0.5: np.sqrt,
    1.0: lambda a: a,
    2.0: np.square,
    -1.0: np.reciprocal,
}


def _power(a: Any, b: Any, p: float | None, q: float | None) -> Any:
    return POWERS[q](a) if q in POWERS else (1.0 if p == 1.0 else None)


def _choice(c: Any, a: Any, b: Any, *values: float | None) -> Any:
    if values[0] is not None:
        return a if values[0] else b
    same = values[1] is not None and values[1] == values[2]
    return a if a is b or same else None


def _maximum(a: Any, b: Any, *values: float | None) -> Any:
    return a if a is b else None


SIMPLIFICATIONS: dict[str, Callable[..., Any]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "positive": lambda a, p: a,
    "negative": _negative,
    "power": _power,
    "where": _choice,
    "maximum": _maximum,
    "minimum": _maximum,
    "fmax": _maximum,
    "fmin": _maximum,
}
