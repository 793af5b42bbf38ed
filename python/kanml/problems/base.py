"""What training asks of a problem."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from kanml._validation import FloatArray
from kanml.network import Network

__all__ = ["Problem", "Shared"]

Self = TypeVar("Self", bound="Shared")


class Problem(Protocol):
    """Something to minimise over the parameters of a network, and unknowns of its own.

    A problem that has none may leave the argument `unknowns` out, and does not need the attribute
    `unknowns`. If it has a method ``losses(net, unknowns, num_threads=...)``, the history keeps
    what that returns, the contribution of each term to the loss.

    If it has a method ``excerpt(samples)``, starts are compared on a part of the samples: that
    returns a problem on at most that number of them, and the share of the cost of an evaluation.

    Training works on ``copy.copy(problem)``, and advances a copy of that in each step: what
    `advance` changes in one must not change in another. Where it replaces attributes by new
    objects, the default copy will do; a problem that changes arrays or a random generator in place
    needs a `__copy__` that copies them.
    """

    def value_and_gradient(
        self, net: Network, *, num_threads: int | None = None
    ) -> tuple[float, FloatArray]:
        """Return the loss and its gradient: parameters, then unknowns. Pure."""

    def advance(self, net: Network) -> bool:
        """Take note of an accepted step; return whether the loss is another function now."""

    def state(self) -> dict[str, Any]:
        """Return all that `advance` changes, as values that JSON can hold."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that `state` returned; ValueError for anything else."""

    def fingerprint(self) -> str:
        """Return a digest of the problem, to tell a checkpoint of another one."""


class Shared:
    """A problem whose methods change nothing in place: they replace attributes as wholes.

    Copies share what is there, at no cost, and change apart from each other. Several Python threads
    may evaluate one such problem at once.
    """

    def __copy__(self: Self) -> Self:
        other = object.__new__(type(self))
        for name, value in vars(self).items():  # dictionaries are open to users
            setattr(other, name, dict(value) if type(value) is dict else value)
        return other

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self.__copy__()
