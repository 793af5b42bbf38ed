"""Samples in blocks, of which a few are in memory at a time."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array, integer
from kanml.problems.batches import Batches, Rows
from kanml.problems.data.arrays import ArrayData
from kanml.problems.data.base import (
    AnyBatches,
    Data,
    TermsOfBatch,
    require_weights,
    rows_of_numbers,
)
from kanml.problems.data.block_batches import BlockBatches
from kanml.problems.data.blocks import Blocks, ParquetBlocks, RowBlocks
from kanml.problems.data.reader import Reader, read_ahead
from kanml.problems.losses import DataLoss
from kanml.problems.point_program import PointProgram
from kanml.problems.sample_loss import sample_values

__all__ = ["StreamedData"]


@dataclass(frozen=True, eq=False)
class _Samples:
    """Samples in memory, checked, with scaled weights; `first` is the number of the first one."""

    first: int
    x: Float64Array
    y: Float64Array
    weight: Float64Array | None


class StreamedData(Data):
    """Samples in blocks, which are read and checked whenever they are needed.

    Parameters
    ----------
    tables : mapping of str to Blocks
        "x", "y" and perhaps "sample_weight", with the same sizes.
    """

    x: Blocks
    y: Blocks
    weight: Blocks | None

    def __init__(self, tables: Mapping[str, Blocks]) -> None:
        self.x, self.y, self.weight = tables["x"], tables["y"], tables.get("sample_weight")
        self.sizes: Sequence[int] = tuple(map(int, self.x.sizes))
        self._starts = [0, *accumulate(self.sizes)]
        self._loss: DataLoss | None = None
        self._digest: bytes | None = None
        # A given weight w becomes  w / largest / mean * factor:  the mean of w / largest is `mean`,
        # and the factor is not 1 where other processes have weights too. The mean square of
        # w / largest / mean is `square`.
        self._largest, self._mean, self._factor, self._square = 1.0, 1.0, 1.0, 1.0
        self.mean_weight = self.divisor = 1.0
        if self.weight is not None:
            self._read_weights(self.weight)
        self._begin()

    @property
    def is_weighted(self) -> bool:
        """Whether samples have different weights."""
        return self.weight is not None or self._factor != 1.0

    def first_targets(self) -> Float64Array:
        """Return the targets of the first block."""
        return self._rows(self.y, "y", 0)

    def require_targets(self, loss: DataLoss) -> None:
        """Check targets whenever they are read."""
        self._loss = loss

    def require_outputs(self, loss: DataLoss, n_out: int) -> None:
        """Leave it to `terms`."""

    def terms(
        self, program: PointProgram, loss: DataLoss, dtype: npt.DTypeLike, n_out: int
    ) -> TermsOfBatch:
        """Return what makes terms of the core that evaluate a program at batches."""

        def term(block: _Samples, rows: Rows = slice(None)) -> Any:
            loss.require_outputs(n_out, block.y, block.first)
            x, y = block.x[rows], block.y[rows]
            weight = None if block.weight is None else block.weight[rows]
            arrays = program.arrays([x], {}, sample_values(y, weight), dtype)
            return program.term(arrays, slice(None), where=f"samples from {block.first} on: ")

        def terms(batches: AnyBatches) -> Iterable[Any]:
            if isinstance(batches, BlockBatches):
                return [term(block, rows) for block, rows in self._batch(batches)]
            if len(self.sizes) == 1:
                return [term(self._block(0))]
            return _Stream(self._block, len(self.sizes), term)

        return terms

    def batches(self, size: object, seed: object) -> AnyBatches:
        """Return the first minibatch; with `size` None it has all samples."""
        size = self.n if size is None else integer(size, "batch_size", 1, self.n)
        seed = integer(seed, "seed", 0)
        if size == self.n:
            return Batches.first(self.n, None, seed)
        return BlockBatches.first(self.sizes, size, seed)

    def counts(self, batches: AnyBatches) -> list[int]:
        """Return the number of samples in each block of a batch."""
        if isinstance(batches, BlockBatches):
            return [len(rows) for _, rows in batches.parts]
        return list(self.sizes)

    def excerpt(self, batches: AnyBatches, samples: int) -> tuple[Data, Batches]:
        """Return at most `samples` samples in memory, or the same data if there are no more."""
        if samples >= self.n:
            return self, Batches.first(self.n, None, 0)
        chosen = np.sort(np.random.default_rng(0).choice(self.n, samples, replace=False))
        rows = np.split(chosen, np.searchsorted(chosen, self._starts[1:-1]))
        blocks = [i for i, numbers in enumerate(rows) if len(numbers)]
        x, y = np.empty((samples, self.n_in)), np.empty((samples, self.n_targets))
        weight = np.empty(samples) if self.is_weighted else None
        end = 0
        for i, block in zip(blocks, read_ahead(self._block, blocks), strict=True):
            part, own = slice(end, end + len(rows[i])), rows[i] - block.first
            x[part], y[part] = block.x[own], block.y[own]
            if weight is not None and block.weight is not None:
                weight[part] = block.weight[own]
            end = part.stop
        data = ArrayData(x, y, weight, self.mean_weight, self.divisor)
        return data, Batches.first(samples, None, 0)

    def of_mean_weight(self, mean: float) -> StreamedData:
        """Return the same samples, with their given weights divided by this mean."""
        other = copy.copy(self)
        other._factor, other.divisor = self._factor * (self.divisor / mean), mean
        other._begin()
        return other

    def sums_of_weights(self) -> tuple[float, float]:
        """Return the sum of the weights, and that of their squares."""
        return self.n * self._factor, self.n * self._square * self._factor**2

    def add_to(self, digest: hashlib._Hash) -> None:
        """Add the samples to a digest."""
        if self._digest is None:
            own = hashlib.sha256(repr((self.sizes, self._factor)).encode())
            tables = {"x": self.x, "y": self.y, "sample_weight": self.weight}
            for name, table in tables.items():
                if table is not None:
                    read = partial(self._rows, table, name)
                    for rows in read_ahead(read, range(len(self.sizes))):
                        own.update(rows.tobytes())
            self._digest = own.digest()
        digest.update(self._digest)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_reader"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def _begin(self) -> None:
        """Begin without any block in memory."""
        self._digest = None
        self._reader: Reader[_Samples] = Reader()

    def _rows(self, table: Blocks, name: str, i: int) -> Float64Array:
        """Return block i of a table, checked."""
        rows = rows_of_numbers(table.block(i), name, first=self._starts[i])
        expected = self.sizes[i], table.shape[1]
        if rows.shape != expected:
            raise ValueError(
                f"block {i} of {name} must have shape {expected}, got shape {rows.shape}"
            )
        if isinstance(table, (RowBlocks, ParquetBlocks)):
            return rows
        return rows.copy()  # other classes may fill the same array with the next block

    def _block(self, i: int) -> _Samples:
        x, y = self._rows(self.x, "x", i), self._rows(self.y, "y", i)
        if self._loss is not None:
            self._loss.require_targets(y, self._starts[i])
        weight = None
        if self.weight is not None:
            weight = self._rows(self.weight, "sample_weight", i)[:, 0] / self._largest / self._mean
            weight *= self._factor
        elif self._factor != 1.0:
            weight = np.full(len(x), self._factor)
        return _Samples(self._starts[i], x, y, weight)

    def _batch(self, batches: BlockBatches) -> list[tuple[_Samples, Rows]]:
        """Return the blocks of a minibatch, and its rows in them."""
        if self._reader.process != os.getpid():
            self._reader = Reader()
        indices, rows = zip(*batches.parts, strict=True)
        blocks = self._reader.blocks(indices, batches.following, self._block)
        return list(zip(blocks, rows, strict=True))

    def _read_weights(self, table: Blocks) -> None:
        """Find the largest weight, and the means of weights and of their squares."""
        sums = []
        for i, rows in enumerate(
            read_ahead(partial(self._rows, table, "sample_weight"), range(len(self.sizes)))
        ):
            weight = rows[:, 0]
            require_weights(weight, self._starts[i])
            largest = float(weight.max())
            scaled = weight / (largest or 1.0)  # the sum of large weights could overflow
            sums.append((largest, scaled.sum(), (scaled**2).sum()))
        heights, totals, squares = np.array(sums).T
        if heights.max() == 0:
            raise ValueError("sample_weight must hold a number > 0, got zeros only")
        heights, self._largest = heights / heights.max(), float(heights.max())
        self._mean = float((totals * heights).sum()) / self.n
        self._square = float((squares * heights**2).sum()) / self.n / self._mean**2
        self.mean_weight = self.divisor = self._largest * self._mean


class _Stream:
    """Terms of the core for one block after the other."""

    def __init__(
        self, read: Callable[[int], _Samples], blocks: int, term: Callable[[_Samples], Any]
    ) -> None:
        self._read, self._blocks, self._term = read, blocks, term

    def __iter__(self) -> Iterator[Any]:
        return map(self._term, read_ahead(self._read, range(self._blocks)))
