"""Fixed functions, applied to every entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kanml import _core
from kanml._validation import Float64Array, choice
from kanml.layers.layer import FixedLayer, Layer, Range
from kanml.layers.parameters import Arrays

__all__ = ["ACTIVATIONS", "Activation"]


class Form(NamedTuple):
    """What the library knows about an activation besides its derivatives.

    Attributes
    ----------
    function : callable
        The activation in NumPy.
    bends : (float, float)
        The interval in which it is neither nearly linear nor nearly flat.
    bounds : (float, float) or None
        The bounds of its values; None: unbounded.
    smooth_order : int or None
        See `Layer`.
    """

    function: Callable[[Float64Array], Float64Array]
    bends: tuple[float, float]
    bounds: tuple[float, float] | None = None
    smooth_order: int | None = None


def _logistic(x: Float64Array) -> Float64Array:
    result: Float64Array = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return result


ACTIVATIONS = {
    "sigmoid": Form(_logistic, (-3.0, 3.0), bounds=(0.0, 1.0)),
    "tanh": Form(np.tanh, (-1.5, 1.5), bounds=(-1.0, 1.0)),
    "relu": Form(lambda x: np.maximum(x, 0), (-1.0, 1.0), smooth_order=1),
    "silu": Form(lambda x: x * _logistic(x), (-3.0, 3.0)),
    "sin": Form(np.sin, (-1.5, 1.5), bounds=(-1.0, 1.0)),
}
if ACTIVATIONS.keys() != _core.ActivationKind.__members__.keys():
    raise ImportError(
        f"the core has the activations {list(_core.ActivationKind.__members__)}, and Python "
        f"{list(ACTIVATIONS)}"
    )


class Activation(FixedLayer):
    """A fixed function, applied to every entry: ``y = f(x)``.

    Parameters
    ----------
    kind : {"sigmoid", "tanh", "relu", "silu", "sin"}
        The function. The derivative of "relu" at 0 is defined as 0.

    Examples
    --------
    >>> import kanml
    >>> kanml.Network([kanml.Linear(2, 3), kanml.Activation("tanh")]).n_out
    3
    """

    name = "activation"

    def __init__(self, kind: str) -> None:
        self.kind = choice(kind, "kind", tuple(ACTIVATIONS))

    @property
    def form(self) -> Form:
        """The function in NumPy, and where it bends."""
        return ACTIVATIONS[self.kind]

    @property
    def smooth_order(self) -> int | None:  # type: ignore[override]
        """The order above which derivatives vanish, or None."""
        return self.form.smooth_order

    def core(self, width: int) -> _core.ActivationLayer:
        """Return the description for the core, with `width` inputs."""
        return _core.ActivationLayer(width, _core.ActivationKind.__members__[self.kind])

    def description(self) -> dict[str, Any]:
        """Return which function it is."""
        return {"kind": self.kind}

    @classmethod
    def from_description(cls, values: Mapping[str, Any]) -> Activation:
        """Return the layer that `description` described."""
        return cls(values["kind"])

    def exported(self, stored: Arrays, read: Arrays, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return which function it is."""
        return {"layer": "activation", "kind": self.kind}

    def values(self, arrays: Arrays, x: Float64Array) -> Float64Array:
        """Evaluate the function."""
        return self.form.function(x)

    def range_wanted(self, behind: Sequence[Layer], width: int, sender: Layer) -> Range | None:
        """Return where the function bends, if splines come before or after it.

        If all outputs depend on one number, there is only one direction, and equal ranges would
        make all outputs equal. Each then gets half of the range, from the lower half to the upper.
        """
        following = next((layer for layer in behind if layer.parameters), None)
        if not (sender.spaces or (following is not None and following.spaces)):
            return None
        low, high = self.form.bends
        if sender.n_in != 1 or width == 1:
            return np.full(width, low), np.full(width, high)
        half = (high - low) / 2
        lower = np.linspace(low, low + half, width)
        return lower, lower + half

    def box_before(self, box: Range) -> Range:
        """Return where the function bends; the box does not matter."""
        low, high = self.form.bends
        return np.full_like(box[0], low), np.full_like(box[1], high)

    def __repr__(self) -> str:
        return f"Activation({self.kind!r})"
