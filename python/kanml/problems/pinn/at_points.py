"""The terms of a PINN at their present points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kanml.parallel import Communicator
from kanml.problems.penalty import Penalties
from kanml.problems.pinn.collocation import Stage
from kanml.problems.pinn.traced import TracedTerm
from kanml.problems.reduction import Reduction

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
        summands = [
            traced.summand(stage.samples, dtype)
            for traced, stage in zip(self._traced, self.stages, strict=True)
        ]
        prepared = Reduction(summands, communicator, self._penalty)
        self._prepared = {**self._prepared, dtype.char: prepared}
        return prepared

    def moved(self, stages: Sequence[Stage]) -> TermsAtPoints:
        """Return the terms at other stages, prepared already if their samples are the same."""
        moved = TermsAtPoints(self._traced, stages, self._penalty)
        if self.same_samples(moved):
            moved._prepared = self._prepared
        return moved

    def same_samples(self, other: TermsAtPoints) -> bool:
        """Say whether others have the same points, batches and attention."""
        pairs = zip(self.stages, other.stages, strict=True)
        return all(ours.samples is theirs.samples for ours, theirs in pairs)
