"""A network as plain arrays, to be written again as a multichannel MLP in any framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanml._validation import FloatArray
from kanml.layers import (
    Activation,
    Affine,
    Linear,
    PeriodicEmbedding,
    SplineLayer,
    unknown_layer,
)
from kanml.network import Network

__all__ = ["export_mlp"]


def export_mlp(net: Network) -> list[dict[str, Any]]:
    """Return the network as a multichannel MLP with activations ``max(x, 0)**power``.

    A spline layer becomes one channel a basis function: select an input, subtract a knot, rectify,
    raise to a power; then a dense layer. Outside the domain the layer's rule is kept, by clipping
    inputs and, where splines continue linearly, by two more dense layers of what was cut off.

    Parameters
    ----------
    net : Network
        In either basis.

    Returns
    -------
    list of dict
        One for each layer, with arrays of the network's dtype. By ``"layer"``:

        - "power-relu": "inputs", "knots", "rectified" (channels,), "power", "weights"
          (channels, n_out), "lower", "upper" (n_in,), "slopes_below", "slopes_above"
          (n_in, n_out). The layer is ::

              z = np.clip(x, lower, upper)[:, inputs] - knots
              z = np.where(rectified, np.maximum(z, 0), z)
              y = z**power @ weights
              y += np.minimum(x - lower, 0) @ slopes_below + np.maximum(x - upper, 0) @ slopes_above

          All channels are rectified, except in layers with the rule "polynomial" those of the
          degree + 1 knots up to the lower end, which have no clipping either. With the rule "error"
          values continue constantly.
        - "linear": "weights" (n_in, n_out), "bias" (n_out,).
        - "activation": "kind", one of those of `Activation`.
        - "affine": "scale", "shift", numbers or arrays (width,).
        - "embedding": "inputs", "functions", "frequencies" (n_out,). Output q is the function
          "identity", "cosine" or "sine" of ``frequencies[q] * x[:, inputs[q]]``.

        Inputs must be finite: at infinity these formulas give NaN where the network need not.

    Raises
    ------
    ValueError
        If the dtype cannot hold the ReLU weights.
    TypeError
        If a layer is of a kind that has no such form.

    Notes
    -----
    The sum over channels cancels: with n intervals terms are about ``n**degree`` times as large as
    the spline, and its rounding error likewise. A `Network` evaluates the same weights by way of
    B-splines.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> net = kanml.KAN([1, 1], degree=3, intervals=4, extrapolation="clamp")
    >>> (layer,) = kanml.export_mlp(net)
    >>> x = np.linspace(-1, 1, 9)[:, None]
    >>> y = np.maximum(x - layer["knots"], 0) ** layer["power"] @ layer["weights"]
    >>> bool(abs(y - net(x)).max() < 1e-12)
    True
    """
    if not isinstance(net, Network):
        raise TypeError(f"net must be a Network, got {net!r}")
    splines, relus = net.to_basis("spline"), net.to_basis("relu")
    layers = []
    for i, layer in enumerate(net.layers):
        blocks = [block for block in net.blocks if block.layer == i]
        if isinstance(layer, SplineLayer):
            (block,) = blocks
            in_splines, in_relus = (
                kind.parameters[block.slice].reshape(block.shape) for kind in (splines, relus)
            )
            layers.append(_power_relu(layer, in_splines, in_relus))
        elif isinstance(layer, Linear):
            arrays = [net.parameters[block.slice].reshape(block.shape) for block in blocks]
            bias = arrays[1] if layer.bias else np.zeros(layer.n_out, net.dtype)
            layers.append({"layer": "linear", "weights": arrays[0], "bias": bias})
        elif isinstance(layer, Activation):
            layers.append({"layer": "activation", "kind": layer.kind})
        elif isinstance(layer, Affine):
            scale, shift = layer.scale.astype(net.dtype), layer.shift.astype(net.dtype)
            layers.append({"layer": "affine", "scale": scale, "shift": shift})
        elif isinstance(layer, PeriodicEmbedding):
            layers.append(_embedding(layer, net.dtype))
        else:
            raise unknown_layer(layer)
    return layers


def _embedding(layer: PeriodicEmbedding, dtype: np.dtype[Any]) -> dict[str, Any]:
    inputs, kinds, frequencies = zip(*layer.features, strict=True)
    return {
        "layer": "embedding",
        "inputs": np.array(inputs),
        "functions": list(kinds),
        "frequencies": np.array(frequencies, dtype=dtype),
    }


def _power_relu(layer: SplineLayer, in_splines: FloatArray, in_relus: FloatArray) -> dict[str, Any]:
    dtype = in_relus.dtype
    lower, upper = np.array([space.domain for space in layer.spaces]).T
    slopes = np.zeros((2, layer.n_in, layer.n_out))
    channels = [np.arange(space.dim) for space in layer.spaces]
    rectified = np.ones(len(in_relus), dtype=bool)
    if layer.extrapolation == "linear":
        ends = np.cumsum([space.dim for space in layer.spaces])[:-1]
        for p, (space, rows) in enumerate(
            zip(layer.spaces, np.split(in_splines, ends), strict=True)
        ):
            slopes[:, p] = space.evaluate(rows.T, space.domain, derivative=1).T
    elif layer.extrapolation == "polynomial":
        lower, upper = np.full_like(lower, -np.inf), np.full_like(upper, np.inf)
        rectified = np.concatenate(channels) > layer.degree
    return {
        "layer": "power-relu",
        "inputs": np.repeat(np.arange(layer.n_in), [space.dim for space in layer.spaces]),
        "knots": np.concatenate([s.knots[: s.dim] for s in layer.spaces]).astype(dtype),
        "rectified": rectified,
        "power": layer.degree,
        "weights": in_relus,
        "lower": lower.astype(dtype),
        "upper": upper.astype(dtype),
        "slopes_below": slopes[0].astype(dtype),
        "slopes_above": slopes[1].astype(dtype),
    }
