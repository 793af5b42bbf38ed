"""The public interface as lines of text: functions, classes, and what results are made of."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

import kanml

__all__ = ["lines"]

OPERATORS = ("__call__", "__len__", "__matmul__")


def lines() -> list[str]:
    """Return a line for each public name, member and field, in alphabetic order."""
    found: set[str] = set()
    known: dict[int, str] = {}
    for module in (kanml, getattr(kanml, "optim", None), getattr(kanml, "problems", None)):
        if module is not None:
            found |= set(_of_module(module, known))
    for kind in _returned():
        found |= set(_members(f"<{kind.__name__}>", kind))
    return sorted(found)


def _of_module(module: ModuleType, known: dict[int, str]) -> Iterator[str]:
    """Yield the lines of a module; `known` has the first name of everything."""
    for name in module.__all__:
        path, thing = f"{module.__name__}.{name}", getattr(module, name)
        first = known.setdefault(id(thing), path)
        if first != path:
            yield f"{path} is {first}"
        elif isinstance(thing, ModuleType):
            yield from _of_module(thing, known)
        elif inspect.isclass(thing):
            public = [b.__name__ for b in thing.__mro__[1:-1] if not b.__name__.startswith("_")]
            yield f"class {path}({', '.join(public)}){_signature(thing)}"
            yield from _members(path, thing)
        elif inspect.isroutine(thing):
            yield f"{path}{_signature(thing)}"
        else:
            yield f"{path}: {type(thing).__name__}"


def _members(path: str, kind: type) -> Iterator[str]:
    """Yield public methods, properties and other attributes, those of bases in kanml too."""
    fields = {}
    if dataclasses.is_dataclass(kind):
        fields = {field.name: field.type for field in dataclasses.fields(kind)}
    for name, annotation in fields.items():
        yield f"{path}.{name}: {_plain(_annotation(annotation))}"
    for name in dir(kind):
        owner = next((c for c in kind.__mro__ if name in vars(c)), object)
        public = not name.startswith("_") or name in OPERATORS
        if not public or name in fields or owner.__module__.partition(".")[0] != "kanml":
            continue
        member = vars(owner)[name]
        if isinstance(member, property):
            returned = getattr(member.fget, "__annotations__", {}).get("return", "")
            yield f"{path}.{name}: {_plain(_annotation(returned))}, a property"
        elif callable(value := getattr(kind, name)):
            yield f"{path}.{name}{_signature(value)}"
        else:
            yield f"{path}.{name}"


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _signature(thing: Any) -> str:
    try:
        return _plain(str(inspect.signature(thing)))
    except (TypeError, ValueError):
        return "(...)"


def _plain(text: str) -> str:
    """Return a signature without addresses, quotes of annotations, and where names come from."""
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    text = re.sub(r"((?:: |-> ))'([^']*)'", r"\1\2", text)
    return re.sub(r"\b(kanml|numpy|np|npt|typing|collections)(\.\w+)*\.(?=\w)", "", text)


def _returned() -> list[type]:
    """Return the classes of what public functions return, if these are not public by name."""
    x = np.linspace(-1, 1, 20)[:, None]
    problem = kanml.Regression(x, np.sin(3 * x))
    states: list[Any] = []
    net = kanml.KAN([1, 1, 1], intervals=2)
    result = kanml.train(net, problem, [60], callbacks=[states.append], progress=False)
    space = kanml.SplineSpace.uniform(-1, 1, intervals=2, degree=3)
    things = [
        kanml.prolongation(space, space.refine()),
        kanml.relu_transform(space),
        kanml.relu_transform(space).T,
        net.prolongation(net.refine()),
        net.prolongation(net.refine()).T,
        net.change_of_basis("relu"),
        net.blocks[0],
        net.layers[0].parameters[0],
        result.history,
        result.history.tries[0],
        states[0],
    ]
    return list({type(thing): None for thing in things})
