"""Several kinds of parameters in one layer, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from kanml.layers.parameters.kind import Arrays, Parameter, ParameterKind, Part
from kanml.splines.operators import InvertibleOperator
from kanml.splines.prolongation import Prolongation

__all__ = ["Joined"]


class Joined(ParameterKind):
    """The parameters of several kinds, each with arrays of its own.

    Parameters
    ----------
    first : ParameterKind
        Its name is that of the whole.
    *others : ParameterKind
    """

    def __init__(self, first: ParameterKind, *others: ParameterKind) -> None:
        self.kinds = (first, *others)
        self.name = first.name
        self.encoded = any(kind.encoded for kind in self.kinds)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What is stored."""
        return tuple(p for kind in self.kinds for p in kind.parameters)

    def decode(self, stored: Arrays) -> Arrays:
        """Return what kernels read."""
        return self._each(lambda kind, own: kind.decode(own), stored)

    def encode(self, read: Arrays) -> Arrays:
        """Return what is stored for arrays that kernels read."""
        return self._each(lambda kind, own: kind.encode(own), read)

    def pull_back(self, stored: Arrays, gradient: Arrays) -> Arrays:
        """Return the gradient with respect to what is stored."""
        return self._each(lambda kind, at, own: kind.pull_back(at, own), stored, gradient)

    def push_forward(self, stored: Arrays, tangent: Arrays) -> Arrays:
        """Return the derivative of what kernels read along a tangent."""
        return self._each(lambda kind, at, own: kind.push_forward(at, own), stored, tangent)

    def transfer(
        self, stored: Arrays, finer: ParameterKind, known: dict[Any, Prolongation]
    ) -> list[Part[Prolongation]]:
        """Return the maps of all kinds."""
        assert isinstance(finer, Joined)
        return [
            part
            for kind, other, own in zip(self.kinds, finer.kinds, self._split(stored), strict=True)
            for part in kind.transfer(own, other, known)
        ]

    def change_to(self, other: ParameterKind) -> list[Part[InvertibleOperator]]:
        """Return the maps of all kinds."""
        assert isinstance(other, Joined)
        pairs = zip(self.kinds, other.kinds, strict=True)
        return [part for kind, changed in pairs for part in kind.change_to(changed)]

    def require_fit(self, dtype: npt.DTypeLike, where: str) -> None:
        """Raise ValueError if one of the kinds does."""
        for kind in self.kinds:
            kind.require_fit(dtype, where)

    def _split(self, arrays: Arrays) -> list[Arrays]:
        """Return the arrays of each kind."""
        rest = list(arrays)
        return [tuple(rest.pop(0) for _ in kind.parameters) for kind in self.kinds]

    def _each(self, function: Callable[..., Arrays], *arguments: Arrays) -> Arrays:
        """Return the results of a function for each kind and its arrays, one after the other."""
        own = zip(self.kinds, *(self._split(arrays) for arrays in arguments), strict=True)
        return tuple(array for arguments_of_kind in own for array in function(*arguments_of_kind))
