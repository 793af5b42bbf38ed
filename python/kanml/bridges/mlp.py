"""A network as plain arrays, from which any framework can rebuild it as a multichannel MLP."""

from __future__ import annotations

from typing import Any

from kanml.network import Network

__all__ = ["export_mlp"]


def export_mlp(net: Network) -> list[dict[str, Any]]:
    """Return the network as a multichannel MLP with activations ``max(x, 0)**power``.

    A spline layer becomes one channel for each basis function: select an input, subtract a knot,
    rectify and raise to a power; a dense layer follows. Clipping the inputs keeps the layer's rule
    outside the domain. If splines continue linearly, two more dense layers act on what was clipped.

    Parameters
    ----------
    net : Network
        Its parameters may be in either basis.

    Returns
    -------
    list of dict
        One for each layer, with arrays of the network's dtype. Their contents by ``"layer"``:

        - "power-relu": "inputs", "knots", "rectified" (channels,), "power", "weights"
          (channels, n_out), "lower", "upper" (n_in,), "slopes_below", "slopes_above"
          (n_in, n_out). The layer is ::

              z = np.clip(x, lower, upper)[:, inputs] - knots
              z = np.where(rectified, np.maximum(z, 0), z)
              y = z**power @ weights
              y += np.minimum(x - lower, 0) @ slopes_below + np.maximum(x - upper, 0) @ slopes_above

          All channels are rectified, except those of the degree + 1 knots up to the lower end in
          layers with the rule "polynomial", whose bounds are infinite. With the rule "error",
          values continue constantly. A layer with a base function has it as "base", one of the
          functions of `Activation`, with "base_weights" (n_in, n_out):
          ``y += base(x) @ base_weights``.
        - "linear": "weights" (n_in, n_out), "bias" (n_out,).
        - "activation": "kind", one of those of `Activation`.
        - "affine": "scale", "shift", numbers or arrays (width,).
        - "embedding": "inputs", "functions", "frequencies" (n_out,). Output q is the function
          "identity", "cosine" or "sine" of ``frequencies[q] * x[:, inputs[q]]``.

        Inputs must be finite: at infinity these formulas may give NaN where the network does not.

    Raises
    ------
    ValueError
        If the dtype cannot hold the ReLU weights.
    TypeError
        If `net` is not a `Network`.

    Notes
    -----
    The sum over channels cancels: with n intervals, its terms and its rounding error are about
    ``n**degree`` times as large as those of the spline. A `Network` evaluates the same weights
    through B-splines.

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
    in_powers = net.to_basis("relu")
    arrays = [form._architecture.stored(form.parameters) for form in (net, in_powers)]
    exported = []
    for own, layer, own_arrays, stored in zip(net.layers, in_powers.layers, *arrays, strict=True):
        read = own.parameter_kind.decode(own_arrays)
        exported.append(layer.exported(stored, read, net.dtype))
    return exported
