"""Minibatches of samples in blocks: an epoch visits block after block, in random orders."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import integer
from kanml.problems.batches import generator_of
from kanml.problems.states import entries, generator_state, permutation

__all__ = ["BlockBatches"]

Numbers = npt.NDArray[np.int64]

KEYS = 2**62


@dataclass(frozen=True, eq=False)
class BlockBatches:
    """The present minibatch of samples in blocks. It is immutable: `next` returns another one.

    Each epoch visits the blocks in a new random order, and the rows of each in a random order. So a
    batch has rows of one block, or of a few that follow one another. Samples that do not fill a
    last batch are left out.

    Attributes
    ----------
    sizes : sequence of int
        The number of rows of each block.
    size : int
        The number of samples in a batch, less than there are.
    generator : mapping
        The state of the generator that draws the next epoch.
    order : ndarray of int
        The blocks in the order of the epoch.
    starts : ndarray of int
        The number of samples of the epoch before each block of the order.
    key : int
        What the orders of the rows are drawn from.
    position : int
        The number of samples of the epoch before the batch.
    seed, stream : int
        What the generator began with.
    """

    sizes: Sequence[int]
    size: int
    generator: Mapping[str, Any]
    order: Numbers
    starts: Numbers
    key: int
    position: int = 0
    seed: int = 0
    stream: int = 0
    _recent: Mapping[int, Numbers] = field(default_factory=dict, repr=False)

    @classmethod
    def first(cls, sizes: Sequence[int], size: int, seed: int, stream: int = 0) -> BlockBatches:
        """Return the first batch."""
        rng = generator_of(seed, stream)
        return cls(sizes, size, *_epoch(rng, sizes), seed=seed, stream=stream)

    def in_stream(self, stream: int) -> BlockBatches:
        """Return the first batch in another stream of random numbers, if it is not this one."""
        if stream == self.stream:
            return self
        return self.first(self.sizes, self.size, self.seed, stream)

    @cached_property
    def parts(self) -> list[tuple[int, Numbers]]:
        """The blocks that have samples of the batch, each with the numbers of these rows."""
        begin, end = self.position, self.position + self.size
        return [
            (i, rows[max(begin - start, 0) : end - start])
            for (i, rows), start in zip(
                self._orders.items(), self.starts[self._present].tolist(), strict=True
            )
        ]

    @property
    def following(self) -> int | None:
        """The block that comes after those of the batch; None at the end of an epoch."""
        after = self._present.stop
        return int(self.order[after]) if after < len(self.order) else None

    @property
    def _samples(self) -> int:
        """The number of samples of an epoch."""
        return int(self.starts[-1]) + self.sizes[int(self.order[-1])]

    @cached_property
    def _present(self) -> slice:
        """The blocks of the batch, as places in the order."""
        last = self.position + self.size - 1
        first, after = np.searchsorted(self.starts, [self.position, last], side="right")
        return slice(int(first) - 1, int(after))

    @cached_property
    def _orders(self) -> dict[int, Numbers]:
        """The rows of each block of the batch, in the order of this epoch."""
        return {
            i: self._recent[i]
            if i in self._recent
            else np.random.default_rng([self.key, i]).permutation(self.sizes[i])
            for i in self.order[self._present].tolist()
        }

    def next(self) -> BlockBatches:
        """Return the next batch."""
        position = self.position + self.size
        if position + self.size <= self._samples:
            return replace(self, position=position, _recent=self._orders)
        rng = np.random.Generator(np.random.PCG64(0))
        rng.bit_generator.state = self.generator
        generator, order, starts, key = _epoch(rng, self.sizes)
        return replace(
            self, generator=generator, order=order, starts=starts, key=key, position=0, _recent={}
        )

    def state(self) -> dict[str, Any]:
        """Return the position in the sequence, as plain values for JSON."""
        return {
            "generator": copy.deepcopy(self.generator),
            "order": self.order.tolist(),
            "key": self.key,
            "position": self.position,
        }

    def restored(self, state: object) -> BlockBatches:
        """Return the batch that `state` described, or raise ValueError or TypeError."""
        values = entries(state, ("generator", "order", "key", "position"), "it")
        generator = generator_state(values["generator"])
        order = permutation(values["order"], len(self.sizes), "order")
        key = integer(values["key"], "key", 0, KEYS - 1)
        last = self._samples - self.size
        position = integer(values["position"], "position", 0, last)
        if position % self.size:
            raise ValueError(f"position must be a multiple of {self.size}, got {position}")
        return replace(
            self,
            generator=generator,
            order=order,
            starts=_starts(self.sizes, order),
            key=key,
            position=position,
            _recent={},
        )


def _epoch(
    rng: np.random.Generator, sizes: Sequence[int]
) -> tuple[Mapping[str, Any], Numbers, Numbers, int]:
    """Return the state after drawing an epoch, the order of its blocks, their starts, its key."""
    order, key = rng.permutation(len(sizes)), int(rng.integers(KEYS))
    return rng.bit_generator.state, order, _starts(sizes, order), key


def _starts(sizes: Sequence[int], order: Numbers) -> Numbers:
    """Return the number of samples before each block in an order."""
    ends: Numbers = np.array(sizes)[order].cumsum()
    return np.concatenate([[0], ends[:-1]])
