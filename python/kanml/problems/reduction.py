"""A loss evaluated in one pass over the samples of all terms, in this process and in others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kanml._core import OutsideDomain
from kanml._validation import FloatArray
from kanml.network import Network
from kanml.parallel import ALONE, Communicator
from kanml.problems.evaluation import Evaluation, TermValue, Want

__all__ = ["Reduction", "Summand"]


@dataclass(frozen=True, eq=False)
class Summand:
    """A term of a loss in the form that the core evaluates.

    Attributes
    ----------
    name : str
    core : _core.TermFloat32 or _core.TermFloat64
    count : int
        The number of samples.
    weight : float
        The factor of the sum over the samples, or of their mean.
    mean : bool
        Whether the sum is divided by the number of samples.
    represents : int
        The number of samples that they stand for in a sum, such as in an excerpt; 0: `count`.
    keeps : bool
        Whether the residuals are kept.
    """

    name: str
    core: Any
    count: int
    weight: float
    mean: bool
    represents: int = 0
    keeps: bool = False

    def factor(self, count: int, represented: int) -> float:
        """Return the factor of the sum over `count` samples, which stand for as many others."""
        return self.weight / count * (1 if self.mean else represented)


Sums: TypeAlias = tuple[list[tuple[float, float]], FloatArray, list[FloatArray]]
"""What `Network._reduce` returns."""


class Reduction:
    """Terms at the samples of this process and others, ready to be evaluated.

    This is the only place where processes exchange parts of a loss. All of them make a reduction at
    the same time.

    Parameters
    ----------
    summands : sequence of Summand
    communicator : Communicator
    """

    def __init__(self, summands: Sequence[Summand], communicator: Communicator = ALONE) -> None:
        self.communicator = communicator
        self._names = [summand.name for summand in summands]
        self._cores = [summand.core for summand in summands]
        self._keeps = [summand.keeps for summand in summands]
        n = len(summands)
        counts = [summand.count for summand in summands]
        represented = [summand.represents or summand.count for summand in summands]
        totals = [round(total) for total in communicator.total([*counts, *represented])]
        self._counts = totals[:n]
        self._factors = [
            summand.factor(count, whole)
            for summand, count, whole in zip(summands, totals[:n], totals[n:], strict=True)
        ]

    def evaluate(
        self, net: Network, unknowns: Sequence[float], want: Want, num_threads: int | None
    ) -> Evaluation:
        """Return the sum of the terms, and its gradient if that is wanted.

        Raises
        ------
        OutsideDomain
            In all processes, if a layer refused its inputs in one of them.
        """
        wanted = want == "gradient"
        if not wanted and want != "value":
            raise ValueError(f"want must be 'gradient' or 'value', got {want!r}")
        arguments = self._cores, self._factors, unknowns, wanted, self._keeps, num_threads
        if self.communicator is ALONE:
            sums, gradient, residuals = net._reduce(*arguments)
        else:
            sums, gradient, residuals = _over_processes(
                self.communicator, lambda: net._reduce(*arguments)
            )
        value, terms = 0.0, {}
        for i, (total, largest) in enumerate(sums):
            loss = self._factors[i] * total
            value += loss
            kept = residuals[i] if self._keeps[i] else None
            terms[self._names[i]] = TermValue(loss, total, self._counts[i], largest, kept)
        return Evaluation(value, gradient if wanted else None, terms)


def _over_processes(communicator: Communicator, evaluate: Callable[[], Sums]) -> Sums:
    """Return the sums of all processes, and the residuals of this one."""
    refusal = None
    try:
        sums, gradient, residuals = evaluate()
    except OutsideDomain as error:
        refusal = error
    refused = communicator.gathered(np.array([refusal is not None], dtype=np.float64))
    if refusal is not None:
        raise refusal
    if any(flag[0] for flag in refused):
        rank = next(rank for rank, flag in enumerate(refused) if flag[0])
        raise OutsideDomain(f"process {rank} refuses inputs: they lie outside the domain")
    totals, largest = np.array(sums).T
    n = len(totals)
    together = communicator.total(np.concatenate([totals, gradient]))
    everywhere = communicator.largest(largest)
    return (
        list(zip(together[:n].tolist(), everywhere.tolist(), strict=True)),
        together[n:].astype(gradient.dtype),
        residuals,
    )
