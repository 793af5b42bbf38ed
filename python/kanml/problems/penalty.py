"""What a penalty promises: a value, a gradient, and rows for least squares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, FloatArray, require_memory
from kanml.network import Network
from kanml.optim.matrices import Triangle
from kanml.problems.evaluation import TermValue
from kanml.splines.operators import LinearOperator

__all__ = ["UNLIMITED", "Penalties", "Penalty", "as_float64", "known_penalty", "parts_of"]

UNLIMITED = np.errstate(over="ignore", invalid="ignore")  # a trial may go anywhere


class Penalty(ABC):
    """What is added to a loss for the sake of the functions of a network.

    Its rows r are a linear operator on the parameters, times a factor each. Half the derivative of
    the penalty is ``J^T r``, with J the operator times the factors. If the factors depend on the
    parameters, J leaves this out, and ``r @ r`` need not be the penalty.

    Attributes
    ----------
    name : str
        That of its term.
    is_affine : bool
        Whether the factors are constants.
    """

    name: str
    is_affine: bool

    @abstractmethod
    def require_fit(self, net: Network) -> None:
        """Raise ValueError if a network has no such penalty."""

    @abstractmethod
    def term_and_gradient(self, net: Network) -> tuple[TermValue, Float64Array]:
        """Return the penalty as a term of a loss, and its gradient (n_parameters,)."""

    @abstractmethod
    def _operator(self, net: Network) -> LinearOperator:
        """Return the operator of the rows (m, n_parameters)."""

    @abstractmethod
    def _factors(self, net: Network) -> Float64Array:
        """Return the factor of each row (m,), or one for all ()."""

    def n_rows(self, net: Network) -> int:
        """Return the number m of rows."""
        self.require_fit(net)
        return self._operator(net).shape[0]

    def residuals(self, net: Network) -> Float64Array:
        """Return the rows (m,)."""
        return self.jvp(net, net.parameters)

    @UNLIMITED
    def jacobian(self, net: Network) -> Float64Array:
        """Return their derivatives J (m, n_parameters)."""
        m = self.n_rows(net)
        require_memory(8 * m * net.n_parameters, f"{m} rows of the penalty need")
        return self._factors(net)[..., None] * self._operator(net).toarray()

    @UNLIMITED
    def jvp(self, net: Network, direction: FloatArray) -> Float64Array:
        """Return J times a direction (m,), of which unknowns have no effect."""
        self.require_fit(net)
        of_parameters = direction[: net.n_parameters].astype(np.float64)
        return as_float64(self._factors(net) * (self._operator(net) @ of_parameters))

    @UNLIMITED
    def vjp(self, net: Network, cotangent: FloatArray) -> Float64Array:
        """Return J^T times a cotangent (n_parameters,)."""
        scaled = self._factors(net) * cotangent.astype(np.float64)
        return as_float64(self._operator(net).T @ scaled)

    @UNLIMITED
    def triangle(self, net: Network, n_unknowns: int) -> Triangle:
        """Return the triangle of rows and their derivatives, in which unknowns have no effect."""
        of_unknowns = np.zeros((self.n_rows(net), n_unknowns))
        return Triangle.of(np.hstack([self.jacobian(net), of_unknowns]), self.residuals(net))


Penalties: TypeAlias = Penalty | Sequence[Penalty] | None
"""What users give."""


def known_penalty(penalty: object) -> Penalties:
    """Return a penalty, several as a tuple, or None for none; TypeError for anything else."""
    if penalty is None or isinstance(penalty, Penalty):
        return penalty
    several = tuple(penalty) if isinstance(penalty, (list, tuple)) else ()
    if not several or not all(isinstance(part, Penalty) for part in several):
        raise TypeError(
            "penalty must be a kanml.Smoothness, a kanml.Sparsity, a list of them or None, got "
            f"{penalty!r}"
        )
    names = [part.name for part in several]
    if len(set(names)) < len(names):
        raise ValueError(f"penalty must hold penalties of different kinds, got {penalty!r}")
    return several


def parts_of(penalty: Penalties) -> tuple[Penalty, ...]:
    """Return the penalties that are given."""
    if penalty is None:
        return ()
    return (penalty,) if isinstance(penalty, Penalty) else tuple(penalty)


def as_float64(array: npt.NDArray[Any]) -> Float64Array:
    """Return an array as one of float64."""
    return np.asarray(array, np.float64)
