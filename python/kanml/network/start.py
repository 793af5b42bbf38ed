"""Initial parameters: directions spread evenly, and every layer filling the domain of the next.

A spline learns only where its inputs fall, and refining its knots helps only there: so the inputs
of every spline layer should cover its domain, no more and no less. And which local minimum is
found depends on the directions along which the first layer looks at the data: so they should be
spread, not drawn. Walking through the layers with sample inputs:

* Without samples the raw inputs are drawn from a box: the domain of the first layer, if that is a
  spline layer, else [-1, 1] in every input; fixed layers in front of it are inverted.
* A layer whose outputs enter a spline layer starts from a linear map. Its columns are directions
  spread evenly in the space of its inputs, each input measured in units of the range it takes. A
  `Linear` layer holds this map in its weights; a spline layer holds it exactly too, since the
  function x is the spline whose coefficients are the Greville abscissae.
* A spline layer there is a mixture of the linear map and of random splines. The start is "linear"
  without random splines, "random" with nothing else, and "mixed" with as much of each.
* Every output is scaled and shifted so that its range over the samples is the domain of the spline
  it enters, or, where an activation comes first, the range in which that activation bends; with a
  single input there is but one direction, and each output gets another half of that range. A layer
  that refuses what lies outside its domain gets a little less, which leaves room for rounding.
* A spline layer at the end starts as small random splines: the network starts near zero.
* Any other `Linear` layer draws weights and bias uniformly from +-1/sqrt(n_in), as is usual for
  perceptrons.

`docs/initialisation.md` has the measurements behind these choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from kanml._validation import Float64Array, integer
from kanml.layers import (
    Activation,
    Affine,
    Layer,
    Linear,
    PeriodicEmbedding,
    SplineLayer,
    unknown_layer,
)

if TYPE_CHECKING:
    from kanml.network import Architecture

__all__ = ["RANDOM_SHARES", "Generator", "Start"]

RANDOM_SHARES = {"mixed": 0.5, "linear": 0.0, "random": 1.0}  # of hidden spline layers
LAST_LAYER_SCALE = 1e-3  # standard deviation of the coefficients of an output, over all its inputs
MAX_PROBES = 20_000  # samples pushed through the layers to see which ranges they take
MAX_PROBES_AGAIN = 1000  # for other starts
MAX_SPLINE_VALUES = 20_000_000  # of a layer, to see which range random splines take
ROUNDING = 2.0**-14  # greater than that of a layer in float32, relative to its outputs
MAX_ORTHONORMAL = 256  # directions in a set
CHUNK = 4096  # samples that are evaluated together
MAX_NUMBERS = 4_000_000  # in all samples that are drawn where none are given
BENDING_RANGE = {  # where each activation is neither linear nor flat
    "sigmoid": (-3.0, 3.0),
    "tanh": (-1.5, 1.5),
    "relu": (-1.0, 1.0),
    "silu": (-3.0, 3.0),
    "sin": (-1.5, 1.5),
}

Range = tuple[Float64Array, Float64Array]


@dataclass(frozen=True, eq=False)
class Start:
    """How the initial parameters of a network were drawn, and would be drawn once more.

    Attributes
    ----------
    kind : {"mixed", "linear", "random"}
    entropy : int
        What other starts are drawn from.
    data : ndarray, shape (N, n_in), or None
        Training inputs, to look at again.
    """

    kind: str
    entropy: int
    data: Float64Array | None

    @classmethod
    def first(
        cls,
        architecture: Architecture,
        kind: str,
        seed: int | Generator,
        data: Float64Array | None,
    ) -> tuple[Float64Array, Start]:
        """Return the initial parameters in float64, as B-spline coefficients, and their start."""
        rng = seed if isinstance(seed, Generator) else _generator(integer(seed, "seed", 0))
        layers = architecture.layers
        most: float = MAX_PROBES
        if RANDOM_SHARES[kind] > 0:
            widest = max(
                (x.n_in * x.n_out for x in layers if isinstance(x, SplineLayer)), default=1
            )
            most = min(max(MAX_SPLINE_VALUES // widest, MAX_PROBES_AGAIN), MAX_PROBES)
        # A layer that refuses what lies outside its domain must have seen every sample.
        if any(isinstance(x, SplineLayer) and x.extrapolation == "error" for x in layers):
            most = np.inf
        parameters = _initial_parameters(architecture, kind, rng, _some(data, most))
        entropy = int(rng.integers(2**63))
        again = _some(data, MAX_PROBES_AGAIN)
        return parameters, cls(kind, entropy, None if again is None else again.copy())

    def other(self, architecture: Architecture, number: int) -> Float64Array:
        """Return other initial parameters, those of a number from 1 on: all kinds take turns."""
        kinds = list(RANDOM_SHARES)
        kind = kinds[(kinds.index(self.kind) + number) % len(kinds)]
        return _initial_parameters(
            architecture, kind, _generator([self.entropy, number]), self.data
        )


def _generator(seed: int | Sequence[int]) -> Generator:
    return np.random.default_rng(seed)


def _initial_parameters(
    architecture: Architecture, kind: str, rng: Generator, data: Float64Array | None
) -> Float64Array:
    layers, widths = architecture.layers, architecture.widths
    share = RANDOM_SHARES[kind]
    targets = [_range_wanted(layers[i:], widths[i + 1]) for i in range(len(layers))]
    last = max((i for i, target in enumerate(targets) if target is not None), default=-1)
    # Samples go no further than to the last layer that wants to know their range.
    if last < 0:
        x = np.zeros((0, widths[0]))
    else:
        x = _probes(layers, widths, rng) if data is None else data
    parts = [np.zeros(0)]
    for i, (layer, target) in enumerate(zip(layers, targets, strict=True)):
        if isinstance(layer, (Linear, SplineLayer)):
            if target is None:
                arrays = _random_parameters(layer, rng)
                y = _evaluate(layer, arrays, x) if i < last else x
            elif share > 0 and isinstance(layer, SplineLayer):
                arrays, y = _mixture(layer, share, x, target, rng)
            else:
                bias = isinstance(layer, SplineLayer) or layer.bias
                linear = filling_map(x, target, rng, bias=bias)
                arrays = _linear_parameters(layer, *linear)
                y = _clipped(layer, x) @ linear[0] + linear[1] if i < last else x
            parts += [array.ravel() for array in arrays]
            x = y
        elif i < last:
            x = _fixed(layer, x)
    return np.concatenate(parts)


def _some(data: Float64Array | None, most: float) -> Float64Array | None:
    """Return the samples, if they are not too many; else some, those at the ends among them."""
    if data is None or len(data) <= most:
        return data
    rows = np.random.default_rng(0).choice(len(data), int(most), replace=False)
    kept: Float64Array = data[np.unique([*rows, *data.argmin(axis=0), *data.argmax(axis=0)])]
    return kept


def spread_directions(dimension: int, count: int, rng: Generator) -> Float64Array:
    """Return unit vectors spread evenly over all directions v ~ -v, shape (dimension, count).

    In the plane they divide the half circle evenly, from a random start. In more dimensions they
    come in random orthonormal sets (QR of a Gaussian matrix, which is uniform over rotations), of a
    size that keeps the cost in proportion to the numbers returned.
    """
    if dimension == 1:
        return np.ones((1, count))
    if dimension == 2:
        angles = np.pi * (np.arange(count) + rng.uniform()) / count
        return np.stack([np.cos(angles), np.sin(angles)])
    largest = min(dimension, MAX_ORTHONORMAL)
    sizes = [min(largest, count - start) for start in range(0, count, largest)]
    bases = [np.linalg.qr(rng.standard_normal((dimension, size)))[0] for size in sizes]
    return np.concatenate(bases, axis=1)


def filling_map(
    x: Float64Array, target: Range, rng: Generator, *, bias: bool
) -> tuple[Float64Array, Float64Array]:
    """Return W and b such that every column of ``x @ W + b`` ranges over its target.

    Without a bias the columns are scaled as far as the target allows.
    """
    lower, upper = target
    half_range = np.ptp(x, axis=0) / 2
    unit = np.where(half_range > 0, half_range, 1.0)
    directions = spread_directions(x.shape[1], lower.size, rng) / unit[:, None]
    projected = x @ directions
    if bias:
        scale, shift = _onto(projected, target)
        return directions * scale, shift
    least, most = projected.min(axis=0), projected.max(axis=0)
    # What share of its target each column takes now: reckoned from 0 where the target is around 0.
    around_zero = (lower < 0) & (upper > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        from_zero = np.maximum(most / upper, least / lower)
    share = np.where(around_zero, from_zero, (most - least) / (upper - lower))
    return directions / np.where(share > 0, share, 1.0), np.zeros(lower.size)


def _onto(values: Float64Array, target: Range) -> tuple[Float64Array, Float64Array]:
    """Return the scale and the shift that take the range of every column to its target."""
    lower, upper = target
    least, most = values.min(axis=0), values.max(axis=0)
    scale = (upper - lower) / np.where(most > least, most - least, 1.0)
    return scale, (upper + lower) / 2 - scale * (most + least) / 2


def _mixture(
    layer: SplineLayer, share: float, x: Float64Array, target: Range, rng: Generator
) -> tuple[tuple[Float64Array, ...], Float64Array]:
    """Return coefficients of a linear map and random splines whose outputs range over a target.

    The linear map fills [-1, 1], and the coefficients of the random splines have the variance
    1 / n_in, before both are mixed by their shares.

    Returns
    -------
    arrays : tuple of ndarray
    y : ndarray
        The outputs.
    """
    unit = np.ones(layer.n_out)
    (linear,) = _linear_parameters(layer, *filling_map(x, (-unit, unit), rng, bias=True))
    noise = rng.normal(0.0, 1 / np.sqrt(layer.n_in), linear.shape)
    coefficients = (1 - share) * linear + share * noise
    y = _evaluate(layer, (coefficients,), x)
    scale, shift = _onto(y, target)
    return (coefficients * scale + shift / layer.n_in,), y * scale + shift


def _probes(layers: Sequence[Layer], widths: Sequence[int], rng: Generator) -> Float64Array:
    """Return samples for a network that was given none."""
    lower, upper = _box_of_inputs(layers, widths)
    count = min(1000, max(10, MAX_NUMBERS // lower.size))
    inside = rng.uniform(lower, upper, (count, lower.size))
    return np.concatenate([lower[None], upper[None], inside])


def _box_of_inputs(layers: Sequence[Layer], widths: Sequence[int]) -> Range:
    """Return the box of raw inputs that fixed layers map to what the first other layer expects."""
    first = next(i for i, layer in enumerate(layers) if isinstance(layer, (Linear, SplineLayer)))
    box = -np.ones(widths[first]), np.ones(widths[first])
    behind = layers[first]
    if isinstance(behind, SplineLayer):
        box = _domains(behind)
    for i in reversed(range(first)):
        box = _box_before(layers[i], box, widths[i])
    if not (np.isfinite(box).all() and np.isfinite(box[1] - box[0]).all()):
        raise ValueError(
            f"the layers in front of layers[{first}] must map a box of finite inputs to what that "
            f"expects, but it would reach from {box[0]} to {box[1]}"
        )
    return box


def _box_before(layer: Layer, box: Range, width: int) -> Range:
    """Return a box of `width` inputs that a fixed layer maps to a box of its outputs."""
    if isinstance(layer, Affine):
        return _range_before(layer, box)
    if isinstance(layer, PeriodicEmbedding):
        half = np.array([layer.periods.get(i, 0.0) / 2 for i in range(width)])
        lower, upper = -half, half
        for feature, (i, kind, _) in enumerate(layer.features):
            if kind == "identity":
                lower[i], upper[i] = box[0][feature], box[1][feature]
        return lower, upper
    if isinstance(layer, Activation):
        low, high = BENDING_RANGE[layer.kind]
        return np.full(width, low), np.full(width, high)
    raise unknown_layer(layer)


def _range_before(affine: Affine, after: Range) -> Range:
    """Return the range of inputs that an affine map takes to a range."""
    scale = np.where(affine.scale == 0, 1.0, affine.scale)
    with np.errstate(over="ignore"):  # infinity is refused where it matters
        ends = tuple((end - affine.shift) / scale for end in after)
    return np.minimum(*ends), np.maximum(*ends)


def _bending_ranges(layer: Activation, width: int, staggered: bool) -> Range:
    """Return the range of each input of an activation; `staggered` if all depend on one number.

    There is but one direction then, and equal ranges would make all inputs equal: so each is half
    of the range, from the lower half to the upper one.
    """
    low, high = BENDING_RANGE[layer.kind]
    if not staggered or width == 1:
        return np.full(width, low), np.full(width, high)
    half = (high - low) / 2
    lower = np.linspace(low, low + half, width)
    return lower, lower + half


def _range_accepted(layer: SplineLayer) -> Range:
    """Return the domains, smaller where the layer refuses what a rounding error puts outside."""
    lower, upper = _domains(layer)
    if layer.extrapolation != "error":
        return lower, upper
    room = ROUNDING * np.maximum(upper - lower, np.maximum(np.abs(lower), np.abs(upper)))
    room = np.minimum(room, (upper - lower) / 4)
    return lower + room, upper - room


def _domains(layer: SplineLayer) -> Range:
    lower, upper = np.array([space.domain for space in layer.spaces]).T
    return lower, upper


def _range_wanted(layers: Sequence[Layer], width: int) -> Range | None:
    """Return the range that the layers behind the first want of its outputs, or None."""
    first, *behind = layers
    if not isinstance(first, (Linear, SplineLayer)):
        return None
    maps: list[Affine] = []
    for layer in behind:
        if isinstance(layer, Affine):
            maps.append(layer)
            continue
        if isinstance(layer, SplineLayer):
            lower, upper = _range_accepted(layer)
        elif isinstance(layer, Activation) and _enters_splines(first, behind):
            lower, upper = _bending_ranges(layer, width, staggered=first.n_in == 1)
        elif isinstance(layer, Linear) and isinstance(first, SplineLayer):
            lower, upper = -np.ones(width), np.ones(width)
        else:
            return None
        for affine in reversed(maps):
            lower, upper = _range_before(affine, (lower, upper))
        return lower, upper
    return None


def _enters_splines(first: Layer, behind: Sequence[Layer]) -> bool:
    following = next((x for x in behind if isinstance(x, (Linear, SplineLayer))), None)
    return isinstance(first, SplineLayer) or isinstance(following, SplineLayer)


def _random_parameters(layer: Linear | SplineLayer, rng: Generator) -> tuple[Float64Array, ...]:
    if isinstance(layer, Linear):
        bound = 1 / np.sqrt(layer.n_in)
        weights = rng.uniform(-bound, bound, (layer.n_in, layer.n_out))
        bias = rng.uniform(-bound, bound, layer.n_out)
        return (weights, bias) if layer.bias else (weights,)
    (parameter,) = layer.parameters
    return (rng.normal(0.0, LAST_LAYER_SCALE / np.sqrt(layer.n_in), parameter.shape),)


def _linear_parameters(
    layer: Linear | SplineLayer, weights: Float64Array, bias: Float64Array
) -> tuple[Float64Array, ...]:
    """Return the parameters of the linear map ``x @ weights + bias``."""
    if isinstance(layer, Linear):
        return (weights, bias) if layer.bias else (weights,)
    parts = []
    start = 0
    for space, run in groupby(layer.spaces):
        stop = start + len(list(run))
        inner = np.lib.stride_tricks.sliding_window_view(space.knots[1:-1], space.degree)
        greville = inner.mean(axis=1)  # the coefficients of the function x
        coefficients = greville[:, None] * weights[start:stop, None] + bias / layer.n_in
        parts.append(coefficients.reshape(-1, layer.n_out))
        start = stop
    return (np.concatenate(parts),)


def _clipped(layer: Linear | SplineLayer, x: Float64Array) -> Float64Array:
    """Return inputs, brought into the domain of splines."""
    return np.clip(x, *_domains(layer)) if isinstance(layer, SplineLayer) else x


def _evaluate(
    layer: Linear | SplineLayer, arrays: tuple[Float64Array, ...], x: Float64Array
) -> Float64Array:
    if isinstance(layer, Linear):
        return x @ arrays[0] + (arrays[1] if layer.bias else 0.0)
    return np.concatenate(
        [_splines(layer, arrays[0], part) for part in np.split(x, range(CHUNK, len(x), CHUNK))]
    )


def _splines(layer: SplineLayer, coefficients: Float64Array, x: Float64Array) -> Float64Array:
    """Evaluate splines, which continue outside their domains as the layer has it.

    A polynomial is continued by its tangent, too: it may be of any size there.
    """
    y = np.zeros((len(x), layer.n_out))
    inside = _clipped(layer, x)
    beyond = x - inside if layer.extrapolation in ("linear", "polynomial") else 0 * x
    start = 0
    for space, column, excess in zip(layer.spaces, inside.T, beyond.T, strict=True):
        part = coefficients[start : start + space.dim]
        start += space.dim
        if space.dim < layer.n_out:  # then there are fewer basis functions than splines
            y += space.evaluate(np.eye(space.dim), column).T @ part
        else:
            y += space.evaluate(part.T, column).T
        if excess.any():
            y += excess[:, None] * space.evaluate(part.T, column, derivative=1).T
    return y


def _fixed(layer: Activation | Affine | PeriodicEmbedding, x: Float64Array) -> Float64Array:
    if isinstance(layer, Affine):
        return np.asarray(x * layer.scale + layer.shift)
    if isinstance(layer, PeriodicEmbedding):
        functions = {"identity": np.positive, "cosine": np.cos, "sine": np.sin}
        columns = [functions[kind](frequency * x[:, i]) for i, kind, frequency in layer.features]
        return np.stack(columns, axis=1)
    logistic = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return {
        "sigmoid": logistic,
        "tanh": np.tanh(x),
        "relu": np.maximum(x, 0),
        "silu": x * logistic,
        "sin": np.sin(x),
    }[layer.kind]
