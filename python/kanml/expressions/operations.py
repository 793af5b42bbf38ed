"""The operations that can be traced, with their NumPy functions and derivatives.

The rules are written as NumPy arithmetic themselves, and run on expressions. Where a function has
no derivative, the following holds:

- `absolute` has the derivative ``sign(a)``, 0 at 0; `hypot` has 0 at the origin.
- `maximum`, `minimum`, `fmax`, `fmin` and `clip` take the derivative of the argument they return,
  and at a tie the mean of both. `fmax` and `fmin` leave out an argument that is NaN.
- `where` takes the derivative of the chosen branch. The other branch has no effect, even if it is
  NaN or infinite.
- `sign`, `heaviside` in its first argument, `floor`, `ceil`, `rint`, `trunc` and `floor_divide`
  have derivative 0 everywhere.
- ``a**b`` has the derivative 0 with respect to b where a is 0.
- Comparisons and logical operations give conditions, which have no derivative.

Everywhere else an infinite slope is infinite, such as that of sqrt at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

__all__ = ["HELD", "OPERATIONS", "WHERE", "Operation"]

Rule: TypeAlias = Callable[..., Any]
"""(g, y, *arguments) -> g times the derivative of the result y with respect to one argument."""


@dataclass(frozen=True, eq=False)
class Operation:
    """A function of numbers or conditions at one point.

    Parameters
    ----------
    name : str
        The name in NumPy.
    function : callable
        Evaluates it on arrays.
    takes : str
        A letter for each argument: "n" for a number, "c" for a condition.
    rules : sequence
        The rule of each argument, or None if the derivative is 0.
    choose : callable, optional
        Replaces the rules, for operations that return one of their arguments:
        (arguments, their derivatives) -> the derivative of the result.
    condition : bool
        Whether the result is a condition.
    """

    name: str
    function: Callable[..., Any]
    takes: str
    rules: Sequence[Rule | None] = ()
    choose: Callable[[Sequence[Any], Sequence[Any]], Any] | None = None
    condition: bool = False

    @property
    def differentiable(self) -> list[int]:
        """The positions of the arguments with respect to which there is a derivative."""
        if self.choose is not None:
            return [i for i, kind in enumerate(self.takes) if kind == "n"]
        return [i for i, rule in enumerate(self.rules) if rule is not None]


def _by_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    return g * np.where(b == 0.0, 0.0, b * a ** (b - 1.0))


def _by_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    return g * (y * np.log(np.where(a == 0.0, 1.0, a)))


def _where(arguments: Sequence[Any], derivatives: Sequence[Any]) -> Any:
    return np.where(arguments[0], *derivatives[1:])


def _larger(arguments: Sequence[Any], derivatives: Sequence[Any]) -> Any:
    (a, b), (da, db) = arguments, derivatives
    return np.where(a > b, da, np.where(b > a, db, 0.5 * (da + db)))


def _smaller(arguments: Sequence[Any], derivatives: Sequence[Any]) -> Any:
    return _larger(arguments[::-1], derivatives)


def _leaving_out_nan(choose: Callable[..., Any]) -> Callable[..., Any]:
    def choose_number(arguments: Sequence[Any], derivatives: Sequence[Any]) -> Any:
        (a, b), (da, db) = arguments, derivatives
        chosen = choose(arguments, derivatives)
        return np.where(np.isnan(b), da, np.where(np.isnan(a), db, chosen))

    return choose_number


# One line for each operation: the NumPy function and the rule for each of its arguments.
RULES: list[tuple[Any, ...]] = [
    (np.add, lambda g, y, a, b: g, lambda g, y, a, b: g),
    (np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g),
    (np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: a * g),
    (np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y / b)),
    (np.power, _by_base, _by_exponent),
    (np.floor_divide, None, None),
    (np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -(g * np.floor(a / b))),
    (
        np.hypot,
        lambda g, y, a, b: g * np.where(y == 0.0, 0.0, a / y),
        lambda g, y, a, b: g * np.where(y == 0.0, 0.0, b / y),
    ),
    (
        np.arctan2,
        lambda g, y, a, b: g * b / np.hypot(a, b) / np.hypot(a, b),
        lambda g, y, a, b: -(g * a / np.hypot(a, b) / np.hypot(a, b)),
    ),
    (np.heaviside, None, lambda g, y, a, b: np.where(a == 0.0, g, 0.0)),
    (
        np.logaddexp,
        lambda g, y, a, b: g / (1.0 + np.exp(b - a)),
        lambda g, y, a, b: g / (1.0 + np.exp(a - b)),
    ),
    (np.positive, lambda g, y, a: g),
    (np.negative, lambda g, y, a: -g),
    (np.square, lambda g, y, a: g * (2.0 * a)),
    (np.sqrt, lambda g, y, a: 0.5 * (g / y)),
    (np.cbrt, lambda g, y, a: g / (3.0 * y**2)),
    (np.reciprocal, lambda g, y, a: -(g * y**2)),
    (np.exp, lambda g, y, a: g * y),
    (np.exp2, lambda g, y, a: g * (math.log(2.0) * y)),
    (np.expm1, lambda g, y, a: g * np.exp(a)),
    (np.log, lambda g, y, a: g / a),
    (np.log2, lambda g, y, a: g / (math.log(2.0) * a)),
    (np.log10, lambda g, y, a: g / (math.log(10.0) * a)),
    (np.log1p, lambda g, y, a: g / (1.0 + a)),
    (np.sin, lambda g, y, a: g * np.cos(a)),
    (np.cos, lambda g, y, a: -(g * np.sin(a))),
    (np.tan, lambda g, y, a: g * (1.0 + y**2)),
    (np.arcsin, lambda g, y, a: g / np.sqrt((1.0 - a) * (1.0 + a))),
    (np.arccos, lambda g, y, a: -(g / np.sqrt((1.0 - a) * (1.0 + a)))),
    (np.arctan, lambda g, y, a: g / (1.0 + a**2)),
    (np.sinh, lambda g, y, a: g * np.cosh(a)),
    (np.cosh, lambda g, y, a: g * np.sinh(a)),
    (np.tanh, lambda g, y, a: g / np.cosh(a) ** 2),  # 1 - y**2 would lose all digits far out
    (np.arcsinh, lambda g, y, a: g / np.hypot(1.0, a)),
    (np.arccosh, lambda g, y, a: g / np.sqrt(a - 1.0) / np.sqrt(a + 1.0)),
    (np.arctanh, lambda g, y, a: g / ((1.0 - a) * (1.0 + a))),
    (np.absolute, lambda g, y, a: g * np.sign(a)),
    (np.degrees, lambda g, y, a: g * (180.0 / math.pi)),
    (np.radians, lambda g, y, a: g * (math.pi / 180.0)),
    (np.sign, None),
    (np.floor, None),
    (np.ceil, None),
    (np.rint, None),
    (np.trunc, None),
]

CHOICES = [
    (np.maximum, _larger),
    (np.minimum, _smaller),
    (np.fmax, _leaving_out_nan(_larger)),
    (np.fmin, _leaving_out_nan(_smaller)),
]
COMPARISONS = [np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal]
PROPERTIES = [np.isnan, np.isinf, np.isfinite, np.signbit]
LOGICAL = [np.logical_and, np.logical_or, np.logical_xor, np.logical_not]
SYNONYMS = [
    (np.fabs, np.absolute),
    (np.float_power, np.power),
    (np.deg2rad, np.radians),
    (np.rad2deg, np.degrees),
    (np.bitwise_and, np.logical_and),
    (np.bitwise_or, np.logical_or),
    (np.bitwise_xor, np.logical_xor),
    (np.invert, np.logical_not),
]

WHERE = Operation("where", np.where, "cnn", choose=_where)
HELD = Operation("held", np.positive, "n", [None])
"""No function of NumPy: its argument, which derivatives take for a constant."""


def _operations() -> dict[Any, Operation]:
    table: dict[Any, Operation] = {}
    for function, *rules in RULES:
        table[function] = Operation(function.__name__, function, "n" * len(rules), rules)
    for function, choose in CHOICES:
        table[function] = Operation(function.__name__, function, "nn", choose=choose)
    for function in [*COMPARISONS, *PROPERTIES]:
        takes = "n" * function.nin
        table[function] = Operation(function.__name__, function, takes, condition=True)
    for function in LOGICAL:
        takes = "c" * function.nin
        table[function] = Operation(function.__name__, function, takes, condition=True)
    return table | {synonym: table[function] for synonym, function in SYNONYMS}


OPERATIONS = _operations()
"""The operation of each ufunc."""
