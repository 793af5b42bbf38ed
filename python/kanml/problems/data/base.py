"""What a regression asks of its samples, whether they are in memory or in blocks."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy.typing as npt

from kanml._validation import Float64Array, finite, real_array
from kanml.problems.batches import Batches
from kanml.problems.data.block_batches import BlockBatches
from kanml.problems.data.blocks import Blocks
from kanml.problems.losses import DataLoss
from kanml.problems.point_program import PointProgram

__all__ = [
    "AnyBatches",
    "Data",
    "TermsOfBatch",
    "require_columns",
    "require_entries",
    "require_same_samples",
    "require_weights",
    "rows_of_numbers",
]

AnyBatches: TypeAlias = Batches | BlockBatches
TermsOfBatch: TypeAlias = Callable[[AnyBatches], Iterable[Any]]
"""From a batch to its samples in the form that the core reads, block after block."""


class Data(ABC):
    """Inputs, targets and weights of samples.

    Attributes
    ----------
    x, y : ndarray or Blocks, shape (n, n_in) and (n, n_targets)
    weight : ndarray, shape (n,), or Blocks, shape (n, 1), or None
        The weights; None: all 1.
    mean_weight : float
        The mean of the weights that were given.
    divisor : float
        What they were divided by: this mean, or that over the samples of all processes.
    """

    x: Float64Array | Blocks
    y: Float64Array | Blocks
    weight: Float64Array | Blocks | None
    mean_weight: float
    divisor: float

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.x.shape[0])

    @property
    def n_in(self) -> int:
        """The number of inputs."""
        return int(self.x.shape[1])

    @property
    def n_targets(self) -> int:
        """The number of targets of a sample."""
        return int(self.y.shape[1])

    @property
    @abstractmethod
    def is_weighted(self) -> bool:
        """Whether samples have different weights."""

    @abstractmethod
    def first_targets(self) -> Float64Array:
        """Return targets of some samples, or of all."""

    @abstractmethod
    def require_targets(self, loss: DataLoss) -> None:
        """Raise ValueError if the loss is not defined for targets, if that is known already."""

    @abstractmethod
    def require_outputs(self, loss: DataLoss, n_out: int) -> None:
        """Raise ValueError if a network with these outputs does not fit, if that is known."""

    @abstractmethod
    def terms(
        self, program: PointProgram, loss: DataLoss, dtype: npt.DTypeLike, n_out: int
    ) -> TermsOfBatch:
        """Return what makes terms of the core that evaluate a program at batches."""

    @abstractmethod
    def batches(self, size: object, seed: object) -> AnyBatches:
        """Return the first minibatch; with `size` None it has all samples."""

    @abstractmethod
    def counts(self, batches: AnyBatches) -> list[int]:
        """Return the number of samples in each block of a batch."""

    @abstractmethod
    def excerpt(self, batches: AnyBatches, samples: int) -> tuple[Data, Batches]:
        """Return data with a batch of at most `samples` samples, always the same ones."""

    @abstractmethod
    def of_mean_weight(self, mean: float) -> Data:
        """Return the same samples, with their given weights divided by this mean."""

    @abstractmethod
    def sums_of_weights(self) -> tuple[float, float]:
        """Return the sum of the weights, and that of their squares."""

    @abstractmethod
    def add_to(self, digest: hashlib._Hash) -> None:
        """Add the samples to a digest."""


def rows_of_numbers(
    value: npt.ArrayLike, name: str, labels: bool = False, first: int = 0
) -> Float64Array:
    """Return finite numbers of shape (N, columns).

    Parameters
    ----------
    value : array_like
    name : str
    labels : bool
        Whether one column may be given without its axis.
    first : int
        The number of the first row, in messages.
    """
    array = real_array(value, name, first_row=first)
    if labels and array.ndim == 1:
        array = array[:, None]
    require_columns(array, name, ".to_frame()" if hasattr(value, "to_frame") else "[:, None]")
    return finite(array, name, first)


def require_columns(array: npt.NDArray[Any], name: str, one: str = "[:, None]") -> None:
    """Raise ValueError if an array has no columns; `one` is how it would become a single one."""
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have shape (N, columns), got shape {array.shape}; "
            f"one column of numbers is {name}{one}"
        )


def require_entries(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError unless a table has rows and columns, and some of both."""
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"{name} must have shape (N, columns), not empty, got shape {shape}")


def require_same_samples(x: Any, y: Any) -> None:
    """Raise ValueError if tables have different numbers of rows."""
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"x and y must hold the same samples, got x of shape {x.shape} and y of shape {y.shape}"
        )


def require_weights(array: Float64Array, first: int = 0) -> None:
    """Raise ValueError if weights of samples are negative."""
    if array.min() < 0:
        row = int(array.argmin())
        raise ValueError(
            f"sample_weight must hold numbers >= 0, got sample_weight[{first + row}] = {array[row]}"
        )
