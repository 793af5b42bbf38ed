"""A penalty for splines that bend."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kanml._validation import Float64Array, number
from kanml.network import Network
from kanml.optim.matrices import Triangle
from kanml.problems.evaluation import TermValue
from kanml.problems.penalty import UNLIMITED, Penalty, as_float64
from kanml.splines.operators import LinearOperator

__all__ = ["Smoothness"]


@dataclass(frozen=True)
class Smoothness(Penalty):
    """A penalty for splines that bend: ``strength`` times the integral of ``phi''(x)^2``.

    The integral is over the domain of phi, and there is one for each spline phi of every
    `SplineLayer`; the penalty is their sum. It is computed exactly, and it is a property of the
    functions: a network has the same penalty after `Network.refine`, in either basis, and however
    many samples there are. Weights of `Linear` layers and of base functions beside splines are not
    part of it.

    Give it to `Regression` or `PINN` as `penalty`, alone or in a list with others.

    Parameters
    ----------
    strength : float
        Not negative. Choose it by the loss on held-out data, from 1e-6 to 1e-3 for data of order 1
        on [-1, 1].

    Raises
    ------
    TypeError, ValueError
        If `strength` is not as described.

    Notes
    -----
    Splines of degree 1 bend in their knots alone, so networks with such a layer are refused, and so
    are networks without splines.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (200, 1))
    >>> y = np.sin(5 * x) + 0.3 * rng.normal(size=x.shape)
    >>> net = kanml.KAN([1, 1], degree=3, intervals=32)
    >>> errors = []
    >>> for penalty in (None, kanml.Smoothness(1e-5)):
    ...     problem = kanml.Regression(x, y, penalty=penalty)
    ...     result = kanml.train(net, problem, [200], progress=False)
    ...     errors.append(abs(result.network(x) - np.sin(5 * x)).mean())
    >>> bool(errors[1] < 0.6 * errors[0])
    True
    """

    strength: float

    name = "smoothness"
    is_affine = True

    def __post_init__(self) -> None:
        value = number(self.strength, "strength", "a number >= 0", lambda strength: strength >= 0)
        object.__setattr__(self, "strength", value)

    def require_fit(self, net: Network) -> None:
        """Raise ValueError if the splines of a network have no second derivative, or are none."""
        if not any(layer.spaces for layer in net.layers):
            raise ValueError("penalty must be None for a network without spline layers")
        for i, layer in enumerate(net.layers):
            if layer.degree == 1:
                raise ValueError(
                    "penalty needs splines of degree 2 or more, which have second derivatives, but "
                    f"layers[{i}] has degree 1"
                )

    @UNLIMITED
    def term_and_gradient(self, net: Network) -> tuple[TermValue, Float64Array]:
        """Return the penalty as a term of a loss, and its gradient (n_parameters,)."""
        self.require_fit(net)
        bending = net._architecture.bending
        rows = bending @ net.parameters.astype(np.float64)
        integral, largest = float(np.square(rows).sum()), float(np.abs(rows).max())
        term = TermValue(self.strength * integral, integral, len(rows), largest)
        return term, as_float64(2 * self.strength * (bending.T @ rows))

    def _operator(self, net: Network) -> LinearOperator:
        return net._architecture.bending

    def _factors(self, net: Network) -> Float64Array:
        return np.array(math.sqrt(self.strength))

    @UNLIMITED
    def triangle(self, net: Network, n_unknowns: int) -> Triangle:
        """Return the triangle of their values and derivatives, in which unknowns have no effect."""
        self.require_fit(net)
        reduced = net._architecture.bending_triangle
        n = net.n_parameters
        matrix = np.zeros((n + n_unknowns + 1,) * 2)
        matrix[:n, :n] = self._factors(net) * reduced.R
        matrix[:n, -1] = (matrix[:n, :n] * net.parameters).sum(axis=1)
        return Triangle(matrix, reduced.rows, reduced.epsilon)
