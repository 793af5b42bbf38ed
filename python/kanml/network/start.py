"""Initial parameters: evenly spread directions, and layers that fill the domain of the next.

A spline learns only where its inputs fall, and refining its knots helps only there. So the inputs
of every spline layer should cover its domain, no more and no less. The local minimum that training
finds depends on the directions along which the first layer projects the data. So these should be
spread evenly rather than drawn. Samples are passed through the layers one by one:

* If no samples are given, inputs are drawn from a box: the domain of the first layer, if that is a
  spline layer, and [-1, 1] in every input otherwise; fixed layers in front of it are inverted.
* A layer whose outputs enter a spline layer starts from a linear map. Its columns are directions
  spread evenly in the space of its inputs, each input measured in units of the range it takes. A
  `Linear` layer holds this map in its weights. A spline layer represents it exactly too, since the
  function x is the spline whose coefficients are the Greville abscissae.
* In a spline layer this map is mixed with random splines. The start is "linear" without random
  splines, "random" with nothing else, and "mixed" with equal shares of both.
* Every output is scaled and shifted so that its range over the samples is the domain of the spline
  it enters, or, if an activation comes first, the range in which that activation bends. With a
  single input there is only one direction, and each output gets a different half of that range. A
  layer that rejects inputs outside its domain gets a slightly smaller range, as a margin for
  rounding.
* A spline layer at the end starts as small random splines, so the network starts near zero.
* Any other `Linear` layer draws weights and bias uniformly from [-b, b], b = 1/sqrt(n_in), as is
  usual for perceptrons.

`docs/initialisation.md` has the measurements behind these choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from kanml._validation import Float64Array, integer
from kanml.layers import Layer
from kanml.layers.layer import Range
from kanml.layers.parameters import Arrays

__all__ = ["RANDOM_SHARES", "Generator", "Start"]

RANDOM_SHARES = {"mixed": 0.5, "linear": 0.0, "random": 1.0}  # of hidden spline layers
MAX_SAMPLES = 20_000  # passed through the layers to find the ranges of their outputs
MAX_SAMPLES_AGAIN = 1000  # the same for other starts
MAX_SPLINE_VALUES = 20_000_000  # evaluations of random splines in one layer
MAX_DRAWN_NUMBERS = 4_000_000  # in all samples together that are drawn if none are given


@dataclass(frozen=True, eq=False)
class Start:
    """How the initial parameters of a network were drawn, and how others are drawn.

    Attributes
    ----------
    kind : {"mixed", "linear", "random"}
    entropy : int
        The seed of other starts.
    data : ndarray, shape (N, n_in), or None
        Training inputs for other starts.
    """

    kind: str
    entropy: int
    data: Float64Array | None

    @classmethod
    def first(
        cls,
        layers: Sequence[Layer],
        kind: str,
        seed: int | Generator,
        data: Float64Array | None,
    ) -> tuple[list[Arrays], Start]:
        """Return initial arrays of each layer, as kernels read them in float64, and their start."""
        rng = seed if isinstance(seed, Generator) else _generator(integer(seed, "seed", 0))
        most: float = MAX_SAMPLES
        if RANDOM_SHARES[kind] > 0:
            widest = max((len(x.spaces) * (x.n_out or 1) for x in layers), default=1)
            most = min(max(MAX_SPLINE_VALUES // max(widest, 1), MAX_SAMPLES_AGAIN), MAX_SAMPLES)
        # A layer that rejects inputs outside its domain has to accept every sample.
        if any(layer.refuses for layer in layers):
            most = np.inf
        drawn = _initial_arrays(layers, kind, rng, _subset(data, most))
        entropy = int(rng.integers(2**63))
        again = _subset(data, MAX_SAMPLES_AGAIN)
        return drawn, cls(kind, entropy, None if again is None else again.copy())

    def other(self, layers: Sequence[Layer], number: int) -> list[Arrays]:
        """Return the initial arrays of start `number` >= 1; the kinds of start take turns."""
        kinds = list(RANDOM_SHARES)
        kind = kinds[(kinds.index(self.kind) + number) % len(kinds)]
        return _initial_arrays(layers, kind, _generator([self.entropy, number]), self.data)


def _generator(seed: int | Sequence[int]) -> Generator:
    return np.random.default_rng(seed)


def _initial_arrays(
    layers: Sequence[Layer], kind: str, rng: Generator, data: Float64Array | None
) -> list[Arrays]:
    targets = [_target(layers[i:]) for i in range(len(layers))]
    last = max((i for i, target in enumerate(targets) if target is not None), default=-1)
    # Samples are passed only as far as the last layer that needs their range.
    x = data
    if x is None:
        x = _drawn_samples(layers, rng) if last >= 0 else np.zeros((0, 1))
    drawn: list[Arrays] = []
    for i, (layer, target) in enumerate(zip(layers, targets, strict=True)):
        if target is not None:
            arrays, x = layer.filling(x, target, RANDOM_SHARES[kind], rng)
        else:
            arrays = layer.drawn(rng) if layer.parameters else ()
            x = layer.values(arrays, x) if i < last else x
        drawn.append(arrays)
    return drawn


def _target(layers: Sequence[Layer]) -> Range | None:
    """Return the range that the layers behind the first expect of it, or None if it is fixed."""
    first, *behind = layers
    if not (first.parameters and behind):
        return None
    assert first.n_out is not None  # trained layers have widths
    return behind[0].range_wanted(behind[1:], first.n_out, first)


def _subset(data: Float64Array | None, most: float) -> Float64Array | None:
    """Return all samples if there are at most `most`, else some that include the extremes."""
    if data is None or len(data) <= most:
        return data
    rows = np.random.default_rng(0).choice(len(data), int(most), replace=False)
    kept: Float64Array = data[np.unique([*rows, *data.argmin(axis=0), *data.argmax(axis=0)])]
    return kept


def _drawn_samples(layers: Sequence[Layer], rng: Generator) -> Float64Array:
    """Return drawn samples, for a network without data."""
    lower, upper = _box_of_inputs(layers)
    count = min(1000, max(10, MAX_DRAWN_NUMBERS // lower.size))
    inside = rng.uniform(lower, upper, (count, lower.size))
    return np.concatenate([lower[None], upper[None], inside])


def _box_of_inputs(layers: Sequence[Layer]) -> Range:
    """Return the box of inputs that fixed layers map to the one the first trained layer expects."""
    first = next(i for i, layer in enumerate(layers) if layer.parameters)
    box = layers[first].box_expected()
    for layer in reversed(layers[:first]):
        box = layer.box_before(box)
    if not (np.isfinite(box).all() and np.isfinite(box[1] - box[0]).all()):
        raise ValueError(
            f"the layers in front of layers[{first}] must map a box of finite inputs to the range "
            f"that it expects, but that box would reach from {box[0]} to {box[1]}"
        )
    return box
