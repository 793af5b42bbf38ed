"""Expressions as a list of NumPy calls, which run on arrays of points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import FloatArray
from kanml.expressions.expression import Expression
from kanml.expressions.nodes import Data, Leaf, as_number, below, is_condition
from kanml.expressions.operations import Operation
from kanml.expressions.text import shortened

__all__ = ["Program"]

Rows: TypeAlias = slice | npt.NDArray[np.integer[Any]]
Loaded: TypeAlias = tuple[list[Any], list[tuple[int, npt.NDArray[Any]]]]


class Program:
    """Evaluates expressions of one trace, shared parts only once.

    Parameters
    ----------
    expressions : iterable of Expression
        Numbers at each point; conditions are refused.

    Attributes
    ----------
    leaves : tuple of Leaf
        The arguments that `evaluate` needs.
    operations : tuple of str
        The names of the NumPy functions, in the order in which they are called.

    Examples
    --------
    >>> import numpy as np
    >>> from kanml.expressions import Leaf, Trace
    >>> u = Trace("x").output("u")
    >>> program = Program([u * np.sin(u), u.x * np.sin(u)])
    >>> program.operations
    ('sin', 'multiply', 'multiply')
    >>> values = {Leaf("derivative", "u"): np.zeros(2), Leaf("derivative", "u", "x"): np.ones(2)}
    >>> program.evaluate(values, slice(0, 2))
    [array([0., 0.]), array([0., 0.])]
    """

    def __init__(self, expressions: Iterable[Expression]) -> None:
        roots = list(expressions)
        for root in roots:
            if root._graph is not roots[0]._graph:
                raise ValueError(f"the expression {shortened(root)} belongs to another trace")
            if is_condition(root):
                raise TypeError(f"an expression must be a number, got {shortened(root)}")
        self._registers: dict[int, int] = {}  # of each node, by its number
        self._constants: list[float | bool | None] = []  # present before the first call
        self._inputs: list[tuple[int, Leaf]] = []
        self._data: list[tuple[int, npt.NDArray[Any]]] = []
        self._code: list[tuple[Callable[..., Any], int, tuple[int, ...]]] = []
        self._converted: dict[npt.DTypeLike, Loaded] = {}
        for node in below(roots):
            self._place(node)
        self._outputs = self._marked([self._registers[root._number] for root in roots])
        self._done = self._last_uses()
        self.leaves = tuple(leaf for _, leaf in self._inputs)
        self.operations = tuple(function.__name__ for function, _, _ in self._code)

    def evaluate(
        self,
        values: Mapping[Leaf, FloatArray | float],
        rows: Rows,
        dtype: npt.DTypeLike = np.float64,
    ) -> list[FloatArray]:
        """Return the values of the expressions at n of the points.

        NaN and infinity are passed on and give no warnings, neither in a branch that is not chosen
        nor in a result.

        Parameters
        ----------
        values : mapping
            For each of `leaves` an array of shape (n,) in `dtype`; for an unknown a number.
        rows : slice or ndarray of int, shape (n,)
            The points, a slice with both ends. They select the rows of arrays that entered the
            residual.
        dtype : {float64, float32}
            The dtype of all arithmetic.

        Returns
        -------
        list of ndarray, shape (n,)
            Arrays that belong to the caller.
        """
        scalar = np.dtype(dtype)
        n = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        constants, data = self._loaded(scalar)
        registers = constants.copy()
        for register, leaf in self._inputs:
            registers[register] = _checked(values[leaf], leaf, n, scalar)
        for register, array in data:
            registers[register] = array[rows]
            if len(registers[register]) != n:
                raise ValueError(f"the residual holds arrays of {len(array)} points, got {rows}")
        with np.errstate(all="ignore"):
            for (function, register, arguments), done in zip(self._code, self._done, strict=True):
                registers[register] = function(*[registers[argument] for argument in arguments])
                for argument in done:
                    registers[argument] = None
        return [
            _vector(registers[register], n, scalar, shared) for register, shared in self._outputs
        ]

    def _loaded(self, scalar: np.dtype[Any]) -> Loaded:
        """Return the constants, each in its register, and the data, all in a dtype."""
        if scalar not in self._converted:
            with np.errstate(over="ignore"):
                constants = [
                    scalar.type(value) if isinstance(value, float) else value
                    for value in self._constants
                ]
                data = [
                    (
                        register,
                        array if array.dtype == np.bool_ else array.astype(scalar, copy=False),
                    )
                    for register, array in self._data
                ]
            self._converted[scalar] = constants, data
        return self._converted[scalar]

    # Compilation

    def _place(self, node: Expression) -> None:
        """Give a node its register and say how to fill it."""
        what = node._what
        if node._number in self._registers:
            return
        if isinstance(what, Operation):
            factors = _factors(node)
            for factor in factors or ():
                self._place(factor)
            function = np.multiply if factors else what.function
            arguments = tuple(self._registers[a._number] for a in factors or node._arguments)
            self._code.append((function, self._new_register(node), arguments))
        elif isinstance(what, Leaf):
            self._inputs.append((self._new_register(node), what))
        elif isinstance(what, Data):
            self._data.append((self._new_register(node), what.array))
        else:
            self._new_register(node, what)

    def _new_register(self, node: Expression, constant: float | bool | None = None) -> int:
        self._registers[node._number] = len(self._constants)
        self._constants.append(constant)
        return self._registers[node._number]

    def _last_uses(self) -> list[list[int]]:
        """Return for each call the results that it uses for the last time.

        Memory that is freed immediately stays in the cache. If it were freed all at once at the
        end, every evaluation would map it again, which takes longer than the arithmetic.
        """
        kept = {register for register, _ in self._outputs}
        waiting = {register for _, register, _ in self._code} - kept
        done: list[list[int]] = []
        for _, _, arguments in reversed(self._code):
            done.append([register for register in dict.fromkeys(arguments) if register in waiting])
            waiting.difference_update(arguments)
        return done[::-1]

    def _marked(self, outputs: list[int]) -> list[tuple[int, bool]]:
        """Say for each output whether its array is also held elsewhere."""
        computed = {register for _, register, _ in self._code}
        return [
            (register, register not in computed or register in outputs[:i])
            for i, register in enumerate(outputs)
        ]


def _factors(node: Expression) -> tuple[Expression, Expression] | None:
    """Return two factors of a third or fourth power, for which NumPy would take a logarithm."""
    what = node._what
    if not isinstance(what, Operation) or what.name != "power":
        return None
    base, exponent = node._arguments
    square: Expression = base**2
    return {3.0: (square, base), 4.0: (square, square)}.get(as_number(exponent) or 0.0)


def _checked(value: Any, leaf: Leaf, n: int, scalar: np.dtype[Any]) -> Any:
    if leaf.kind == "unknown":
        return scalar.type(value)
    if value.shape != (n,) or value.dtype != scalar:
        raise ValueError(
            f"the values of {leaf} must have shape ({n},) and dtype {scalar}, got shape "
            f"{value.shape} and dtype {value.dtype}"
        )
    return value


def _vector(value: Any, n: int, scalar: np.dtype[Any], shared: bool) -> FloatArray:
    if np.ndim(value) == 0:
        return np.full(n, value, scalar)
    vector: FloatArray = value.copy() if shared else value
    return vector
