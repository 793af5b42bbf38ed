"""Numbers in place of traced fields: what a residual has to give, found without kanml.

A `Number` holds a value in extended precision at each of some points, a bound on the error that
arithmetic in float64 may make up to there, and a way to its derivatives. NumPy's operators and
functions act on it, as on a field of kanml, and its attributes are its derivatives. The rules for
kinks and for products with a constant zero are those that kanml documents in
`expressions/operations.py` and `expressions/simplify.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["Number", "World"]

WIDE = np.longdouble
EPS = 4 * np.finfo(np.float64).eps
LARGEST, SMALLEST = WIDE(1e300), WIDE(1e-290)  # beyond these float64 may overflow or lose digits
Derivative = Callable[[str], "Number"]


class World:
    """The points of a residual, and the numbers that it is given at them.

    Parameters
    ----------
    n : int
        The number of points.
    directions : mapping of str to sequence of float
        The inputs' change along each letter.
    inputs : str
    """

    def __init__(self, n: int, inputs: str, directions: dict[str, Any]) -> None:
        self.n, self.inputs, self.directions = n, inputs, directions
        self.unknown_order = False  # whether a derivative was met that no table has

    def constant(self, value: float | bool) -> Number:
        """Return a number that is the same at all points."""
        if isinstance(value, bool):
            return Number(self, np.full(self.n, value), constant=value)
        values = np.full(self.n, value, WIDE)
        return Number(self, values, constant=value, derivative=lambda letter: self.constant(0.0))

    def given(self, value: np.ndarray, derivative: Derivative, error: Any = 0.0) -> Number:
        """Return a number by its value at each point and a function of letters to derivatives."""
        return Number(self, value.astype(WIDE), np.full(self.n, error, WIDE), derivative=derivative)

    def coordinate(self, name: str, values: np.ndarray) -> Number:
        """Return an input."""
        i = self.inputs.index(name)
        return self.given(values, lambda letter: self.constant(float(self.directions[letter][i])))

    def number(self, value: object) -> Number:
        """Return what enters arithmetic with numbers; raise what kanml documents for the rest."""
        if isinstance(value, Number):
            return value
        if isinstance(value, (bool, np.bool_)):
            return self.constant(bool(value))
        if isinstance(value, Real):
            try:
                return self.constant(float(value))
            except OverflowError as error:
                raise ValueError(str(error)) from None
        if not isinstance(value, (np.ndarray, np.generic, list, tuple)):
            raise TypeError(f"no number: {value!r}")
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" or isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"no numbers: {value!r}")
        if array.ndim == 0:
            return self.number(array.item())
        if array.shape != (self.n,):
            raise ValueError(f"not one number a point: {array.shape}")
        if array.dtype.kind == "b":
            return Number(self, array.copy())
        return self.given(array.astype(np.float64), self._derivative_of_data)

    def _derivative_of_data(self, letter: str) -> Number:
        if any(self.directions[letter]):
            raise TypeError("data do not say how they change between points")
        return self.constant(0.0)


class Number(NDArrayOperatorsMixin):
    """A number, or a truth value, at each point.

    Parameters
    ----------
    world : World
    value : ndarray, shape (n,), of extended precision or bool
    error : ndarray, shape (n,), optional
        The largest error of float64; for truth values infinite where the other one is possible.
    constant : float or bool, optional
        The value if it is the same at all points by the rules of simplification.
    derivative : callable, optional
        A function of a letter to the derivative along it.
    """

    def __init__(
        self,
        world: World,
        value: np.ndarray,
        error: np.ndarray | None = None,
        constant: float | bool | None = None,
        derivative: Derivative | None = None,
    ) -> None:
        self._world, self._value, self._constant = world, value, constant
        self._error = np.zeros(world.n, WIDE) if error is None else error
        self._derivative, self._known = derivative, {}

    @property
    def _condition(self) -> bool:
        return self._value.dtype == np.bool_

    def _along(self, letter: str) -> Number:
        if self._derivative is None:
            raise TypeError("conditions have no derivative")
        if letter not in self._known:
            self._known[letter] = self._derivative(letter)
        return self._known[letter]

    def __getattr__(self, name: str) -> Number:
        if name.startswith("_") or not all(letter in self._world.directions for letter in name):
            raise AttributeError(name)
        result = self
        for letter in sorted(name):
            result = result._along(letter)
        return result

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            raise TypeError(f"{method} and {kwargs} are not for fields")
        name = SYNONYMS.get(ufunc.__name__, ufunc.__name__)
        numbers = [self._world.number(value) for value in inputs]
        if ufunc.__name__ in BITWISE and not all(number._condition for number in numbers):
            raise TypeError("only conditions are joined")
        return applied(name, *numbers)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function.__name__ not in FUNCTIONS:
            raise TypeError(f"{function.__name__} is no arithmetic at each point")
        return FUNCTIONS[function.__name__](self._world, *args, **kwargs)

    def _no(self, *arguments: object) -> Any:
        raise TypeError("a field is no single number")

    __hash__ = object.__hash__
    __bool__ = __float__ = __int__ = __index__ = __complex__ = __round__ = _no
    __iter__ = __len__ = __getitem__ = __contains__ = __array__ = _no


# Operations: values with their errors

BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "invert")
SYNONYMS = {
    **{"fabs": "absolute", "float_power": "power", "deg2rad": "radians", "rad2deg": "degrees"},
    **{"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor"},
    **{"invert": "logical_not", "true_divide": "divide"},
}
COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
PROPERTIES = ("isnan", "isinf", "isfinite", "signbit")
LOGICAL = ("logical_and", "logical_or", "logical_xor", "logical_not")


def applied(name: str, *given: Number) -> Number:
    """Return the result of an operation of NumPy, given by its name."""
    world = given[0]._world
    if name in LOGICAL:
        return _conditions(name, [truth(number) for number in given])
    if name not in RULES and name not in (*COMPARISONS, *PROPERTIES):
        raise TypeError(f"np.{name} has no known derivative")
    if name not in (*COMPARISONS, *PROPERTIES) and all(number._condition for number in given):
        if name != "multiply":
            raise TypeError("no arithmetic of conditions alone")
        return _conditions("logical_and", given)
    numbers = [_as_number(number) for number in given]
    if name in (*COMPARISONS, *PROPERTIES):
        return _conditions(name, numbers)
    constants = [number._constant for number in numbers]
    if None not in constants:
        with np.errstate(all="ignore"):
            return world.constant(float(getattr(np, name)(*map(np.float64, constants))))
    if (simple := _simplified(name, numbers, constants)) is not None:
        return simple
    value, error = _with_error(getattr(np, name), numbers)
    error[_beyond_period(name, numbers)] = np.inf

    def derivative(letter: str) -> Number:
        changes = [number._along(letter) for number in numbers] if RULES[name] else []
        return RULES[name](*numbers, result, *changes) if RULES[name] else world.constant(0.0)

    result = Number(world, value, error, derivative=derivative)
    return result


def _simplified(name: str, numbers: list[Number], constants: list[Any]) -> Number | None:
    """Return the result where a constant decides it, whatever the other number is."""
    world = numbers[0]._world
    zero = world.constant(0.0)
    if name == "multiply" and 0.0 in constants:
        return zero
    if name == "divide" and constants[0] == 0.0:
        return zero
    if name == "power" and (constants[1] == 0.0 or constants[0] == 1.0):
        return world.constant(1.0)
    return None


def _with_error(function: Any, numbers: list[Number]) -> tuple[np.ndarray, np.ndarray]:
    """Return a function at numbers, and how far float64 may be from it."""
    values, errors = [n._value for n in numbers], [n._error for n in numbers]
    with np.errstate(all="ignore"):
        value = function(*values).astype(WIDE)
        error = EPS * abs(value)
        for i, e in enumerate(errors):
            if not e.any():
                continue
            for moved in (values[i] + e, values[i] - e):
                other = function(*values[:i], moved, *values[i + 1 :])
                same = (value == other) | (np.isnan(value) & np.isnan(other))
                error = error + np.where(same, 0.0, abs(value - other))
        magnitude = abs(value)
        out_of_range = (magnitude > LARGEST) | (magnitude < SMALLEST)
        error[out_of_range & np.isfinite(value) & (value != 0)] = np.inf
        error[~np.isfinite(value) & (error != 0)] = np.inf
        error[np.isnan(error) & np.isfinite(value)] = np.inf
        error[~np.isfinite(value) & np.isnan(EPS * abs(value)) & np.isnan(error)] = 0.0
    for e in errors:
        error[np.isinf(e)] = np.inf
    return value, error


def _beyond_period(name: str, numbers: list[Number]) -> np.ndarray:
    """Return where the arguments of a periodic function are so uncertain that its value is lost."""
    values, errors = [n._value for n in numbers], [n._error for n in numbers]
    if name in ("sin", "cos", "tan"):
        return errors[0] > 0.5
    if name == "remainder":
        with np.errstate(all="ignore"):
            uncertain = errors[0] + abs(values[0] / values[1]) * errors[1]
            return uncertain > 0.25 * abs(values[1])
    return np.zeros(numbers[0]._world.n, bool)


def _conditions(name: str, numbers: Any) -> Number:
    """Return a condition, uncertain where errors can change it."""
    world = numbers[0]._world
    constants = [number._constant for number in numbers]
    function = getattr(np, name)
    if None not in constants:
        with np.errstate(all="ignore"):
            return world.constant(bool(function(*constants)))
    values, errors = [n._value for n in numbers], [n._error for n in numbers]
    with np.errstate(all="ignore"):
        value = function(*values)
        uncertain = np.any([np.isinf(e) for e in errors], axis=0)
        if name not in LOGICAL:
            for signs in ((1, -1), (-1, 1)):
                moved = [v + s * e for v, s, e in zip(values, signs, errors, strict=False)]
                uncertain |= function(*moved) != value
    return Number(world, value, np.where(uncertain, WIDE(np.inf), WIDE(0.0)))


def truth(number: Number) -> Number:
    """Return a condition as it is, a number as whether it is not 0."""
    return (
        number
        if number._condition
        else _conditions("not_equal", [number, number._world.constant(0.0)])
    )


def _as_number(number: Number) -> Number:
    return where(number._world, number, 1.0, 0.0) if number._condition else number


def where(world: World, *arguments: object) -> Number:
    """Return one of two numbers, and its derivatives; the other one is not felt."""
    if len(arguments) != 3:
        raise TypeError("np.where(condition)")
    condition = truth(world.number(arguments[0]))
    one, other = (_as_number(world.number(value)) for value in arguments[1:])
    if condition._constant is not None:
        return one if condition._constant else other
    if one._constant is not None and one._constant == other._constant:
        return one
    value = np.where(condition._value, one._value, other._value)
    error = np.where(condition._value, one._error, other._error)
    error = np.where(np.isinf(condition._error), np.inf, error)
    return Number(
        world,
        value,
        error,
        derivative=lambda letter: where(world, condition, one._along(letter), other._along(letter)),
    )


def select(world: World, conditions: Any, choices: Any, default: object = 0) -> Number:
    """Return the choice of the first condition that holds."""
    if len(conditions) != len(choices):
        raise ValueError("a choice for each condition")
    result = world.number(default)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = where(world, condition, choice, result)
    return result


def clip(world: World, number: Any, lowest: object = None, highest: object = None) -> Number:
    """Return a number within bounds."""
    result = world.number(number)
    if lowest is not None:
        result = applied("maximum", result, world.number(lowest))
    return result if highest is None else applied("minimum", result, world.number(highest))


FUNCTIONS: dict[str, Callable[..., Number]] = {
    "where": where,
    "select": select,
    "clip": clip,
    "zeros_like": lambda world, number: world.constant(0.0),
    "ones_like": lambda world, number: world.constant(1.0),
    "full_like": lambda world, number, value: world.number(value),
}


# Derivatives: functions of the arguments, the result, and the arguments' derivatives


def _slope(*slopes: Callable[..., Any]) -> Callable[..., Any]:
    """Return the chain rule; a slope is left out where an argument does not change."""

    def rule(*given: Any) -> Any:
        numbers, changes = given[: len(slopes)], given[len(slopes) + 1 :]
        result = given[0]._world.constant(0.0)
        for slope, change in zip(slopes, changes, strict=True):
            if change._constant != 0.0:
                result = result + change._world.number(slope(*numbers)) * change
        return result

    return rule


def _extreme(sign: float, skips_nan: bool) -> Callable[..., Any]:
    def rule(a: Any, b: Any, y: Any, da: Any, db: Any) -> Any:
        first, second = sign * a > sign * b, sign * a < sign * b
        chosen = np.where(first, da, np.where(second, db, da / 2.0 + db / 2.0))
        if skips_nan:
            chosen = np.where(b != b, da, np.where(a != a, db, chosen))
        return chosen

    return rule


def _quotient(a: Any, b: Any, y: Any, da: Any, db: Any) -> Any:
    """Divide the change itself: where b is infinite it becomes a 0, but no constant one."""
    result = a._world.constant(0.0)
    if da._constant != 0.0:
        result = result + da / b
    return result if db._constant == 0.0 else result - a * db / b**2.0


def _power_by_exponent(a: Any, b: Any) -> Any:
    # At 0 it is 0 where the power is, and undefined where that, or its derivative, is infinite.
    return np.log(np.where(a == 0.0, 1.0, a)) * a**b


RULES: dict[str, Callable[..., Any] | None] = {
    "add": _slope(lambda a, b: 1.0, lambda a, b: 1.0),
    "subtract": _slope(lambda a, b: 1.0, lambda a, b: -1.0),
    "multiply": _slope(lambda a, b: b, lambda a, b: a),
    "divide": _quotient,
    "power": _slope(lambda a, b: np.where(b == 0.0, 0.0, a ** (b - 1.0) * b), _power_by_exponent),
    "floor_divide": None,
    "remainder": _slope(lambda a, b: 1.0, lambda a, b: -np.floor(a / b)),
    "hypot": _slope(
        lambda a, b: np.where(np.hypot(a, b) == 0.0, 0.0, a / np.hypot(a, b)),
        lambda a, b: np.where(np.hypot(a, b) == 0.0, 0.0, b / np.hypot(a, b)),
    ),
    "arctan2": _slope(lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)),
    "heaviside": _slope(lambda a, b: 0.0, lambda a, b: np.where(a == 0.0, 1.0, 0.0)),
    "logaddexp": _slope(
        lambda a, b: np.exp(a - np.logaddexp(a, b)), lambda a, b: np.exp(b - np.logaddexp(a, b))
    ),
    "positive": _slope(lambda a: 1.0),
    "negative": _slope(lambda a: -1.0),
    "square": _slope(lambda a: a + a),
    "sqrt": _slope(lambda a: 0.5 / np.sqrt(a)),
    "cbrt": _slope(lambda a: 1.0 / (3.0 * np.cbrt(a) * np.cbrt(a))),
    "reciprocal": _slope(lambda a: -1.0 / (a * a)),
    "exp": _slope(np.exp),
    "exp2": _slope(lambda a: np.exp2(a) * math.log(2.0)),
    "expm1": _slope(np.exp),
    "log": _slope(lambda a: 1.0 / a),
    "log2": _slope(lambda a: 1.0 / math.log(2.0) / a),
    "log10": _slope(lambda a: 1.0 / math.log(10.0) / a),
    "log1p": _slope(lambda a: 1.0 / (a + 1.0)),
    "sin": _slope(np.cos),
    "cos": _slope(lambda a: -np.sin(a)),
    "tan": _slope(lambda a: 1.0 / np.cos(a) ** 2.0),
    "arcsin": _slope(lambda a: 1.0 / np.sqrt(1.0 - a * a)),
    "arccos": _slope(lambda a: -1.0 / np.sqrt(1.0 - a * a)),
    "arctan": _slope(lambda a: 1.0 / (a * a + 1.0)),
    "sinh": _slope(np.cosh),
    "cosh": _slope(np.sinh),
    "tanh": _slope(lambda a: 1.0 / np.cosh(a) ** 2.0),
    "arcsinh": _slope(lambda a: 1.0 / np.sqrt(a * a + 1.0)),
    "arccosh": _slope(lambda a: 1.0 / (np.sqrt(a + 1.0) * np.sqrt(a - 1.0))),
    "arctanh": _slope(lambda a: 1.0 / (1.0 - a * a)),
    "absolute": _slope(np.sign),
    "degrees": _slope(lambda a: 180.0 / math.pi),
    "radians": _slope(lambda a: math.pi / 180.0),
    **dict.fromkeys(["sign", "floor", "ceil", "rint", "trunc"]),
    "maximum": _extreme(1.0, skips_nan=False),
    "minimum": _extreme(-1.0, skips_nan=False),
    "fmax": _extreme(1.0, skips_nan=True),
    "fmin": _extreme(-1.0, skips_nan=True),
}
