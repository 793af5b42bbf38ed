"""Tables that do not fit into memory, in blocks of rows."""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from kanml._validation import absolute_path, integer

__all__ = ["Blocks", "ParquetBlocks", "RowBlocks", "in_blocks"]

BLOCK_BYTES = 2**24  # of a table in float64: long to compute with, and short to read
FEWEST_ROWS = 2**12  # below, the threads of an evaluation would have little to share


@runtime_checkable
class Blocks(Protocol):
    """A table in blocks of rows, of which a few are in memory at a time.

    Any class with these three members will do. A regression reads the blocks in their order, in
    every evaluation anew, each while it computes with the one before. It may read from several
    threads at a time.

    Attributes
    ----------
    shape : (int, int)
        The numbers of rows and columns.
    sizes : sequence of int
        The number of rows of each block.

    Examples
    --------
    Samples that are computed when they are needed:

    >>> import kanml
    >>> import numpy as np
    >>> class Grid:
    ...     shape = (300, 1)
    ...     sizes = (100, 100, 100)
    ...
    ...     def block(self, i):
    ...         return np.linspace(i, i + 1, 100, endpoint=False)[:, None] / 3
    >>> class Sines(Grid):
    ...     def block(self, i):
    ...         return np.sin(super().block(i))
    >>> kanml.Regression(Grid(), Sines())
    Regression(x of shape (300, 1) in blocks (3), y of shape (300, 1) in blocks (3))
    """

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""

    @property
    def sizes(self) -> Sequence[int]:
        """The number of rows of each block."""

    def block(self, i: int) -> npt.ArrayLike:
        """Return block i, shape (sizes[i], columns): real numbers in any order in memory."""


class RowBlocks:
    """The rows of an array on disk, in blocks.

    Parameters
    ----------
    array : numpy.memmap or another array, shape (N, columns) or (N,)
        Anything that has a `shape` and whose slices ``array[start:stop]`` are rows: a
        `numpy.memmap`, a view of one, or a dataset of h5py or zarr. Only the rows of a block are
        read at a time. They must not change while a training runs.
    rows : int, optional
        The number of rows of a block; the last one may have fewer. By default a block has 16 MiB in
        float64.

    Attributes
    ----------
    shape : (int, int)
    sizes : sequence of int
    is_fixed : bool
        Whether the number of rows was given. If not, it follows that of other tables.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import kanml
    >>> import numpy as np
    >>> blocks = kanml.RowBlocks(np.zeros((1000, 3)), rows=300)
    >>> blocks
    RowBlocks(shape (1000, 3), blocks: 4)
    >>> blocks.block(3).shape
    (100, 3)
    """

    def __init__(self, array: Any, rows: int | None = None) -> None:
        shape = getattr(array, "shape", None)
        if not isinstance(shape, tuple) or len(shape) not in (1, 2) or 0 in shape:
            what = f"an array of shape {shape}" if isinstance(shape, tuple) else repr(array)
            raise ValueError(f"array must have shape (N, columns) or (N,), not empty, got {what}")
        self._array, n = array, int(shape[0])
        self.shape = n, int(shape[1]) if len(shape) == 2 else 1
        self.is_fixed = rows is not None
        if rows is None:
            rows = max(BLOCK_BYTES // (8 * self.shape[1]), FEWEST_ROWS)
        rows = integer(rows, "rows", 1)
        whole, rest = divmod(n, rows)
        self._set_sizes((rows,) * whole + ((rest,) if rest else ()))

    def _set_sizes(self, sizes: Sequence[int]) -> None:
        self.sizes: Sequence[int] = tuple(map(int, sizes))  # small integers of NumPy overflow
        self._ends = list(accumulate(self.sizes))

    def with_sizes(self, sizes: Sequence[int]) -> RowBlocks:
        """Return the same rows in blocks of these sizes, which add up to their number."""
        other = copy.copy(self)
        other._set_sizes(sizes)
        return other

    def block(self, i: int) -> npt.NDArray[Any]:
        """Return block i, shape (sizes[i], columns), in the type of the array."""
        end = self._ends[integer(i, "i", 0, len(self.sizes) - 1)]
        rows = self._array[end - self.sizes[i] : end]
        block: npt.NDArray[Any] = np.asanyarray(rows)  # masked arrays are refused later
        return block.reshape(-1, self.shape[1])

    def __repr__(self) -> str:
        return f"RowBlocks(shape {self.shape}, blocks: {len(self.sizes)})"


class ParquetBlocks:
    """Columns of Parquet files, with a block for each row group. Needs pyarrow.

    Parameters
    ----------
    path : str, path or sequence of these
        A file, or several with the same columns, whose rows follow one another.
    columns : sequence of str
        The names of the columns, in the order in which they are wanted. They hold numbers or truth
        values. A missing value becomes NaN, which a regression refuses.

    Attributes
    ----------
    shape : (int, int)
    sizes : sequence of int

    Raises
    ------
    ModuleNotFoundError
        If pyarrow is not installed.
    ValueError
        If a file has no such column, or several of that name, or none has a row.
    TypeError
        If a column does not hold numbers.

    Notes
    -----
    Row groups are as large as the writer made them: a million rows with pyarrow's
    ``write_table(table, path, row_group_size=...)`` unless it is told otherwise. Two or three row
    groups have to fit into memory.

    Examples
    --------
    ::

        x = kanml.ParquetBlocks("flights.parquet", ["distance", "hour"])
        y = kanml.ParquetBlocks("flights.parquet", ["delay"])
        problem = kanml.Regression(x, y)
    """

    def __init__(self, path: Any, columns: Sequence[str]) -> None:
        pq = _parquet()
        is_one = isinstance(path, (str, bytes)) or not isinstance(path, Sequence)
        paths = [path] if is_one else path
        self._paths = [absolute_path(one, "path", "a path or a sequence of paths") for one in paths]
        if isinstance(columns, str) or not isinstance(columns, Iterable):
            raise TypeError(f"columns must be a sequence of names, got {columns!r}")
        self._columns = [*columns]
        self._metadata, self._states = [], [_state(file) for file in self._paths]
        for file in self._paths:
            metadata = pq.ParquetFile(file).metadata
            _require_numbers(metadata.schema.to_arrow_schema(), self._columns, str(file))
            self._metadata.append(metadata)
        groups = [
            (f, group, metadata.row_group(group).num_rows)
            for f, metadata in enumerate(self._metadata)
            for group in range(metadata.num_row_groups)
        ]
        self._groups = [(f, group) for f, group, rows in groups if rows]
        self.sizes: Sequence[int] = tuple(rows for _, _, rows in groups if rows)
        self.shape = sum(self.sizes), len(self._columns)
        if 0 in self.shape:
            raise ValueError(f"path must have rows and columns, got shape {self.shape} in {path!r}")

    def block(self, i: int) -> npt.NDArray[np.float64]:
        """Return block i, shape (sizes[i], columns).

        Raises
        ------
        ValueError
            If there is none, or its file was written again meanwhile.
        """
        f, group = self._groups[integer(i, "i", 0, len(self.sizes) - 1)]
        if _state(self._paths[f]) != self._states[f]:
            raise ValueError(f"{self._paths[f]} has changed since it was opened")
        # One file for each call, since threads cannot share one.
        file = _parquet().ParquetFile(self._paths[f], metadata=self._metadata[f])
        table = file.read_row_group(group, columns=self._columns, use_threads=False)
        block = np.empty((self.sizes[i], len(self._columns)))
        for k, name in enumerate(self._columns):
            block[:, k] = table.column(name).to_numpy()  # in the order that is wanted
        return block

    def __repr__(self) -> str:
        return f"ParquetBlocks(shape {self.shape}, blocks: {len(self.sizes)})"


def in_blocks(tables: Mapping[str, Blocks]) -> dict[str, Blocks]:
    """Return tables as blocks of the same sizes, if they have some or can follow others.

    Parameters
    ----------
    tables : mapping of str to Blocks
        With the same number of rows, by name.

    Raises
    ------
    ValueError
        If blocks have different sizes.
    """
    every = {name: tuple(table.sizes) for name, table in tables.items()}
    fixed = {name: sizes for name, sizes in every.items() if not _follows(tables[name])}
    leader, sizes = next(iter((fixed or every).items()))
    for name, others in fixed.items():
        if others != sizes:
            raise ValueError(
                f"{leader} and {name} must have blocks of the same sizes, got "
                f"{reprlib.repr(sizes)} and {reprlib.repr(others)}"
            )
    return {
        name: table.with_sizes(sizes) if isinstance(table, RowBlocks) else table
        for name, table in tables.items()
    }


def _follows(table: Blocks) -> bool:
    return isinstance(table, RowBlocks) and not table.is_fixed


def _state(file: Path) -> tuple[int, int]:
    """Return what changes when a file is written again."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _parquet() -> Any:
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "kanml.ParquetBlocks needs pyarrow: python -m pip install 'kanml[parquet]'",
            name=error.name,
        ) from error
    return pq


def _require_numbers(schema: Any, columns: Sequence[str], file: str) -> None:
    import pyarrow as pa

    for name in columns:
        if name not in schema.names:
            known = ", ".join(map(repr, schema.names))
            raise ValueError(f"columns must be among {known} of {file}, got {name!r}")
        if schema.names.count(name) > 1:
            raise ValueError(f"columns must have one name each in {file}, got several {name!r}")
        kind = schema.field(name).type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not (is_number or pa.types.is_boolean(kind)):
            raise TypeError(f"columns must hold numbers, got {name!r} of type {kind} in {file}")
