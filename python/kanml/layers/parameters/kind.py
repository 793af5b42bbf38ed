"""The interface of a kind of parameter: the maps between what is stored and what kernels read."""

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
"""The parameters of a layer in order, either as stored or as kernels read them."""

O_co = TypeVar("O_co", bound=LinearOperator)

Part: TypeAlias = tuple[int, int, O_co | None]
"""(copies, columns, operator): one operator that acts on the rows of `copies` arrays, which follow
one another in the parameter vector; None: the identity."""


@dataclass(frozen=True)
class Parameter:
    """One array of parameters of a layer: its name, its kind and its shape."""

    name: str
    kind: str
    shape: tuple[int, ...]


class ParameterKind(ABC):
    """The parameters of one layer, and the maps between what is stored and what kernels read.

    Optimizers train what is stored, and files hold it. The core decodes it once per evaluation, and
    returns derivatives with respect to what is stored. The maps here do the same in Python, for
    everything else that reads or makes parameters.

    Attributes
    ----------
    name : str
        The name of the kind in `Parameter`, in `Block` and in files.
    encoded : bool
        Whether what is stored differs from what kernels read.
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
        """Return what is stored for arrays that kernels read; the inverse of `decode`."""

    @abstractmethod
    def pull_back(self, stored: Arrays, gradient: Arrays) -> Arrays:
        """Return the gradient with respect to what is stored.

        Parameters
        ----------
        stored : Arrays
            The point at which the gradient is taken; linear maps do not depend on it.
        gradient : Arrays
            The gradient with respect to what kernels read.
        """

    @abstractmethod
    def push_forward(self, stored: Arrays, tangent: Arrays) -> Arrays:
        """Return the derivative of what kernels read along a tangent of what is stored."""

    @abstractmethod
    def transfer(
        self, stored: Arrays, finer: ParameterKind, known: dict[Any, Prolongation]
    ) -> list[Part[Prolongation]]:
        """Return the maps to the parameters of the refined layer, which are of the same kind.

        Parameters
        ----------
        stored : Arrays
            The parameters to carry; the maps of a basis do not depend on them.
        finer : ParameterKind
        known : dict
            The prolongations made for other layers; those made here are added.
        """

    @abstractmethod
    def change_to(self, other: ParameterKind) -> list[Part[InvertibleOperator]]:
        """Return the linear maps to the parameters of the same function in another kind."""

    @abstractmethod
    def require_fit(self, dtype: npt.DTypeLike, where: str) -> None:
        """Raise ValueError if rounding what is stored to a dtype spoils the function.

        Parameters
        ----------
        dtype : dtype-like
        where : str
            The name of the layer in the message.
        """
