"""Periodic inputs: each is replaced by cosines and sines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kanml import _core
from kanml._validation import MAX_SIZE, Float64Array, integer, number
from kanml.layers.layer import FixedLayer, Layer, Range
from kanml.layers.parameters import Arrays

__all__ = ["PeriodicEmbedding"]


class PeriodicEmbedding(FixedLayer):
    """Replaces inputs by cosines and sines, which makes the network periodic in them.

    Parameters
    ----------
    n_in : int
        Number of inputs.
    periods : mapping of int to float
        The periods of the inputs to replace. The others pass unchanged.
    multiples : sequence of int
        An input x of period p becomes ``cos(2 pi m x / p)`` and ``sin(2 pi m x / p)`` for each of
        these m, at its position among the inputs.

    Raises
    ------
    ValueError
        If a period is not positive, an input or a multiple is out of range, or a frequency is
        infinite.
    TypeError
        If an argument is of the wrong type, or `periods` is empty.

    Examples
    --------
    >>> import kanml
    >>> layer = kanml.PeriodicEmbedding(2, {1: 2.0})  # (t, x) -> (t, cos(pi x), sin(pi x))
    >>> net = kanml.Network([layer, kanml.Linear(3, 1)])
    >>> bool(abs(net([[0.5, -1.0]]) - net([[0.5, 1.0]])) < 1e-14)
    True
    """

    name = "periodic"
    n_in: int
    n_out: int

    def __init__(
        self, n_in: int, periods: Mapping[int, float], multiples: Sequence[int] = (1,)
    ) -> None:
        self.n_in = integer(n_in, "n_in", 1, MAX_SIZE)
        if not isinstance(periods, Mapping) or not periods:
            raise TypeError(f"periods must map inputs to their periods, got {periods!r}")
        self.periods = {
            integer(i, "an input in periods", 0, self.n_in - 1): number(
                period, f"periods[{i}]", "a period > 0", lambda period: period > 0
            )
            for i, period in periods.items()
        }
        if not isinstance(multiples, Sequence):
            raise TypeError(f"multiples must be a sequence of integers, got {multiples!r}")
        self.multiples = tuple(
            integer(m, f"multiples[{i}]", 1, MAX_SIZE) for i, m in enumerate(multiples)
        )
        if not self.multiples:
            raise ValueError("multiples must not be empty")
        n_out = self.n_in + len(self.periods) * (2 * len(self.multiples) - 1)
        integer(n_out, "the number of features (two for each multiple of a period)", 1, MAX_SIZE)
        self.features: list[tuple[int, str, float]] = []  # input, function, frequency
        for i in range(self.n_in):
            if i not in self.periods:
                self.features.append((i, "identity", 1.0))
                continue
            for m in self.multiples:
                frequency = 2 * np.pi * m / self.periods[i]
                if not np.isfinite(frequency):
                    raise ValueError(
                        f"periods[{i}] must leave finite frequencies, got {self.periods[i]}"
                    )
                self.features += [(i, "cosine", frequency), (i, "sine", frequency)]
        self.n_out = len(self.features)

    def core(self, width: int) -> _core.EmbeddingLayer:
        """Return the description for the core."""
        inputs, kinds, frequencies = zip(*self.features, strict=True)
        features = [_core.Feature.__members__[kind] for kind in kinds]
        return _core.EmbeddingLayer(self.n_in, list(inputs), features, list(frequencies))

    def description(self) -> dict[str, Any]:
        """Return periods and multiples."""
        return {
            "n_in": self.n_in,
            "periods": [[i, period] for i, period in self.periods.items()],
            "multiples": list(self.multiples),
        }

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> PeriodicEmbedding:
        """Return the layer that `description` described."""
        return cls(values["n_in"], dict(values["periods"]), values["multiples"])

    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return input, function and frequency of each feature."""
        inputs, kinds, frequencies = zip(*self.features, strict=True)
        return {
            "layer": "embedding",
            "inputs": np.array(inputs),
            "functions": list(kinds),
            "frequencies": np.array(frequencies, dtype=dtype),
        }

    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the features."""
        functions = {"identity": np.positive, "cosine": np.cos, "sine": np.sin}
        columns = [functions[kind](frequency * x[:, i]) for i, kind, frequency in self.features]
        return np.stack(columns, axis=1)

    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return None: any range will do."""
        return None

    def box_before(self, box: Range) -> Range:
        """Return one period of each periodic input, and the box of the others."""
        half = np.array([self.periods.get(i, 0.0) / 2 for i in range(self.n_in)])
        lower, upper = -half, half
        for feature, (i, kind, _) in enumerate(self.features):
            if kind == "identity":
                lower[i], upper[i] = box[0][feature], box[1][feature]
        return lower, upper

    def __repr__(self) -> str:
        return f"PeriodicEmbedding({self.n_in}, {self.periods}, multiples={self.multiples})"
