"""Expressions, with which users calculate, and the interface of the graph they belong to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from numpy.lib.mixins import NDArrayOperatorsMixin

from kanml.expressions.names import identifier, name_of
from kanml.expressions.nodes import Leaf, Node, What
from kanml.expressions.operations import Operation
from kanml.expressions.text import shortened, text

__all__ = ["Expression", "Graph"]


class Graph(ABC):
    """Makes expressions from values and from other expressions; implemented by `Trace`.

    Expressions and their rules use only these methods. An expression calls the last three when its
    user writes an attribute, an operator or a function of NumPy.
    """

    @abstractmethod
    def expression(self, value: object) -> Expression:
        """Return a value as an expression."""

    @abstractmethod
    def leaf(self, leaf: Leaf) -> Expression:
        """Return the expression of a leaf."""

    @abstractmethod
    def apply(self, operation: Operation, *values: object) -> Expression:
        """Return an operation on values."""

    @abstractmethod
    def derivative(self, expression: Expression, name: str) -> Expression:
        """Return the derivative along the letters of a name, or raise AttributeError."""

    @abstractmethod
    def ufunc(self, ufunc: Any, inputs: Sequence[object]) -> Expression:
        """Return the result of a ufunc of NumPy."""

    @abstractmethod
    def function(self, function: Any, args: Any, kwargs: Any) -> Expression:
        """Return the result of another function of NumPy."""


class Expression(NDArrayOperatorsMixin, Node):
    """A number, or a truth value, at each point; made by a graph, never directly.

    Attributes made of the letters of the trace are derivatives: ``u.tx``, ``(x * u).xx``. NumPy's
    arithmetic and functions give further expressions, comparisons conditions for `numpy.where`.
    Expressions do not change, and the same operation on the same arguments is the same object.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.expressions import Trace
    >>> trace = Trace("tx")
    >>> u, (t, x) = trace.output("u"), trace.coordinates
    >>> (np.sin(x) * u).x
    cos(x)*u + sin(x)*u.x
    >>> u.tx is u.xt
    True
    """

    __slots__ = ("_graph",)

    _graph: Graph

    def __init__(
        self, graph: Graph, number: int, what: What, arguments: tuple[Expression, ...]
    ) -> None:
        object.__setattr__(self, "_graph", graph)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_what", what)
        object.__setattr__(self, "_arguments", arguments)

    def __getattr__(self, name: str) -> Expression:
        name = identifier(name)
        if name.startswith("_"):
            raise AttributeError(f"a field has no attribute {name!r}")
        return self._graph.derivative(self, name)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a field cannot be changed: .{name} cannot be set")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = name_of(ufunc)
        if method != "__call__":
            raise TypeError(
                f"{name}.{method} cannot be traced: a residual is arithmetic at each point"
            )
        if kwargs.get("out") is not None:
            raise TypeError(
                f"{name} cannot write into a field (+=, out=): write r = r + ... in place of "
                "r += ..."
            )
        if kwargs:
            raise TypeError(f"{name} cannot be traced with {', '.join(kwargs)}=")
        return self._graph.ufunc(ufunc, inputs)

    def __array_function__(
        self, function: Any, types: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        return self._graph.function(function, tuple(args), dict(kwargs))

    def __repr__(self) -> str:
        return text(self)

    __hash__ = object.__hash__  # == is elementwise

    def __copy__(self) -> Expression:
        return self

    def __deepcopy__(self, memo: object) -> Expression:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a field cannot be pickled; trace the residual again where it is needed")

    # What a field is not

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise TypeError(f"{what} of the field {shortened(self)} cannot be traced; {instead}")

    def __bool__(self) -> NoReturn:
        self._refuse(
            "the truth value",
            "in place of if, and, or, not, min, max write np.where(condition, a, b), &, |, ~, "
            "np.minimum, np.maximum",
        )

    def __float__(self) -> NoReturn:
        self._refuse("float()", "in place of functions of math write those of NumPy, as np.sin")

    def __int__(self) -> NoReturn:
        self._refuse("int()", "to round write np.floor, np.ceil, np.rint or np.trunc")

    def __index__(self) -> NoReturn:
        self._refuse("the integer value", "fields cannot index or count")

    def __complex__(self) -> NoReturn:
        self._refuse("complex()", "fields are real")

    def __round__(self, digits: int | None = None) -> NoReturn:
        self._refuse("round()", "write np.rint")

    def __iter__(self) -> NoReturn:
        self._refuse("iteration", "a residual is arithmetic at each point")

    def __len__(self) -> NoReturn:
        self._refuse("len()", "a residual is arithmetic at each point")

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse("indexing", "a residual is arithmetic at each point; select with np.where")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        self._refuse("assignment to a part", "write np.where(condition, a, b)")

    def __contains__(self, item: object) -> NoReturn:
        self._refuse("`in`", "a residual is arithmetic at each point")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse(
            "an array", "fields do not go into arrays or lists; write out sums, return a tuple"
        )
