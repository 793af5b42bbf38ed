"""The samples of a regression: in memory, or in blocks of which a few are in memory at a time."""

from __future__ import annotations

import reprlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kanml.problems.data.arrays import ArrayData
from kanml.problems.data.base import (
    AnyBatches,
    Data,
    TermsOfBatch,
    require_columns,
    require_entries,
    require_same_samples,
    rows_of_numbers,
)
from kanml.problems.data.blocks import Blocks, ParquetBlocks, RowBlocks, in_blocks
from kanml.problems.data.streamed import StreamedData

__all__ = [
    "AnyBatches",
    "Blocks",
    "Data",
    "ParquetBlocks",
    "RowBlocks",
    "Table",
    "TermsOfBatch",
    "data_of",
]

Table: TypeAlias = npt.ArrayLike | Blocks


def data_of(x: Table, y: Table, weight: Table | None, labels: bool) -> Data:
    """Return samples as users gave them: in blocks if a table is, and in memory otherwise.

    Parameters
    ----------
    x, y, weight : array_like or Blocks
        A `numpy.memmap` is read in blocks, and copies of arrays beside blocks too.
    labels : bool
        Whether y may have shape (N,).
    """
    given = {"x": x, "y": y} | ({} if weight is None else {"sample_weight": weight})
    if not any(isinstance(table, (Blocks, np.memmap)) for table in given.values()):
        assert not isinstance(x, Blocks)
        assert not isinstance(y, Blocks)
        assert not isinstance(weight, Blocks)
        return ArrayData.given(x, y, weight, labels)
    flat = {"sample_weight", "y"} if labels else {"sample_weight"}
    tables = {name: _blocks(table, name, name in flat) for name, table in given.items()}
    require_same_samples(tables["x"], tables["y"])
    n = tables["x"].shape[0]
    if weight is not None and tables["sample_weight"].shape != (n, 1):
        shape = tables["sample_weight"].shape
        raise ValueError(f"sample_weight must have shape ({n},) or ({n}, 1), got shape {shape}")
    return StreamedData(in_blocks(tables))


def _blocks(table: Table, name: str, flat: bool) -> Blocks:
    """Return a table in blocks; with `flat` it may be an array of one axis."""
    if isinstance(table, Blocks):
        _require_blocks(table, name)
        return table
    if not isinstance(table, np.memmap):
        array = rows_of_numbers(table, name, flat).copy()
        array.setflags(write=False)
    elif flat and table.ndim == 1:
        array = table[:, None]
    else:
        array = table
        require_columns(array, name)
    require_entries(array.shape, name)
    return RowBlocks(array)


def _require_blocks(table: Blocks, name: str) -> None:
    shape, sizes = tuple(table.shape), list(table.sizes)
    require_entries(shape, name)
    if not all(isinstance(number, (int, np.integer)) for number in [*shape, *sizes]):
        raise TypeError(
            f"{name} must have integers as shape and sizes, got {shape} and {reprlib.repr(sizes)}"
        )
    if min(sizes, default=0) < 1 or sum(map(int, sizes)) != shape[0]:
        raise ValueError(
            f"{name} must have blocks of at least one row each, {shape[0]} in all, "
            f"got sizes {reprlib.repr(sizes)}"
        )
