"""What a kind of parameter promises: the maps between what is stored and what kernels read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy.typing as npt

from kanml._validation import FloatArray
from kanml.splines.operators import InvertibleOperator, LinearOperator
from kanml.splines.prolongation import Prolongation

__all__ = ["Arrays", "Parameter", "ParameterKind", "Part"]

Arrays: TypeAlias = tuple[FloatArray, ...]
"""The parameters of a layer, in their order: as they are stored, or as kernels read them."""

O_co = TypeVar("O_co", bound=LinearOperator)

Part: TypeAlias = tuple[int, int, O_co | None]
"""How many blocks of parameters, one after the other, how many columns each, and their map; None:
the identity."""


@dataclass(frozen=True)
class Parameter:
    """One array of parameters of a layer: what it is called, what it is, its shape."""

    name: str
    kind: str
    shape: tuple[int, ...]


class ParameterKind(ABC):
    """The parameters of one layer, and how what is stored becomes what kernels read.

    What is stored is what optimizers train and files hold. The core decodes it once an evaluation,
    and its derivatives are those with respect to what is stored; the maps here are what it does,
    for whatever else reads or makes parameters.

    Attributes
    ----------
    name : str
        What the kind is called in `Parameter`, in `Block`, and in files.
    encoded : bool
        Whether what is stored is not what kernels read.
    """

    name: str
    encoded: bool

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """What is stored."""

    @abstractmethod
    def decode(self, stored: Arrays) -> Arrays:
        """Return what kernels read."""

    @abstractmethod
    def encode(self, read: Arrays) -> Arrays:
        """Return what is stored for something that kernels read; `decode` undoes it."""

    @abstractmethod
    def pull_back(self, stored: Arrays, gradient: Arrays) -> Arrays:
        """Return the gradient with respect to what is stored.

        Parameters
        ----------
        stored : Arrays
            Where the gradient is taken; maps that are linear do not depend on it.
        gradient : Arrays
            With respect to what kernels read.
        """

    @abstractmethod
    def push_forward(self, stored: Arrays, tangent: Arrays) -> Arrays:
        """Return how what kernels read changes along a tangent of what is stored."""

    @abstractmethod
    def transfer(
        self, stored: Arrays, finer: ParameterKind, known: dict[Any, Prolongation]
    ) -> list[Part[Prolongation]]:
        """Return the maps to the parameters of the refined layer, which are of the same kind.

        Parameters
        ----------
        stored : Arrays
            What the maps are to carry; those of a basis are the same for all.
        finer : ParameterKind
        known : dict
            Prolongations that other layers needed; those made here are added.
        """

    @abstractmethod
    def change_to(self, other: ParameterKind) -> list[Part[InvertibleOperator]]:
        """Return the linear maps to what another kind stores for the same function."""

    @abstractmethod
    def require_fit(self, dtype: npt.DTypeLike, where: str) -> None:
        """Raise ValueError where rounding what is stored to a dtype spoils the function.

        Parameters
        ----------
        dtype : dtype-like
        where : str
            What the message calls the layer.
        """
