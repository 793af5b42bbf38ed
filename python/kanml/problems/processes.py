"""Evaluations that several processes make together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from kanml._core import OutsideDomain
from kanml._validation import Float64Array, FloatArray
from kanml.parallel import ALONE, Communicator

__all__ = ["below_one_another", "together"]

Result = TypeVar("Result")


def together(communicator: Communicator, evaluate: Callable[[], Result]) -> Result:
    """Return what a function returns in this process.

    Raises
    ------
    OutsideDomain
        In all processes, if the function raises it in one of them.
    """
    if communicator is ALONE:
        return evaluate()
    refusal = None
    try:
        result = evaluate()
    except OutsideDomain as error:
        refusal = error
    refused = communicator.gathered(np.array([refusal is not None], dtype=np.float64))
    if refusal is not None:
        raise refusal
    if any(flag[0] for flag in refused):
        rank = next(rank for rank, flag in enumerate(refused) if flag[0])
        raise OutsideDomain(f"process {rank} refuses inputs: they lie outside the domain")
    return result


def below_one_another(
    communicator: Communicator, rows: FloatArray, heights: Sequence[int]
) -> FloatArray:
    """Return the rows of all processes in the order of their ranks.

    Parameters
    ----------
    rows : ndarray, shape (m,) or (m, n)
        Those of this process.
    heights : sequence of int
        The number of rows of each process.
    """
    if communicator is ALONE:
        return rows
    filled: Float64Array = np.zeros((max(heights), *rows.shape[1:]))  # all of the same shape
    filled[: len(rows)] = rows
    parts = zip(communicator.gathered(filled), heights, strict=True)
    return np.concatenate([part[:height] for part, height in parts]).astype(rows.dtype)
