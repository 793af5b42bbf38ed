"""What training asks of a problem."""

from __future__ import annotations

from typing import Any, Protocol

from kanml._validation import FloatArray
from kanml.network import Network

__all__ = ["Problem"]


class Problem(Protocol):
    """Something to minimise over the parameters of a network, and unknowns of its own.

    A problem that has none may leave the argument `unknowns` out, and does not need the attribute
    `unknowns`. If it has a method ``losses(net, unknowns, num_threads=...)``, the history keeps
    what that returns, the contribution of each term to the loss.
    """

    def value_and_gradient(
        self, net: Network, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient by the parameters, then the unknowns. Pure."""

    def advance(self, net: Network) -> bool:
        """Take note of an accepted step; return whether the loss is another function now."""

    def state(self) -> dict[str, Any]:
        """Return all that `advance` changes, as values that JSON can hold."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that `state` returned."""

    def fingerprint(self) -> str:
        """Return a digest of the problem, to tell a checkpoint of another one."""
