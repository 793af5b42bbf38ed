"""Parameters that kernels read in the form in which they are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from kanml.layers.parameters.kind import Arrays, Parameter, ParameterKind, Part
from kanml.splines.operators import InvertibleOperator
from kanml.splines.prolongation import Prolongation

__all__ = ["Plain"]


class Plain(ParameterKind):
    """Parameters that kernels read as stored, and that a refinement leaves unchanged.

    Parameters
    ----------
    parameters : sequence of Parameter
    """

    name = "plain"
    encoded = False

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = tuple(parameters)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What is stored."""
        return self._parameters

    def decode(self, stored: Arrays) -> Arrays:
        """Return what is stored."""
        return stored

    def encode(self, read: Arrays) -> Arrays:
        """Return what is read."""
        return read

    def pull_back(self, stored: Arrays, gradient: Arrays) -> Arrays:
        """Return the gradient."""
        return gradient

    def push_forward(self, stored: Arrays, tangent: Arrays) -> Arrays:
        """Return the tangent."""
        return tangent

    def transfer(
        self, stored: Arrays, finer: ParameterKind, known: dict[Any, Prolongation]
    ) -> list[Part[Prolongation]]:
        """Return the identity."""
        return [(math.prod(p.shape), 1, None) for p in self.parameters]

    def change_to(self, other: ParameterKind) -> list[Part[InvertibleOperator]]:
        """Return the identity."""
        return [(math.prod(p.shape), 1, None) for p in self.parameters]

    def require_fit(self, dtype: npt.DTypeLike, where: str) -> None:
        """Do nothing: every dtype can hold them."""
