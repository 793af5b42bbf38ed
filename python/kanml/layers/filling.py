"""Linear maps with evenly spread directions, whose outputs fill given ranges."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from kanml._validation import Float64Array
from kanml.layers.layer import Range

__all__ = ["filling_map", "onto", "spread_directions"]

MAX_ORTHONORMAL = 256  # directions in one orthonormal set


def spread_directions(dimension: int, count: int, rng: Generator) -> Float64Array:
    """Return unit vectors spread evenly over all directions v ~ -v, shape (dimension, count).

    In the plane they divide the half circle evenly, from a random angle on. In more dimensions they
    come in random orthonormal sets (QR of a Gaussian matrix, which is uniform over rotations),
    small enough for the cost to be proportional to the size of the result.
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
    """Return W and b such that every column of ``x @ W + b`` fills its target range.

    Without a bias, the columns are scaled as far as the target allows, and b is zero.
    """
    lower, upper = target
    half_range = np.ptp(x, axis=0) / 2
    unit = np.where(half_range > 0, half_range, 1.0)
    directions = spread_directions(x.shape[1], lower.size, rng) / unit[:, None]
    projected = x @ directions
    if bias:
        scale, shift = onto(projected, target)
        return directions * scale, shift
    least, most = projected.min(axis=0), projected.max(axis=0)
    # The share of its target that each column takes now, measured from 0 if 0 is inside the target.
    around_zero = (lower < 0) & (upper > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        from_zero = np.maximum(most / upper, least / lower)
    share = np.where(around_zero, from_zero, (most - least) / (upper - lower))
    return directions / np.where(share > 0, share, 1.0), np.zeros(lower.size)


def onto(values: Float64Array, target: Range) -> tuple[Float64Array, Float64Array]:
    """Return scale and shift that map the range of every column to its target."""
    lower, upper = target
    least, most = values.min(axis=0), values.max(axis=0)
    scale = (upper - lower) / np.where(most > least, most - least, 1.0)
    return scale, (upper + lower) / 2 - scale * (most + least) / 2
