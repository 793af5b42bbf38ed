"""What `export_mlp` returns, evaluated with NumPy alone by the formulas in its docstring."""

from __future__ import annotations

import numpy as np

from reference import networks

EMBEDDED = {"identity": np.positive, "cosine": np.cos, "sine": np.sin}


def power_relu(layer, x):
    z = np.clip(x, layer["lower"], layer["upper"])[:, layer["inputs"]] - layer["knots"]
    z = np.where(layer["rectified"], np.maximum(z, 0), z)
    below = np.minimum(x - layer["lower"], 0) @ layer["slopes_below"]
    above = np.maximum(x - layer["upper"], 0) @ layer["slopes_above"]
    y = z ** layer["power"] @ layer["weights"] + below + above
    if "base" in layer:
        y += networks.ACTIVATIONS[layer["base"]](x) @ layer["base_weights"]
    return y


def embedding(layer, x):
    z = layer["frequencies"] * x[:, layer["inputs"]]
    return np.stack([EMBEDDED[name](z[:, q]) for q, name in enumerate(layer["functions"])], axis=1)


LAYERS = {
    "power-relu": power_relu,
    "linear": lambda layer, x: x @ layer["weights"] + layer["bias"],
    "affine": lambda layer, x: x * layer["scale"] + layer["shift"],
    "embedding": embedding,
    "activation": lambda layer, x: networks.ACTIVATIONS[layer["kind"]](x),
}


def evaluate(layers, x):
    """The network."""
    for layer in layers:
        x = LAYERS[layer["layer"]](layer, x)
    return x
