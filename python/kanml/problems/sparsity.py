"""A penalty that switches off inputs or edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, choice, number
from kanml.network import Network
from kanml.problems.evaluation import TermValue
from kanml.problems.penalty import UNLIMITED, Penalty, as_float64
from kanml.splines.operators import LinearOperator

__all__ = ["Sparsity"]

ROUNDING = 1e-3  # sizes are rounded off below


@dataclass(frozen=True)
class Sparsity(Penalty):
    """A penalty for functions that are not constant, which switches off inputs or edges.

    The size of a spline is its standard deviation over its domain, 0 for a constant. The penalty is
    ``strength`` times the sum of the sizes of all groups. The size of a group is the root of the
    sum of the squares of the sizes in it. Unlike a sum of squares, this makes the groups that the
    loss does not need very small, together, while it changes the others little: the penalty is a
    group lasso. It is a property of the functions: a network has the same penalty after
    `Network.refine`, in either basis, whatever the units of its inputs.

    Give it to `Regression` or `PINN` as `penalty`, alone or in a list with others.

    Parameters
    ----------
    strength : float
        Not negative. Choose it by the loss on held-out data, from 1e-3 to 1e-1 for data of order 1.
    groups : {"inputs", "edges"}
        What is switched off. The functions of an input, of the network or of a later layer, are a
        group, or each function is one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Notes
    -----
    Sizes are rounded off below 1e-3: the penalty has ``(size**2 + 1e-6)**0.5 - 1e-3`` instead,
    which has a derivative everywhere. So functions that are switched off are nearly constant, not
    exactly.

    `LevenbergMarquardt` minimises, in each step, squares of sizes that have the same gradient.
    `VariableProjection` refuses it, because sizes are no linear functions of the parameters.

    Layers with base functions beside splines are refused, and so are networks without splines.

    References
    ----------
    M. Yuan and Y. Lin, Model selection and estimation in regression with grouped variables,
    *Journal of the Royal Statistical Society B* 68, 2006.

    Examples
    --------
    The second of two inputs does not matter:

    >>> import kanml
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (200, 2))
    >>> y = np.sin(3 * x[:, :1]) + 0.1 * rng.normal(size=(200, 1))
    >>> penalty = kanml.Sparsity(0.1)
    >>> problem = kanml.Regression(x, y, penalty=penalty)
    >>> result = kanml.train(kanml.KAN([2, 1], degree=3), problem, [100], progress=False)
    >>> penalty.sizes(result.network)[0] > 0.01
    array([ True, False])
    """

    strength: float
    groups: str = "inputs"

    is_affine = False

    def __post_init__(self) -> None:
        value = number(self.strength, "strength", "a number >= 0", lambda strength: strength >= 0)
        object.__setattr__(self, "strength", value)
        choice(self.groups, "groups", ("inputs", "edges"))

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of its term: that of inputs and that of edges can be added up."""
        return f"sparsity of {self.groups}"

    def sizes(self, net: Network) -> list[Float64Array]:
        """Return the sizes of all groups, for each spline layer.

        Parameters
        ----------
        net : Network

        Returns
        -------
        list of ndarray, shape (n_in,) or (n_in, n_out)
            The latter for edges.

        Raises
        ------
        ValueError
            If the network has no splines, or base functions beside them.
        """
        found = self._sizes(net, self._operator(net) @ as_float64(net.parameters))
        layers = [layer for layer in net.layers if layer.spaces]
        shapes: list[tuple[int, ...]] = [(len(layer.spaces),) for layer in layers]
        if self.groups == "edges":
            shapes = [(len(layer.spaces), layer.n_out or 0) for layer in layers]
        parts = np.split(found, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def require_fit(self, net: Network) -> None:
        """Raise ValueError if a network has no splines, or other functions beside them."""
        if not any(layer.spaces for layer in net.layers):
            raise ValueError("penalty must be None for a network without spline layers")
        for i, layer in enumerate(net.layers):
            if getattr(layer, "base", None) is not None:
                raise ValueError(
                    f"kanml.Sparsity needs edges with splines alone, but layers[{i}] has base "
                    f"functions: {layer!r}"
                )

    @UNLIMITED
    def term_and_gradient(self, net: Network) -> tuple[TermValue, Float64Array]:
        """Return the penalty as a term of a loss, and its gradient (n_parameters,)."""
        variation = self._operator(net)
        rows = variation @ as_float64(net.parameters)
        sizes = self._sizes(net, rows)
        rounded = np.hypot(sizes, ROUNDING)
        total = float((rounded - ROUNDING).sum())
        term = TermValue(self.strength * total, total, len(sizes), float(sizes.max()))
        slopes = (self.strength / rounded)[self._group_of_row(net)]
        return term, as_float64(variation.T @ (slopes * rows))

    def _operator(self, net: Network) -> LinearOperator:
        self.require_fit(net)
        return net._architecture.variation

    def _factors(self, net: Network) -> Float64Array:
        sizes = self._sizes(net, self._operator(net) @ as_float64(net.parameters))
        factors = np.sqrt(self.strength / (2 * np.hypot(sizes, ROUNDING)))
        return as_float64(factors[self._group_of_row(net)])

    def _sizes(self, net: Network, rows: npt.NDArray[Any]) -> Float64Array:
        return np.sqrt(np.bincount(self._group_of_row(net), weights=np.square(rows)))

    def _group_of_row(self, net: Network) -> npt.NDArray[np.int64]:
        edges = net._architecture.edge_of_variation
        if self.groups == "edges":
            return edges
        leaving = [layer.n_out or 0 for layer in net.layers for _ in layer.spaces]
        return np.repeat(np.arange(len(leaving)), leaving)[edges]
