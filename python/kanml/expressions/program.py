"""Expressions as instructions of the core, which run on arrays of points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml import _core
from kanml._validation import FloatArray, threads
from kanml.expressions.expression import Expression
from kanml.expressions.nodes import Data, Leaf, as_number, below, is_condition
from kanml.expressions.operations import HELD, Operation
from kanml.expressions.text import shortened

__all__ = ["Program"]

Call: TypeAlias = tuple[str, int, tuple[int, ...]]
"""The name of an operation, the place of its result, and those of its arguments."""


class Program:
    """Evaluates expressions of one trace, shared parts only once.

    Parameters
    ----------
    expressions : iterable of Expression
        Numbers at each point; conditions are refused.
    first : sequence of Leaf
        Leaves that are the first inputs, in this order, even if they do not occur.

    Attributes
    ----------
    leaves : tuple of Leaf
        The arguments that `evaluate` needs.
    inputs : tuple of Leaf or Data
        The inputs of `core`, in their order: the leaves, and arrays that entered the residual.
    operations : tuple of str
        The operations, by their names in NumPy, in the order in which they are done.
    core : _core.Program
        The instructions. They return the expressions in their order.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.expressions import Leaf, Trace
    >>> u = Trace("x").output("u")
    >>> program = Program([u * np.sin(u), u.x * np.sin(u)])
    >>> program.operations
    ('sin', 'multiply', 'multiply')
    >>> values = {Leaf("derivative", "u"): np.zeros(2), Leaf("derivative", "u", "x"): np.ones(2)}
    >>> program.evaluate(values, 2)
    [array([0., 0.]), array([0., 0.])]
    """

    def __init__(self, expressions: Iterable[Expression], first: Sequence[Leaf] = ()) -> None:
        roots = list(expressions)
        for root in roots:
            if root._graph is not roots[0]._graph:
                raise ValueError(f"the expression {shortened(root)} belongs to another trace")
            if is_condition(root):
                raise TypeError(f"an expression must be a number, got {shortened(root)}")
        graphs = [root._graph for root in roots[:1]]
        lowering = _Lowering(roots, [graph.leaf(leaf) for graph in graphs for leaf in first])
        self.inputs = tuple(lowering.inputs.values())
        self.leaves = tuple(what for what in self.inputs if isinstance(what, Leaf))
        self.operations = tuple(name for name, _, _ in lowering.calls)
        self.core = lowering.core()
        self._data: dict[np.dtype[Any], dict[Data, FloatArray]] = {}  # converted once

    def evaluate(
        self,
        values: Mapping[Leaf, FloatArray | float],
        n: int,
        dtype: npt.DTypeLike = np.float64,
        num_threads: int | None = None,
    ) -> list[FloatArray]:
        """Return the values of the expressions at n points.

        NaN and infinity are passed on, and no warnings are given.

        Parameters
        ----------
        values : mapping
            For each of `leaves` an array of shape (n,) in `dtype`, or a number for all points.
        n : int
            Also the length of arrays that entered the residual.
        dtype : {float64, float32}
            The dtype of all arithmetic.
        num_threads : int, optional
            The result does not depend on it.

        Returns
        -------
        list of ndarray, shape (n,)
            Arrays that belong to the caller.

        Raises
        ------
        ValueError
            If an array has another length or dtype.
        """
        scalar = np.dtype(dtype)
        given = [self._input(what, values, n, scalar) for what in self.inputs]
        results: list[FloatArray] = self.core.run(given, n, scalar, threads=threads(num_threads))
        return results

    def _input(
        self, what: Leaf | Data, values: Mapping[Leaf, Any], n: int, scalar: np.dtype[Any]
    ) -> FloatArray:
        if isinstance(what, Data):
            if what.array.shape != (n,):
                raise ValueError(
                    f"the residual holds arrays of {what.array.size} points, got {n} points"
                )
            of_type = self._data.setdefault(scalar, {})
            if what not in of_type:
                with np.errstate(over="ignore"):
                    of_type[what] = what.array.astype(scalar, copy=False)
            return of_type[what]
        value = values[what]
        if np.ndim(value) == 0:
            return np.full(1, value, scalar)
        if value.shape != (n,) or value.dtype != scalar:
            raise ValueError(
                f"the values of {what} must have shape ({n},) and dtype {scalar}, got shape "
                f"{value.shape} and dtype {value.dtype}"
            )
        return np.require(value, requirements=["C", "A"])


class _Lowering:
    """The instructions of expressions, at first with a place of its own for each result.

    A place is the number of a node. Registers are fewer, so that all of them fit into the cache:
    one is used again when its result is no longer needed.
    """

    def __init__(self, roots: Sequence[Expression], first: Sequence[Expression]) -> None:
        self.inputs: dict[int, Leaf | Data] = {}
        self.constants: dict[int, float] = {}
        self.calls: list[Call] = []
        self._places: dict[int, int] = {}  # of each node, by its number
        for node in [*first, *below(roots)]:
            self._place(node)
        self._outputs = [self._read(root) for root in roots]

    def core(self) -> _core.Program:
        """Return the instructions with registers."""
        registers = {place: r for r, place in enumerate([*self.inputs, *self.constants])}
        done = self._last_uses()
        written = len(registers)
        free: list[int] = []
        instructions = []
        for (name, place, arguments), last in zip(self.calls, done, strict=True):
            read = [registers[argument] for argument in arguments]
            free.extend(registers[argument] for argument in last)
            if not free:
                free.append(written)
                written += 1
            registers[place] = free.pop()  # the one that was used last, which is in cache
            instructions.append((name, registers[place], read))
        return _core.Program(
            len(self.inputs),
            list(self.constants.values()),
            instructions,
            [registers[place] for place in self._outputs],
        )

    def _last_uses(self) -> list[list[int]]:
        """Return for each call the results of other calls that it uses for the last time."""
        waiting = {place for _, place, _ in self.calls} - set(self._outputs)
        done: list[list[int]] = []
        for _, _, arguments in reversed(self.calls):
            done.append([place for place in dict.fromkeys(arguments) if place in waiting])
            waiting.difference_update(arguments)
        return done[::-1]

    def _place(self, node: Expression) -> None:
        """Give a node its place and say how to fill it; constants follow when they are read."""
        what, number = node._what, node._number
        if number in self._places:
            return
        self._places[number] = number
        if isinstance(what, (Leaf, Data)):
            self.inputs[number] = what
        elif isinstance(what, Operation):
            same = _same_number(node)
            if same is not None:
                self._places[number] = self._read(same)
                return
            factors = _factors(node)
            for factor in factors or ():
                self._place(factor)
            arguments = tuple(self._read(argument) for argument in factors or node._arguments)
            self.calls.append(("multiply" if factors else what.name, number, arguments))

    def _read(self, node: Expression) -> int:
        if isinstance(node._what, (float, bool)):
            self.constants[node._number] = float(node._what)
        return self._places[node._number]


def _same_number(node: Expression) -> Expression | None:
    """Return the argument that holds the result already: a condition is 1 or 0 in its register."""
    condition = node._arguments[0]
    if node._what is HELD:
        return condition
    chosen = [as_number(argument) for argument in node._arguments[1:]]
    return condition if is_condition(condition) and chosen == [1.0, 0.0] else None


def _factors(node: Expression) -> tuple[Expression, Expression] | None:
    """Return two factors of a whole power up to the eighth, for which a logarithm takes longer."""
    what = node._what
    if not isinstance(what, Operation) or what.name != "power":
        return None
    base, exponent = node._arguments
    k = as_number(exponent)
    if k not in (3.0, 4.0, 5.0, 6.0, 7.0, 8.0):
        return None
    larger: Expression = base ** (k // 2 if k % 2 == 0 else k - 1)
    return larger, larger if k % 2 == 0 else base
