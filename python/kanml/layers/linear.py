"""Dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from kanml import _core
from kanml._validation import MAX_SIZE, Float64Array, integer
from kanml.layers.filling import filling_map
from kanml.layers.layer import Layer, Range, TrainedLayer
from kanml.layers.parameters import Arrays, Parameter

__all__ = ["Linear"]


class Linear(TrainedLayer):
    """A dense layer: ``y = x @ W + b``.

    Parameters
    ----------
    n_in, n_out : int
        Widths. The weights W have shape (n_in, n_out), the bias b has shape (n_out,).
    bias : bool
        Whether there is a bias.

    Raises
    ------
    ValueError
        If a width is out of range.
    TypeError
        If a width is not an integer, or `bias` is not a truth value.

    Examples
    --------
    >>> import kanml
    >>> kanml.Linear(2, 5)
    Linear(2, 5, bias=True)
    """

    name = "linear"
    n_in: int
    n_out: int

    def __init__(self, n_in: int, n_out: int, bias: bool = True) -> None:
        self.n_in = integer(n_in, "n_in", 1, MAX_SIZE)
        self.n_out = integer(n_out, "n_out", 1, MAX_SIZE)
        if not isinstance(bias, (bool, np.bool_)):
            raise TypeError(f"bias must be True or False, got {bias!r}")
        self.bias = bool(bias)

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """The weights, and the bias if there is one."""
        weights = Parameter("weights", "plain", (self.n_in, self.n_out))
        bias = Parameter("bias", "plain", (self.n_out,))
        return (weights, bias) if self.bias else (weights,)

    def core(self, width: int) -> _core.LinearLayer:
        """Return the description for the core."""
        return _core.LinearLayer(self.n_in, self.n_out, self.bias)

    def description(self) -> dict[str, Any]:
        """Return the widths, and whether there is a bias."""
        return {"n_in": self.n_in, "n_out": self.n_out, "bias": self.bias}

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> Linear:
        """Return the layer that `description` described."""
        return cls(values["n_in"], values["n_out"], values["bias"])

    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return the weights and the bias, 0 if there is none."""
        weights, *bias = read
        return {
            "layer": "linear",
            "weights": weights,
            "bias": bias[0] if bias else np.zeros(self.n_out, dtype),
        }

    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the layer."""
        return x @ arrays[0] + (arrays[1] if self.bias else 0.0)

    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return [-1, 1] if the sender has splines."""
        return (-np.ones(width), np.ones(width)) if sender.spaces else None

    def box_expected(self) -> Range:
        """Return [-1, 1] in every input."""
        return -np.ones(self.n_in), np.ones(self.n_in)

    def filling(
        self, x: Float64Array, target: Range, share: float, rng: Generator
    ) -> tuple[Arrays, Float64Array]:
        """Return weights of evenly spread directions, and a bias."""
        weights, bias = filling_map(x, target, rng, bias=self.bias)
        return (weights, bias) if self.bias else (weights,), x @ weights + bias

    def drawn(self, rng: Generator) -> Arrays:
        """Return weights and bias drawn uniformly from [-b, b], b = 1/sqrt(n_in)."""
        bound = 1 / np.sqrt(self.n_in)
        weights = rng.uniform(-bound, bound, (self.n_in, self.n_out))
        bias = rng.uniform(-bound, bound, self.n_out)
        return (weights, bias) if self.bias else (weights,)

    def __repr__(self) -> str:
        return f"Linear({self.n_in}, {self.n_out}, bias={self.bias})"
