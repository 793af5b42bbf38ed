"""The rows of a table: equal ones joined, columns scaled, some rows held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = [
    "BoolArray",
    "IntArray",
    "Scaling",
    "Table",
    "date_columns",
    "folds",
    "means",
    "quantiles",
    "scaling",
    "text_columns",
]

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
NORMAL_QUARTILES = 1.3489795003921634  # from the first to the third, in standard deviations
DATES = (date, timedelta, np.datetime64, np.timedelta64)
TINY = np.finfo(np.float64).tiny
ROUNDING = 8 * np.finfo(np.float64).eps  # the extent of a column that is constant, in its unit
RAREST = 1e-4  # deviations of less than this share of the extent come from weights of next to 0


@dataclass(frozen=True)
class Table:
    """Distinct rows in an order of their own, with weights.

    What is fitted to it depends on neither the order of the rows, nor on whether a row that counts
    twice is there twice or has twice the weight. No row is both trained on and held out.

    Attributes
    ----------
    x : ndarray (N, n_in)
    y : ndarray (N, columns)
    weight : ndarray (N,)
        Positive.
    """

    x: Float64Array
    y: Float64Array
    weight: Float64Array

    @classmethod
    def of(cls, x: Float64Array, y: Float64Array, weight: Float64Array) -> Table:
        """Return the table of given rows, of which those of weight 0 are left out."""
        counted = weight > 0
        rows = np.hstack([x, y])[counted]
        distinct, number = np.unique(rows, axis=0, return_inverse=True)
        # In an order of their own, so that the rounding of sums is that of the distinct rows too.
        order = np.lexsort((weight[counted], number.ravel()))
        total = np.zeros(len(distinct))
        np.add.at(total, number.ravel()[order], weight[counted][order])
        return cls(distinct[:, : x.shape[1]], distinct[:, x.shape[1] :], total)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, chosen: BoolArray) -> Table:
        """Return some of the rows."""
        return Table(self.x[chosen], self.y[chosen], self.weight[chosen])

    def excerpt(self, rows: int) -> Table:
        """Return some of the rows, at most a number of them, always the same ones."""
        if rows >= len(self):
            return self
        chosen = np.zeros(len(self), bool)
        chosen[np.random.default_rng(0).choice(len(self), rows, replace=False)] = True
        return self.rows(chosen)

    def with_targets(self, y: Float64Array) -> Table:
        """Return the table with other targets."""
        return replace(self, y=y)


@dataclass(frozen=True)
class Scaling:
    """A shift and a scale for each column: ``(column - centre) / scale``."""

    centre: Float64Array
    scale: Float64Array
    constant: BoolArray

    def __call__(self, columns: Float64Array) -> Float64Array:
        """Return the columns scaled, (N, columns); constant ones are 0."""
        return np.where(self.constant, 0.0, columns / self.scale - self.centre / self.scale)

    def holding(self, others: BoolArray) -> Scaling:
        """Return the scaling that makes other columns constant too."""
        return replace(self, constant=self.constant | others)


def scaling(columns: Float64Array, weight: Float64Array, robust: bool = False) -> Scaling:
    """Return the scaling that gives each column mean 0 and variance 1.

    A robust one takes the median, and the standard deviation of the normal distribution that has
    the same quartiles, where these differ.
    """
    largest = np.abs(columns).max(axis=0)
    unit = np.ldexp(1.0, np.frexp(largest)[1] - 1)  # no square overflows or underflows in it
    relative = columns / unit
    centre = means(relative, weight)
    deviation = np.sqrt(means((relative - centre) ** 2, weight))
    extent = np.ptp(relative, axis=0)
    constant = (extent <= ROUNDING) | (deviation <= RAREST * extent) | (largest < TINY)
    if robust:
        low, centre, high = quantiles(relative, weight, [0.25, 0.5, 0.75])
        deviation = np.where(high > low, (high - low) / NORMAL_QUARTILES, deviation)
    centre = np.where(constant, columns[weight.argmax()], centre * unit)
    return Scaling(centre, np.where(constant, 1.0, deviation * unit), constant)


def means(columns: Float64Array, weight: Float64Array) -> Float64Array:
    """Return the weighted mean of each column, whose rounding no number of threads changes.

    NumPy's products of matrices have BLAS add up, in an order that depends on its threads.
    """
    return np.asarray(((weight / weight.sum())[:, None] * columns).sum(axis=0))


def quantiles(columns: Float64Array, weight: Float64Array, levels: npt.ArrayLike) -> Float64Array:
    """Return weighted quantiles (levels, columns): the least entry with a share below or at it."""
    levels = np.asarray(levels)
    found = np.empty((len(levels), columns.shape[1]))
    for j, column in enumerate(columns.T):
        order = np.argsort(column, kind="stable")
        share = np.cumsum(weight[order])
        at = np.searchsorted(share, levels * share[-1])
        found[:, j] = column[order][np.minimum(at, len(column) - 1)]
    return found


def folds(groups: Float64Array, number: int, rng: np.random.Generator) -> IntArray:
    """Return a part 0, ..., number - 1 for each row, with the rows of a group dealt out evenly.

    A group that is too small for all parts has none in the first ones.
    """
    parts = np.empty(len(groups), np.int64)
    for group in np.unique(groups):
        (rows,) = np.nonzero(groups == group)
        parts[rng.permutation(rows)] = number - 1 - np.arange(len(rows)) % number
    return parts


def text_columns(x: Any) -> dict[str, list[str]]:
    """Return the columns of a frame or array with text that is no number, and that text."""
    found = {}
    for name, column in _columns(x).items():
        if column.dtype.kind in "OUST":
            texts = sorted({_text(entry) for entry in column if isinstance(entry, (str, bytes))})
            if not all(map(_is_number, texts)):
                found[name] = texts
    return found


def date_columns(x: Any) -> list[str]:
    """Return the columns of a frame or array with dates or durations."""
    return [
        name
        for name, column in _columns(x).items()
        if column.dtype.kind in "mM"
        or (column.dtype.kind == "O" and any(isinstance(entry, DATES) for entry in column))
    ]


def _columns(x: Any) -> dict[str, npt.NDArray[Any]]:
    if hasattr(x, "columns"):
        return {str(name): np.asarray(x[name]).ravel() for name in x.columns}
    array = np.asarray(x)
    return {str(j): column for j, column in enumerate(array.T)} if array.ndim == 2 else {}


def _text(entry: str | bytes) -> str:
    return entry if isinstance(entry, str) else entry.decode(errors="replace")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
