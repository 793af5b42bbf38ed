"""Coefficients of splines in a basis, each a linear combination of B-spline coefficients."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from kanml._validation import FloatArray
from kanml.layers.parameters.kind import Arrays, Parameter, ParameterKind, Part
from kanml.splines.operators import BlockOperator, InvertibleOperator
from kanml.splines.prolongation import Prolongation, prolongation
from kanml.splines.space import SplineSpace

__all__ = ["Basis"]


class Basis(ParameterKind):
    """The coefficients of a layer of splines in a basis; kernels read those of B-splines.

    Parameters
    ----------
    spaces : sequence of SplineSpace
        One for each input.
    n_out : int
    """

    def __init__(self, spaces: Sequence[SplineSpace], n_out: int) -> None:
        self.spaces = tuple(spaces)
        self.n_out = n_out

    @abstractmethod
    def decoding(self, space: SplineSpace) -> InvertibleOperator:
        """Return the matrix from coefficients in this basis to B-spline coefficients."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The coefficients, the functions of input 0 first."""
        rows = sum(space.dim for space in self.spaces)
        return (Parameter("coefficients", self.name, (rows, self.n_out)),)

    def decode(self, stored: Arrays) -> Arrays:
        """Return the B-spline coefficients."""
        return self._mapped(lambda decoding: decoding, stored)

    def encode(self, read: Arrays) -> Arrays:
        """Return the coefficients in this basis."""
        return self._mapped(lambda decoding: decoding.inverse, read)

    def pull_back(self, stored: Arrays, gradient: Arrays) -> Arrays:
        """Return the gradient with respect to the coefficients in this basis."""
        return self._mapped(lambda decoding: decoding.T, gradient)

    def push_forward(self, stored: Arrays, tangent: Arrays) -> Arrays:
        """Return the tangent in B-spline coefficients."""
        return self.decode(tangent)

    def transfer(
        self, stored: Arrays, finer: ParameterKind, known: dict[Any, Prolongation]
    ) -> list[Part[Prolongation]]:
        """Return the prolongations, one for each run of equal pairs of spaces."""
        assert isinstance(finer, type(self))
        parts: list[Part[Prolongation]] = []
        for pair, run in groupby(zip(self.spaces, finer.spaces, strict=True)):
            key = (*pair, self.name)
            if key not in known:
                known[key] = prolongation(*pair, basis=self.name)
            parts.append((len(list(run)), self.n_out, known[key]))
        return parts

    def change_to(self, other: ParameterKind) -> list[Part[InvertibleOperator]]:
        """Return the changes of basis, one for each run of equal spaces."""
        assert isinstance(other, Basis)
        if type(other) is type(self):
            return [(math.prod(p.shape), 1, None) for p in self.parameters]
        return self._parts(lambda space: other.decoding(space).inverse.after(self.decoding(space)))

    def _parts(
        self, operator: Callable[[SplineSpace], InvertibleOperator]
    ) -> list[Part[InvertibleOperator]]:
        """Return the operators of all spaces; equal spaces share one."""
        made = {space: operator(space) for space in dict.fromkeys(self.spaces)}
        runs = [(space, len(list(run))) for space, run in groupby(self.spaces)]
        return [(count, self.n_out, made[space]) for space, count in runs]

    def _mapped(
        self, made_of: Callable[[InvertibleOperator], InvertibleOperator], arrays: Arrays
    ) -> Arrays:
        """Apply an operator to the coefficients, one that a function makes of the decoding."""
        (coefficients,) = arrays
        operator = BlockOperator(self._parts(lambda space: made_of(self.decoding(space))))
        mapped: FloatArray = operator @ coefficients.reshape(-1)
        return (mapped.reshape(coefficients.shape),)
