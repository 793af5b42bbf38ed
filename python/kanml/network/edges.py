"""The functions on the edges of a network: as splines of SciPy, and as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from kanml import _core
from kanml._validation import Float64Array, FloatArray, integer, threads
from kanml.layers import Layer, Linear, PeriodicEmbedding, SplineLayer
from kanml.network.parametrised import Parametrised
from kanml.splines.space import SplineSpace

if TYPE_CHECKING:
    from scipy.interpolate import BSpline

__all__ = ["Edge", "connections", "from_input", "layer_inputs", "spline"]


@dataclass(frozen=True)
class Edge:
    """The edge from input `i` to output `j` of the spline layer ``layers[layer]``.

    Raises
    ------
    ValueError
        If there is no such layer, input or output, or the layer has no splines.
    TypeError
        If an index is not an integer.
    """

    net: Parametrised
    layer: int
    i: int
    j: int

    def __post_init__(self) -> None:
        layers = self.net.layers
        at = integer(self.layer, "layer", 0, len(layers) - 1)
        layer = layers[at]
        if not isinstance(layer, SplineLayer):
            those = [k for k, other in enumerate(layers) if isinstance(other, SplineLayer)]
            raise ValueError(
                "layer must be the index of a spline layer of the network, "
                + (f"one of {', '.join(map(str, those))}" if those else "which has none")
                + f"; got {at}, and layers[{at}] is {layer!r}"
            )
        integer(self.i, "i", 0, layer.n_in - 1)
        integer(self.j, "j", 0, layer.n_out - 1)

    @property
    def of(self) -> SplineLayer:
        """The layer."""
        layer = self.net.layers[self.layer]
        assert isinstance(layer, SplineLayer)
        return layer

    @property
    def space(self) -> SplineSpace:
        """The space of the spline."""
        return self.of.spaces[self.i]

    @property
    def coefficients(self) -> Float64Array:
        """The coefficients of the spline in B-splines."""
        stored = tuple(array.astype(np.float64) for array in _stored(self.net, self.layer))
        read = self.of.parameter_kind.decode(stored)[0]
        return read[_rows(self.of, self.i), self.j].astype(np.float64)

    def __call__(self, t: FloatArray) -> Float64Array:
        """Return what the layer adds to its output for an input t, everywhere, with its base."""
        values = from_input(self.net, self.layer, self.i, t)[:, self.j]
        return values.astype(np.float64)


def spline(edge: Edge) -> BSpline:
    """Return the spline of an edge; see `Network.spline`."""
    try:
        from scipy.interpolate import BSpline
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "splines of SciPy need SciPy: python -m pip install 'kanml[scipy]'", name=error.name
        ) from None
    return BSpline(
        edge.space.knots.copy(),
        edge.coefficients,
        edge.space.degree,
        extrapolate=edge.of.extrapolation == "polynomial",
    )


def layer_inputs(net: Parametrised, x: FloatArray, last: int) -> list[FloatArray]:
    """Return what each layer up to `last` receives for samples (N, n_in), and what that returns.

    Raises
    ------
    ValueError
        If one of these layers refuses an input; the message is that of the network.
    """
    layers, stops = net._architecture.core_layers, [0]
    for at in range(last + 1):
        ends = [block.slice.stop for block in net.blocks if block.layer == at]
        stops.append(max([stops[-1], *ends]))
    parts = [(layers[:at], net.parameters[: stops[at]]) for at in range(1, last + 2)]
    return [x, *(_evaluated(net, part, parameters, x) for part, parameters in parts)]


def from_input(net: Parametrised, at: int, i: int, t: FloatArray) -> FloatArray:
    """Return the functions on all edges that leave input i of a trained layer.

    Parameters
    ----------
    net : Parametrised
    at : int
        The index of a layer of splines, or of a dense one.
    i : int
    t : ndarray, shape (N,)
        Values of the input, inside or outside the domain.

    Returns
    -------
    ndarray, shape (N, n_out)
        What the layer adds to each output; a bias is not among this.
    """
    layer = net.layers[at]
    first, *others = _stored(net, at)
    one: Layer
    if isinstance(layer, SplineLayer):
        one = layer.of_input(i)
        parameters = [first[_rows(layer, i)], *(weights[i] for weights in others)]
    else:
        assert isinstance(layer, Linear)
        one = Linear(1, layer.n_out, bias=False)
        parameters = [first[i]]
    flat = np.concatenate([array.ravel() for array in parameters])
    return _evaluated(net, [one.core(1)], flat, t[:, None])


def connections(layer: Layer, width: int) -> list[tuple[int, int]]:
    """Return the pairs (input, output) of a layer of this many inputs that depend on each other."""
    if isinstance(layer, PeriodicEmbedding):
        return [(feature[0], j) for j, feature in enumerate(layer.features)]
    if layer.n_in is None or not layer.parameters:  # of every entry
        return [(i, i) for i in range(width)]
    assert layer.n_out is not None
    return list(product(range(width), range(layer.n_out)))


def _stored(net: Parametrised, at: int) -> list[FloatArray]:
    """Return the arrays of a layer, as the network stores them."""
    own = [block for block in net.blocks if block.layer == at]
    return [net.parameters[block.slice].reshape(block.shape) for block in own]


def _rows(layer: SplineLayer, i: int) -> slice:
    """Return the rows of the coefficients that belong to an input."""
    start = sum(space.dim for space in layer.spaces[:i])
    return slice(start, start + layer.spaces[i].dim)


def _evaluated(
    net: Parametrised, layers: Sequence[Any], parameters: FloatArray, x: FloatArray
) -> FloatArray:
    """Return the outputs of layers of the core at samples (N, width), in the dtype of a network."""
    core: Any = _core.NetworkFloat32 if net.dtype == np.float32 else _core.NetworkFloat64
    inputs = np.require(x, net.dtype, ["C"])
    values: FloatArray = core(layers).evaluate(inputs, parameters, threads())
    return values
