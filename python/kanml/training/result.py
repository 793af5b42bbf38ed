"""The result of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kanml.network import Network
from kanml.problems import Problem
from kanml.training.history import History

__all__ = ["Result", "Status"]

Status: TypeAlias = Literal["completed", "stopped", "interrupted", "diverged"]


@dataclass(frozen=True, repr=False)
class Result:
    """The result of training.

    Attributes
    ----------
    network : Network
        The trained network, on the finest grid reached. With a validation problem, it is the one
        with the lowest validation loss. Without one, it is the last network whose loss was finite,
        or after Ctrl-C the one with the lowest loss since the loss function last changed. With
        minibatches that is the last network.
    history : History
        The starts that were tried, one row for the beginning of training, and one for each step.
    status : {"completed", "stopped", "interrupted", "diverged"}
        The reason for the end: all levels are done; a callback returned true; Ctrl-C; the loss
        became NaN or infinite, or a layer with ``extrapolation="error"`` refused a value.
    message : str
        The status in words.
    unknowns : dict of str to float
        The values of the problem's unknowns that belong to the network.
    levels : tuple of Network
        The networks at the end of each level, coarse to fine; the last one is `network`. With a
        validation problem they are the best of each level, except a last one without improvement.
    problem : Problem
        A copy of the problem after training, with its minibatch, attention and points.
    """

    network: Network
    history: History
    status: Status
    message: str
    unknowns: dict[str, float]
    levels: tuple[Network, ...]
    problem: Problem

    def __repr__(self) -> str:
        last = self.history.last
        return (
            f"<Result: {self.status} after {last['step']} steps, loss {last['loss']:.3g}, "
            f"{self.network.n_parameters} parameters>"
        )
