"""The operations of a function on fields, which can be repeated without the function.

A residual is called once, and its operations in that call are all that matters. A function that was
defined within another one cannot be pickled, but the list of its operations can.

>>> import pickle
>>> from kanml.expressions import Trace
>>> trace = Trace("tx")
>>> nu = 0.1
>>> fields = {"u": trace.output("u"), "x": trace.coordinates[1]}
>>> recording = record(trace, lambda u: u.t - nu * u.xx, fields, "residual")
>>> recording.returned
u.t - 0.1*u.xx
>>> again = pickle.loads(pickle.dumps(recording.function("it")))
>>> again(u=trace.output("u")) is recording.returned
True
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from kanml.expressions.expression import Expression, Graph
from kanml.expressions.nodes import Data
from kanml.expressions.trace import Trace

__all__ = ["Recorded", "Recording", "record", "record_alone"]


@dataclass(frozen=True)
class At:
    """The index of an argument among the fields and the results of earlier calls."""

    index: int


@dataclass(frozen=True)
class Call:
    """A call of `getattr` or of a function of NumPy; arguments are numbers, arrays and `At`."""

    name: str
    args: Any
    kwargs: Any

    def again(self, values: Sequence[Any]) -> Any:
        """Return the result of the call for these fields and results."""
        function = getattr if self.name == "getattr" else getattr(np, self.name)
        return function(*_filled(self.args, values), **_filled(self.kwargs, values))


class Recorded:
    """A function of fields as the operations of one call.

    Parameters
    ----------
    fields : tuple of str
        The names of its arguments.
    calls : tuple of Call
    returned : object
        What it returned, with an `At` for each expression.
    """

    def __init__(self, fields: tuple[str, ...], calls: tuple[Call, ...], returned: Any) -> None:
        self._content = fields, calls, returned
        kind = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in fields])

    def __call__(self, **given: Any) -> Any:
        """Return the result of the function for these fields."""
        fields, calls, returned = self._content
        values = [given[name] for name in fields]
        for call in calls:
            values.append(call.again(values))
        return _filled(returned, values)

    def __reduce__(self) -> tuple[Any, ...]:
        return Recorded, self._content

    def __repr__(self) -> str:
        return f"<recorded function of {', '.join(self._content[0]) or 'nothing'}>"


class Recording:
    """A call of a function: its fields, the calls that it made, and what it returned."""

    def __init__(self, fields: Mapping[str, Expression]) -> None:
        self.fields = fields
        self.calls: list[tuple[Call, Expression]] = []
        self.returned: Any = None

    def listen(self, name: str, args: Any, kwargs: Any, result: Expression) -> None:
        """Keep a call with copies of its arrays, since these belong to the caller."""
        call = Call(name, _kept(args, result._graph), _kept(kwargs, result._graph))
        self.calls.append((call, result))

    def function(self, name: str) -> Recorded:
        """Return a function that does the same with other fields.

        Parameters
        ----------
        name : str
            The name of the function in the message.

        Raises
        ------
        pickle.PicklingError
            If the function used a field that was not one of its arguments.
        """
        said = [self.returned, *((call.args, call.kwargs) for call, _ in self.calls)]
        used = {node._number for node in _expressions(said)}
        fields = [(name, node) for name, node in self.fields.items() if node._number in used]
        places: dict[int, int] = {}
        for index, node in enumerate([*(n for _, n in fields), *(n for _, n in self.calls)]):
            places.setdefault(node._number, index)

        def placed(item: Any) -> Any:
            if not isinstance(item, Expression):
                return item
            if item._number not in places:
                raise pickle.PicklingError(
                    f"{name} cannot be pickled: it uses {item!r}, which is not made of its "
                    "arguments"
                )
            return At(places[item._number])

        calls = tuple(
            Call(call.name, _mapped(call.args, placed), _mapped(call.kwargs, placed))
            for call, _ in self.calls
        )
        return Recorded(tuple(name for name, _ in fields), calls, _mapped(self.returned, placed))


def record(
    trace: Trace, function: Callable[..., Any], fields: Mapping[str, Expression], what: str
) -> Recording:
    """Call a function with the fields that it names as arguments, and record what it does."""
    recording = Recording(_asked(function, fields, what))
    trace.listener = recording.listen
    try:
        recording.returned = function(**recording.fields)
    finally:
        trace.listener = None
    return recording


def record_alone(function: Callable[..., Any]) -> Recorded:
    """Return a function of fields as `Recorded`, whatever its arguments and letters will mean.

    Arguments that have a default keep it.

    Raises
    ------
    TypeError
        If it takes all fields there are, by ``**``; and what the function raises itself.
    """
    if isinstance(function, Recorded):
        return function
    trace = _AnyTrace()
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        raise TypeError("what the fields of ** are is not known yet")
    names = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    fields = {name: trace.output(name) for name in names}
    return record(trace, function, fields, "residual").function("it")


class _AnyTrace(Trace):
    """A trace where every letter differentiates."""

    class Letters(str):
        def __contains__(self, letter: object) -> bool:
            return True

    def __init__(self) -> None:
        super().__init__("")
        self.letters = self.Letters()


def _asked(
    function: Callable[..., Any], fields: Mapping[str, Expression], what: str
) -> dict[str, Expression]:
    """Return the fields that a function names as arguments."""
    arguments: dict[str, Expression] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments |= fields
        elif name in fields:
            arguments[name] = fields[name]
        elif parameter.default is inspect.Parameter.empty:
            missing = name.endswith("_partner") and name.removesuffix("_partner") in fields
            hint = "; partner= of the term is missing" if missing else ""
            known = ", ".join(fields)
            raise TypeError(f"the {what} asks for {name!r}, which is none of {known}{hint}")
    return arguments


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return nested lists, tuples and dictionaries with their items changed."""
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, change) for item in value)
    if type(value) is dict:
        return {key: _mapped(item, change) for key, item in value.items()}
    return change(value)


def _kept(value: Any, graph: Graph) -> Any:
    def kept(item: Any) -> Any:
        if isinstance(item, (np.ndarray, np.generic)):
            what = graph.expression(item)._what
            return what.array if isinstance(what, Data) else what
        return float(item) if isinstance(item, Real) and not isinstance(item, bool) else item

    return _mapped(value, kept)


def _filled(value: Any, values: Sequence[Any]) -> Any:
    return _mapped(value, lambda item: values[item.index] if isinstance(item, At) else item)


def _expressions(value: Any) -> Iterator[Expression]:
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _expressions(item)
