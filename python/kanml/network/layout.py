"""Where things stand in the picture of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanml._validation import Float64Array

__all__ = ["Frame", "Graph"]

HALF_HEIGHT = 0.18  # of a frame, where the height of a layer with pictures is 1


@dataclass(frozen=True)
class Frame:
    """The frame of the picture on an edge: its centre, half its width and half its height."""

    x: float
    y: float
    half_width: float
    half_height: float

    def across(self, t: npt.ArrayLike, window: tuple[float, float]) -> Float64Array:
        """Return horizontal positions of inputs, from one side to the other."""
        low, high = window
        share: Float64Array = (np.asarray(t, np.float64) - low) / (high - low)
        return self.x + (2 * share - 1) * self.half_width

    def up(self, values: Float64Array, rounding: float) -> Float64Array:
        """Return heights of values, which fill the frame.

        Those that vary by less than `rounding` of their size fill less of it, and stay flat if they
        vary by rounding errors alone.
        """
        low, high = float(values.min()), float(values.max())
        least = rounding * max(abs(low), abs(high)) or 1.0
        share: Float64Array = (values - (low + high) / 2) / max(high - low, least)
        return self.y + 1.8 * self.half_height * share

    def box(self, left: float, right: float) -> list[tuple[float, float]]:
        """Return the corners of the part of the frame between two horizontal positions."""
        low, high = self.y - self.half_height, self.y + self.half_height
        return [(left, low), (right, low), (right, high), (left, high)]


class Graph:
    """Where things stand in the picture of a network: its layers from the bottom to the top."""

    def __init__(self, widths: Sequence[int], steps: Sequence[float], width: float) -> None:
        self.widths, self.width = widths, width
        self.heights = np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of a figure in inches."""
        return min(0.85 * self.width + 1.6, 24.0), min(2.3 * self.heights[-1] + 0.8, 40.0)

    def node(self, row: int, p: int) -> tuple[float, float]:
        """Return where a node is, in the row below the layer of the same index."""
        return ((p + 0.5) / self.widths[row] - 0.5) * self.width, float(self.heights[row])

    def line(self, at: int, pair: tuple[int, int]) -> list[tuple[float, float]]:
        """Return the ends of an edge."""
        return [self.node(at, pair[0]), self.node(at + 1, pair[1])]

    def middle(self, at: int) -> float:
        """Return the height of the middle of a layer."""
        return float(self.heights[at] + self.heights[at + 1]) / 2

    def frames(self, at: int, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Frame]:
        """Return the frames of the pictures on the edges of a layer, side by side.

        They are sorted by where their edges pass, so that few edges cross.
        """
        ends = {pair: self.line(at, pair) for pair in pairs}
        order = sorted(pairs, key=lambda pair: (sum(x for x, _ in ends[pair]), pair))
        step = self.width / len(order)
        half = min(0.42 * step, 0.6)
        return {
            pair: Frame((k + 0.5) * step - self.width / 2, self.middle(at), half, HALF_HEIGHT)
            for k, pair in enumerate(order)
        }
