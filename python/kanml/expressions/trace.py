"""The graph of a residual: its arguments, and the results of its operations."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import finite, integer, real_array
from kanml.expressions.derivatives import total
from kanml.expressions.expression import Expression, Graph
from kanml.expressions.functions import FUNCTIONS, hint
from kanml.expressions.names import identifier, letters, name_of
from kanml.expressions.nodes import Data, Leaf, What, is_condition
from kanml.expressions.operations import OPERATIONS, WHERE, Operation
from kanml.expressions.simplify import simplified
from kanml.expressions.text import shortened

__all__ = ["Trace"]

Listener: TypeAlias = Callable[[str, Any, Any, Expression], None]


class Trace(Graph):
    """The letters of a problem, and all expressions made with them.

    Parameters
    ----------
    coordinates : str
        One letter for each input of the network, in the order of the inputs.
    directions : mapping, optional
        Additional letters, each with the vector of inputs along which it differentiates: shape
        (d,) for all points, or (N, d) with one for each point. Further differentiation treats the
        vectors as constants.
    points : int, optional
        The length N of arrays that enter the residual; by default that of the first of them.

    Attributes
    ----------
    letters : str
        Those of the coordinates, followed by those of the directions.
    coordinates : tuple of Expression
    has_data : bool
        Whether there are arrays with one entry for each point.
    listener : callable, optional
        Called with each operation that a user requests: the name of the function, its arguments,
        and the result. Operations that these call in turn are not reported.

    Examples
    --------
    An input z = abs(x), differentiated from the right:

    >>> trace = Trace("xz", directions={"p": (1, 1)})
    >>> u, (x, z) = trace.output("u"), trace.coordinates
    >>> (x * z * u).p
    (z + x)*u + x*z*u.p
    """

    def __init__(
        self,
        coordinates: str,
        directions: Mapping[str, npt.ArrayLike] | None = None,
        points: int | None = None,
    ) -> None:
        self.letters = letters([*coordinates, *(directions or {})])
        self.points = None if points is None else integer(points, "points", 0)
        self.has_data = False
        self.listener: Listener | None = None
        self._inputs = letters(coordinates)
        self._inputs_of: dict[str, int] = {}  # the input of each coordinate
        self._nodes: dict[tuple[object, ...], Expression] = {}
        self._totals: dict[str, dict[int, Expression]] = defaultdict(dict)
        self.coordinates = self.coordinates_at("")
        self._components = {
            identifier(letter): self._direction(letter, vector)
            for letter, vector in (directions or {}).items()
        }

    # The arguments of a residual

    def coordinates_at(self, suffix: str) -> tuple[Expression, ...]:
        """Return the inputs, named with a suffix, at another point that moves with the first."""
        self._inputs_of |= {f"{name}{suffix}": i for i, name in enumerate(self._inputs)}
        return tuple(self.leaf(Leaf("coordinate", f"{name}{suffix}")) for name in self._inputs)

    def output(self, name: str) -> Expression:
        """Return the value of an output of the network; its attributes are the derivatives."""
        return self.leaf(Leaf("derivative", name))

    def unknown(self, name: str) -> Expression:
        """Return a trainable scalar."""
        return self.leaf(Leaf("unknown", name))

    def leaf(self, leaf: Leaf) -> Expression:
        """Return the expression of a leaf."""
        return self._node(leaf, leaf)

    def constant(self, value: float) -> Expression:
        """Return a number, the same at all points."""
        return self._node(("constant", repr(float(value))), float(value))

    def expression(self, value: object) -> Expression:
        """Return `value`, an expression of this trace, a number or an array (N,), as expression.

        Raises
        ------
        TypeError, ValueError
            For anything else; the message says what was given and what is allowed.
        """
        if isinstance(value, Expression):
            if value._graph is not self:
                raise ValueError(f"the field {shortened(value)} belongs to another trace")
            return value
        if isinstance(value, (bool, np.bool_)):
            return self._node(("condition", bool(value)), bool(value))
        if isinstance(value, Real):
            return self.constant(_float(value))
        if isinstance(value, (np.ndarray, np.generic, list, tuple)):
            return self._array(value)
        raise TypeError(
            f"{value!r} of type {type(value).__name__} cannot be traced; fields, real numbers and "
            "arrays (N,) can"
        )

    def components(self, returned: object, what: str = "residual") -> tuple[Expression, ...]:
        """Return the result of a function of fields as a tuple of components.

        Parameters
        ----------
        returned : Expression or number, or a tuple or list of these
        what : str
            The name of the function in messages.

        Raises
        ------
        TypeError
            For anything else.
        """
        several = isinstance(returned, (tuple, list))
        parts = tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)
        if not parts:
            raise TypeError(f"the {what} must have a component, got an empty list")
        return tuple(
            self._component(part, f"component {i} of the {what}" if several else f"the {what}")
            for i, part in enumerate(parts)
        )

    def _component(self, part: object, name: str) -> Expression:
        if part is None:
            raise TypeError(f"{name} is None; is a return missing?")
        if not isinstance(part, (Expression, Real)) or isinstance(part, bool):
            described = type(part).__name__
            if isinstance(part, np.ndarray):
                described = f"array of shape {part.shape}, which no field entered"
            raise TypeError(f"{name} must be an expression of fields or a number, got {described}")
        node = self.expression(part)
        if is_condition(node):
            raise TypeError(
                f"{name} must be a number at each point, got the condition {shortened(node)}; "
                "write np.where(condition, 1.0, 0.0)"
            )
        return node

    # Operations

    def derivative(self, expression: Expression, name: str) -> Expression:
        """Return the derivative along the letters of a name, in alphabetical order."""
        if not all(letter in self.letters for letter in name):
            named = f"are named by the letters {', '.join(self.letters)}"
            raise AttributeError(
                f"a field has no attribute {name!r}: derivatives "
                f"{named if self.letters else 'are not known here'}"
            )
        return self._do(lambda: self._along(expression, name), "getattr", (expression, name), {})

    def _along(self, expression: Expression, name: str) -> Expression:
        if is_condition(expression):
            raise TypeError(f"the condition {shortened(expression)} has no derivative .{name}")
        result = expression
        for letter in sorted(name):
            of_leaf = partial(self._derivative_of_leaf, letter=letter)
            result = total(result, of_leaf, self._totals[letter])
        return result

    def ufunc(self, ufunc: Any, inputs: Sequence[object]) -> Expression:
        """Return the result of a ufunc of NumPy, if its derivative is known."""
        name = name_of(ufunc)
        if ufunc not in OPERATIONS:
            raise TypeError(f"{name} cannot be traced: its derivative is not known here")
        if ufunc in BITWISE:
            self._only_conditions(name, inputs)
        return self._do(lambda: self.apply(OPERATIONS[ufunc], *inputs), ufunc.__name__, inputs, {})

    def function(self, function: Any, args: Any, kwargs: Any) -> Expression:
        """Return the result of another function of NumPy that acts at each point."""
        if function not in FUNCTIONS:
            raise TypeError(f"{name_of(function)} cannot be traced: {hint(function)}")
        return self._do(
            lambda: FUNCTIONS[function](self, *args, **kwargs), function.__name__, args, kwargs
        )

    def _do(
        self, operation: Callable[[], Expression], name: str, args: Any, kwargs: Any
    ) -> Expression:
        """Do an operation and report it to the listener, but none of its inner operations."""
        listener, self.listener = self.listener, None
        try:
            result = operation()
        finally:
            self.listener = listener
        if listener is not None:
            listener(name, args, kwargs, result)
        return result

    def apply(self, operation: Operation, *values: object) -> Expression:
        """Return an operation on expressions, numbers and arrays, simplified if possible."""
        given = [self.expression(value) for value in values]
        arithmetic = set(operation.takes) == {"n"} and not operation.condition
        if arithmetic and all(is_condition(node) for node in given):
            return self._arithmetic_of_conditions(operation, given)
        nodes = [
            _as_condition(node) if kind == "c" else self._as_numbers(node)
            for node, kind in zip(given, operation.takes, strict=True)
        ]
        simple = simplified(operation, nodes)
        if simple is not None:
            return self.expression(simple)
        numbers = [node._number for node in nodes]
        if operation.name in COMMUTATIVE:
            numbers.sort()
        return self._node((operation.name, *numbers), operation, tuple(nodes))

    def _arithmetic_of_conditions(
        self, operation: Operation, conditions: list[Expression]
    ) -> Expression:
        """Return the product of conditions; other arithmetic of conditions alone is an error."""
        if operation.name == "multiply":
            return self.apply(OPERATIONS[np.logical_and], *conditions)
        raise TypeError(
            f"np.{operation.name} of the condition {shortened(conditions[0])} cannot be traced; "
            "write np.where(condition, 1.0, 0.0), or join conditions by & and |"
        )

    def _only_conditions(self, name: str, values: Sequence[object]) -> None:
        for value in values:
            node = self.expression(value)
            if not is_condition(node):
                raise TypeError(
                    f"{name} (&, |, ^, ~) joins conditions, such as u > 0, got {shortened(node)}"
                )

    def _as_numbers(self, node: Expression) -> Expression:
        """Return a condition as 1 where it holds and 0 elsewhere, a number unchanged."""
        return self.apply(WHERE, node, 1.0, 0.0) if is_condition(node) else node

    def _node(
        self, key: tuple[object, ...], what: What, arguments: tuple[Expression, ...] = ()
    ) -> Expression:
        """Return the node with this key; make it if it does not exist."""
        if key not in self._nodes:
            self._nodes[key] = Expression(self, len(self._nodes), what, arguments)
        return self._nodes[key]

    # Data, and directions

    def _array(self, value: object) -> Expression:
        """Return an array with one entry for each point, or the number in an array without axes."""
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError("a masked array cannot be traced; write np.where(mask, a, b)")
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"an array in a residual must hold real numbers or truth values, got dtype "
                f"{array.dtype}"
            )
        if array.ndim == 0:
            return self.expression(array.item())
        expected = "N" if self.points is None else self.points
        if array.ndim != 1 or self.points not in (None, array.size):
            raise ValueError(
                f"an array in a residual must have one entry a point, shape ({expected},), got "
                f"shape {array.shape}" + ("; write a[:, 0]" if array.shape[1:] == (1,) else "")
            )
        self.points = array.size
        return self._data(array)

    def _data(self, array: npt.NDArray[Any], fixed: bool = False) -> Expression:
        array = array.astype(bool if array.dtype.kind == "b" else np.float64, order="C")
        array.setflags(write=False)
        self.has_data = True
        digest = hashlib.sha256(array.dtype.kind.encode())
        digest.update(array.tobytes())
        key = ("data", digest.digest(), fixed)
        return self._node(key, Data(array, digest.hexdigest(), fixed))

    def _direction(self, letter: str, vector: npt.ArrayLike) -> list[Expression]:
        """Return the components of a direction, as numbers or as arrays over the points."""
        name, d = f"directions[{letter!r}]", len(self._inputs)
        array = finite(real_array(vector, name), name)
        rows = "N" if self.points is None else self.points
        if array.shape == (d,):
            return [self.constant(component) for component in array.tolist()]
        if array.ndim != 2 or array.shape[1] != d or self.points not in (None, len(array)):
            raise ValueError(f"{name} must have shape ({d},) or ({rows}, {d}), got {array.shape}")
        self.points = len(array)
        return [self._data(array[:, i], fixed=True) for i in range(d)]

    def _derivative_of_leaf(self, node: Expression, letter: str) -> Expression:
        what = node._what
        if isinstance(what, Leaf) and what.kind == "derivative":
            return self.leaf(what._replace(letters="".join(sorted(what.letters + letter))))
        if isinstance(what, Leaf) and what.kind == "coordinate":
            i = self._inputs_of[what.name]
            if letter in self._components:
                return self._components[letter][i]
            return self.constant(float(letter == self._inputs[i]))
        if isinstance(what, Leaf) and what.kind in ("column", "plane"):
            raise TypeError(f"the {what.kind} {what} has no derivative along {letter}")
        if isinstance(what, Data) and not what.fixed:
            raise TypeError(
                f"the data {what} have no derivative along {letter}: numbers at points do not say "
                "how they change between them; write them as a function of the coordinates"
            )
        return self.constant(0.0)


def _as_condition(node: Expression) -> Expression:
    """Return a number as NumPy takes it for a truth value: whether it is not 0."""
    if is_condition(node):
        return node
    condition: Expression = node != 0.0
    return condition


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError("an integer in a residual is too large for a float") from None


COMMUTATIVE = {"add", "multiply", "hypot", "logaddexp", "equal", "not_equal"}
BITWISE = {np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert}
