"""The terms of a PINN at their present points, and what changes from step to step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from kanml.network import Network
from kanml.parallel import Communicator
from kanml.problems.evaluation import TermValue
from kanml.problems.penalty import Penalties
from kanml.problems.pinn.collocation import Stage
from kanml.problems.pinn.traced import TracedTerm
from kanml.problems.reduction import Reduction
from kanml.problems.states import entries

__all__ = ["TermsAtPoints"]


class TermsAtPoints:
    """Terms at their points, which are prepared for evaluation once in each dtype.

    Several Python threads may use one object, and copies of a problem share it.

    Parameters
    ----------
    traced : sequence of TracedTerm
    stages : sequence of Stage
        One for each term.
    penalty : Penalty, sequence of Penalty or None
    """

    def __init__(
        self, traced: Sequence[TracedTerm], stages: Sequence[Stage], penalty: Penalties
    ) -> None:
        self._traced, self.stages, self._penalty = traced, tuple(stages), penalty
        self._prepared: dict[str, Reduction] = {}  # by dtype; replaced as a whole

    def reduction(self, dtype: np.dtype[Any], communicator: Communicator) -> Reduction:
        """Return the terms, ready to be evaluated."""
        known = self._prepared.get(dtype.char)
        if known is not None and known.communicator is communicator:
            return known
        summands = [term.summand(stage.samples, dtype) for term, stage in self.pairs()]
        prepared = Reduction(summands, communicator, self._penalty)
        self._prepared = {**self._prepared, dtype.char: prepared}
        return prepared

    @classmethod
    def first(
        cls, traced: Sequence[TracedTerm], penalty: Penalties, streams: Sequence[int] = ()
    ) -> TermsAtPoints:
        """Return terms at their first stages, in streams of random numbers or in the first one."""
        pairs = zip(traced, streams or [0] * len(traced), strict=True)
        stages = [term.collocation.first(len(term.components), stream) for term, stream in pairs]
        return cls(traced, stages, penalty)

    @property
    def streams(self) -> list[int]:
        """The stream of random numbers of each term."""
        return [stage.stream for stage in self.stages]

    def pairs(self) -> list[tuple[TracedTerm, Stage]]:
        """Return each term with its stage."""
        return list(zip(self._traced, self.stages, strict=True))

    def in_stream(self, stream: int) -> TermsAtPoints:
        """Return the terms with points and minibatches of a stream, anew if it is another."""
        return self.moved(
            term.collocation.in_stream(stage, len(term.components), stream)
            for term, stage in self.pairs()
        )

    def next(
        self, found: Mapping[str, TermValue], net: Network, unknowns: Sequence[float]
    ) -> TermsAtPoints:
        """Return the terms at the stages after a step, given what an evaluation found."""
        return self.moved(
            term.collocation.next(
                stage,
                found.get(term.term.name),
                partial(term.magnitude, net=net, unknowns=unknowns),
            )
            for term, stage in self.pairs()
        )

    def excerpt(self, samples: int) -> TermsAtPoints:
        """Return the terms at no more than `samples` of their points."""
        return self.moved(stage.excerpt(samples) for stage in self.stages)

    @property
    def cost(self) -> int:
        """The cost of an evaluation, in planes of Taylor coefficients at a point."""
        return sum(stage.samples.count * term.loss.n_planes for term, stage in self.pairs())

    def state(self) -> dict[str, Any]:
        """Return what changes, as plain values for JSON."""
        return {term.term.name: term.collocation.state(stage) for term, stage in self.pairs()}

    def restored(self, state: dict[str, Any]) -> TermsAtPoints:
        """Return the terms at stages that `state` described, or raise ValueError."""
        first = self.first(self._traced, self._penalty, self.streams)
        parts = entries(state, [term.term.name for term in self._traced], "the state of a PINN")
        return self.moved(
            term.collocation.restored(parts[term.term.name], stage) for term, stage in first.pairs()
        )

    def moved(self, stages: Iterable[Stage]) -> TermsAtPoints:
        """Return the terms at other stages, prepared already if their samples are the same."""
        moved = TermsAtPoints(self._traced, tuple(stages), self._penalty)
        if self.same_samples(moved):
            moved._prepared = self._prepared
        return moved

    def same_samples(self, other: TermsAtPoints) -> bool:
        """Say whether others have the same points, batches and attention."""
        pairs = zip(self.stages, other.stages, strict=True)
        return all(ours.samples is theirs.samples for ours, theirs in pairs)
