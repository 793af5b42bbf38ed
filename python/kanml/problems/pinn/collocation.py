"""The points of a term, and how steps change them: batches, new draws, attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kanml._validation import Float64Array, FloatArray, finite, integer, real_array
from kanml.problems.batches import Batches, Rows
from kanml.problems.evaluation import TermValue
from kanml.problems.pinn.term import Term
from kanml.problems.points import Sampler
from kanml.problems.states import checked, entries, floats

__all__ = ["Collocation", "Samples", "Stage"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Points at which a residual is evaluated together.

    Attributes
    ----------
    points : ndarray, shape (N, d)
    rows : slice or ndarray of int, shape (n,)
        The points of the batch among them.
    partner : ndarray, shape (N, d), or None
        The second point that belongs to each.
    attention : ndarray, shape (N, components), or None
        The weights of single points.
    represents : int
        The number of points for which they stand in a sum; 0: their own number.
    """

    points: Float64Array
    rows: Rows
    partner: Float64Array | None = None
    attention: Float64Array | None = None
    represents: int = 0

    def __post_init__(self) -> None:
        for array in (self.points, self.partner):
            if array is not None:  # what cannot change stays on a device
                array.setflags(write=False)

    @property
    def count(self) -> int:
        """The number of points in the batch."""
        return self.rows.stop if isinstance(self.rows, slice) else len(self.rows)


@dataclass(frozen=True, eq=False)
class Stage:
    """What changes about a term from step to step.

    It is immutable, so an evaluation always sees one whole stage.

    Attributes
    ----------
    samples : Samples
        The points of the loss; the same object as long as the loss is the same function.
    batches : Batches
    steps, draws : int
        The number of steps so far, and that of draws of new points.
    stream : int
        The process that draws points and orders of batches.
    """

    samples: Samples
    batches: Batches
    steps: int = 0
    draws: int = 0
    stream: int = 0

    def excerpt(self, samples: int) -> Stage:
        """Return the stage with a single batch of at most `samples` points."""
        batches = self.batches.excerpt(samples)
        part = replace(self.samples, rows=batches.rows, represents=self.batches.size)
        return replace(self, samples=part, batches=batches)


class Collocation:
    """What does not change about the points of a term, and the sequence of its stages.

    Parameters
    ----------
    term : Term
    n_inputs : int
    where : str
        The beginning of messages.

    Attributes
    ----------
    sampler : Sampler or None
    points : ndarray, shape (N, d)
        The points of the first stage.
    partner : ndarray, shape (N, d), or None
    """

    def __init__(self, term: Term, n_inputs: int, where: str) -> None:
        self.where = where
        self.rule = term.attention
        self.sampler = term.points if isinstance(term.points, Sampler) else None
        given = self.sampler.points if self.sampler else term.points
        points = finite(real_array(given, f"{where}points"), f"{where}points")
        if points.ndim != 2 or points.shape[1] != n_inputs or len(points) == 0:
            raise ValueError(
                f"{where}points must have shape (N, {n_inputs}) with N >= 1, one column for "
                f"each input, got shape {points.shape}"
            )
        self.points = points.copy()
        self.partner = self._partner(term)
        self.batches = Batches.first(len(points), term.batch_size, term.seed, where)

    def _partner(self, term: Term) -> Float64Array | None:
        if term.partner is None:
            return None
        where = f"{self.where}partner"
        if self.sampler is not None:
            raise ValueError(f"{where} needs given points, got the {self.sampler!r}")
        partner = finite(real_array(term.partner, where), where)
        if partner.shape != self.points.shape:
            raise ValueError(
                f"{where} must have the shape {self.points.shape} of the points, got "
                f"{partner.shape}"
            )
        return partner.copy()

    def first(self, components: int, stream: int = 0) -> Stage:
        """Return the first stage, for a residual with this number of components."""
        attention = None if self.rule is None else np.ones((len(self.points), components))
        batches = self.batches.in_stream(stream)
        samples = Samples(self._at_first(stream), batches.rows, self.partner, attention)
        return Stage(samples, batches, stream=stream)

    def _at_first(self, stream: int) -> Float64Array:
        """Return the points of the first stage; those of a sampler depend on the stream."""
        return (
            self.points
            if self.sampler is None or stream == 0
            else self.sampler.draw(0, stream=stream)
        )

    def in_stream(self, stage: Stage, components: int, stream: int) -> Stage:
        """Return the first stage in another stream; the same object where it would not differ."""
        if stage.stream == stream or not self._is_random:
            return stage
        return self.first(components, stream)

    @property
    def _is_random(self) -> bool:
        return self.sampler is not None or self.batches.order is not None

    @property
    def is_fixed(self) -> bool:
        """Whether the loss is the same function in every step."""
        return not self._is_random and self.rule is None

    def next(
        self,
        stage: Stage,
        value: TermValue | None,
        magnitude: Callable[[Float64Array], FloatArray],
    ) -> Stage:
        """Return the stage after a step.

        Parameters
        ----------
        value : TermValue or None
            The term at the batch, with its residuals; needed for attention.
        magnitude : callable
            Points (m, d) -> the residual's magnitude (m,); called only for an adaptive draw.
        """
        samples = stage.samples
        if samples.attention is not None:
            assert value is not None
            attention = self._attention(samples.attention, samples.rows, value)
            samples = replace(samples, attention=attention)
        batches = stage.batches.next()
        if batches is not stage.batches:
            samples = replace(samples, rows=batches.rows)
        steps, draws = stage.steps + 1, stage.draws
        if self.sampler is not None and steps % self.sampler.every == 0:
            draws += 1
            points = self.sampler.draw(draws, magnitude, stage.stream)
            samples = replace(samples, points=points)
            if samples.attention is not None:
                samples = replace(samples, attention=np.ones_like(samples.attention))
        return Stage(samples, batches, steps, draws, stage.stream)

    def _attention(self, weights: Float64Array, rows: Rows, value: TermValue) -> Float64Array:
        """Return the weights after a step."""
        assert self.rule is not None
        assert value.residuals is not None
        largest, mu = value.largest, self.rule.mu
        weights = weights.copy()
        if math.isfinite(largest) and largest > 0:
            relative = mu * np.abs(value.residuals, dtype=np.float64) / largest
            weights[rows] = (1 - mu) * weights[rows] + relative
        return weights

    # Checkpoints

    def state(self, stage: Stage) -> dict[str, Any]:
        """Return a stage as plain values for JSON."""
        drawn = self.sampler is not None and self.sampler.adaptive
        attention = stage.samples.attention
        return {
            "points": {
                **stage.batches.state(),
                "steps": stage.steps,
                "draws": stage.draws,
                "points": stage.samples.points.tolist() if drawn else None,
            },
            "attention": None if attention is None else attention.tolist(),
        }

    def restored(self, state: object, first: Stage) -> Stage:
        """Return the stage that `state` described; `first` has the expected shapes and stream."""
        with checked(self.where.removesuffix(": ")):
            whole = entries(state, ("points", "attention"), "it")
            names = ("generator", "order", "position", "steps", "draws", "points")
            values = dict(entries(whole["points"], names, "points"))
            steps = integer(values.pop("steps"), "steps", 0)
            draws = integer(values.pop("draws"), "draws", 0)
            if draws != (0 if self.sampler is None else steps // self.sampler.every):
                raise ValueError(f"draws cannot be {draws} after {steps} steps")
            points = self._drawn(values.pop("points"), draws, first.stream)
            batches = first.batches.restored(values)
            attention = self._weights(whole["attention"], first.samples.attention)
        samples = Samples(points, batches.rows, self.partner, attention)
        return Stage(samples, batches, steps, draws, first.stream)

    def _drawn(self, given: object, draws: int, stream: int) -> Float64Array:
        """Return the points of a draw; a file holds them if they cannot be drawn again."""
        sampler = self.sampler
        if sampler is None or not sampler.adaptive:
            if given is not None:
                raise ValueError("points must be None: they can be drawn again")
            if sampler is None or draws == 0:
                return self._at_first(stream)
            return sampler.draw(draws, stream=stream)
        points = floats(given, self.points.shape, "points")
        sampler.require_inside(points)
        return points

    def _weights(self, given: object, first: Float64Array | None) -> Float64Array | None:
        if first is None:
            if given is not None:
                raise ValueError("attention must be None: the term has none")
            return None
        attention = floats(given, first.shape, "attention")
        if attention.min() < 0 or attention.max() > 1 + 1e-9:  # 1 up to rounding
            raise ValueError(
                "attention must be weights between 0 and 1, got some in "
                f"[{attention.min()}, {attention.max()}]"
            )
        return attention
