"""Samples in memory."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, finite, real_array
from kanml.problems.batches import Batches
from kanml.problems.data.base import (
    AnyBatches,
    Data,
    TermsOfBatch,
    require_entries,
    require_same_samples,
    require_weights,
    rows_of_numbers,
)
from kanml.problems.losses import DataLoss
from kanml.problems.point_program import PointProgram
from kanml.problems.sample_loss import sample_values

__all__ = ["ArrayData"]


class ArrayData(Data):
    """Samples in memory: arrays that nobody else changes.

    Parameters
    ----------
    x, y : ndarray, shape (N, columns)
    weight : ndarray, shape (N,), or None
    mean_weight, divisor : float
        As in `Data`; by default they are the same.
    """

    x: Float64Array
    y: Float64Array
    weight: Float64Array | None

    def __init__(
        self,
        x: Float64Array,
        y: Float64Array,
        weight: Float64Array | None,
        mean_weight: float,
        divisor: float | None = None,
    ) -> None:
        self.x, self.y, self.weight = x, y, weight
        self.mean_weight, self.divisor = mean_weight, mean_weight if divisor is None else divisor
        self._freeze()

    @classmethod
    def given(
        cls, x: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None, labels: bool
    ) -> ArrayData:
        """Return copies of arrays that users gave; with `labels` y may have shape (N,)."""
        own_x = rows_of_numbers(x, "x").copy()
        own_y = rows_of_numbers(y, "y", labels).copy()
        n = len(own_x)
        require_same_samples(own_x, own_y)
        if n == 0:
            raise ValueError(f"x must hold at least one sample, got shape {own_x.shape}")
        require_entries(own_x.shape, "x")
        require_entries(own_y.shape, "y")
        if weight is None:
            return cls(own_x, own_y, None, 1.0)
        return cls(own_x, own_y, *_weights(weight, n))

    @property
    def is_weighted(self) -> bool:
        """Whether samples have different weights."""
        return self.weight is not None

    def first_targets(self) -> Float64Array:
        """Return all targets."""
        return self.y

    def require_targets(self, loss: DataLoss) -> None:
        """Raise ValueError if the loss is not defined for targets."""
        loss.require_targets(self.y)

    def require_outputs(self, loss: DataLoss, n_out: int) -> None:
        """Raise ValueError if a network with these outputs does not fit."""
        loss.require_outputs(n_out, self.y)

    def terms(
        self, program: PointProgram, loss: DataLoss, dtype: npt.DTypeLike, n_out: int
    ) -> TermsOfBatch:
        """Return what makes terms of the core that evaluate a program at batches."""
        arrays = program.arrays([self.x], {}, sample_values(self.y, self.weight), dtype)

        def terms(batches: AnyBatches) -> list[Any]:
            assert isinstance(batches, Batches)
            return [program.term(arrays, batches.rows)]

        return terms

    def batches(self, size: object, seed: object) -> Batches:
        """Return the first minibatch; with `size` None it has all samples."""
        return Batches.first(self.n, size, seed)

    def counts(self, batches: AnyBatches) -> list[int]:
        """Return the number of samples in each block of a batch."""
        return [batches.size]

    def excerpt(self, batches: AnyBatches, samples: int) -> tuple[ArrayData, Batches]:
        """Return the same data, with a batch of at most `samples` samples."""
        assert isinstance(batches, Batches)
        return self, batches.excerpt(samples)

    def of_mean_weight(self, mean: float) -> ArrayData:
        """Return the same samples, with their given weights divided by this mean."""
        weight = np.ones(self.n) if self.weight is None else self.weight
        scaled = weight * (self.divisor / mean)
        return ArrayData(self.x, self.y, scaled, self.mean_weight, mean)

    def sums_of_weights(self) -> tuple[float, float]:
        """Return the sum of the weights, and that of their squares."""
        if self.weight is None:
            return float(self.n), float(self.n)
        return float(self.weight.sum()), float((self.weight**2).sum())

    def add_to(self, digest: hashlib._Hash) -> None:
        """Add the samples to a digest."""
        for array in (self.x, self.y, self.weight):
            digest.update(b"" if array is None else array.tobytes())

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._freeze()

    def _freeze(self) -> None:
        for array in (self.x, self.y, self.weight):
            if array is not None:
                array.setflags(write=False)


def _weights(value: npt.ArrayLike, n: int) -> tuple[Float64Array, float]:
    """Return weights of n samples, scaled such that their mean is 1, and their mean."""
    array = finite(real_array(value, "sample_weight"), "sample_weight")
    if array.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got shape {array.shape}")
    require_weights(array)
    if array.max() == 0:
        raise ValueError("sample_weight must hold a number > 0, got zeros only")
    scaled: Float64Array = array / array.max()  # the sum of large weights could overflow
    mean = float(scaled.mean())
    return scaled / mean, float(array.max()) * mean
