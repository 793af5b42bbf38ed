"""Minibatches: a position in a sequence of random orders of samples."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import integer
from kanml.problems.states import entries, generator_state, permutation

__all__ = ["Batches", "Rows", "generator_of"]

Rows: TypeAlias = slice | npt.NDArray[np.int64]
"""All of n samples, or the numbers of some of them."""


@dataclass(frozen=True, eq=False)
class Batches:
    """The present minibatch of n samples. It is immutable: `next` returns another one.

    Each epoch visits the samples in a new random order, and leaves out those that do not fill a
    last batch. A batch of all n samples is the only one.

    Attributes
    ----------
    n, size : int
        The number of samples in all, and in a batch.
    generator : mapping
        The state of the generator that draws the next order.
    order : ndarray of int, shape (n,), or None
        The rows of the samples; None: 0 to n - 1.
    position : int
        The index in the order at which the batch begins.
    seed, stream : int
        What the generator began with.
    """

    n: int
    size: int
    generator: Mapping[str, Any]
    order: npt.NDArray[np.int64] | None = None
    position: int = 0
    seed: int = 0
    stream: int = 0

    @classmethod
    def first(cls, n: int, size: object, seed: object, where: str = "", stream: int = 0) -> Batches:
        """Return the first batch; with `size` None it holds all samples."""
        size = n if size is None else integer(size, f"{where}batch_size", 1, n)
        seed = integer(seed, f"{where}seed", 0)
        rng = generator_of(seed, stream)
        order = rng.permutation(n) if size < n else None
        return cls(n, size, rng.bit_generator.state, order, 0, seed, stream)

    def in_stream(self, stream: int) -> Batches:
        """Return the first batch in another stream of random numbers, if it is not this one."""
        if self.size == self.n or stream == self.stream:
            return self
        return self.first(self.n, self.size, self.seed, stream=stream)

    @property
    def rows(self) -> Rows:
        """The samples of the batch."""
        if self.order is None:
            return slice(0, self.n)
        return self.order[self.position : self.position + self.size]

    def next(self) -> Batches:
        """Return the next batch; the same object if it is the only one."""
        if self.size == self.n:
            return self
        position = self.position + self.size
        if position + self.size <= self.n:
            return replace(self, position=position)
        rng = np.random.Generator(np.random.PCG64(0))
        rng.bit_generator.state = self.generator
        order = rng.permutation(self.n)
        state = rng.bit_generator.state
        return replace(self, generator=state, order=order, position=0)

    def excerpt(self, samples: int) -> Batches:
        """Return a batch of at most `samples` samples, always the same ones, as the only one."""
        if samples >= self.n:
            return Batches(self.n, self.n, self.generator)
        order = np.random.default_rng(0).choice(self.n, samples, replace=False)
        return Batches(samples, samples, self.generator, order)

    def state(self) -> dict[str, Any]:
        """Return the position in the sequence, as plain values for JSON."""
        return {
            "generator": copy.deepcopy(self.generator),
            "order": None if self.order is None else self.order.tolist(),
            "position": self.position,
        }

    def restored(self, state: object) -> Batches:
        """Return the batch that `state` described, or raise ValueError or TypeError."""
        values = entries(state, ("generator", "order", "position"), "it")
        generator = generator_state(values["generator"])
        order, last = None, 0
        if self.size < self.n:
            order, last = permutation(values["order"], self.n, "order"), self.n - self.size
        elif values["order"] is not None:
            raise ValueError("order must be None: a batch holds all samples")
        position = integer(values["position"], "position", 0, last)
        if position % self.size:
            raise ValueError(f"position must be a multiple of {self.size}, got {position}")
        return replace(self, generator=generator, order=order, position=position)


def generator_of(seed: int | list[int], stream: int) -> np.random.Generator:
    """Return a generator that begins with a seed, in a stream of its own for each process."""
    key = (stream,) if stream else ()
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
