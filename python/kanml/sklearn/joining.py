"""One network that is the mean of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanml._validation import Float64Array
from kanml.layers import Layer, SplineLayer
from kanml.network import Network

__all__ = ["mean_of"]


def mean_of(nets: Sequence[Network], behind: Sequence[Layer] = ()) -> Network:
    """Return the network whose outputs are the means of those of several.

    Their hidden features stand side by side, and the last layer adds up a share of each.

    Parameters
    ----------
    nets : sequence of Network
        With the same front of layers without parameters, and with spline layers behind it that
        differ in their parameters, and in how often they were refined.
    behind : sequence of layers
        Layers without parameters that come after the mean.
    """
    nets = _equally_fine(nets)
    first = nets[0]
    layers: list[Layer] = []
    parts = []
    numbers = [block.layer for block in first.blocks]
    for i, layer in enumerate(first.layers):
        if not isinstance(layer, SplineLayer):
            layers.append(layer)
            continue
        inputs = 1 if i == numbers[0] else len(nets)
        outputs = 1 if i == numbers[-1] else len(nets)
        layers.append(
            SplineLayer(layer.n_in * inputs, layer.n_out * outputs, list(layer.spaces) * inputs)
        )
        parts.append(_placed([_coefficients(net, i) for net in nets], inputs, outputs))
    parts[-1] /= len(nets)
    joined = Network([*layers, *behind])
    return joined.with_parameters(np.concatenate([part.ravel() for part in parts]))


def _equally_fine(nets: Sequence[Network]) -> list[Network]:
    finest = max(net.n_parameters for net in nets)
    found = []
    for net in nets:
        while net.n_parameters < finest:
            net = net.refine()
        found.append(net)
    return found


def _coefficients(net: Network, layer: int) -> Float64Array:
    (block,) = (block for block in net.blocks if block.layer == layer)
    return np.asarray(net.parameters[block.slice].reshape(block.shape), np.float64)


def _placed(blocks: Sequence[Float64Array], inputs: int, outputs: int) -> Float64Array:
    """Return a matrix with the blocks on its diagonal; they share its rows or columns if 1."""
    rows, columns = blocks[0].shape
    matrix = np.zeros((rows * inputs, columns * outputs))
    for k, block in enumerate(blocks):
        row, column = rows * (k if inputs > 1 else 0), columns * (k if outputs > 1 else 0)
        matrix[row : row + rows, column : column + columns] += block
    return matrix
