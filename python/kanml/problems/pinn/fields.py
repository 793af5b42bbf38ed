"""The fields of a problem: inputs, outputs and unknowns, by names that residuals can use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kanml.expressions import identifier, letters
from kanml.problems.pinn.term import Residual

__all__ = ["Fields", "named_fields"]


@dataclass(frozen=True)
class Fields:
    """The arguments of the residuals of a problem, by the names that Python reads."""

    inputs: str
    outputs: tuple[str, ...]
    unknowns: tuple[str, ...]
    transform: Residual | None


def named_fields(
    inputs: str,
    outputs: str | tuple[str, ...],
    unknowns: Iterable[str],
    transform: Residual | None,
) -> Fields:
    """Return the fields with these names.

    Raises
    ------
    ValueError
        If one is not a name, or two are equal to Python.
    """
    given = (inputs, tuple(outputs), tuple(unknowns))
    names = [name for kind in given for name in kind]
    for name in names:
        if not isinstance(name, str) or not identifier(name).isidentifier():
            raise ValueError(f"inputs, outputs and unknowns must be names, got {name!r}")
    read = [identifier(name) for name in names]
    for name, same in zip(names, read, strict=True):
        if read.count(same) > 1:
            hint = ""
            if isinstance(outputs, str) and len(outputs) > 1:
                hint = f"; a single output of this name is outputs=[{outputs!r}]"
            raise ValueError(
                f"{name!r} stands twice among inputs {given[0]!r}, outputs {given[1]} "
                f"and unknowns {given[2]}{hint}"
            )
    d, m = len(inputs), len(inputs) + len(given[1])
    return Fields(letters(inputs), tuple(read[d:m]), tuple(read[m:]), transform)
