"""How a run diverges: no finite loss or gradient, or a layer that refuses its inputs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from kanml._core import OutsideDomain
from kanml.optim import Vector
from kanml.optim.vectors import operations

__all__ = ["Diverged", "not_finite", "refusals_diverge"]


class Diverged(Exception):
    """There is no finite loss, or no finite gradient, after a step."""


@contextlib.contextmanager
def refusals_diverge(where: str) -> Iterator[None]:
    """End the run as diverged if a layer refuses its inputs."""
    try:
        yield
    except OutsideDomain as refusal:
        raise Diverged(
            f"{refusal}, {where}; the network is the last one without such a value"
        ) from None


def not_finite(value: float, gradient: Vector) -> str:
    """Say what is not finite; an empty string if everything is."""
    if not math.isfinite(value):
        return f"the loss became {value}"
    return "" if operations(gradient).is_finite(gradient) else "the gradient became NaN or infinite"
