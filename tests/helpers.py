"""From a kanml network to the oracle, and small things that several test files share."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import kanml
from kanml.layers.parameters import BASES
from reference import networks, splines

unix = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has other permissions, links, signals and limits"
)


def naming(*parts):
    """A pattern for pytest.raises(match=...): the message contains all parts, in any order."""
    return r"(?s)\A" + "".join(rf"(?=.*(?<!\w){re.escape(str(part))})" for part in parts)


def reference_layers(net, parameters=None):
    """The same network for the oracle, read through `net.layers` and `net.blocks` alone."""
    parameters = np.float64(net.parameters) if parameters is None else np.asarray(parameters)
    arrays = {
        (block.layer, block.name): parameters[block.slice].reshape(block.shape)
        for block in net.blocks
    }
    layers = []
    for i, layer in enumerate(net.layers):
        if isinstance(layer, kanml.SplineLayer):
            knots = tuple(splines.knots_with_ghosts(s.breakpoints, s.degree) for s in layer.spaces)
            degree = layer.spaces[0].degree
            coefficients = arrays[i, "coefficients"]
            if layer.basis == "relu":
                layers.append(networks.Relu(knots, degree, coefficients))
            else:
                layers.append(networks.Spline(knots, degree, coefficients, layer.extrapolation))
            if layer.base is not None:
                based = networks.WithBase(layers.pop(), layer.base, arrays[i, "base_weights"])
                layers.append(based)
        elif isinstance(layer, kanml.Linear):
            layers.append(networks.Linear(arrays[i, "weights"], arrays.get((i, "bias"))))
        elif isinstance(layer, kanml.Affine):
            layers.append(networks.Affine(layer.scale, layer.shift))
        elif isinstance(layer, kanml.PeriodicEmbedding):
            layers.append(networks.Embedding(embedded(layer)))
        elif isinstance(layer, kanml.Activation):
            layers.append(networks.Activation(layer.kind))
        else:
            raise ValueError(f"no oracle of {layer!r}")
    return layers


def embedded(layer):
    """The features of an embedding, in the order that its documentation gives them."""
    features = []
    for i in range(layer.n_in):
        if i not in layer.periods:
            features.append((i, "identity", 1.0))
            continue
        for m in layer.multiples:
            frequency = 2 * np.pi * m / layer.periods[i]
            features += [(i, "cosine", frequency), (i, "sine", frequency)]
    return features


def reference_output(net, x, parameters=None):
    return networks.evaluate(reference_layers(net, parameters), np.asarray(x))


def has_uniform_knots(space):
    """Say whether the knots are multiples of one spacing, up to rounding."""
    spacings = np.diff(space.knots)
    return bool(np.ptp(spacings) <= 1e-12 * spacings.mean())


def random_breakpoints(rng, n, a=-1.0, b=1.0, ratio=5.0):
    """n intervals on [a, b] whose lengths differ by at most `ratio`."""
    lengths = rng.uniform(1.0, ratio, n)
    inner = np.cumsum(lengths)[:-1] / lengths.sum()
    return np.concatenate([[a], a + (b - a) * inner, [b]])


def random_parameters(net, seed):
    """Parameters of a network whose slopes are of order one, whatever its knots.

    Independent coefficients on n intervals make slopes of order n, and three layers of those
    magnify rounding a thousandfold: a test would then measure the network, not its evaluation.
    """
    rng = np.random.default_rng(seed)
    theta = np.zeros(net.n_parameters)
    for block in net.blocks:
        n_in = net.layers[block.layer].n_in
        values = rng.normal(size=block.shape) / np.sqrt(n_in)
        if block.kind in BASES:
            start = 0
            spaces = net.layers[block.layer].spaces
            for space in spaces:
                stop = start + space.dim
                steps = values[start:stop] * np.sqrt(2.0 / space.dim)
                values[start:stop] = np.cumsum(steps, axis=0) + values[start] * 0.3
                start = stop
            (values,) = BASES[block.kind](spaces, block.shape[1]).encode((values,))
        theta[block.slice] = values.ravel()
    return theta


def with_random_parameters(net, seed=0):
    return net.with_parameters(random_parameters(net, seed))


def every_layer(
    degree=5, extrapolation="linear", seed=0, dtype="float64", basis="spline", base=None
):
    """Every kind of layer, many activations, uneven knots; domains are left but by ReLU powers."""
    rng = np.random.default_rng(seed)
    end = 0.7 if basis == "spline" else 1.5
    spaces = [kanml.SplineSpace(random_breakpoints(rng, n, -end, end), degree) for n in (2, 3, 4)]
    layers = [
        kanml.PeriodicEmbedding(2, {1: 3.0}, multiples=(1, 2)),
        kanml.Linear(5, 3),
        kanml.Activation("tanh"),
        kanml.SplineLayer(3, 5, spaces, basis=basis, extrapolation=extrapolation, base=base),
        kanml.Activation("relu"),
        kanml.Linear(5, 3),
        kanml.Activation("silu"),
        kanml.Affine([1.5, 3.0, -2.0], 0.1),
        kanml.Activation("sin"),
        kanml.SplineLayer(3, 2, spaces[0], basis=basis, extrapolation=extrapolation, base=base),
        kanml.Linear(2, 2, bias=False),
        kanml.Activation("sigmoid"),
    ]
    return with_random_parameters(kanml.Network(layers, seed=0, dtype=dtype), seed)


def same_bits(left, right):
    """Equal, bit for bit; NaN equal to itself, -0.0 not to 0.0."""
    left, right = np.asarray(left), np.asarray(right)
    return (
        left.shape == right.shape
        and left.dtype == right.dtype
        and left.tobytes() == right.tobytes()
    )


def relative_error(got, expected):
    """The largest error in terms of the largest value; 0 where both are exactly zero."""
    error = abs(np.asarray(got) - expected).max()
    return error / abs(np.asarray(expected)).max() if error != 0.0 else 0.0


def run_python(code, timeout=60, **environment):
    """What a program prints that ends well and without a warning."""
    variables = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def python_blocks(page):
    """The Python blocks of a page as one program, each on the lines where it stands."""
    lines, inside = [], False
    for line in page.read_text().splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        if fence:
            inside = not inside and line.strip() == "```python"
    return "\n".join(lines)
