"""A loss evaluated in one pass over the samples of all terms, in this process and in others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from kanml._validation import FloatArray, choice, rounded
from kanml.network import Network
from kanml.parallel import ALONE, Communicator
from kanml.problems.evaluation import WANTED, Evaluation, TermValue, Want
from kanml.problems.penalty import Penalties, parts_of
from kanml.problems.processes import together
from kanml.problems.stacked_rows import RowsOfTerm, StackedRows

__all__ = ["Reduction", "Summand"]


@dataclass(frozen=True, eq=False)
class Summand:
    """A term of a loss in the form that the core evaluates.

    Attributes
    ----------
    name : str
    cores : iterable of _core.TermFloat32 or _core.TermFloat64
        Its samples in blocks, one block or several, each a term of the core.
    rows : callable
        () -> RowsOfTerm, which are made only where they are needed, or a TypeError that says why
        the term has none.
    count : int
        The number of samples.
    weight : float
        The factor of the sum over the samples, or of their mean.
    mean : bool
        Whether the sum is divided by the number of samples.
    represents : int
        The number of samples that they stand for in a sum, such as in an excerpt; 0: `count`.
    keeps : bool
        Whether the residuals are kept, which is for one block.
    """

    name: str
    cores: Iterable[Any]
    rows: Callable[[], RowsOfTerm]
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

    Processes exchange parts of a loss here and in `StackedRows` alone. All of them make a reduction
    at the same time.

    Parameters
    ----------
    summands : sequence of Summand
        All with the same number of blocks. One block of each is in memory at a time.
    communicator : Communicator
    penalty : Penalty or sequence of Penalty, optional
        They are added once, however many processes there are.
    """

    def __init__(
        self,
        summands: Sequence[Summand],
        communicator: Communicator = ALONE,
        penalty: Penalties = None,
    ) -> None:
        self.communicator = communicator
        self._penalties = parts_of(penalty)
        self._rows: StackedRows | None = None  # made when they are first needed
        self._summands = tuple(summands)
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

    @property
    def rows(self) -> StackedRows:
        """The rows of all terms, scaled such that the sum of their squares is that of the terms.

        Raises
        ------
        TypeError
            If a term has none.
        """
        if self._rows is None:  # no cached_property, whose lock all processes in threads share
            self._rows = StackedRows(
                [summand.rows() for summand in self._summands],
                [math.sqrt(factor) for factor in self._factors],
                self.communicator,
                self._penalties,
            )
        return self._rows

    def evaluate(
        self, net: Network, unknowns: Sequence[float], want: Want, num_threads: int | None
    ) -> Evaluation:
        """Return the sum of the terms, and what else is wanted.

        Raises
        ------
        OutsideDomain
            In all processes, if a layer refused its inputs in one of them.
        TypeError
            If least squares are wanted of a term without rows.
        """
        wanted = choice(want, "want", WANTED) != "value"
        triangle = None
        if want == "least_squares":
            triangle = self.rows.triangle(net, unknowns, num_threads)
        own = partial(self._own_sums, net, unknowns, wanted, num_threads)
        sums, gradient, residuals = self._sums(own)
        value, terms = 0.0, {}
        for i, (summand, (total, largest)) in enumerate(zip(self._summands, sums, strict=True)):
            loss = self._factors[i] * total
            value += loss
            kept = residuals[i] if self._keeps[i] else None
            terms[summand.name] = TermValue(loss, total, self._counts[i], largest, kept)
        found = Evaluation(value, gradient if wanted else None, terms, triangle)
        return self._penalised(found, net) if self._penalties else found

    def _own_sums(
        self, net: Network, unknowns: Sequence[float], gradient: bool, num_threads: int | None
    ) -> Sums:
        """Return the sums of this process."""
        arguments = self._factors, unknowns, gradient, self._keeps, num_threads
        blocks = zip(*(summand.cores for summand in self._summands), strict=True)
        return _added(net._reduce(list(cores), *arguments) for cores in blocks)

    def _sums(self, evaluate: Callable[[], Sums]) -> Sums:
        """Return the sums of all processes, and the residuals of this one."""
        sums, gradient, residuals = together(self.communicator, evaluate)
        if self.communicator is ALONE:
            return sums, gradient, residuals
        totals, largest = np.array(sums).T
        n = len(totals)
        total = self.communicator.total(np.concatenate([totals, gradient]))
        everywhere = self.communicator.largest(largest)
        return (
            list(zip(total[:n].tolist(), everywhere.tolist(), strict=True)),
            rounded(total[n:], gradient.dtype),
            residuals,
        )

    def _penalised(self, found: Evaluation, net: Network) -> Evaluation:
        """Return an evaluation with the penalties, as more terms."""
        value, terms, gradient = found.value, dict(found.terms), found.gradient
        gradient = None if gradient is None else np.array(gradient)
        for penalty in self._penalties:
            terms[penalty.name], slope = penalty.term_and_gradient(net)
            value += terms[penalty.name].loss
            if gradient is not None:
                gradient[: net.n_parameters] += rounded(slope, gradient.dtype)
        return replace(found, value=value, gradient=gradient, terms=terms)


def _added(blocks: Iterator[Sums]) -> Sums:
    """Return the sums of blocks, added in their order."""
    first = next(blocks)
    second = next(blocks, None)
    if second is None:
        return first
    sums, gradient, residuals = first
    losses, largest = np.array(sums).T
    total = np.array(gradient, np.float64)
    for others, slope, _ in chain([second], blocks):
        more, largest_there = np.array(others).T
        losses += more
        largest = np.maximum(largest, largest_there)
        total += np.asarray(slope)
    pairs = list(zip(losses.tolist(), largest.tolist(), strict=True))
    return pairs, rounded(total, gradient.dtype), residuals
